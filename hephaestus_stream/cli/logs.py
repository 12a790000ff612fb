"""Where a worker's log lines go: coloured to a terminal, plain to everything else, as JSON to machines."""

from __future__ import annotations

import logging
import sys
from typing import Final

from rich.console import Console
from rich.logging import RichHandler

from hephaestus_stream.kafka_client import LIBRDKAFKA_LOG
from hephaestus_stream.telemetry.log_format import LogFormat, formatter_of

# They tell of every rebalance and request; the worker tells itself what matters of it.
_TALKATIVE: Final = ("aiokafka", "asyncio", "faust", "httpcore", "httpx", "kafka", "mode", "uvicorn")

# A broker that has just started answers so until its coordinators are there; the clients try again by themselves.
_PASSING: Final = (
    "Group Coordinator Request failed: [Error 15]",
    "Marking the coordinator dead",
    "Coordinator load in progress: retrying",
    # Of Faust: a worker that was frozen, and a rebalance that another one overtook.
    "Thread keepalive is not responding",
    "Missing sensor state for rebalance",
)


# The same complaint again tells nothing new for so long: while a broker is away, its clients make a hundred a second.
_QUIET_SECONDS: Final = 10.0


class _Repetitions(logging.Filter):
    """Lets a line of another library through once in a while."""

    def __init__(self) -> None:
        super().__init__()
        self._told: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is of our own, or was not told lately."""
        if not record.name.startswith((*_TALKATIVE, LIBRDKAFKA_LOG.name)):
            return True
        # The rest names one of many clients, or the time.
        line = (record.name, record.getMessage().partition(" ")[0])
        if record.created - self._told.get(line, 0.0) < _QUIET_SECONDS:
            return False
        self._told[line] = record.created
        return True


def set_up_logging(level: str, style: LogFormat = "text") -> None:
    """Sends the log of this process to standard error, the lines of other libraries only where they warn.

    With `DEBUG` everything is shown.
    """
    handler = _handler(style)
    logging.basicConfig(level=level, handlers=[handler], force=True)
    if level != "DEBUG":
        handler.addFilter(_is_news)
        handler.addFilter(_Repetitions())
        for name in _TALKATIVE:
            logging.getLogger(name).setLevel(logging.WARNING)


def _handler(style: LogFormat) -> logging.Handler:
    if style == "text" and sys.stderr.isatty():
        console = Console(stderr=True, soft_wrap=True)
        rich = RichHandler(console=console, show_path=False, log_time_format="%H:%M:%S")
        rich.setFormatter(logging.Formatter("%(message)s"))
        return rich
    handler = logging.StreamHandler()
    handler.setFormatter(formatter_of(style))
    return handler


def _is_news(record: logging.LogRecord) -> bool:
    message = record.getMessage()
    # Faust marks the lines about its own services so, whatever logger it was given.
    is_of_faust = message.startswith("[^") and record.levelno < logging.WARNING
    return not is_of_faust and not _is_forgotten(record) and not any(words in message for words in _PASSING)


def _is_forgotten(record: logging.LogRecord) -> bool:
    """Whether it is a traceback of aiokafka's, which forgets tasks of its own that failed for a broker's death."""
    error = record.exc_info[1] if record.exc_info else None
    is_unheard = record.name == "asyncio" and "never retrieved" in record.getMessage()
    return is_unheard and type(error).__module__ == "aiokafka.errors"
