"""The arrows of a graph, as the user writes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Generic, TypeVar

from hephaestus_stream.core.location import Location, caller
from hephaestus_stream.core.node import Node

LabelT = TypeVar("LabelT", bound=str | Enum)

# The frames of these modules stand between the user's line and the location that is taken.
_OWN_MODULES = frozenset({__name__, "hephaestus_stream.core.event"})


@dataclass(frozen=True, slots=True)
class Transition:
    """One row of a workflow's `transitions`: what follows an event of a node.

    Attributes:
        source: The node whose event it is.
        event: The event's name.
        targets: The nodes that follow, by label; a transition without a route has the one label None.
        choose: The routing function, or None.
        location: Where the row was written.
    """

    source: Node
    event: str
    targets: Mapping[str | None, tuple[Node, ...]]
    choose: Callable[[object], str | Enum] | None
    location: Location

    @classmethod
    def written_here(
        cls,
        source: Node,
        event: str,
        *,
        targets: Mapping[str | None, tuple[Node, ...]],
        choose: Callable[[object], str | Enum] | None = None,
    ) -> Transition:
        """A transition that knows the user's line which is being executed."""
        return cls(source, event, dict(targets), choose, caller(outside=_OWN_MODULES))

    def __str__(self) -> str:
        return f"{self.source.node_name}.{self.event}"


@dataclass(frozen=True, slots=True)
class Route(Generic[LabelT]):
    """A decision that is made when the event happens; `to` declares all that it can lead to."""

    source: Node
    event: str
    choose: Callable[[object], LabelT]

    def to(self, targets: Mapping[LabelT, Node | tuple[Node, ...]]) -> Transition:
        """One node for each label that the function can return; a tuple of nodes is a fan-out."""
        by_label: dict[str | None, tuple[Node, ...]] = {
            label_text(label): nodes if isinstance(nodes, tuple) else (nodes,) for label, nodes in targets.items()
        }
        return Transition.written_here(self.source, self.event, targets=by_label, choose=self.choose)


def label_text(label: object) -> str:
    """A label as it is stored and shown: an enum's member by its value."""
    return str(label.value) if isinstance(label, Enum) else str(label)
