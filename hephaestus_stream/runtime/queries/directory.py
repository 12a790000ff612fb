"""Which worker owns which partition, and where it answers: what the group's leader told all members."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from yarl import URL

NO_HTTP: Final = "http://none.invalid"
"""The URL of a worker that serves no HTTP: Faust wants one of each."""

Distribution = Mapping[str, Mapping[str, Sequence[int]]]
"""Partitions by topic, by the URL of their owner."""


@dataclass(frozen=True, slots=True)
class Member:
    """A worker of the group.

    Attributes:
        id: Its own for as long as it lives: two workers may name the same URL, each meaning its own machine.
        url: Where it answers; None where it serves no HTTP, or announces what is no URL.
    """

    id: str
    url: str | None

    def announced(self) -> str:
        """The worker as a URL, which is what the group's members know of each other."""
        return f"{self.url or NO_HTTP}/#{self.id}"

    @classmethod
    def of(cls, announced: str) -> Member:
        """The worker behind such a URL; one of an older release has no id, and no HTTP."""
        try:
            url = URL(announced)
        except ValueError:
            # The others of the group are known nevertheless.
            return cls(announced.partition("#")[2], None)
        address = str(url.with_fragment(None)).rstrip("/")
        return cls(url.fragment, address if url.fragment and address != NO_HTTP else None)


class Directory:
    """The owners of all partitions, as of the last assignment.

    Args:
        own: This worker.
        distribution: What the leader told.
        topic: The topic of the commands.
    """

    def __init__(self, own: Member, distribution: Callable[[], Distribution], *, topic: str) -> None:
        self.own = own
        self._distribution = distribution
        self._topic = topic

    def owners(self) -> dict[int, Member]:
        """The owners by partition; one that nobody owns is missing."""
        return {
            partition: Member.of(announced)
            for announced, topics in self._distribution().items()
            for partition in topics.get(self._topic, ())
        }

    def members(self) -> list[Member]:
        """All workers, also those that own nothing."""
        return [Member.of(announced) for announced in self._distribution()]
