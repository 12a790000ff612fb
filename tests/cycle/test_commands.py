from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import BaseModel

from hephaestus_stream import Done, WaitForEvent, Workflow
from hephaestus_stream.core.admission import OnConflict
from hephaestus_stream.core.definition import Reuse, Scope
from hephaestus_stream.core.limits import MAX_PAYLOAD_BYTES
from hephaestus_stream.cycle.intake import MAX_ANSWERS, MAX_COPIED_BYTES
from hephaestus_stream.wire.request import cancel_command, resume_command, start_command
from tests.cycle.flows import Chain, Order, Review, Stars, Twice
from tests.cycle.partition import ASKS, TOPICS, Partition, replies

STARS = Review.stars.received


async def test_a_start_is_applied_and_names_its_run() -> None:
    partition = Partition()
    command = start_command(Chain, "a", Order())

    [reply] = await partition.send(command)

    assert (reply.accepted, reply.effect, reply.run, reply.duplicate) == (True, "applied", command.id, False)
    assert (reply.id, reply.key, reply.partition, reply.position) == (command.id, "chain::a", 0, 0)
    assert partition.state("chain::a", command.id).status == "completed"


@pytest.mark.parity(12)
async def test_an_event_lets_its_run_go_on() -> None:
    partition = Partition()
    start = start_command(Review, "a", Order())
    await partition.send(start)

    [reply] = await partition.send(resume_command(Review, "a", STARS, Stars(stars=5)))

    assert (reply.effect, reply.run) == ("applied", start.id)
    state = partition.state("review::a", start.id)
    assert (state.status, state.ended_at) == ("completed", "done")
    assert state.nodes["stars"].reported is not None
    assert state.nodes["stars"].reported.payload == b'{"stars":5}'


async def test_a_cancel_ends_its_run() -> None:
    partition = Partition()
    start = start_command(Review, "a", Order())
    await partition.send(start)

    [reply] = await partition.send(cancel_command(Review, "a", reason="asked"))

    assert (reply.effect, reply.run) == ("applied", start.id)
    assert partition.state("review::a", start.id).status == "cancelled"
    [completion] = partition.published(TOPICS.completions)
    assert json.loads(completion)["status"] == "cancelled"


async def test_commands_of_one_key_in_one_cycle_are_applied_one_after_the_other() -> None:
    partition = Partition()
    start = start_command(Review, "a", Order())

    answers = await partition.send(
        start,
        resume_command(Review, "a", STARS, Stars(stars=5)),
        resume_command(Review, "a", STARS, Stars(stars=4)),
        start_command(Review, "a", Order()),
        cancel_command(Review, "a"),
    )

    assert [answer.effect or answer.reason for answer in answers] == [
        "applied",
        "applied",
        "ended",
        "applied",
        "applied",
    ]


@pytest.mark.parity(27)
async def test_the_same_command_gets_the_same_answer_and_has_no_further_effect() -> None:
    partition = Partition()
    start = start_command(Review, "a", Order())
    event = resume_command(Review, "a", STARS, Stars(stars=5))
    cancel = cancel_command(Review, "a")
    first = await partition.send(start, event, cancel)
    before = len(partition.outputs)

    again = await partition.send(start, event, cancel)
    in_one_cycle = await partition.send(start, start, cancel, cancel)

    assert [answer.duplicate for answer in [*again, *in_one_cycle]] == [True] * 7
    assert [answer.model_copy(update={"duplicate": False}) for answer in again] == first
    assert len(partition.outputs) == before


async def test_a_refused_command_is_refused_again_even_where_it_would_be_accepted_now() -> None:
    partition = Partition()
    cancel = cancel_command(Review, "a")
    [refused] = await partition.send(cancel)
    await partition.send(start_command(Review, "a", Order()))

    [again] = await partition.send(cancel)

    assert refused.reason == "not_found"
    assert again == refused.model_copy(update={"duplicate": True})


