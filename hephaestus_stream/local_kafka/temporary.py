"""A Kafka for the length of a block, for tests and the demo."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import TypeAlias, assert_never

import msgspec

from hephaestus_stream.errors import ArtifactsUnavailableError, JavaNotFoundError, LocalKafkaError
from hephaestus_stream.local_kafka.artifacts import Progress, silent


class Progressed(msgspec.Struct, frozen=True, tag="progressed"):
    """The supervisor's broker got one stage further."""

    message: str


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """The supervisor's broker serves."""

    bootstrap: str


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """The supervisor could not start a broker; `error` is the name of the error's class."""

    error: str
    message: str


Report: TypeAlias = Progressed | Ready | Failed

_ERRORS = {error.__name__: error for error in (JavaNotFoundError, ArtifactsUnavailableError, LocalKafkaError)}


@contextmanager
def temporary_kafka(on_progress: Progress | None = None) -> Generator[str]:
    """A Kafka with empty data that lives as long as the block, and its bootstrap address.

    A supervisor process owns broker and folder and reads a pipe from this process. When this process ends, however it
    ends, the kernel closes the pipe, and the supervisor kills the broker and deletes the folder.

    Raises:
        JavaNotFoundError: No Java is new enough.
        ArtifactsUnavailableError: Kafka's jars cannot be had.
        LocalKafkaError: The broker did not start; the message has the end of its log.
    """
    command = [sys.executable, "-m", "hephaestus_stream.local_kafka.supervisor"]
    # A session of its own: Ctrl-C is for this process, which then closes the pipe.
    with subprocess.Popen(  # noqa: S603  # our own module
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    ) as supervisor:
        # The exit of Popen's block closes the pipe and waits for the supervisor.
        yield _bootstrap(supervisor.stdout or (), on_progress or silent)


def _bootstrap(lines: Iterable[bytes], on_progress: Progress) -> str:
    for line in lines:
        report: Report = msgspec.json.decode(line, type=Report)
        match report:
            case Progressed(message):
                on_progress(message)
            case Ready(bootstrap):
                return bootstrap
            case Failed(error, message):
                raise _ERRORS.get(error, LocalKafkaError)(message)
            case _:
                assert_never(report)
    raise LocalKafkaError("The supervisor of the temporary Kafka ended before its broker was ready.")
