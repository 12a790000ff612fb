from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

import pytest

from hephaestus_stream import Context, Done, Event, Instance, Outcome, Step, Workflow
from hephaestus_stream.core import engine
from hephaestus_stream.core.decision import Decision
from hephaestus_stream.core.definition import Definition
from hephaestus_stream.core.input import Input, Resume, Start, StepEmitted, TimerFired
from hephaestus_stream.core.state import State
from hephaestus_stream.cycle import execution
from hephaestus_stream.cycle.attempt import AttemptId, Kind
from hephaestus_stream.cycle.batch import Batch
from hephaestus_stream.cycle.cycle import run_cycle
from hephaestus_stream.cycle.memory import MemoryStore
from hephaestus_stream.cycle.source import AttemptEnded, Source, TakenOver, TimerDue
from hephaestus_stream.cycle.tables import Tables
from hephaestus_stream.wire.command import Command
from hephaestus_stream.wire.request import cancel_command, resume_command, start_command
from tests.cycle.flows import RETENTION, Chain, Order, Retried, Review, Stars, Talking, Threaded, Work
from tests.cycle.partition import BEGIN, COMMAND_RETENTION, TOPICS, Partition, replies

STARS = Review.stars.received


async def test_a_chain_of_quick_steps_is_one_batch() -> None:
    partition = Partition()
    command = start_command(Chain, "a", Order())

    batch = await partition.cycle(partition.record(command))

    assert batch.running == []
    assert [node for kind, node in partition.told(command.id) if kind == "step_completed"] == [
        "first",
        "second",
        "third",
    ]
    assert len(partition.published(TOPICS.step_results)) == 3
    assert len(partition.published(TOPICS.completions)) == 1
    # A command's answer, one record of history, the run, and its key.
    assert sorted(key[:1] for key, value in batch.changes.items() if value is not None) == [b"c", b"h", b"i", b"k"]


@pytest.mark.parity(6)
async def test_a_step_in_a_thread_tells_its_outcome_to_a_later_batch() -> None:
    partition = Partition()
    command = start_command(Threaded, "a", Order())

    first = await partition.cycle(partition.record(command))
    running = partition.state("threaded::a", command.id)
    batches = await partition.finish(first)

    assert [attempt for attempt, _ in first.running] == [AttemptId("threaded::a", command.id, "blocking", 1)]
    assert running.status == "running"
    assert len(batches) == 1
    assert partition.state("threaded::a", command.id).status == "completed"


@pytest.mark.parity(18)
async def test_the_history_has_no_gap_in_the_topic_nor_in_the_table() -> None:
    partition = Partition()
    command = start_command(Retried, "a", Order())
    await partition.cycle(partition.record(command))
    await partition.skip(timedelta(seconds=10))
    await partition.skip(timedelta(minutes=1))

    history = partition.history(command.id)

    assert history[-1].type == "completed"
    assert [event.sequence for event in history] == list(range(1, len(history) + 1))
    assert partition.kept_history(command.id) == [event.sequence for event in history]
    assert [event.at for event in history] == sorted(event.at for event in history)


async def test_a_retry_and_a_wait_leave_no_timer_behind() -> None:
    partition = Partition()
    command = start_command(Retried, "a", Order())

    await partition.cycle(partition.record(command))
    retrying = partition.tables()
    await partition.skip(timedelta(seconds=10))
    waiting = partition.tables()
    await partition.skip(timedelta(minutes=1))

    assert (retrying.count("t"), waiting.count("t")) == (1, 1)
    # The answer, three cycles' history, the run, its key; and two entries of what expires.
    assert partition.tables() == "chhhikxx"


@pytest.mark.parity(11)
async def test_a_timer_fires_at_its_time_and_not_before() -> None:
    partition = Partition()
    command = start_command(Review, "a", Order())
    await partition.cycle(partition.record(command))

    await partition.skip(timedelta(minutes=59))
    early = partition.state("review::a", command.id).status
    await partition.skip(timedelta(minutes=1))

    assert (early, partition.state("review::a", command.id).status) == ("waiting", "failed")
    assert "t" not in partition.tables()


