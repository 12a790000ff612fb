"""Dead letters: records that could not be applied, kept byte for byte with the reason in their headers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from hephaestus_stream.errors import RecordError
from hephaestus_stream.wire.headers import Headers, last_header
from hephaestus_stream.wire.output_bytes import rfc3339

_NAMES: Final[tuple[str, ...]] = ("reason", "message", "topic", "partition", "offset", "at")
_SIZE: Final = "size"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Why a record became a dead letter, and where it came from.

    Attributes:
        reason: A `Reason` of the wire, or the word of a newer worker.
        message: What was wrong, and the way out.
        topic: The topic that the record was read from, with its `partition` and `offset`.
        partition: See `topic`.
        offset: See `topic`.
        at: When it was put aside.
        size: How many bytes the record had, where it was too large to be kept whole.
    """

    reason: str
    message: str
    topic: str
    partition: int
    offset: int
    at: datetime
    size: int | None = None

    def to_headers(self) -> list[tuple[str, bytes]]:
        """The headers as Kafka carries them, all of them text in UTF-8."""
        texts = [self.reason, self.message, self.topic, str(self.partition), str(self.offset), rfc3339(self.at)]
        names = _NAMES if self.size is None else (*_NAMES, _SIZE)
        headers = zip(names, texts if self.size is None else [*texts, str(self.size)], strict=True)
        # A message may quote what was sent: half a surrogate pair in it must not keep the letter from being written.
        return [(name, text.encode(errors="backslashreplace")) for name, text in headers]

    @classmethod
    def from_headers(cls, headers: Headers | None) -> DeadLetter:
        """Reads the headers of a dead letter, the inverse of `to_headers`.

        Raises:
            RecordError: A header is missing or makes no sense.
        """
        size = last_header(headers, _SIZE)
        try:
            return cls(
                reason=_text(headers, "reason"),
                message=_text(headers, "message"),
                topic=_text(headers, "topic"),
                partition=int(_text(headers, "partition")),
                offset=int(_text(headers, "offset")),
                at=_instant(_text(headers, "at")),
                size=None if size is None else int(size),
            )
        except (ValueError, OverflowError) as error:
            raise RecordError(f"the headers are not those of a dead letter: {error}") from None


def _text(headers: Headers | None, name: str) -> str:
    value = last_header(headers, name)
    if value is None:
        raise ValueError(f"{name!r} is missing")
    return value.decode()


def _instant(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return at.astimezone(UTC)