@pytest.mark.parity(27)
async def test_a_start_whose_id_names_a_kept_run_counts_as_told_even_after_its_answer_is_forgotten() -> None:
    partition = Partition()
    start = start_command(Review, "a", Order())
    await partition.send(start)
    partition.now += partition.shard.command_retention * 1.5
    await partition.cycle()
    assert "c" not in partition.tables()

    [again] = await partition.send(start)

    assert (again.accepted, again.effect, again.run, again.duplicate) == (True, "applied", start.id, True)
    assert [kind for kind, _ in partition.told(start.id)].count("started") == 1


async def test_a_forgotten_command_is_taken_as_new() -> None:
    partition = Partition()
    cancel = cancel_command(Review, "a")
    await partition.send(cancel)
    partition.now += partition.shard.command_retention * 1.5
    await partition.cycle()

    await partition.send(start_command(Review, "a", Order()))
    [reply] = await partition.send(cancel)

    assert (reply.effect, reply.duplicate) == ("applied", False)


async def test_of_one_key_the_last_thousand_answers_are_kept() -> None:
    partition = Partition()
    commands = [cancel_command(Review, "a") for _ in range(MAX_ANSWERS + 300)]
    for first in range(0, len(commands), 100):
        await partition.send(*commands[first : first + 100])

    assert MAX_ANSWERS <= partition.tables().count("c") <= MAX_ANSWERS + 100
    assert all(answer.duplicate for answer in await partition.send(*commands[-MAX_ANSWERS:]))
    [forgotten] = await partition.send(commands[0])
    assert not forgotten.duplicate


async def test_the_oldest_answers_leave_even_when_all_commands_come_in_two_cycles() -> None:
    partition = Partition()

    await partition.send(*(cancel_command(Review, "a") for _ in range(MAX_ANSWERS)))
    await partition.send(*(cancel_command(Review, "a") for _ in range(MAX_ANSWERS)))

    assert MAX_ANSWERS <= partition.tables().count("c") <= MAX_ANSWERS + 100


async def test_a_flood_for_one_key_looks_for_its_oldest_answers_once_a_cycle(monkeypatch: pytest.MonkeyPatch) -> None:
    partition = Partition()
    await partition.send(*(cancel_command(Review, "a") for _ in range(MAX_ANSWERS)))
    looked_at: list[bytes] = []
    scan = partition.store.scan

    def counting(prefix: bytes, *, limit: int, **bounds: Any) -> list[tuple[bytes, bytes]]:  # noqa: ANN401 - passed on
        looked_at.append(prefix)
        return scan(prefix, limit=limit, **bounds)

    monkeypatch.setattr(partition.store, "scan", counting)
    await partition.send(*(cancel_command(Review, "a") for _ in range(MAX_ANSWERS)))

    assert sum(prefix.startswith(b"c") for prefix in looked_at) == 1


@pytest.mark.parity(15, 16, 27)
@pytest.mark.parametrize(
    ("policy", "effect"),
    [("reject", "already_running"), ("return_existing", "existing"), ("terminate_existing", "applied")],
)
async def test_a_second_start_of_a_live_key_follows_its_policy(policy: OnConflict, effect: str) -> None:
    partition = Partition()
    first, second = start_command(Review, "a", Order()), start_command(Review, "a", Order(), on_conflict=policy)
    await partition.send(first)

    [reply] = await partition.send(second)

    assert (reply.effect or reply.reason) == effect
    assert reply.run == (second.id if policy == "terminate_existing" else first.id)
    replaced = policy == "terminate_existing"
    assert partition.state("review::a", first.id).status == ("cancelled" if replaced else "waiting")


async def test_a_replaced_run_leaves_nothing_but_its_record_and_its_history() -> None:
    partition = Partition()
    first = start_command(Review, "a", Order())
    second = start_command(Review, "a", Order(), on_conflict="terminate_existing")

    await partition.send(first, second)

    assert partition.tables().count("t") == 1
    assert partition.told(first.id)[-1] == ("cancelled", None)


def review_of(version: int, scope: Scope) -> type[Workflow[Order]]:
    class Versioned(Workflow[Order], key="review", name="Versioned", version=version, scope=scope):
        wait = WaitForEvent(Stars)
        done = Done()
        start = wait
        transitions = (wait.received.to(done),)

    return Versioned