async def test_an_event_clears_the_timer_of_its_wait_also_within_one_cycle() -> None:
    partition = Partition()

    await partition.send(start_command(Review, "one", Order()))
    await partition.send(resume_command(Review, "one", STARS, Stars(stars=1)))
    await partition.send(start_command(Review, "two", Order()), resume_command(Review, "two", STARS, Stars(stars=1)))

    assert "t" not in partition.tables()


@pytest.mark.parity(12)
async def test_an_event_and_its_timeout_in_one_cycle_count_in_the_order_of_their_coming() -> None:
    partition = Partition()
    command = start_command(Review, "a", Order())
    await partition.cycle(partition.record(command))
    partition.now += timedelta(hours=2)
    event = partition.record(resume_command(Review, "a", STARS, Stars(stars=1)))
    due = due_timers(partition)

    await partition.cycle(event, *due)

    assert partition.state("review::a", command.id).ended_at == "done"
    assert "t" not in partition.tables()


def due_timers(partition: Partition) -> list[TimerDue]:
    due = Tables(partition.store, command_retention=COMMAND_RETENTION).due_timers(partition.now, limit=10)
    return [TimerDue(timer, 0.5) for timer in due]


async def test_the_timers_of_a_workflow_that_this_worker_lacks_are_held() -> None:
    partition = Partition()
    command = start_command(Review, "a", Order())
    await partition.cycle(partition.record(command))
    without = Partition((Chain,))
    without.store = partition.store

    batch = await without.skip(timedelta(hours=2))

    assert [timer.node for timer in batch.held] == ["stars"]
    assert "t" in without.tables()
    await partition.skip(timedelta(hours=2))
    assert partition.state("review::a", command.id).status == "failed"


async def test_a_run_and_its_history_leave_after_the_retention_and_the_key_is_free() -> None:
    partition = Partition()
    await partition.send(start_command(Chain, "a", Order()))

    partition.now += RETENTION - timedelta(seconds=1)
    await partition.cycle()
    kept = partition.tables()
    partition.now += timedelta(seconds=2)
    await partition.cycle()

    assert "i" in kept
    assert "h" in kept
    assert partition.tables() == ""


async def test_a_key_is_forgotten_with_its_last_answer_where_answers_live_longer_than_runs() -> None:
    class Short(Workflow[Order], key="short", retention=timedelta(hours=1)):
        work = Work()
        done = Done()
        start = work
        transitions = (work.done.to(done),)

    partition = Partition((Short,))
    await partition.send(start_command(Short, "a", Order()))
    partition.now += timedelta(hours=2)
    await partition.cycle()
    without_run = partition.tables()
    partition.now += COMMAND_RETENTION
    await partition.cycle()

    assert without_run == "ckx"
    assert partition.tables() == ""


async def test_what_expires_at_one_moment_leaves_in_several_cycles_and_the_batch_tells_that_there_is_more() -> None:
    partition = Partition()
    await partition.send(*(start_command(Chain, str(number), Order()) for number in range(150)))
    partition.now += 2 * RETENTION

    more = [(await partition.cycle()).more_expired for _ in range(3)]

    assert more == [True, False, False]
    assert partition.tables() == ""


async def test_a_live_run_never_leaves() -> None:
    partition = Partition()
    await partition.send(start_command(Review, "a", Order()))

    partition.now += 10 * RETENTION
    await partition.cycle()

    assert partition.tables() == "hikt"


async def test_a_key_that_started_again_is_kept_when_its_first_run_leaves() -> None:
    partition = Partition()
    await partition.send(start_command(Review, "a", Order()), cancel_command(Review, "a"))
    partition.now += RETENTION / 2
    second = start_command(Review, "a", Order())
    await partition.send(second)

    partition.now += RETENTION
    await partition.cycle()

    assert partition.tables().count("i") == 1
    [reply] = await partition.send(start_command(Review, "a", Order()))
    assert (reply.reason, reply.run) == ("already_running", second.id)


async def test_what_derives_from_the_tables_is_never_in_the_changelog() -> None:
    partition = Partition()

    batch = await partition.cycle(
        partition.record(start_command(Threaded, "a", Order())), partition.record(start_command(Chain, "a", Order()))
    )

    rebuilt = MemoryStore()
    rebuilt.write(dict(batch.changelog()))
    assert {key[:1] for key, _ in batch.changelog()} == {b"c", b"h", b"i", b"k"}
    assert rebuilt.scan(b"", limit=1_000) == partition.store.scan(b"", limit=1_000)
    assert {b"a", b"x"} <= {key[:1] for key, _ in rebuilt.scan(b"", limit=1_000)}
    await partition.runner.close()


