"""The process that owns a temporary Kafka: `python -m hephaestus_stream.local_kafka.supervisor`.

Its argument is a JSON object that says what is wanted. It reports to standard output, one JSON object a line, and lives
until its standard input ends.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import threading
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import NoReturn

import msgspec

from hephaestus_stream.errors import LocalKafkaError
from hephaestus_stream.local_kafka.kafka import LocalKafka
from hephaestus_stream.local_kafka.temporary import Failed, Progressed, Ready, Report, Wanted

_POLL_SECONDS = 0.25


def main() -> None:
    """Runs brokers in a temporary folder until the parent is gone, then leaves nothing of either."""
    wanted = msgspec.json.Decoder(Wanted).decode(sys.argv[1])
    signal.signal(signal.SIGTERM, _leave)
    with tempfile.TemporaryDirectory(prefix="hephaestus-kafka-", ignore_cleanup_errors=True) as folder:
        kafka = LocalKafka(
            Path(folder),
            brokers=wanted.brokers,
            port=wanted.port,
            properties=wanted.properties,
            on_progress=lambda message: _report(Progressed(message)),
        )
        try:
            threading.Thread(target=_watch_parent, daemon=True).start()
            kafka.up()
            _report(Ready(folder))
            # Not one long wait: a signal that comes just before it, or to the other thread, would not end it.
            while True:
                time.sleep(_POLL_SECONDS)
        except LocalKafkaError as error:
            _report(Failed(type(error).__name__, str(error)))
        finally:
            kafka.down(patience=timedelta())


def _watch_parent() -> None:
    # The pipe ends when the parent closes it or dies; nobody ever writes to it.
    while os.read(sys.stdin.fileno(), 1):
        pass
    # A signal to itself interrupts whatever the main thread does, the start included.
    os.kill(os.getpid(), signal.SIGTERM)


def _leave(number: int, _frame: FrameType | None) -> NoReturn:
    # A second signal must not interrupt the clearing up.
    signal.signal(number, signal.SIG_IGN)
    sys.exit(0)


def _report(report: Report) -> None:
    # A parent that is gone reads nothing; the watching thread ends this process then.
    with suppress(BrokenPipeError):
        os.write(sys.stdout.fileno(), msgspec.json.encode(report) + b"\n")


if __name__ == "__main__":
    main()