@pytest.mark.parity(15)
@pytest.mark.parametrize(
    ("scope", "same_version", "other_version", "other_workflow"),
    [
        ("workflow", "already_running", "already_running", "applied"),
        ("version", "already_running", "applied", "applied"),
        ("global", "already_running", "already_running", "already_running"),
        ("none", "applied", "applied", "applied"),
    ],
)
async def test_a_key_is_unique_within_its_scope(
    scope: Scope, same_version: str, other_version: str, other_workflow: str
) -> None:
    old, new = review_of(1, scope), review_of(2, scope)
    partition = Partition((old, new, Review))
    await partition.send(start_command(old, "a", Order()))

    answers = [await partition.send(start_command(flow, "a", Order())) for flow in (old, new, Review)]

    found = [answer.effect or answer.reason for [answer] in answers]
    # What was accepted conflicts with nothing that follows, since each is of another version or workflow.
    assert found == [same_version, other_version, other_workflow]


@pytest.mark.parity(15)
@pytest.mark.parametrize(
    ("reuse", "after_completion", "after_failure"),
    [("always", "applied", "applied"), ("after_failure", "key_used", "applied"), ("never", "key_used", "key_used")],
)
async def test_an_ended_key_starts_again_as_its_reuse_says(
    reuse: Reuse, after_completion: str, after_failure: str
) -> None:
    class Reused(Workflow[Order], key="reused", reuse=reuse):
        wait = WaitForEvent(Stars)
        done = Done()
        start = wait
        transitions = (wait.received.to(done),)

    partition = Partition((Reused,))
    event = resume_command(Reused, "completed", Reused.wait.received, Stars(stars=1))
    await partition.send(start_command(Reused, "completed", Order()), event)
    await partition.send(start_command(Reused, "cancelled", Order()), cancel_command(Reused, "cancelled"))

    answers = await partition.send(
        start_command(Reused, "completed", Order()), start_command(Reused, "cancelled", Order())
    )

    assert [answer.effect or answer.reason for answer in answers] == [after_completion, after_failure]


class Exact(BaseModel, extra="forbid"):
    """A model that quotes what it does not know."""


class Strict(Workflow[Exact], key="strict"):
    """Refuses unknown fields."""

    wait = WaitForEvent(Stars)
    done = Done()
    start = wait
    transitions = (wait.received.to(done),)


STRICT = b'"workflow": "Strict", "key": "strict::a", "input": {"strict"'


def raw(**fields: object) -> bytes:
    usual: dict[str, object] = {"type": "start", "id": "c-1", "workflow": "Review", "key": "review::a", "input": {}}
    document = usual | fields
    return json.dumps({name: value for name, value in document.items() if value is not ...}).encode()


def event(**fields: object) -> bytes:
    return raw(**{"type": "resume", "event": "received", "input": ..., "payload": {"stars": 5}} | fields)


@pytest.mark.parity(12)
@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (raw(input={"quantity": 0}), "invalid_payload"),
        (raw(input=[]), "invalid_payload"),
        (raw(input={"note": "explode"}), "invalid_payload"),
        (raw(workflow="Revue"), "unknown_workflow"),
        (raw(version=9), "unknown_version"),
        (raw(key="order::a"), "invalid_key"),
        (raw(input={"note": "x" * MAX_PAYLOAD_BYTES}), "too_large"),
        (raw(metadata={"note": "x" * MAX_PAYLOAD_BYTES}), "too_large"),
        (raw(tags=["x" * 100] * 5_000), "too_large"),
        (event(key="review::nobody"), "not_found"),
        (event(workflow="Revue", key="review::nobody"), "unknown_workflow"),
        (event(run="another"), "not_found"),
        (event(node="starts"), "unknown_node"),
        (event(node="stars", event="recieved"), "unknown_event"),
        (event(event="recieved"), "unknown_event"),
        (event(event="done"), "not_external"),
        (event(payload={"stars": "many"}), "invalid_payload"),
        (event(payload=...), "invalid_payload"),
        (raw(schema=4), "unsupported_schema"),
        (raw(inptu={}), "undecodable"),
    ],
)
async def test_a_bad_command_is_refused_with_its_reason_and_the_next_one_is_applied(value: bytes, reason: str) -> None:
    partition = Partition()
    start = start_command(Review, "b", Order())
    if b'"resume"' in value:
        await partition.send(start_command(Review, "a", Order()))

    [refused, applied] = await partition.send(value, start)

    assert (refused.accepted, refused.reason) == (False, reason)
    assert refused.message
    assert applied.effect == "applied"
    assert partition.dead_letters() == []


