"""The words that stand in a drawing."""

from __future__ import annotations


def edge_label(event: str, route: str | None) -> str:
    """The event, and what its route chose: `packed[express]`."""
    return printable(event if route is None else f"{event}[{route}]")


def printable(words: str) -> str:
    r"""The words with a line break as `\n` and the like: a route's label may be any string, a drawing has lines."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in words
    )
