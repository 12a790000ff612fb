"""The tokens of the HTTP interface: secrets that whoever asks has to show."""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from pydantic import SecretStr

from hephaestus_stream.errors import SettingsError
from hephaestus_stream.wire.secret_file import warn_if_public

Role = Literal["read", "operate"]

_LEAST: Final = 16
# What RFC 6750 lets a bearer token be.
_SHAPE: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*")


@dataclass(frozen=True, slots=True)
class Tokens:
    """What opens which role: whoever operates may read, too.

    Attributes:
        read: Opens reading.
        operate: Opens all.
    """

    read: str | None = field(default=None, repr=False)
    operate: str | None = field(default=None, repr=False)

    @property
    def are_there(self) -> bool:
        """Whether any is asked for."""
        return self.read is not None or self.operate is not None

    @property
    def for_reading(self) -> str | None:
        """That which opens no more than reading needs."""
        return self.read or self.operate

    def role_of(self, shown: str) -> Role | None:
        """The role that a token opens; each comparison takes the same time, whatever is shown."""
        given = shown.encode(errors="surrogateescape")
        operates, reads = (
            hmac.compare_digest(given, (token or "").encode()) and token is not None
            for token in (self.operate, self.read)
        )
        return "operate" if operates else "read" if reads else None


def token_of(name: str, token: SecretStr | None, file: Path | None) -> str | None:
    """A token that is set, or that a file has.

    Args:
        name: The setting; that of the file has `_file` behind it.
        token: It, where it is set.
        file: Where it stands instead.

    Raises:
        SettingsError: Both are set, the file cannot be read, or it is no token.
    """
    if token is not None and file is not None:
        raise SettingsError(f"{name} and {name}_file are both set: leave one out")
    if token is None and file is None:
        return None
    try:
        shown = token.get_secret_value() if token is not None else (file or Path()).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{name}_file cannot be read: {error}") from None
    if file is not None:
        warn_if_public(file)
    if len(shown) < _LEAST or _SHAPE.fullmatch(shown) is None:
        raise SettingsError(
            f"{name} is no token: it needs {_LEAST} characters or more, of letters, digits and . _ ~ + / -; "
            "`openssl rand -hex 32` makes one"
        )
    return shown
