"""What a line of the log is: a sentence for people, or a JSON object for machines."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Final, Literal, TypeAlias

from hephaestus_stream.telemetry.log_fields import log_fields

LogFormat: TypeAlias = Literal["text", "json"]

_PLAIN: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"

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
        elif record.exc_text:  # of an exception that is known as text alone
            line["exception"] = record.exc_text
        if record.stack_info:
            line["stack"] = self.formatStack(record.stack_info)
        return json.dumps(line, default=str)


def formatter_of(style: LogFormat) -> logging.Formatter:
    """Writes lines in a format, as a worker and the processes of its steps both do."""
    return JsonFormatter() if style == "json" else logging.Formatter(_PLAIN)
