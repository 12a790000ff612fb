"""The keys that settings name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import cast

import msgspec

from hephaestus_stream.encryption.key import CurrentKeyError, KeyProvider, Keyring, is_key_id
from hephaestus_stream.errors import SettingsError
from hephaestus_stream.wire.secret_file import warn_if_public


def keyring_of(keys: Mapping[str, str], *, file: Path | None, current: str | None) -> Keyring | None:
    """The keys of the settings and of their file together; None where there are none.

    Raises:
        SettingsError: They are wrong; no key is quoted.
    """
    all_keys = {**({} if file is None else _read(file)), **keys}
    if not all_keys and file is None and current is None:
        return None
    try:
        return Keyring.from_base64(all_keys, current=current)
    except CurrentKeyError:
        raise SettingsError(_without_current(all_keys, current)) from None
    except ValueError as error:
        raise SettingsError(f"the encryption keys of the settings are wrong: {error}") from None


def provider_named(name: str) -> KeyProvider:
    """The user's own provider.

    Args:
        name: `module:attribute`: the provider, or what makes it when it is called.

    Raises:
        SettingsError: There is none.
    """
    module, _, attribute = name.partition(":")
    try:
        found: object = getattr(import_module(module), attribute)
    except Exception as error:
        raise SettingsError(
            f"encryption_provider names '{name}', which cannot be imported: {type(error).__name__}: {error}"
        ) from error
    if not hasattr(found, "current") or isinstance(found, type):
        found = cast("Callable[[], object]", found)() if callable(found) else found
    if not hasattr(found, "current") or not callable(getattr(found, "key", None)):
        raise SettingsError(
            f"encryption_provider names '{name}', which is no KeyProvider: it needs `current` and `key`"
        )
    return cast("KeyProvider", found)


def _without_current(keys: Mapping[str, str], current: str | None) -> str:
    choice = f"set encryption_key_id (HEPHAESTUS_ENCRYPTION_KEY_ID) to {' or '.join(keys)}"
    if current is None:
        return f"there are {len(keys)} encryption keys, and nothing says which of them encrypts: {choice}"
    # A key that stands in the wrong place is not quoted.
    shown = f"'{current}', which is" if is_key_id(current) else "set to"
    return f"encryption_key_id is {shown} the id of no key here: {choice}"


def _read(file: Path) -> dict[str, str]:
    try:
        keys = msgspec.json.decode(file.read_bytes(), type=dict[str, str])
        warn_if_public(file)
    except OSError as error:
        raise SettingsError(f"encryption_keys_file cannot be read: {error}") from None
    except msgspec.MsgspecError:
        # What it says might quote the file.
        raise SettingsError(
            f'encryption_keys_file ({file}) is no JSON object of texts: write {{"2026-01": "BASE64 OF 32 BYTES"}}'
        ) from None
    return keys
