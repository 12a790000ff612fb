"""Idempotency keys: what a step gives to whatever it calls, so that a second call of the same step is known as such."""

from __future__ import annotations


def idempotency_key(key: str, run: str, node: str) -> str:
    """`{key}/{run}/{node}`: no two steps have the same, since a `/` and a `%` of a key or a run are escaped.

    Args:
        key: The business key.
        run: The run: the id of the command that started it, which its sender may choose.
        node: A node, which is a Python name.
    """
    return f"{_escaped(key)}/{_escaped(run)}/{node}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("/", "%2F")
