"""Commands: from a record of the topic to a transition and an answer."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

import msgspec

from hephaestus_stream.core.admission import KeyRecord
from hephaestus_stream.core.answer import Accepted, Answer, Reason, Refused
from hephaestus_stream.cycle.batch import Forward, Reply, Taken
from hephaestus_stream.cycle.commands import Commands
from hephaestus_stream.cycle.execution import Execution
from hephaestus_stream.cycle.record import AnswerRecord
from hephaestus_stream.cycle.source import CommandRecord
from hephaestus_stream.errors import CommandError
from hephaestus_stream.wire.command import Command, StartCommand, decode_command
from hephaestus_stream.wire.dead_letter import DeadLetter
from hephaestus_stream.wire.headers import REPLAY, last_header, reply_partition, trace_of
from hephaestus_stream.wire.output_bytes import encode_reply
from hephaestus_stream.wire.partition import partition_for

FORWARDED: Final = "forwarded"
"""Header of a command that was sent on from a wrong partition; it hops once."""

MAX_ANSWERS: Final = 1_000
"""Answers kept of one key; every so many commands the older ones are deleted."""

MAX_COPIED_BYTES: Final = 900_000
"""Of a record that is sent on or put aside; a compressed batch may unpack to more than one record of ours may have."""

_SWEEP: Final = 100


def read(record: CommandRecord) -> Command | CommandError:
    """The command in a record, or why there is none."""
    try:
        return decode_command(record.value)
    except CommandError as error:
        return error


class Intake:
    """Takes the commands of one cycle, one after the other."""

    def __init__(self, execution: Execution) -> None:
        self._execution = execution
        self._tables = execution.tables
        self._commands = Commands(execution)

    def refuse_unread(self, record: CommandRecord, error: CommandError) -> None:
        """Answers what is no command: to whoever asked, if its id could be read, else as a dead letter."""
        reason: Reason = "unsupported_schema" if error.reason == "unsupported_schema" else "undecodable"
        refused = Refused(reason, str(error))
        answer = AnswerRecord(None, refused.reason, refused.message, None, record.offset, self._execution.now)
        self._execution.batch.taken.append(Taken(error.id, None, reason, trace_of(record.headers)))
        if error.id is None or not self._reply(record, error.id, error.key, answer):
            self._dead_letter(record, refused)

    def take(self, record: CommandRecord, command: Command) -> None:
        """Applies a command, keeps its answer, and sends it where one was asked for."""
        right = partition_for(command.key.encode(), self._execution.shard.partitions)
        if right != self._execution.shard.partition:
            self._forward(record, command, right)
            return
        former = self._former_answer(command, is_replay=last_header(record.headers, REPLAY) is not None)
        if former is not None:
            self._tell(record, command, "duplicate")
            self._reply(record, command.id, command.key, former, duplicate=True)
            return
        trace = trace_of(record.headers)
        answer, run = self._commands.apply(command, trace=trace)
        outcome = answer.reason if isinstance(answer, Refused) else answer.effect
        self._execution.batch.taken.append(Taken(command.id, command.type, outcome, trace))
        kept = _answer_record(answer, run=run, position=record.offset, at=self._execution.now)
        self._keep(command, kept)
        if not self._reply(record, command.id, command.key, kept) and isinstance(answer, Refused):
            self._dead_letter(record, answer)

    def refuse(self, record: CommandRecord, command: Command, refused: Refused) -> None:
        """Refuses a command whose transition failed by our own bug; what was asked for stays undone."""
        kept = _answer_record(refused, run=None, position=record.offset, at=self._execution.now)
        self._tell(record, command, refused.reason)
        self._keep(command, kept)
        self._reply(record, command.id, command.key, kept)
        self._dead_letter(record, refused)

    def _tell(self, record: CommandRecord, command: Command, outcome: str) -> None:
        """Leaves word of a command for whoever counts and traces."""
        self._execution.batch.taken.append(Taken(command.id, command.type, outcome, trace_of(record.headers)))

    def _former_answer(self, command: Command, *, is_replay: bool) -> AnswerRecord | None:
        """What the same command was told before; a start whose run is still kept counts as told.

        A replay asks again whether what stood against it is mended; what was accepted has its one effect all the same.
        """
        if self._tables.key_record(command.key) == KeyRecord():
            return None  # a key that was never told anything
        former = self._tables.answer(command.key, command.id)
        if is_replay and former is not None and former.reason is not None:
            former = None
        if former is not None or not isinstance(command, StartCommand):
            return former
        state = self._tables.state(command.key, command.id)
        return None if state is None else AnswerRecord("applied", None, None, state.run, -1, state.started_at)

    def _keep(self, command: Command, answer: AnswerRecord) -> None:
        record = self._tables.key_record(command.key)
        number = record.commands + 1
        self._tables.put_key_record(command.key, msgspec.structs.replace(record, commands=number))
        self._tables.put_answer(command.key, command.id, answer, number=number)
        if number > MAX_ANSWERS and number % _SWEEP == 0:
            self._tables.forget_answers(command.key, before=number - MAX_ANSWERS)

    def _forward(self, record: CommandRecord, command: Command, right: int) -> None:
        """Sends a command on that was published to a wrong partition; whoever sent it so twice is told."""
        shard = self._execution.shard
        if last_header(record.headers, FORWARDED) is not None:
            message = (
                f"{command.key} belongs to partition {right} and was forwarded to {shard.partition}; "
                "workers differ in their partition counts"
            )
            self._tell(record, command, "misrouted")
            self._dead_letter(record, Refused("misrouted", message))
        elif record.size > MAX_COPIED_BYTES:
            message = f"the command has {record.size} bytes and may have {MAX_COPIED_BYTES}; send a reference instead"
            refused = Refused("too_large", message)
            self._tell(record, command, refused.reason)
            answer = _answer_record(refused, run=None, position=record.offset, at=self._execution.now)
            if not self._reply(record, command.id, command.key, answer):
                self._dead_letter(record, refused)
        else:
            headers = [*record.headers, (FORWARDED, str(shard.partition).encode())]
            self._execution.batch.forwards.append(Forward(right, command.key.encode(), record.value or b"", headers))

    def _reply(
        self, record: CommandRecord, command: str, key: str | None, answer: AnswerRecord, *, duplicate: bool = False
    ) -> bool:
        """Sends an answer if one was asked for."""
        shard = self._execution.shard
        partition = reply_partition(record.headers, partitions=shard.partitions)
        if partition is None:
            return False
        value = encode_reply(
            id=command,
            key=key,
            accepted=answer.reason is None,
            partition=shard.partition,
            at=answer.at,
            effect=answer.effect,
            reason=answer.reason,
            message=answer.message,
            run=answer.run,
            position=record.offset if answer.position < 0 else answer.position,
            duplicate=duplicate,
        )
        self._execution.batch.replies.append(Reply(partition, command, value))
        return True

    def _dead_letter(self, record: CommandRecord, refused: Refused) -> None:
        shard = self._execution.shard
        letter = DeadLetter(
            refused.reason,
            refused.message,
            shard.topics.commands,
            shard.partition,
            record.offset,
            self._execution.now.astimezone(UTC),
        )
        key, value = record.key, record.value
        size = len(key or b"") + len(value or b"")
        if size > MAX_COPIED_BYTES:
            note = f"{refused.message} (of {size} bytes the first {MAX_COPIED_BYTES} are kept)"
            letter = replace(letter, message=note, size=size)
            key = None if key is None else key[:MAX_COPIED_BYTES]
            value = None if value is None else value[: MAX_COPIED_BYTES - len(key or b"")]
        self._execution.publisher.dead_letter(key, value, letter)


def _answer_record(answer: Answer, *, run: str | None, position: int, at: datetime) -> AnswerRecord:
    match answer:
        case Accepted(effect, message):
            return AnswerRecord(effect, None, message, run, position, at)
        case Refused(reason, message):
            return AnswerRecord(None, reason, message, run, position, at)
