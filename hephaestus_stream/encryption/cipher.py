"""Between the users' models and the engine: payloads are sealed on their way in, and opened on their way out."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from hephaestus_stream.encryption.envelope import NONCE_BYTES, PREFIX, Envelope, Place
from hephaestus_stream.encryption.key import KeyProvider, Keyring, require_key
from hephaestus_stream.encryption.own_error import own
from hephaestus_stream.errors import PayloadUnreadableError, SettingsError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_logger: Final = logging.getLogger(__name__)

_NULL: Final = b"null"
_MARK_CHARACTERS: Final = 8


class Cipher:
    """Seals payloads with the current key of a provider, and opens them with any that it knows.

    `null` stays as it is: it says nothing. What is plain is opened as it is, so that runs from before go on.

    Args:
        provider: Gives the keys; without one nothing is sealed, and what is sealed cannot be opened.
        required: Whether senders of commands must encrypt.
        seals_errors: Whether the texts of exceptions are sealed as well, which may quote payloads.
        holder: Who has these keys, as errors name it; a refusal of the worker is read at its client.

    Raises:
        SettingsError: The extra is not installed, or the provider has no current key.
        PayloadUnreadableError: The provider fails.
    """

    def __init__(
        self,
        provider: KeyProvider | None = None,
        *,
        required: bool = False,
        seals_errors: bool = True,
        holder: str = "the worker",
    ) -> None:
        self._provider = provider
        self._keys: dict[str, _Key] = {}
        self._is_lost = False
        self._last: _Key | None = None if provider is None else self._first(provider)
        self._holder = holder
        self.required: Final = required
        self.seals_errors: Final = seals_errors and provider is not None

    @property
    def is_on(self) -> bool:
        """Whether there are keys."""
        return self._provider is not None

    def __str__(self) -> str:
        """What a worker tells of its keys when it starts."""
        if self._last is None:
            return "payloads are not encrypted"
        told = f"payloads are encrypted under {self._last.id}"
        if not isinstance(self._provider, Keyring):
            return f"{told}; {type(self._provider).__name__} gives the keys"
        return f"{told}; also reads {', '.join(self._provider.others)}" if self._provider.others else told

    def mark(self, id: str) -> str:  # noqa: A002 - the wire's own word
        """A key as runs name it that have payloads under it: of one that is not here the id is all that is known."""
        try:
            key = self._find(id)
        except PayloadUnreadableError:
            return id
        return id if key is None else key.mark

    def missing(self, marks: Iterable[str]) -> str | None:
        """The id of a key that payloads are sealed with and that is not here, or is another one of the same id."""
        for mark in marks:
            id, slash, _ = mark.partition("/")  # noqa: A001 - the wire's own word
            try:
                key = self._find(id)
            except PayloadUnreadableError:
                return id
            if key is None or (slash and key.mark != mark):
                return id
        return None

    def seal(self, plain: bytes, place: Place) -> bytes:
        """The JSON that is stored and published in place of this one.

        Raises:
            ValueError: It looks as if it were sealed, and could not be told from that later.
        """
        if plain.startswith(PREFIX):
            raise ValueError(f'{place} begins with "$encrypted", which stands for encrypted payloads only')
        key = self._current()
        if key is None or plain == _NULL:
            return plain
        nonce = os.urandom(NONCE_BYTES)
        ciphertext = key.aead.encrypt(nonce, plain, place.associated_data(key.id))
        return Envelope(key.id, nonce, ciphertext).to_json()

    def open(self, stored: bytes, place: Place) -> bytes:
        """The plain JSON of what is stored.

        Raises:
            PayloadUnreadableError: The key is not here, or the payload was made with another key, for another place,
                or has been changed.
        """
        if not stored.startswith(PREFIX):
            return stored
        envelope = Envelope.from_json(stored, place)
        key = self._find(envelope.key)
        if key is None:
            lack = f"which {self._holder} lacks" if self.is_on else f"and {self._holder} has no keys"
            raise own(
                PayloadUnreadableError(
                    f"{place} is encrypted with the key '{envelope.key}', {lack}: give it that key for reading",
                    key=envelope.key,
                )
            )
        try:
            return key.aead.decrypt(envelope.nonce, envelope.ciphertext, place.associated_data(envelope.key))
        except Exception as error:
            raise own(
                PayloadUnreadableError(
                    f"{place} cannot be decrypted with the key '{envelope.key}': it was changed or moved here from "
                    "somewhere else, or the key of that id is another one there",
                    key=envelope.key,
                )
            ) from error

    def _first(self, provider: KeyProvider) -> _Key:
        key = self._find(provider.current)
        if key is None:
            raise SettingsError(f"the provider of keys has no key '{provider.current}', which it calls current")
        return key

    def _current(self) -> _Key | None:
        """The key to encrypt with; where a provider has lost its way, the last one that it gave."""
        if self._provider is None or self._last is None:
            return None
        try:
            key = self._find(self._provider.current)
        except Exception as error:  # noqa: BLE001 - a provider may raise anything
            return self._used_on("fails", error)
        if key is None:
            return self._used_on("has no key that it calls current")
        if self._is_lost:
            _logger.info("the provider of keys gives the current key again")
            self._is_lost = False
        self._last = key
        return key

    def _used_on(self, why: str, error: Exception | None = None) -> _Key | None:
        if not self._is_lost:  # once, and not for each payload
            self._is_lost = True
            _logger.error("the provider of keys %s; the last current key is used on", why, exc_info=error)
        return self._last

    def _find(self, id: str) -> _Key | None:  # noqa: A002 - as above
        known = self._keys.get(id)
        if known is not None or self._provider is None:
            return known
        try:
            key = self._provider.key(id)
            if key is None:
                return None
            require_key(id, key)
        except Exception as error:
            problem = f"the provider of keys fails on '{id}': {type(error).__name__}: {error}"
            raise own(PayloadUnreadableError(problem, key=id)) from error
        # The same from whichever thread it is made.
        self._keys[id] = _Key(id, _aead(key), f"{id}/{sha256(key).hexdigest()[:_MARK_CHARACTERS]}")
        return self._keys[id]


@dataclass(frozen=True, slots=True)
class _Key:
    id: str
    aead: AESGCM
    mark: str


def _aead(key: bytes) -> AESGCM:
    try:
        # Only here is the library needed, which is an extra.
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415
    except ImportError:
        raise SettingsError(
            "there are keys, and the library that encrypts is missing: pip install 'hephaestus-stream[encryption]'"
        ) from None
    return AESGCM(key)


NO_KEYS: Final = Cipher()
"""Reads what is plain, and refuses what is not."""
