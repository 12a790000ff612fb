"""Where a worker's log lines go: coloured to a terminal, plain to everything else, as JSON to machines."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Final, Literal

from rich.console import Console
from rich.logging import RichHandler

from hephaestus_stream.kafka_client import LIBRDKAFKA_LOG
from hephaestus_stream.telemetry.log_fields import log_fields

# They tell of every rebalance and request; the worker tells itself what matters of it.
_TALKATIVE: Final = ("aiokafka", "asyncio", "faust", "kafka", "mode")

# A broker that has just started answers so until its coordinators are there; the clients try again by themselves.
_PASSING: Final = (
    "Group Coordinator Request failed: [Error 15]",
    "Marking the coordinator dead",
    "Coordinator load in progress: retrying",
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


# What every record has; whatever else stands in one was given by `extra`.
_OF_EVERY_RECORD: Final = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """Writes a record as one JSON object a line: what was said, where and when, and for which run."""

    def format(self, record: logging.LogRecord) -> str:
        """The line; what JSON cannot hold is written as text."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= log_fields()
        # Whoever wrote the line knows better than the surroundings, but cannot change what was said and when.
        given = {name: value for name, value in vars(record).items() if name not in _OF_EVERY_RECORD}
        line = {**line, **given, **{name: line[name] for name in ("time", "level", "logger", "message")}}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            line["stack"] = self.formatStack(record.stack_info)
        return json.dumps(line, default=str)


def set_up_logging(level: str, style: Literal["text", "json"] = "text") -> None:
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


def _handler(style: Literal["text", "json"]) -> logging.Handler:
    if style == "text" and sys.stderr.isatty():
        console = Console(stderr=True, soft_wrap=True)
        rich = RichHandler(console=console, show_path=False, log_time_format="%H:%M:%S")
        rich.setFormatter(logging.Formatter("%(message)s"))
        return rich
    handler = logging.StreamHandler()
    plain = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    handler.setFormatter(JsonFormatter() if style == "json" else plain)
    return handler


def _is_news(record: logging.LogRecord) -> bool:
    message = record.getMessage()
    # Faust marks the lines about its own services so, whatever logger it was given.
    is_of_faust = message.startswith("[^") and record.levelno < logging.WARNING
    return not is_of_faust and not any(words in message for words in _PASSING)
