"""A node: a place in one workflow's graph."""

from __future__ import annotations

from difflib import get_close_matches
from inspect import get_annotations
from typing import TYPE_CHECKING, Self

from hephaestus_stream.core.location import Location, caller
from hephaestus_stream.core.problem import problem
from hephaestus_stream.core.rule import Rule
from hephaestus_stream.errors import UnknownEventError


class EventOfNode:
    """What a class of nodes declares as an event: read from a node, it is that node's own."""


class Node:
    """Anything that stands in a graph: a step with its configuration, or an ending.

    A node learns its stored name from the attribute of the workflow class that holds it.
    """

    location: Location
    """Where the node was written."""

    _name: str | None
    _workflow: str | None

    # Checkers would demand of every subclass that its `__init__` fit this signature; nobody calls it by hand.
    if not TYPE_CHECKING:

        def __new__(cls, *_arguments: object, **_keywords: object) -> Self:
            """Remembers the line that builds the node, so that an error can point at it.

            `__new__` is called from that very line: the frames of the constructors below it never stand between.
            """
            node = super().__new__(cls)
            # `WaitForEvent[Review](...)` is called through typing's alias.
            node.location = caller(outside=frozenset({__name__, "typing"}))
            node._name = None
            node._workflow = None
            return node

        def __getattr__(self, name: str) -> object:
            """Says which event was meant, where Python would only say that there is no such attribute."""
            inherited = getattr(super(), "__getattr__", None)
            if inherited is not None:  # of another parent
                return inherited(name)
            if name.startswith("_") or any(name in vars(base) for base in type(self).__mro__):
                # Copies and pickles ask for such names; and a property that failed shall say by itself why.
                return object.__getattribute__(self, name)
            raise _unknown(type(self), name)

    @property
    def node_name(self) -> str:
        """The node's stored name; before its workflow class exists, the class of the node and its line."""
        return self._name or f"<{type(self).__name__} at {self.location}>"

    @property
    def workflow_name(self) -> str | None:
        """The class of the workflow that holds the node; None before that class exists."""
        return self._workflow

    def belong(self, *, workflow: str, name: str) -> None:
        """Gives the node its place; called once, by the workflow class that holds it."""
        self._workflow = workflow
        self._name = name

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.node_name}>"


def _unknown(kind: type[Node], name: str) -> UnknownEventError:
    # From the class alone: the object may be half built.
    written = (key for base in reversed(kind.__mro__) for key in (*vars(base), *get_annotations(base)))
    names = [key for key in dict.fromkeys(written) if not key.startswith("_") and key != name]
    events = [key for key in names if isinstance(getattr(kind, key, None), EventOfNode)]
    near = get_close_matches(name, events, n=1) or get_close_matches(name, names, n=1)
    has = f"it has {', '.join(map(repr, events))}" if events else "it has none"
    return UnknownEventError(
        problem(
            Rule.UNKNOWN_EVENT,
            caller(outside=frozenset({__name__})),
            what=f"{kind.__name__} has no event '{name}'",
            remedy=f"did you mean '{near[0]}'?" if near else has,
        )
    )
