"""The names of a namespace's topics, the same for the worker, the client and any other program."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

DEFAULT_NAMESPACE: Final = "hephaestus"


@dataclass(frozen=True, slots=True)
class Topics:
    """The seven topics of one namespace; all have the same number of partitions.

    `state` is private to the engine; the others are the contract with other programs.
    """

    namespace: str

    @property
    def commands(self) -> str:
        """Everything that shall happen: starts, resumes, cancels; one topic, so that a replay keeps their order."""
        return f"{self.namespace}.commands"

    @property
    def history(self) -> str:
        """Every event of every run, without gaps."""
        return f"{self.namespace}.history"

    @property
    def step_results(self) -> str:
        """The result of each completed step."""
        return f"{self.namespace}.step-results"

    @property
    def completions(self) -> str:
        """One record per ended run."""
        return f"{self.namespace}.completions"

    @property
    def replies(self) -> str:
        """The answers to commands that asked for one."""
        return f"{self.namespace}.replies"

    @property
    def dead_letters(self) -> str:
        """What could not be decoded or was refused without anybody to tell, byte for byte."""
        return f"{self.namespace}.dead-letters"

    @property
    def state(self) -> str:
        """The compacted changelog of the shards' databases."""
        return f"{self.namespace}.state"

    @property
    def creation(self) -> str:
        """The command that makes them."""
        other = "" if self.namespace == DEFAULT_NAMESPACE else f" --namespace {self.namespace}"
        return f"hephaestus topics create{other}"

    def __iter__(self) -> Iterator[str]:
        """All names, `state` first, because its partition count decides for the others."""
        yield from (
            self.state,
            self.commands,
            self.history,
            self.step_results,
            self.completions,
            self.replies,
            self.dead_letters,
        )
