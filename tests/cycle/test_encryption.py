"""Encrypted payloads in a partition: nothing plain is kept or published, keys rotate, and no run is lost for a key."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any, Literal, cast

import pytest
from pydantic import BaseModel, Field

from hephaestus_stream import (
    Context,
    Done,
    Event,
    Failed,
    Instance,
    Keyring,
    Outcome,
    RetryPolicy,
    Step,
    Suspend,
    Workflow,
)
from hephaestus_stream import WaitForEvent as Await
from hephaestus_stream.core.input import Resume
from hephaestus_stream.core.state import Reported, State
from hephaestus_stream.cycle.error_text import HIDDEN
from hephaestus_stream.cycle.source import AttemptEnded
from hephaestus_stream.encryption import NO_KEYS, Cipher
from hephaestus_stream.encryption.command import sealed
from hephaestus_stream.encryption.envelope import Place
from hephaestus_stream.encryption.marks import MOST_MARKS, marked
from hephaestus_stream.encryption.record import opened as opened_record
from hephaestus_stream.encryption.run import event_place, result_place
from hephaestus_stream.errors import PayloadUnreadableError, StepTimeoutError
from hephaestus_stream.wire.command import Command, ResumeCommand, StartCommand, encode_command
from hephaestus_stream.wire.output import Reply
from hephaestus_stream.wire.request import cancel_command, migrate_command, resume_command, start_command
from tests.cycle.partition import TOPICS, Partition

MARKER = "marker-4711"
HOUR = timedelta(hours=1)

OLD_KEYS = Keyring({"old": bytes(32)})
BOTH_KEYS = Keyring({"old": bytes(32), "new": bytes([1] * 32)}, current="new")
NEW_KEYS = Keyring({"new": bytes([1] * 32)})
OTHER_BYTES = Keyring({"old": bytes([7] * 32)})


class Patient(BaseModel):
    name: str
    age: int = Field(default=40, ge=0)


class Letter(BaseModel):
    text: str


class Write(Step[Patient]):
    """Writes a letter to the patient."""

    written = Event(Letter)
    retry = RetryPolicy(max_attempts=1)

    async def execute(self, instance: Instance, config: None, context: Context[Patient]) -> Outcome:
        return self.written(Letter(text=f"dear {context.initial.name}"), metadata={"to": context.initial.name})


class Answer(Step[Patient]):
    """Waits for the answer, and assumes one when none comes."""

    answered = Event(Letter, external=True)
    retry = RetryPolicy(max_attempts=1)

    async def execute(self, instance: Instance, config: None, context: Context[Patient]) -> Outcome:
        letter = context.result(Write.written)
        return Suspend(timeout=HOUR, otherwise=self.answered(Letter(text=f"no answer to: {letter.text}")))


class Read(Step[Patient]):
    """Reads everything."""

    read = Event(Letter)
    retry = RetryPolicy(max_attempts=1)

    async def execute(self, instance: Instance, config: None, context: Context[Patient]) -> Outcome:
        steps = context.steps
        told = f"{context.initial.age}; {steps['answer'].payload}; {steps['write'].metadata['to']}"
        return self.read(Letter(text=told))


class Care(Workflow[Patient], key="care"):
    write = Write()
    answer = Answer()
    read = Read()
    well = Done()
    start = write
    transitions = (write.written.to(answer), answer.answered.to(read), read.read.to(well))


class Later(Workflow[Patient], key="care", name="Care", version=2):
    write = Write()
    answer = Answer()
    read = Read()
    more = Await(Letter, timeout=HOUR)
    well = Done()
    late = Failed("nobody came")
    start = write
    transitions = (
        write.written.to(answer),
        answer.answered.to(read),
        read.read.to(more),
        more.received.to(well),
        more.timed_out.to(late),
    )


class Pick(BaseModel):
    """Another model than a patient."""

    numbers: dict[str, int]


class Numbers(Workflow[Pick], key="numbers"):
    answer = Await(Letter)
    end = Done()
    start = answer
    transitions = (answer.received.to(end),)


ALL = (Care, Later, Numbers)
OLD, BOTH, NEW = Cipher(OLD_KEYS), Cipher(BOTH_KEYS), Cipher(NEW_KEYS)


def start(cipher: Cipher = OLD, id: str = "a", workflow: type[Workflow[Any]] = Care) -> StartCommand:  # noqa: A002 - the wire's word
    command = sealed(start_command(workflow, id, Patient(name=MARKER)), cipher)
    assert isinstance(command, StartCommand)
    return command


def answer(cipher: Cipher = OLD, id: str = "a", text: str = f"thanks {MARKER}") -> ResumeCommand:  # noqa: A002 - as above
    command = sealed(resume_command(Care, id, Care.answer.answered, Letter(text=text)), cipher)
    assert isinstance(command, ResumeCommand)
    return command


def everything(partition: Partition) -> bytes:
    """All that is kept, and all that was published."""
    kept = b"".join(key + value for key, value in partition.store.scan(b"", limit=10_000))
    return kept + b"".join((record.key or b"") + (record.value or b"") for record in partition.outputs)


def completion(partition: Partition) -> dict[str, Any]:
    [value] = partition.published(TOPICS.completions)
    return cast("dict[str, Any]", json.loads(value))


def opened(state: State, cipher: Cipher) -> dict[str, object]:
    return {
        name: json.loads(cipher.open(node.reported.payload, result_place(state, name)))
        for name, node in state.nodes.items()
        if node.reported is not None and node.reported.payload is not None
    }


RESULTS = {
    "write": {"text": f"dear {MARKER}"},
    "answer": {"text": f"thanks {MARKER}"},
    "read": {"text": f"40; text='thanks {MARKER}'; {MARKER}"},
}


async def test_nothing_of_a_run_is_kept_or_published_as_it_is() -> None:
    partition = Partition(ALL, cipher=OLD)
    first, second = start(), answer()
    assert MARKER.encode() not in encode_command(first) + encode_command(second)
    assert [reply.effect for reply in await partition.send(first, second)] == ["applied", "applied"]

    assert MARKER.encode() not in everything(partition)
    assert (completion(partition)["status"], completion(partition)["ended_at"]) == ("completed", "well")
    assert opened(partition.state(first.key, first.id), OLD) == RESULTS


async def test_an_outcome_for_the_end_of_a_wait_is_sealed_too() -> None:
    partition = Partition(ALL, cipher=OLD)
    first = start()
    await partition.send(first)
    assert MARKER.encode() not in everything(partition)
    await partition.finish(await partition.skip(HOUR))

    assert MARKER.encode() not in everything(partition)
    results = opened(partition.state(first.key, first.id), OLD)
    assert results["answer"] == {"text": f"no answer to: dear {MARKER}"}


async def test_a_plain_command_is_taken_and_kept_sealed() -> None:
    partition = Partition(ALL, cipher=OLD)
    first = start(NO_KEYS)
    assert MARKER.encode() in encode_command(first)
    await partition.send(first, answer(NO_KEYS))
    assert MARKER.encode() not in everything(partition)
    assert opened(partition.state(first.key, first.id), OLD) == RESULTS


async def test_who_requires_encryption_refuses_plain_payloads() -> None:
    partition = Partition(ALL, cipher=Cipher(OLD_KEYS, required=True))
    refused, taken = await partition.send(start(NO_KEYS), start())
    plain, _ = await partition.send(answer(NO_KEYS), answer())
    assert (refused.reason, taken.effect, plain.reason) == ("invalid_payload", "applied", "invalid_payload")
    for reply in (refused, plain):
        assert "is plain, and this worker takes encrypted payloads only" in (reply.message or "")
    assert completion(partition)["status"] == "completed"


async def test_a_run_goes_on_after_a_rotation_as_long_as_its_key_is_there_for_reading() -> None:
    first = start()
    partition = Partition(ALL, cipher=OLD)
    await partition.send(first)

    rotated = partition.under(*ALL, cipher=BOTH)
    assert [reply.effect for reply in await rotated.send(answer(OLD))] == ["applied"]

    state = rotated.state(first.key, first.id)
    assert opened(state, BOTH) == RESULTS
    used = {name: json.loads(value)["$encrypted"]["key"] for name, value in payloads(state).items()}
    assert used == {"write": "old", "answer": "new", "read": "new"}
    assert [mark.partition("/")[0] for mark in state.keys] == ["old", "new"]


def payloads(state: State) -> dict[str, bytes]:
    return {name: node.reported.payload or b"" for name, node in state.nodes.items() if node.reported is not None}


@pytest.mark.parametrize("keys", [NEW, NO_KEYS, Cipher(OTHER_BYTES)], ids=["retired", "none", "other bytes"])
async def test_a_run_whose_key_is_missing_stands_still_and_goes_on_when_it_is_back(keys: Cipher) -> None:
    first = start()
    partition = Partition(ALL, cipher=OLD)
    await partition.send(first)

    without = partition.under(*ALL, cipher=keys)
    batch = await without.skip(HOUR)
    [kept] = await without.send(answer(BOTH))
    assert len(batch.held) == 1
    assert (kept.effect, kept.accepted) == ("kept", True)
    assert "encrypted with the key 'old', which this worker does not have" in (kept.message or "")
    assert without.state(first.key, first.id).status == "waiting"
    assert not without.published(TOPICS.completions)

    back = without.under(*ALL, cipher=BOTH)
    await back.finish(await back.take_over(worker_lost=False))
    assert completion(back)["status"] == "completed"
    assert opened(back.state(first.key, first.id), BOTH) == RESULTS
    assert MARKER.encode() not in everything(back)


def letter(cipher: Cipher) -> ResumeCommand:
    command = resume_command(Numbers, "a", Numbers.answer.received, Letter(text=MARKER))
    return cast("ResumeCommand", sealed(command, cipher))


async def parked_numbers(cipher: Cipher) -> tuple[Partition, StartCommand]:
    """A run that waits for a letter, and a worker that lacks its workflow."""
    partition = Partition(ALL, cipher=cipher)
    first = start_command(Numbers, "a", Pick(numbers={}))
    await partition.send(sealed(first, cipher))
    return partition.under(Care, cipher=cipher), first


async def test_a_plain_event_for_a_parked_run_is_kept_sealed_and_taken_when_the_run_goes_on() -> None:
    parked, first = await parked_numbers(OLD)

    [kept] = await parked.send(letter(NO_KEYS))

    assert (kept.accepted, kept.effect) == (True, "kept")
    assert MARKER.encode() not in everything(parked)
    back = parked.under(*ALL, cipher=OLD)
    await back.take_over(worker_lost=False)
    assert completion(back)["status"] == "completed"
    assert opened(back.state(first.key, first.id), OLD) == {"answer": {"text": MARKER}}


async def test_who_requires_encryption_refuses_a_plain_event_for_a_parked_run() -> None:
    parked, first = await parked_numbers(Cipher(OLD_KEYS, required=True))

    [refused] = await parked.send(letter(NO_KEYS))

    assert (refused.accepted, refused.reason) == (False, "invalid_payload")
    assert "takes encrypted payloads only" in (refused.message or "")
    assert not parked.state(first.key, first.id).parked


async def test_an_event_that_was_accepted_plain_is_taken_by_a_worker_that_requires_encryption() -> None:
    parked, first = await parked_numbers(NO_KEYS)
    [kept] = await parked.send(letter(NO_KEYS))
    assert kept.effect == "kept"

    back = parked.under(*ALL, cipher=Cipher(OLD_KEYS, required=True))
    await back.take_over(worker_lost=False)

    assert completion(back)["status"] == "completed"
    assert opened(back.state(first.key, first.id), OLD) == {"answer": {"text": MARKER}}


@pytest.mark.parametrize("keys", [OLD, BOTH], ids=["lacks the key of the event", "has it"])
async def test_a_run_stays_parked_without_the_key_of_an_event_that_was_kept_for_it(keys: Cipher) -> None:
    parked, first = await parked_numbers(OLD)
    parked = parked.under(Care, cipher=keys)
    [kept] = await parked.send(letter(NEW))
    assert kept.effect == "kept"

    without = parked.under(*ALL, cipher=OLD)
    await without.take_over(worker_lost=False)
    assert [event.command for event in without.state(first.key, first.id).parked] == [kept.id]

    back = without.under(*ALL, cipher=BOTH)
    await back.take_over(worker_lost=False)
    assert completion(back)["status"] == "completed"


async def test_a_broken_envelope_for_a_parked_run_is_refused() -> None:
    parked, first = await parked_numbers(OLD)
    command = letter(OLD).model_copy(update={"payload": {"$encrypted": {"key": "old"}}})

    [refused] = await parked.send(command)

    assert (refused.accepted, refused.reason) == (False, "invalid_payload")
    assert [mark.partition("/")[0] for mark in parked.state(first.key, first.id).keys] == ["old"]


def ring(number: int) -> Cipher:
    """The keys up to this one, which is current."""
    return Cipher(Keyring({f"k{each}": bytes([each] * 32) for each in range(number + 1)}, current=f"k{number}"))


async def test_a_run_that_lives_for_many_rotations_names_the_keys_of_its_payloads_only() -> None:
    partition = Partition(ALL, cipher=ring(0))
    first = start(ring(0))
    await partition.send(first)
    state = partition.state(first.key, first.id)
    for number in range(1, 30):  # as if it had kept an event under each, and lost it again
        place = event_place(first.workflow, first.key, command=str(number), event="answered")
        event = Resume(str(number), "answer", Reported("answered", ring(number).seal(b"1", place)))
        state = marked(state, event, cipher=ring(number))
        assert len(state.keys) <= MOST_MARKS
    assert state.keys[0].startswith("k0/")


async def test_a_run_names_the_key_that_sealed_its_payload_although_keys_rotated_since() -> None:
    keys = Rotating()
    partition = Partition(ALL, cipher=Cipher(keys))
    first = start(OLD)
    attempts = (await partition.cycle(partition.record(first), fold=False)).running

    # The step is at work under the old key, and its outcome is taken in when the new one is current.
    ended = [AttemptEnded(attempt, await future) for attempt, future in attempts]
    keys.current = "new"
    await partition.cycle(*ended, fold=False)

    assert [mark.partition("/")[0] for mark in partition.state(first.key, first.id).keys] == ["old"]


class Rotating:
    """Keys of which another becomes current in the midst of a process."""

    current = "old"

    def key(self, id: str) -> bytes | None:  # noqa: A002 - the protocol's own word
        return BOTH_KEYS.key(id)


async def test_a_run_whose_key_is_missing_can_be_cancelled_but_not_moved() -> None:
    first = start()
    partition = Partition(ALL, cipher=OLD)
    await partition.send(first)
    without = partition.under(*ALL, cipher=NEW)

    moved, cancelled = await without.send(migrate_command(Later, "a"), cancel_command(Care, "a"))
    assert moved.reason == "incompatible_version"
    assert "with the key 'old', which the worker lacks" in (moved.message or "")
    assert cancelled.effect == "applied"


async def test_a_command_under_a_missing_key_is_refused_by_the_name_of_the_key() -> None:
    partition = Partition(ALL, cipher=NEW)
    [unread] = await partition.send(start(OLD))
    [unread_plain] = await partition.under(*ALL).send(start(OLD, "b"))
    running = start(NEW)
    await partition.send(running)
    [unread_event] = await partition.send(answer(OLD))
    for reply in (unread, unread_plain, unread_event):
        assert reply.reason == "invalid_payload"
        assert "is encrypted with the key 'old', " in (reply.message or "")
    assert partition.state(running.key, running.id).status == "waiting"


@pytest.mark.parametrize("command", [start(), answer()], ids=["start", "resume"])
def test_a_command_that_is_sealed_already_is_sent_as_it_is(command: Command) -> None:
    assert sealed(command, BOTH) is command


async def moved_envelope(partition: Partition, command: Command, source: Command) -> Reply:
    """Sends a command with the envelope of another one."""
    field = "input" if isinstance(command, StartCommand) else "payload"
    [reply] = await partition.send(command.model_copy(update={field: getattr(source, field)}))
    return reply


async def test_an_envelope_of_another_instance_is_refused() -> None:
    partition = Partition(ALL, cipher=OLD)
    stolen = start(id="a")
    refused = await moved_envelope(partition, start(id="b"), stolen)
    assert refused.reason == "invalid_payload"
    assert "it was changed or moved here from somewhere else" in (refused.message or "")

    await partition.send(start(id="b"), stolen)
    refused = await moved_envelope(partition, answer(id="b"), answer(id="a"))
    assert refused.reason == "invalid_payload"
    again = await moved_envelope(partition, answer(id="b"), answer(id="b"))
    assert again.reason == "invalid_payload", "not even from another command for the same instance"


async def test_a_stored_result_of_another_instance_is_a_failed_attempt() -> None:
    partition = Partition(ALL, cipher=OLD)
    one, two = start(id="a"), start(id="b")
    await partition.send(one, two)
    swapped = payloads(partition.state(two.key, two.id))["write"]
    own = payloads(partition.state(one.key, one.id))["write"]
    for place, value in list(partition.store.scan(b"", limit=1_000)):
        partition.store.write({place: value.replace(own, swapped)})

    await partition.send(answer(id="a"))
    [failed] = [record for record in partition.history(one.id) if record.type == "step_failed"]
    assert (failed.node, failed.details["error"]) == ("read", "PayloadUnreadableError")
    assert "moved here from somewhere else" in str(failed.details["message"])


class Careless(Step[Patient]):
    """Says in its exception what it was given."""

    never = Event(Letter)
    retry = RetryPolicy(max_attempts=1)

    async def execute(self, instance: Instance, config: None, context: Context[Patient]) -> Outcome:
        if context.initial.age:
            raise LookupError(f"no {context.initial.name}")
        return self.never(cast("Letter", context.initial.name))


class Mishap(Workflow[Patient], key="mishap"):
    careless = Careless()
    end = Done()
    start = careless
    transitions = (careless.never.to(end),)


async def failed_run(cipher: Cipher, *, age: int) -> tuple[Partition, StartCommand]:
    partition = Partition((Mishap,), cipher=cipher)
    command = start_command(Mishap, "a", Patient(name=MARKER, age=age))
    await partition.send(sealed(command, cipher))
    return partition, command


@pytest.mark.parametrize(("age", "kind"), [(1, "LookupError"), (0, "BadOutcome")])
async def test_the_text_of_an_exception_is_sealed_in_the_history_and_told_nowhere_else(
    age: int, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    partition, command = await failed_run(OLD, age=age)
    assert MARKER.encode() not in everything(partition)
    assert MARKER not in caplog.text
    hidden = "its text is encrypted in the history; `hephaestus decrypt` shows it"
    assert completion(partition)["error"] == {"type": kind, "message": hidden}
    [failed] = [record for record in partition.history(command.id) if record.type == "step_failed"]
    assert (failed.details["error"], failed.details["message"]) == (kind, hidden)
    shown = opened_record(failed.model_dump(mode="json"), OLD)["details"]
    assert isinstance(shown, dict)
    assert MARKER in shown["message"]
    assert ("Traceback" in shown["traceback"]) == (kind == "LookupError")


def by_name(context: Context[Patient]) -> Literal["known", "unknown"]:
    """Returns what it was given, in the place of a label."""
    return cast("Literal['known', 'unknown']", context.result(Write.written).text)


class Astray(Workflow[Patient], key="astray"):
    write = Write()
    known = Done()
    unknown = Done()
    start = write
    transitions = (write.written.route(by_name).to({"known": known, "unknown": unknown}),)


@pytest.mark.parametrize("seals_errors", [True, False])
async def test_a_label_that_is_not_declared_is_told_as_the_text_of_an_exception_is(
    caplog: pytest.LogCaptureFixture, *, seals_errors: bool
) -> None:
    cipher = Cipher(OLD_KEYS, seals_errors=seals_errors)
    partition = Partition((Astray,), cipher=cipher)
    command = start_command(Astray, "a", Patient(name=MARKER))
    await partition.send(sealed(command, cipher))

    message = f"the route of write.written chose 'dear {MARKER}'; declared are known, unknown"
    assert completion(partition)["error"] == {"type": "UnknownLabel", "message": HIDDEN if seals_errors else message}
    assert (MARKER.encode() in everything(partition)) == (MARKER in caplog.text) == (not seals_errors)
    [failed] = [record for record in partition.history(command.id) if record.type == "step_failed"]
    shown = opened_record(failed.model_dump(mode="json"), OLD)["details"]
    assert isinstance(shown, dict)
    assert shown["message"] == message


class Namesake(Step[Patient]):
    """Raises what the engine raises too, or has the name of it, and asks for a result in the midst of its own error."""

    never = Event(Letter)
    retry = RetryPolicy(max_attempts=1)

    async def execute(self, instance: Instance, config: None, context: Context[Patient]) -> Outcome:
        name = context.initial.name
        match context.initial.age:
            case 0:
                raise StepTimeoutError(name)
            case 1:
                raise type("StepProcessError", (Exception,), {})(name)
            case 2:
                raise PayloadUnreadableError(name)
            case _:
                letters: dict[str, Letter] = {}
                try:
                    return self.never(letters[name])
                except KeyError:
                    place = Place("input", "", "", "")
                    NEW.open(OLD.seal(b"1", place), place)
                    raise


class Misnamed(Workflow[Patient], key="misnamed"):
    namesake = Namesake()
    end = Done()
    start = namesake
    transitions = (namesake.never.to(end),)


@pytest.mark.parametrize(
    ("age", "kind"),
    [(0, "StepTimeoutError"), (1, "StepProcessError"), (2, "PayloadUnreadableError"), (3, "PayloadUnreadableError")],
)
async def test_what_a_step_says_is_sealed_although_it_says_it_as_the_engine_does(
    age: int, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    partition = Partition((Misnamed,), cipher=OLD)
    command = start_command(Misnamed, "a", Patient(name=MARKER, age=age))
    await partition.send(sealed(command, OLD))

    assert completion(partition)["error"]["type"] == kind
    assert MARKER.encode() not in everything(partition)
    assert MARKER not in caplog.text
    assert ("with the key 'old', which the worker lacks" in caplog.text) == (age == 3)


async def test_the_text_of_an_exception_is_told_where_that_is_wanted(caplog: pytest.LogCaptureFixture) -> None:
    partition, _ = await failed_run(Cipher(OLD_KEYS, seals_errors=False), age=1)
    assert completion(partition)["error"] == {"type": "LookupError", "message": f"no {MARKER}"}
    assert MARKER in caplog.text


async def test_every_record_can_be_shown_plain() -> None:
    partition = Partition(ALL, cipher=OLD)
    first, second = start(), answer()
    await partition.send(first, second)
    commands = [json.loads(encode_command(command)) for command in (first, second)]
    [ended] = [opened_record(json.loads(value), OLD) for value in partition.published(TOPICS.completions)]
    told = [opened_record(json.loads(value), OLD) for value in partition.published(TOPICS.step_results)]
    assert [opened_record(command, OLD) for command in commands] == [
        {**commands[0], "input": {"name": MARKER, "age": 40}},
        {**commands[1], "payload": {"text": f"thanks {MARKER}"}},
    ]
    assert ended["results"] == RESULTS
    assert [(record["result"], record["metadata"]) for record in told] == [
        (RESULTS["write"], {"to": MARKER}),
        (RESULTS["answer"], {}),
        (RESULTS["read"], {}),
    ]


async def test_what_a_model_says_against_an_encrypted_payload_quotes_nothing_of_it() -> None:
    partition = Partition(ALL, cipher=OLD)
    wrong = sealed(StartCommand(id="x", workflow="Numbers", key="numbers::a", input={"numbers": {MARKER: MARKER}}), OLD)
    plain = StartCommand(id="y", workflow="Numbers", key="numbers::a", input={"numbers": {"one": MARKER}})
    secret, told = await partition.send(wrong, plain)
    assert secret.message == (
        "the input of Numbers: its model refuses it (int_parsing); since it is encrypted, no more is told"
    )
    assert told.message == (
        "the input of Numbers: numbers.one: Input should be a valid integer, unable to parse string as an integer"
    )
    assert MARKER.encode() not in everything(partition)


async def test_a_migration_reads_what_another_version_wrote() -> None:
    partition = Partition(ALL, cipher=OLD)
    first = start(workflow=Care)
    await partition.send(first)
    rotated = partition.under(*ALL, cipher=BOTH)
    [moved] = await rotated.send(migrate_command(Later, "a"))
    await rotated.send(answer(BOTH))
    assert moved.effect == "applied"
    state = rotated.state(first.key, first.id)
    assert (state.version, state.nodes["more"].status) == (2, "waiting")
    assert opened(state, BOTH) == RESULTS


async def test_an_early_event_is_kept_sealed_and_read_when_its_node_waits() -> None:
    partition = Partition(ALL, cipher=OLD)
    first = start(workflow=Later)
    await partition.send(first)
    early = sealed(resume_command(Later, "a", Later.more.received, Letter(text=MARKER)), OLD)
    [kept] = await partition.send(early)
    assert MARKER.encode() not in everything(partition)
    await partition.under(*ALL, cipher=BOTH).send(answer(BOTH))
    state = partition.state(first.key, first.id)
    assert (kept.effect, state.status) == ("kept", "completed")
    assert opened(state, BOTH)["more"] == {"text": MARKER}