async def test_an_event_without_a_node_must_fit_one_node_only() -> None:
    partition = Partition()
    await partition.send(start_command(Twice, "a", Order()))
    both = resume_command(Twice, "a", Twice.left.received, Stars(stars=1)).model_copy(update={"node": None})

    [refused] = await partition.send(both)

    assert refused.reason == "ambiguous"
    assert "left, right" in (refused.message or "")


@pytest.mark.parametrize("value", [b"\xff\xfe not JSON", b"[1, 2]", b"", None, b'{"type": "start"}'])
async def test_what_cannot_be_decoded_becomes_a_dead_letter_byte_for_byte(value: bytes | None) -> None:
    partition = Partition()
    record = partition.record(value, key=b"\x00\xff")

    await partition.cycle(record, partition.record(start_command(Chain, "a", Order())))

    [(key, found, letter)] = partition.dead_letters()
    assert (key, found) == (b"\x00\xff", value)
    assert (letter.reason, letter.topic, letter.partition, letter.offset) == ("undecodable", TOPICS.commands, 0, 0)
    assert letter.at == partition.now
    assert letter.message
    assert len(partition.published(TOPICS.completions)) == 1


@pytest.mark.parametrize("header", [(), (("reply_partition", b"-1"),), (("reply_partition", b"7"),)])
async def test_a_refusal_that_nobody_asked_for_becomes_a_dead_letter(header: tuple[tuple[str, bytes], ...]) -> None:
    partition = Partition()
    cancel = partition.record(cancel_command(Review, "a"), headers=header)

    batch = await partition.cycle(cancel)

    assert batch.replies == []
    [(key, value, letter)] = partition.dead_letters()
    assert (key, value, letter.reason) == (cancel.key, cancel.value, "not_found")


async def test_an_accepted_command_that_asks_for_nothing_leaves_no_dead_letter() -> None:
    partition = Partition()

    batch = await partition.cycle(partition.record(start_command(Chain, "a", Order()), headers=()))

    assert (batch.replies, partition.dead_letters()) == ([], [])


LONG = "x" * 100_000


@pytest.mark.parametrize(
    "value",
    [
        raw(**{LONG: 1}),
        raw(input={"strict": 1, LONG: 1}),
        event(payload={"stars": LONG}),
        event(payload={LONG: 1}),
        raw(type=LONG),
        event(node="x" * 200),
        raw(key=f"review::{LONG}"),
    ],
    ids=["a field", "a field of the input", "a payload", "a field of a payload", "a type", "a node", "a key"],
)
async def test_what_was_wrong_is_told_in_a_bounded_text(value: bytes) -> None:
    partition = Partition((Strict, Review))
    await partition.send(start_command(Review, "a", Order()))
    value = value.replace(b'"workflow": "Review", "key": "review::a", "input": {"strict"', STRICT)

    batch = await partition.cycle(partition.record(value, headers=()), partition.record(value.replace(b"c-1", b"c-2")))

    [(_, _, letter)] = partition.dead_letters()
    [reply] = replies(batch)
    assert len(letter.message) < 5_000
    assert len(reply.message or "") < 5_000
    assert all(len(record.value or b"") < 5_000 for record in batch.outputs if record.topic == TOPICS.history)


@pytest.mark.parametrize("part", ["key", "value"])
async def test_a_dead_letter_of_any_size_fits_into_one_record(part: str) -> None:
    partition = Partition()
    large = b"\xff" * 3_000_000
    record = partition.record(large) if part == "value" else partition.record(b"?", key=large)

    await partition.cycle(record)

    [(key, value, letter)] = partition.dead_letters()
    size = len(key or b"") + len(value or b"")
    assert 0 < size <= MAX_COPIED_BYTES
    assert "bytes the first" in letter.message
    assert letter.size == len(record.key or b"") + len(record.value or b"")


