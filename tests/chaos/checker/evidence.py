"""All that there is to judge by, read once: the topics, what the steps wrote, and what was sent."""

from __future__ import annotations

import struct
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from tests.chaos.checker.documents import Answer, Command, Completion, Event, Execution, Seen, StepResult, Told
from tests.chaos.checker.graph import Graph
from tests.chaos.checker.run_model import RunModel
from tests.chaos.checker.topics import Found, Topics

FormT = TypeVar("FormT")

_HEADER: Final = struct.Struct(">BBqq")
POSITION: Final = b"\x01position"


@dataclass
class Evidence:
    """What was found.

    Attributes:
        read_at: When it was read.
        graphs: The workflows by name and version.
        histories: Of each run, in the order of the topic.
        commands: The records of the topic of commands, in its order; without those that were sent on.
        undecodable: Of these, how many are no commands.
        results: All step results.
        completions: All completions.
        answers: By command.
        letters: The dead letters.
        changelog: The records of `state`.
        command_ends: Up to where the topic of commands was read, by partition.
        changelog_ends: The same of `state`.
        executions: What the steps wrote.
        databases: Folders of databases, by partition.
        damaged: Those of them that were damaged on purpose.
    """

    read_at: datetime
    graphs: dict[tuple[str, int], Graph]
    histories: dict[str, list[Told]]
    commands: list[Seen]
    undecodable: int
    results: list[StepResult]
    completions: list[Completion]
    answers: dict[str, list[Answer]]
    letters: list[Found]
    changelog: list[Found]
    command_ends: dict[int, int]
    changelog_ends: dict[int, int]
    executions: list[Execution] = field(default_factory=list[Execution])
    databases: dict[int, list[Path]] = field(default_factory=dict[int, list[Path]])
    damaged: set[Path] = field(default_factory=set[Path])
    models: dict[str, RunModel] = field(init=False)

    def __post_init__(self) -> None:
        self.models = {run: self._model(history) for run, history in self.histories.items()}

    def _model(self, history: list[Told]) -> RunModel:
        first = history[0].event
        model = RunModel(self.graphs[first.workflow, first.version])
        for told in history:
            model.take(told.event)
        model.finish()
        return model

    def tables(self, partition: int) -> dict[bytes, bytes]:
        """What the changelog of a partition adds up to."""
        kept: dict[bytes, bytes] = {}
        for record in self.changelog:
            if record.partition != partition:
                continue
            if record.value is None:
                kept.pop(record.key, None)
            else:
                kept[record.key] = record.value
        return kept


def read_evidence(
    topics: Topics, graphs: dict[tuple[str, int], Graph], *, steps: Path | None = None, data: tuple[Path, ...] = ()
) -> Evidence:
    """Reads all of it.

    Args:
        topics: The namespace.
        graphs: The workflows.
        steps: The folder that the steps write into.
        data: Data folders of workers that have stopped.
    """
    history = _decoded(topics.records("history"), Event)
    # The commands last: all that was told is then about what is among them.
    completions, results = _decoded(topics.records("completions"), Completion), topics.records("step-results")
    replies, letters, changelog = topics.records("replies"), topics.records("dead-letters"), topics.records("state")
    commands, undecodable = _commands(topics.records("commands"))
    histories: dict[str, list[Told]] = defaultdict(list)
    for record, event in history:
        histories[event.run].append(Told(event, record.partition, record.offset))
    answers: dict[str, list[Answer]] = defaultdict(list)
    for _, answer in _decoded(replies, Answer):
        answers[answer.id].append(answer)
    return Evidence(
        read_at=datetime.now(UTC),
        graphs=graphs,
        histories=dict(histories),
        commands=commands,
        undecodable=undecodable,
        results=[result for _, result in _decoded(results, StepResult)],
        completions=[completion for _, completion in completions],
        answers=dict(answers),
        letters=letters,
        changelog=changelog,
        command_ends=topics.ends("commands"),
        changelog_ends=topics.ends("state"),
        executions=_executions(steps) if steps is not None else [],
        databases=_databases(data),
    )


def unpacked(value: bytes) -> dict[str, Any]:
    """The body of a record of `state`; the docs call it private, so this is all that is known of its form."""
    document: dict[str, Any] = msgspec.msgpack.decode(value[_HEADER.size :])
    return document


def header(value: bytes) -> tuple[bool, int]:
    """Whether a record needs a new owner's attention, and when it expires."""
    _, running, expires, _ = _HEADER.unpack_from(value)
    return bool(running), expires


def _decoded(records: list[Found], form: type[FormT]) -> list[tuple[Found, FormT]]:
    decoder = msgspec.json.Decoder(form)
    return [(record, decoder.decode(record.value or b"null")) for record in records]


def _commands(records: list[Found]) -> tuple[list[Seen], int]:
    """The commands that were for the partition that they stand in, and how many records are no commands."""
    decoder = msgspec.json.Decoder(Command)
    seen: list[Seen] = []
    moved: set[tuple[str, str, int]] = set()
    undecodable = 0
    for record in records:
        try:
            command = decoder.decode(record.value or b"null")
        except msgspec.DecodeError:
            undecodable += 1
            continue
        if "forwarded" in record.headers:
            moved.add((command.key, command.id, int(record.headers["forwarded"])))
        seen.append(Seen(command, record.partition, record.offset, "reply_partition" in record.headers))
    return [each for each in seen if (each.command.key, each.command.id, each.partition) not in moved], undecodable


def _executions(folder: Path) -> list[Execution]:
    decoder = msgspec.json.Decoder(Execution)
    found: list[Execution] = []
    for log in sorted(folder.glob("executed-*")):
        for line in log.read_bytes().splitlines():
            try:
                found.append(decoder.decode(line))
            except msgspec.DecodeError:  # the process was killed in the midst of the line
                continue
    return found


def _databases(data: tuple[Path, ...]) -> dict[int, list[Path]]:
    found: dict[int, list[Path]] = defaultdict(list)
    for folder in data:
        for database in sorted(folder.glob("*/shards/*")):
            if (database / "CURRENT").exists():
                found[int(database.name)].append(database)
    return dict(found)
