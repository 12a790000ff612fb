"""Business keys: `orderid::abc123` is the instance `abc123` of the workflow whose key prefix is `orderid`."""

from __future__ import annotations

import re
from typing import Final

from hephaestus_stream.errors import InvalidKeyError

SEPARATOR: Final = "::"
MAX_ID_BYTES: Final = 200
MAX_PREFIX_LENGTH: Final = 100

# ASCII only: a prefix also names topics' consumers, metrics and files, where other letters are trouble.
_PREFIX: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_SHOWN: Final = 60


def full_key(prefix: str, id: str) -> str:  # noqa: A002 - the wire's own word
    """Joins a workflow's prefix and an instance's id to the key that Kafka and the outputs carry.

    Raises:
        InvalidKeyError: The prefix or the id cannot be part of a key.
    """
    check_prefix(prefix)
    check_id(id)
    return f"{prefix}{SEPARATOR}{id}"


def split_key(key: str) -> tuple[str, str]:
    """Takes a key apart into the workflow's prefix and the instance's id, the inverse of `full_key`.

    Raises:
        InvalidKeyError: The text is no key.
    """
    prefix, separator, instance = key.partition(SEPARATOR)
    if not separator:
        raise InvalidKeyError(f"the key {_shown(key)} has no '{SEPARATOR}': write prefix{SEPARATOR}id")
    check_prefix(prefix)
    check_id(instance)
    return prefix, instance


def check_prefix(prefix: str) -> None:
    """Refuses what cannot be a workflow's key prefix: it is a name of ASCII letters, digits, `_`, `-` and `.`.

    Raises:
        InvalidKeyError: The text is no such name.
    """
    if len(prefix) > MAX_PREFIX_LENGTH:
        raise InvalidKeyError(f"the key prefix {_shown(prefix)} is longer than {MAX_PREFIX_LENGTH} characters")
    if _PREFIX.fullmatch(prefix) is None:
        raise InvalidKeyError(
            f"the key prefix {_shown(prefix)} is no name: start with a letter or '_' and go on with letters, digits, "
            "'_', '-' or '.' (ASCII)"
        )


def check_id(id: str) -> None:  # noqa: A002 - the wire's own word
    """Refuses what cannot be an instance's id: it is printable text of 1 to 200 bytes in UTF-8, without `::`.

    Nor does it start or end with `:`. A prefix has no colon, so this library's own split at the first `::` would be
    unambiguous without that rule; but `orderid:::a` reads differently to a consumer that splits at the last `::`, and
    a key is split in many languages.

    Raises:
        InvalidKeyError: The text is no such id.
    """
    if not id:
        raise InvalidKeyError("the id is empty: an instance needs a name of its own")
    if not id.isprintable():
        raise InvalidKeyError(f"the id {_shown(id)} has characters that are not printable: leave them out")
    if len(id.encode()) > MAX_ID_BYTES:
        raise InvalidKeyError(f"the id {_shown(id)} is longer than {MAX_ID_BYTES} bytes in UTF-8: use a digest of it")
    if SEPARATOR in id or id[0] == ":" or id[-1] == ":":
        raise InvalidKeyError(f"the id {_shown(id)} contains '{SEPARATOR}', or starts or ends with ':': write another")


def _shown(text: str) -> str:
    """The text as an error shows it: quoted, escaped, and never at length."""
    return ascii(text) if len(text) <= _SHOWN else f"{text[:_SHOWN]!a}..."