@pytest.mark.parity(15)
async def test_a_misrouted_command_is_sent_on_once_with_everything_it_had() -> None:
    partition = Partition(number=0, partitions=12)
    headers = (("traceparent", b"00-x"), ("reply_partition", b"3"))
    record = partition.record(start_command(Chain, "a", Order()), headers=headers)

    batch = await partition.cycle(record)

    [forward] = batch.forwards
    assert forward.partition != 0
    assert (forward.key, forward.value) == (b"chain::a", record.value)
    assert forward.headers[:2] == list(headers)
    assert (batch.outputs, batch.replies, dict(batch.changes)) == ([], [], {})


async def test_a_misrouted_command_is_not_sent_on_a_second_time() -> None:
    partition = Partition(number=0, partitions=12)
    batch = await partition.cycle(partition.record(start_command(Chain, "a", Order())))
    [forward] = batch.forwards

    again = await partition.cycle(partition.record(start_command(Chain, "a", Order()), headers=forward.headers))

    assert again.forwards == []
    [(_, _, letter)] = partition.dead_letters()
    assert letter.reason == "misrouted"


@pytest.mark.parity(15)
async def test_a_forwarded_command_is_applied_where_it_belongs() -> None:
    wrong = Partition(number=0, partitions=12)
    batch = await wrong.cycle(wrong.record(start_command(Chain, "a", Order())))
    [forward] = batch.forwards
    right = Partition(number=forward.partition, partitions=12)

    arrived = await right.cycle(right.record(forward.value, key=forward.key, headers=forward.headers))

    assert [reply.effect for reply in replies(arrived)] == ["applied"]


async def test_a_misrouted_command_that_is_too_large_to_be_sent_on_is_refused() -> None:
    partition = Partition(number=0, partitions=12)
    large = partition.record(start_command(Chain, "a", Order(note="x" * 1_500_000)))

    batch = await partition.cycle(large)

    assert batch.forwards == []
    assert [reply.reason for reply in replies(batch)] == ["too_large"]


REPLAYED = (*ASKS, ("replay", b"0:7"))


async def test_a_replay_of_a_refused_command_is_judged_anew_under_its_own_id() -> None:
    partition = Partition((Review,))
    lost = start_command(Chain, "a", Order())
    await partition.cycle(partition.record(lost, headers=()))
    [(key, value, _)] = partition.dead_letters()

    [still] = replies(await partition.cycle(partition.record(value, key=key, headers=REPLAYED)))
    heir = partition.under(Chain)
    [mended] = replies(await heir.cycle(heir.record(value, key=key, headers=REPLAYED)))

    assert (still.reason, still.duplicate) == ("unknown_workflow", False)
    assert (mended.effect, mended.run, mended.duplicate) == ("applied", lost.id, False)
    # Whoever sends the command itself again hears the same.
    [told] = replies(await heir.cycle(heir.record(value, key=key)))
    assert (told.effect, told.duplicate) == ("applied", True)


async def test_a_letter_that_is_replayed_twice_takes_effect_once() -> None:
    partition = Partition()
    await partition.send(start_command(Twice, "a", Order()))
    early = resume_command(Twice, "a", Twice.left.received, Stars(stars=5))
    await partition.cycle(partition.record(early, headers=()))

    again, third = replies(await partition.cycle(*(partition.record(early, headers=REPLAYED) for _ in range(2))))

    assert [(reply.effect, reply.duplicate) for reply in (again, third)] == [("applied", True)] * 2
    assert [event.type for event in partition.history(again.run or "")].count("step_completed") == 2


async def test_a_replay_that_comes_to_a_wrong_partition_stays_one_when_it_is_sent_on() -> None:
    partition = Partition(number=0, partitions=12)

    batch = await partition.cycle(partition.record(start_command(Chain, "a", Order()), headers=REPLAYED))

    [forward] = batch.forwards
    assert forward.headers[:2] == list(REPLAYED)