@pytest.mark.parity(22)
async def test_the_changelog_of_every_cycle_rebuilds_the_same_tables() -> None:
    partition, rebuilt = Partition(), MemoryStore()
    commands: list[Command] = [
        start_command(Chain, "a", Order()),
        start_command(Retried, "b", Order()),
        start_command(Review, "c", Order()),
        cancel_command(Review, "c"),
        start_command(Threaded, "d", Order()),
    ]
    batch = await partition.cycle(*(partition.record(command) for command in commands))
    batches = [batch, *await partition.finish(batch)]
    batches += [await partition.skip(time) for time in (timedelta(seconds=10), timedelta(minutes=1), 2 * RETENTION)]
    for each in batches:
        rebuilt.write(dict(each.changelog()))

    # An entry of what expires goes with its record: replay leaves it until its time, which harms nothing.
    assert no_expiry(rebuilt) == no_expiry(partition.store)


def no_expiry(store: MemoryStore) -> list[tuple[bytes, bytes]]:
    return [(key, value) for key, value in store.scan(b"", limit=10_000) if key[:1] != b"x"]


async def test_a_run_with_running_steps_is_taken_up_again_by_the_next_owner() -> None:
    former, partition = Partition(), Partition()
    command = start_command(Threaded, "a", Order())
    await former.cycle(former.record(command))
    partition.store = former.store
    await former.runner.close()

    batch = await partition.take_over(worker_lost=False)
    await partition.finish(batch)

    assert ("step_restarted", "blocking") in partition.told(command.id)
    assert partition.state("threaded::a", command.id).status == "completed"


async def test_after_an_unclean_close_the_restart_is_committed_before_the_step_is_executed() -> None:
    former, partition = Partition(), Partition()
    command = start_command(Threaded, "a", Order())
    await former.cycle(former.record(command))
    partition.store = former.store
    await former.runner.close()
    node = AttemptId("threaded::a", command.id, "blocking", 1)

    batch = await run_cycle(
        partition.shard, partition.store, partition.runner, taken_over(partition), now=BEGIN, fold=False
    )

    assert not partition.runner.is_running(node)
    assert [attempt.id for attempt in batch.to_start] == [node]
    assert any(key.startswith(b"i") for key, _ in batch.changelog())


def taken_over(partition: Partition) -> list[TakenOver]:
    running = Tables(partition.store, command_retention=COMMAND_RETENTION).running(after=None, limit=10)
    return [TakenOver(key, run, worker_lost=True) for _, key, run in running]


async def test_a_step_that_lost_three_workers_promptly_fails_its_attempt() -> None:
    partition = Partition()
    command = start_command(Threaded, "a", Order())
    await partition.cycle(partition.record(command))
    for _ in range(3):
        store, partition = partition.store, Partition()
        partition.store = store
        await partition.take_over(worker_lost=True)

    failures = [event for event in partition.history(command.id) if event.type == "step_failed"]
    assert [event.details["error"] for event in failures] == ["WorkerLost"]
    assert partition.state("threaded::a", command.id).nodes["blocking"].status == "retrying"


async def test_an_attempt_that_this_worker_still_executes_is_attached_to_and_not_started_again() -> None:
    partition = Partition()
    command = start_command(Threaded, "a", Order())
    first = await partition.cycle(partition.record(command))
    [(_, future)] = first.running

    batch = await partition.take_over(worker_lost=True)
    again = [later for _, later in batch.running] or [partition.runner.start(each) for each in batch.to_start]
    await partition.finish(batch)

    assert again == [future]
    assert ("step_restarted", "blocking") not in partition.told(command.id)
    assert partition.state("threaded::a", command.id).status == "completed"


