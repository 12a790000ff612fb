"""Keys by their ids: what a user implements to bind a key management service, and the ready-made one."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Final, Protocol

KEY_BYTES: Final = 32
"""AES-256."""

# It stands in every envelope and in the associated data, unescaped.
_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,100}")


class KeyProvider(Protocol):
    """Gives keys by their ids.

    Both are asked on the worker's event loop and in its threads, and must answer at once: a provider that binds a key
    management service fetches its keys when it is made, or in a thread of its own. A key is asked for once and kept;
    what an id means never changes.
    """

    @property
    def current(self) -> str:
        """The id of the key that everything is encrypted with from now on: letters, digits, `.`, `_` and `-`."""
        ...

    def key(self, id: str) -> bytes | None:  # noqa: A002 - the wire's own word
        """The 32 bytes of a key; None of an unknown one."""
        ...


class CurrentKeyError(ValueError):
    """Nothing says which key is the current one, or what does names none of the keys."""


class Keyring:
    """Keys that are all known from the beginning; one is current, the others are for reading.

    Args:
        keys: The 32 bytes of each key by its id.
        current: The id of the key to encrypt with; may be left out where there is one key only.

    Raises:
        ValueError: An id or a key is none, or `current` is not among them. No key is quoted.
    """

    def __init__(self, keys: Mapping[str, bytes], *, current: str | None = None) -> None:
        for id, key in keys.items():  # noqa: A001 - the wire's own word
            require_key(id, key)
        self._keys = dict(keys)
        self.current: Final = _current(self._keys, current)

    @classmethod
    def from_base64(cls, keys: Mapping[str, str], *, current: str | None = None) -> Keyring:
        """The keys as settings hold them.

        Raises:
            ValueError: As above, or a key is no base64.
        """
        return cls({id: _decoded(id, text) for id, text in keys.items()}, current=current)  # noqa: A001 - as above

    def key(self, id: str) -> bytes | None:  # noqa: A002 - as above
        """The 32 bytes of a key; None of an unknown one."""
        return self._keys.get(id)

    @property
    def others(self) -> tuple[str, ...]:
        """The ids of the keys that are for reading only."""
        return tuple(each for each in self._keys if each != self.current)

    def __repr__(self) -> str:
        return f"<Keyring of {', '.join(self._keys)}; current is {self.current}>"


def is_key_id(text: str) -> bool:
    """Whether a text may be the id of a key."""
    return _ID.fullmatch(text) is not None


def require_key(id: str, key: bytes) -> None:  # noqa: A002 - as above
    """Returns where these are an id and a key.

    Raises:
        ValueError: They are not; neither is quoted where it might be the key.
    """
    if not is_key_id(id):
        raise ValueError("an id of a key has up to 100 letters, digits, '.', '_' and '-', as 2026-01; one has not")
    if len(key) != KEY_BYTES:
        raise ValueError(
            f"the key '{id}' has {len(key)} bytes and must have {KEY_BYTES}: make one with `openssl rand -base64 32`"
        )


def _decoded(id: str, text: str) -> bytes:  # noqa: A002 - as above
    try:
        return base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"the key '{id}' is no base64: make one with `openssl rand -base64 32`") from None


def _current(keys: Mapping[str, bytes], current: str | None) -> str:
    if not keys:
        raise ValueError("there is no key at all")
    if current is None and len(keys) == 1:
        return next(iter(keys))
    if current is None or current not in keys:
        problem = "nothing says which key is current" if current is None else "the current key is none of the keys"
        raise CurrentKeyError(f"{problem}: name one of {', '.join(keys)}")
    return current
