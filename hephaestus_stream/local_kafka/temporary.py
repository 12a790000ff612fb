"""A Kafka for the length of a block, for tests and the demo."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeAlias, assert_never

import msgspec

from hephaestus_stream.errors import ArtifactsUnavailableError, JavaNotFoundError, LocalKafkaError
from hephaestus_stream.local_kafka.artifacts import Progress, silent
from hephaestus_stream.local_kafka.kafka import LocalKafka


class Wanted(msgspec.Struct, frozen=True):
    """What a supervisor is asked for."""

    brokers: int = 1
    port: int | None = None
    properties: dict[str, str] = {}


class Progressed(msgspec.Struct, frozen=True, tag="progressed"):
    """The supervisor's brokers got one stage further."""

    message: str


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """The supervisor's brokers serve; `folder` is theirs."""

    folder: str


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """The supervisor could not start its brokers; `error` is the name of the error's class."""

    error: str
    message: str


Report: TypeAlias = Progressed | Ready | Failed
_REPORT: Final[msgspec.json.Decoder[Report]] = msgspec.json.Decoder(Report)

_ERRORS = {error.__name__: error for error in (JavaNotFoundError, ArtifactsUnavailableError, LocalKafkaError)}


@contextmanager
def temporary_kafka(on_progress: Progress | None = None) -> Generator[str]:
    """A Kafka of one broker with empty data that lives as long as the block, and its bootstrap address.

    Raises:
        JavaNotFoundError: No Java is new enough.
        ArtifactsUnavailableError: Kafka's jars cannot be had.
        LocalKafkaError: The broker did not start; the message has the end of its log.
    """
    with temporary_cluster(brokers=1, on_progress=on_progress) as kafka:
        yield kafka.bootstrap


@contextmanager
def temporary_cluster(
    *,
    brokers: int = 3,
    port: int | None = None,
    properties: Mapping[str, str] | None = None,
    on_progress: Progress | None = None,
) -> Generator[LocalKafka]:
    """A Kafka with empty data that lives as long as the block, whose brokers can be killed, frozen and started again.

    A supervisor process owns brokers and folder and reads a pipe from this process. When this process ends, however it
    ends, the kernel closes the pipe, and the supervisor kills the brokers and deletes the folder.

    Args:
        brokers: How many; three keep three copies of everything and need two of them.
        port: The port of the first broker.
        properties: Properties of each broker in place of the usual ones; lists of listeners are extended.
        on_progress: What gets each stage of the start.

    Raises:
        JavaNotFoundError: No Java is new enough.
        ArtifactsUnavailableError: Kafka's jars cannot be had.
        LocalKafkaError: A broker did not start; the message has the end of its log.
    """
    wanted = Wanted(brokers, port, dict(properties or {}))
    argument = msgspec.json.encode(wanted).decode()
    command = [sys.executable, "-m", "hephaestus_stream.local_kafka.supervisor", argument]
    # A session of its own: Ctrl-C is for this process, which then closes the pipe.
    with subprocess.Popen(  # noqa: S603  # our own module
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    ) as supervisor:
        # The exit of Popen's block closes the pipe and waits for the supervisor.
        folder = _folder(supervisor.stdout or (), on_progress or silent)
        yield LocalKafka(folder, brokers=brokers, port=port, properties=wanted.properties)


def _folder(lines: Iterable[bytes], on_progress: Progress) -> Path:
    for line in lines:
        report: Report = _REPORT.decode(line)
        match report:
            case Progressed(message):
                on_progress(message)
            case Ready(folder):
                return Path(folder)
            case Failed(error, message):
                raise _ERRORS.get(error, LocalKafkaError)(message)
            case _:
                assert_never(report)
    raise LocalKafkaError("The supervisor of the temporary Kafka ended before its brokers were ready.")