async def test_the_outcome_of_an_attempt_that_is_over_changes_nothing() -> None:
    partition = Partition()
    command = start_command(Threaded, "a", Order())
    batch = await partition.cycle(partition.record(command))
    [(attempt, future)] = batch.running
    ended = AttemptEnded(attempt, await future)
    await partition.cycle(ended)
    state, told = partition.state("threaded::a", command.id), partition.told(command.id)

    await partition.cycle(ended)

    assert (partition.state("threaded::a", command.id), partition.told(command.id)) == (state, told)


@pytest.mark.parity(17)
async def test_a_cancelled_run_stops_its_step_and_takes_no_outcome() -> None:
    partition = Partition()
    command = start_command(Threaded, "a", Order())
    first = await partition.cycle(partition.record(command))
    [(attempt, future)] = first.running

    batch = await partition.cycle(partition.record(cancel_command(Threaded, "a")))

    assert batch.stops == [attempt]
    assert not partition.runner.is_running(attempt)
    assert partition.state("threaded::a", command.id).status == "cancelled"
    assert partition.tables().count("a") == 0
    with pytest.raises(asyncio.CancelledError):
        await future


@pytest.mark.parity(17)
async def test_a_step_is_not_started_for_a_run_that_was_cancelled_in_the_same_cycle() -> None:
    executed: list[str] = []

    class Notes(Step[object]):
        done = Event()

        async def execute(self, instance: Instance, config: None, context: Context[object]) -> Outcome:
            executed.append(instance.id)
            return self.done()

    class Noted(Workflow[Order], key="noted"):
        notes = Notes()
        done = Done()
        start = notes
        transitions = (notes.done.to(done),)

    partition = Partition((Noted,))
    commands = (start_command(Noted, "a", Order()), cancel_command(Noted, "a"))

    batch = await partition.cycle(*(partition.record(command) for command in commands), fold=False)
    await partition.finish(batch)

    assert batch.to_start == []
    assert executed == []


class Apply(Protocol):
    def __call__(self, definition: Definition, state: State | None, what: Input, *, now: datetime) -> Decision: ...


def failing_for(kinds: tuple[type[Input], ...], key: str) -> Apply:
    """An engine with a bug: it fails for these inputs of one key."""

    def apply(definition: Definition, state: State | None, what: Input, *, now: datetime) -> Decision:
        found = what.key if isinstance(what, Start) else state.key if state is not None else None
        if isinstance(what, kinds) and found == key:
            raise ZeroDivisionError("a bug")
        return engine.apply(definition, state, what, now=now)

    return apply


async def test_a_command_that_the_engine_fails_on_is_refused_and_dead_lettered_and_nothing_else_is_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(execution, "apply", failing_for((Start,), "chain::bad"))
    partition = Partition()
    bad, good = start_command(Chain, "bad", Order()), start_command(Chain, "good", Order())

    [refused, applied] = await partition.send(bad, good)

    assert (refused.reason, applied.effect) == ("engine_error", "applied")
    [(_, value, letter)] = partition.dead_letters()
    assert letter.reason == "engine_error"
    assert b"chain::bad" in (value or b"")
    assert partition.history(bad.id) == []
    assert partition.state("chain::good", good.id).status == "completed"


async def test_an_event_that_the_engine_fails_on_leaves_its_run_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution, "apply", failing_for((Resume,), "review::a"))
    partition = Partition()
    command = start_command(Review, "a", Order())
    await partition.send(command)
    before = partition.state("review::a", command.id)

    [reply] = await partition.send(resume_command(Review, "a", STARS, Stars(stars=1)))

    assert reply.reason == "engine_error"
    assert partition.state("review::a", command.id) == before


async def test_a_start_that_the_engine_fails_on_does_not_end_the_run_that_it_was_to_replace(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    partition = Partition()
    first = start_command(Review, "a", Order())
    await partition.send(first)
    monkeypatch.setattr(execution, "apply", failing_for((Start,), "review::a"))

    [reply] = await partition.send(start_command(Review, "a", Order(), on_conflict="terminate_existing"))

    assert reply.reason == "engine_error"
    assert partition.state("review::a", first.id).status == "waiting"
    assert partition.told(first.id)[-1][0] != "cancelled"


async def test_an_outcome_that_the_engine_fails_on_halts_its_run_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution, "apply", failing_for((StepEmitted,), "chain::bad"))
    partition = Partition()
    bad, good = start_command(Chain, "bad", Order()), start_command(Chain, "good", Order())

    answers = await partition.send(bad, good)

    assert [answer.effect for answer in answers] == ["applied", "applied"]
    assert partition.state("chain::good", good.id).status == "completed"
    halted = partition.state("chain::bad", bad.id)
    assert halted.halted is not None
    assert partition.told(bad.id)[-1] == ("halted", None)
    [(_, _, letter)] = partition.dead_letters()
    assert letter.reason == "engine_error"


