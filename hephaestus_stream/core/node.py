"""A node: a place in one workflow's graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from hephaestus_stream.core.location import Location, caller


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
