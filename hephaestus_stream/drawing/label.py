"""The words that stand in a drawing."""

from __future__ import annotations


def edge_label(event: str, route: str | None) -> str:
    """The event, and what its route chose: `packed[express]`."""
    return printable(event if route is None else f"{event}[{route}]")


def printable(words: str) -> str:
    r"""The words with a line break as `\n` and the like: foreign text may hold anything, and a drawing has lines.

    A terminal, too, obeys what it is sent.
    """
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in words
    )