async def test_a_timer_that_the_engine_fails_on_halts_its_run_and_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    partition = Partition()
    command = start_command(Review, "a", Order())
    await partition.send(command)
    monkeypatch.setattr(execution, "apply", failing_for((TimerFired,), "review::a"))

    await partition.skip(timedelta(hours=2))

    assert partition.told(command.id)[-1] == ("halted", None)
    assert "t" not in partition.tables()


async def test_a_halted_run_can_be_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    partition = Partition()
    command = start_command(Chain, "bad", Order())
    monkeypatch.setattr(execution, "apply", failing_for((StepEmitted,), "chain::bad"))
    await partition.send(command)

    [reply] = await partition.send(cancel_command(Chain, "bad"))

    assert reply.effect == "applied"
    assert partition.state("chain::bad", command.id).status == "cancelled"


async def test_a_halted_run_is_not_taken_up_by_the_next_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    partition = Partition()
    command = start_command(Chain, "bad", Order())
    monkeypatch.setattr(execution, "apply", failing_for((StepEmitted,), "chain::bad"))
    await partition.send(command)
    monkeypatch.undo()

    batch = await partition.take_over(worker_lost=False)
    await partition.finish(batch)

    assert partition.told(command.id)[-1] == ("halted", None)


async def test_a_cycle_leaves_the_inputs_behind_those_with_large_outputs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hephaestus_stream.cycle.cycle.MAX_OUTPUT_BYTES", 1_000_000)
    partition = Partition()
    sent = [partition.record(start_command(Talking, str(number), Order())) for number in range(60)]
    cycles: list[Batch] = []
    left: Sequence[Source] = sent

    while left:
        cycles.append(await partition.cycle(*left))
        left = cycles[-1].left

    # All in their order, each once; of the first four it shows that they are large.
    assert [reply.position for batch in cycles for reply in replies(batch)] == [record.offset for record in sent]
    assert [len(replies(batch)) for batch in cycles] == [4] * 15
    assert len(partition.published(TOPICS.completions)) == 60


async def test_a_long_cycle_gives_others_of_the_worker_their_turn() -> None:
    partition = Partition()
    sent = [partition.record(resume_command(Review, "unknown", STARS, Stars(stars=5))) for _ in range(300)]
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    asking = asyncio.create_task(other())
    await partition.cycle(*sent)
    asking.cancel()

    assert turns >= 300 // 20


async def test_many_inputs_wait_for_their_turn_and_few_do_not() -> None:
    partition = Partition()
    turn = asyncio.Lock()
    await turn.acquire()

    async def taken(count: int) -> Batch:
        sent = [partition.record(start_command(Review, f"{count}-{number}", Order())) for number in range(count)]
        return await run_cycle(partition.shard, partition.store, partition.runner, sent, now=BEGIN, turn=turn)

    async with asyncio.timeout(20):
        few = await taken(50)
        many = asyncio.create_task(taken(200))
        for _ in range(1_000):
            await asyncio.sleep(0)
        waited = not many.done()
        turn.release()

        assert [len(replies(batch)) for batch in (few, await many)] == [50, 200]
    assert waited
    assert not turn.locked()


async def test_a_step_without_room_begins_after_the_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    partition = Partition()

    def has_room(kind: Kind) -> bool:
        return kind != ("Chain", "second")

    monkeypatch.setattr(partition.runner, "has_room_for", has_room)
    command = start_command(Chain, "a", Order())

    batch = await run_cycle(partition.shard, partition.store, partition.runner, [partition.record(command)], now=BEGIN)

    assert [attempt.id for attempt in batch.to_start] == [AttemptId("chain::a", command.id, "second", 1)]
    assert batch.folded == [AttemptId("chain::a", command.id, "first", 1)]
