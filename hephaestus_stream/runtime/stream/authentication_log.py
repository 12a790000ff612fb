"""What aiokafka must not write into a log: at DEBUG it shows each request, also the one that carries the password."""

from __future__ import annotations

import logging
from typing import Final

_LOGGER: Final = "aiokafka.conn"
_REQUEST: Final = "SaslAuthenticate"


def _is_harmless(record: logging.LogRecord) -> bool:
    arguments = record.args if isinstance(record.args, tuple) else ()
    return not any(type(argument).__name__.startswith(_REQUEST) for argument in arguments)


def keep_passwords_out_of_the_log() -> None:
    """Drops the lines that show a password; at the logger, so that they reach nobody's handler."""
    # The same function is added once only.
    logging.getLogger(_LOGGER).addFilter(_is_harmless)
