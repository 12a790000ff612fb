from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest

from hephaestus_stream import Context, Done, Event, Instance, NodeEvent, Outcome, Step, Workflow
from hephaestus_stream.core.definition import Definition
from hephaestus_stream.core.input import StepEmitted, StepFailed
from hephaestus_stream.core.state import State
from hephaestus_stream.cycle.attempt import Attempt, AttemptId
from hephaestus_stream.runtime.steps.runner import StepRunner

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LONG = timedelta(minutes=1)
SOON = timedelta(milliseconds=200)
KIND, OTHER = ("Flow", "only"), ("Other", "only")
GRACE = timedelta(milliseconds=50)


@dataclass
class Gate:
    """Holds steps until it is opened, and counts those that are inside."""

    opened: threading.Event = field(default_factory=threading.Event)
    entered: asyncio.Event = field(default_factory=asyncio.Event)
    inside: int = 0
    most: int = 0
    times: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def enter(self) -> None:
        with self.lock:
            self.inside += 1
            self.times += 1
            self.most = max(self.most, self.inside)

    def leave(self) -> None:
        with self.lock:
            self.inside -= 1


gate = Gate()


@pytest.fixture(autouse=True)
def fresh_gate() -> None:
    gate.__init__()  # type: ignore[misc]  # the steps below know this one only


class Waits(Step[None]):
    done = Event()

    async def execute(self, instance: Instance, config: None, context: Context[None]) -> Outcome:
        gate.enter()
        try:
            while not gate.opened.is_set():  # noqa: ASYNC110 - it is opened from threads, too
                await asyncio.sleep(0.001)
        finally:
            gate.leave()
        return self.done()


class Blocks(Step[None]):
    done = Event()

    def execute(self, instance: Instance, config: None, context: Context[None]) -> Outcome:
        gate.enter()
        try:
            assert gate.opened.wait(30)
        finally:
            gate.leave()
        return self.done()


class TimesOut(Blocks):
    timeout = SOON


class Swallows(Step[None]):
    done = Event()

    async def execute(self, instance: Instance, config: None, context: Context[None]) -> Outcome:
        gate.enter()
        while not gate.opened.is_set():
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(0.001)
        gate.leave()
        return self.done()


class Gathers(Step[None]):
    """Has tasks of its own, for whose end it waits when it is cancelled."""

    done = Event()

    async def execute(self, instance: Instance, config: None, context: Context[None]) -> Outcome:
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.Event().wait())
            gate.enter()
        return self.done()


class SwallowsInVain(Swallows):
    timeout = SOON


class Works(Step[None]):
    """A blocking step that looks whether it should stop."""

    done = Event()

    def execute(self, instance: Instance, config: None, context: Context[None]) -> Outcome:
        gate.enter()
        while not context.stop_requested:
            time.sleep(0.001)
        gate.leave()
        return self.done()


class WorksTooLong(Works):
    timeout = SOON


class Hurries(Step[None]):
    done = Event()
    timeout = timedelta(milliseconds=1)

    async def execute(self, instance: Instance, config: None, context: Context[None]) -> Outcome:
        return self.done()


class Prompt(Step[None]):
    """A blocking step that does not block."""

    done = Event()

    def execute(self, instance: Instance, config: None, context: Context[None]) -> Outcome:
        return self.done()


class Forks(Step[None]):
    """Both go on, and both come to the end of the step."""

    done = Event(int)

    def execute(self, instance: Instance, config: None, context: Context[None]) -> Outcome:
        return self.done(os.fork())


class ForksOnLoop(Step[None]):
    done = Event(int)

    async def execute(self, instance: Instance, config: None, context: Context[None]) -> Outcome:
        return self.done(os.fork())


def forked() -> int:
    """The copy's number; the copy itself gets none, but an exit as if it were at the end of the program."""
    copy = os.fork()
    if not copy:
        sys.exit(3)
    return copy


class ForksAndExits(Step[None]):
    done = Event(int)

    def execute(self, instance: Instance, config: None, context: Context[None]) -> Outcome:
        return self.done(forked())


class ForksOnLoopAndExits(Step[None]):
    done = Event(int)

    async def execute(self, instance: Instance, config: None, context: Context[None]) -> Outcome:
        return self.done(forked())


class Talks(Step[None]):
    done = Event(str)

    async def execute(self, instance: Instance, config: None, context: Context[None]) -> Outcome:
        return self.done("x" * 5_000)


def flow_of(step: Step[None], *, named: str = "Flow") -> Definition:
    class Flow(Workflow[None], key="flow", name=named):
        only = step
        done = Done()
        start = only
        # A step's events are read from its class, which is another one for each flow.
        transitions = (getattr(only, "done").to(done),)  # noqa: B009

    return Flow.definition


FLOWS = {
    "waits": flow_of(Waits()),
    "blocks": flow_of(Blocks()),
    "hurries": flow_of(Hurries()),
    "other_prompt": flow_of(Prompt(), named="Other"),
    "other_hurries": flow_of(Hurries(), named="Other"),
    "talks": flow_of(Talks()),
    "forks": flow_of(Forks()),
    "forks_and_exits": flow_of(ForksAndExits()),
    "forks_on_loop": flow_of(ForksOnLoop()),
    "forks_on_loop_and_exits": flow_of(ForksOnLoopAndExits()),
    "times_out": flow_of(TimesOut()),
    "swallows": flow_of(Swallows()),
    "gathers": flow_of(Gathers()),
    "swallows_in_vain": flow_of(SwallowsInVain()),
    "works": flow_of(Works()),
    "works_too_long": flow_of(WorksTooLong()),
}


def attempt(step: str, number: int = 1, *, key: str = "flow::1") -> Attempt:
    state = State(key, step, "Flow", 1, "running", b"null", NOW, NOW)
    return Attempt(AttemptId(key, step, "only", number), FLOWS[step], state)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - the condition is set by threads
            await asyncio.sleep(0.001)


@pytest.mark.parametrize(("node", "bound"), [("waits", 3), ("blocks", 2)])
async def test_no_more_steps_are_executed_at_once_than_allowed(node: str, bound: int) -> None:
    runner = StepRunner(concurrency=3, threads=2)
    futures = [runner.start(attempt(node, number)) for number in range(1, 8)]
    await until(lambda: gate.inside == bound)
    gate.opened.set()

    ends = await asyncio.gather(*futures)

    assert gate.most == bound
    assert all(isinstance(end, StepEmitted) for end in ends)
    await runner.close()


@pytest.mark.parametrize("step", [Waits, Blocks])
async def test_steps_of_many_kinds_are_a_tenth_more_at_once_than_allowed_and_no_more(step: type[Step[None]]) -> None:
    runner = StepRunner(concurrency=20, threads=20)
    kinds = [flow_of(step(), named=f"Flow{number}") for number in range(60)]
    futures = [
        runner.start(replace(attempt("waits", number), definition=definition))
        for number, definition in enumerate(kinds)
    ]
    await until(lambda: gate.inside == 22)
    gate.opened.set()

    await asyncio.gather(*futures)

    assert (gate.most, gate.times) == (22, 60)
    await runner.close()


async def test_attempts_of_many_kinds_have_no_more_room_than_a_tenth_on_top() -> None:
    runner = StepRunner(concurrency=2, threads=1)
    kinds = [flow_of(Waits(), named=f"Flow{number}") for number in range(60)]
    begun = 0
    for number, definition in enumerate(kinds):
        one = replace(attempt("waits", number), definition=definition)
        if runner.has_room_for(one.kind):
            runner.start(one)
            begun += 1

    assert begun == runner.held == 22
    await runner.close()


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("node", ["forks", "forks_and_exits", "forks_on_loop", "forks_on_loop_and_exits"])
async def test_a_copy_that_a_step_forks_ends_with_the_steps_code_and_is_no_second_worker(node: str) -> None:
    runner = StepRunner(concurrency=1, threads=1)
    end = await runner.start(attempt(node))
    assert isinstance(end, StepEmitted)
    copy = int(end.reported.payload or b"")
    assert copy
    try:
        await until(lambda: os.waitpid(copy, os.WNOHANG) == (copy, 0))
    except TimeoutError:
        os.kill(copy, signal.SIGKILL)
        raise
    await runner.close()


@pytest.mark.parity(22)
async def test_blocking_steps_leave_the_others_their_places() -> None:
    runner = StepRunner(concurrency=1, threads=1)
    blocked = [runner.start(attempt("blocks", number)) for number in (1, 2)]
    await until(lambda: gate.inside == 1)

    assert isinstance(await runner.start(attempt("hurries")), StepEmitted)

    gate.opened.set()
    await asyncio.gather(*blocked)
    await runner.close()


@pytest.mark.parity(22)
async def test_a_step_is_executed_in_a_task_of_its_own_and_has_ended_after_one_turn_if_it_does_not_wait() -> None:
    runner = StepRunner(concurrency=1, threads=1)

    future = runner.start(attempt("hurries"))
    before = future.done()
    await asyncio.sleep(0)

    assert (before, future.done()) == (False, True)


async def test_starting_an_attempt_twice_executes_it_once() -> None:
    runner = StepRunner(concurrency=5, threads=1)

    first, again = runner.start(attempt("waits")), runner.start(attempt("waits"))
    await until(lambda: gate.inside == 1)
    gate.opened.set()
    await first

    assert first is again
    assert gate.most == 1
    assert runner.start(attempt("waits")) is first


async def test_an_outcome_is_kept_until_it_is_committed() -> None:
    runner = StepRunner(concurrency=5, threads=1)
    ended = attempt("hurries")
    await runner.start(ended)

    kept = runner.is_running(ended.id)
    runner.forget(ended.id)

    assert (kept, runner.is_running(ended.id)) == (True, False)


@pytest.mark.parity(17)
async def test_a_stopped_attempt_is_cancelled_and_another_one_may_begin() -> None:
    runner = StepRunner(concurrency=1, threads=1)
    stopped = runner.start(attempt("waits", 1))
    await until(lambda: gate.inside == 1)

    runner.stop(attempt("waits", 1).id)

    with pytest.raises(asyncio.CancelledError):
        await stopped
    assert isinstance(await runner.start(attempt("hurries", 2)), StepEmitted)


async def test_what_belongs_to_others_now_is_stopped() -> None:
    runner = StepRunner(concurrency=5, threads=1)
    mine, theirs = (runner.start(attempt("waits", key=key)) for key in ("flow::mine", "flow::theirs"))
    await until(lambda: gate.inside == 2)

    runner.stop_all_but(lambda attempt: attempt.key == "flow::mine")
    gate.opened.set()

    assert isinstance(await mine, StepEmitted)
    with pytest.raises(asyncio.CancelledError):
        await theirs


async def test_new_work_waits_while_too_much_is_queued() -> None:
    runner = StepRunner(concurrency=1, threads=1)
    futures = [runner.start(attempt("waits", number)) for number in range(1, 11)]
    full = runner.has_room_for(KIND)
    gate.opened.set()
    await asyncio.gather(*futures)
    for number in range(1, 11):
        runner.forget(attempt("waits", number).id)

    assert (full, runner.has_room_for(KIND)) == (False, True)


async def test_a_kind_of_step_has_room_though_another_kind_fills_the_runner() -> None:
    runner = StepRunner(concurrency=1, threads=1)
    for number in range(1, 11):
        runner.start(attempt("waits", number))

    assert (runner.has_room_for(KIND), runner.has_room_for(OTHER)) == (False, True)
    assert isinstance(await runner.start(attempt("other_hurries")), StepEmitted)
    assert not runner.has_room_for(OTHER)
    runner.forget(attempt("other_hurries").id)
    assert runner.has_room_for(OTHER)
    await runner.close()


async def test_a_quick_step_runs_while_slow_ones_hold_all_places() -> None:
    runner = StepRunner(concurrency=3, threads=2)
    for node, count in (("waits", 9), ("blocks", 9)):
        for number in range(count):
            runner.start(attempt(node, number))
    await until(lambda: gate.inside == 5)

    quick = [runner.start(attempt(node)) for node in ("other_hurries", "other_prompt")]

    async with asyncio.timeout(20):
        assert all(isinstance(end, StepEmitted) for end in await asyncio.gather(*quick))
    gate.opened.set()
    await runner.close()


@pytest.mark.parametrize("gone", ["forget", "stop"])
async def test_nothing_begins_while_large_outcomes_wait_for_their_commit(
    gone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hephaestus_stream.runtime.steps.unheard.MAX_BYTES", 9_000)
    runner = StepRunner(concurrency=10, threads=1)
    room = [runner.has_room_for(KIND)]
    for number in (1, 2):
        await runner.start(attempt("talks", number))
        room.append(runner.has_room_for(KIND))

    getattr(runner, gone)(attempt("talks", 1).id)

    assert [*room, runner.has_room_for(KIND)] == [True, True, False, True]
    await runner.close()


async def test_finishing_gives_running_steps_their_time() -> None:
    runner = StepRunner(concurrency=1, threads=1)
    future = runner.start(attempt("waits"))
    await until(lambda: gate.inside == 1)
    finishing = asyncio.create_task(runner.finish(LONG))
    await asyncio.sleep(0)
    assert not finishing.done()

    gate.opened.set()
    await finishing

    assert future.done()
    assert runner.is_running(attempt("waits").id)


async def test_finishing_does_not_wait_for_ever() -> None:
    runner = StepRunner(concurrency=1, threads=1)
    future = runner.start(attempt("waits"))

    await runner.finish(timedelta(milliseconds=1))

    assert not future.done()
    await runner.close()


async def test_closing_stops_everything() -> None:
    runner = StepRunner(concurrency=5, threads=1)
    futures = [runner.start(attempt("waits", 1)), runner.start(attempt("blocks", 1))]
    await until(lambda: gate.inside == 2)

    await runner.close()

    assert all(future.cancelled() for future in futures)
    gate.opened.set()
    await until(lambda: gate.inside == 0)


@pytest.mark.parametrize("step", ["works_too_long", "times_out", "swallows_in_vain"])
async def test_a_timeout_is_told_when_it_comes_and_not_when_the_step_has_stopped(step: str) -> None:
    runner = StepRunner(concurrency=1, threads=1, stop_grace=LONG)

    end = await runner.start(attempt(step))

    assert isinstance(end, StepFailed)
    assert end.error.type == "StepTimeoutError"
    assert end.error.message == "only took longer than its timeout of 0:00:00.200000"
    assert not end.permanent
    gate.opened.set()
    await until(lambda: gate.inside == 0)
    await runner.close()


@pytest.mark.parametrize("step", ["times_out", "swallows_in_vain"])
async def test_a_step_that_timed_out_keeps_its_place_while_it_may_still_stop(step: str) -> None:
    runner = StepRunner(concurrency=1, threads=1, stop_grace=LONG)
    hangs, queued = runner.start(attempt(step, 1)), runner.start(attempt(step, 2))
    await hangs
    # For as long as the second one could wait if its time counted already.
    await asyncio.wait({queued}, timeout=2 * SOON.total_seconds())
    waited = not queued.done()
    gate.opened.set()

    assert isinstance(await queued, StepEmitted)
    assert waited
    await runner.close()


async def test_a_stopped_step_in_a_thread_is_told_so() -> None:
    runner = StepRunner(concurrency=1, threads=1, stop_grace=LONG)
    stopped, queued = runner.start(attempt("works", 1)), runner.start(attempt("blocks", 2))
    await until(lambda: gate.inside == 1)
    gate.opened.set()

    runner.stop(attempt("works", 1).id)

    assert isinstance(await queued, StepEmitted)
    assert stopped.cancelled()
    await runner.close()


async def test_closing_asks_the_steps_to_stop_and_waits_for_them() -> None:
    runner = StepRunner(concurrency=1, threads=1, stop_grace=LONG)
    stopped = runner.start(attempt("works"))
    await until(lambda: gate.inside == 1)

    await runner.close()

    assert stopped.cancelled()
    assert gate.inside == 0


async def test_a_step_that_was_stopped_before_it_had_its_place_never_begins() -> None:
    runner = StepRunner(concurrency=1, threads=1)
    first, stopped = (runner.start(attempt("waits", number)) for number in (1, 2))
    await until(lambda: gate.inside == 1)
    runner.stop(attempt("waits", 2).id)
    gate.opened.set()

    assert isinstance(await first, StepEmitted)
    assert stopped.cancelled()
    assert isinstance(await runner.start(attempt("waits", 3)), StepEmitted)
    assert gate.times == 2


async def test_a_step_that_swallows_its_cancellation_loses_its_place_after_a_grace(
    caplog: pytest.LogCaptureFixture,
) -> None:
    runner = StepRunner(concurrency=1, threads=1, stop_grace=GRACE)
    await runner.start(attempt("swallows_in_vain", 1))

    assert isinstance(await runner.start(attempt("hurries", 2)), StepEmitted)

    assert gate.inside == 1
    assert "flow::1 (run swallows_in_vain), node only, attempt 1 goes on though it was cancelled" in caplog.text
    gate.opened.set()
    await until(lambda: gate.inside == 0)


@pytest.mark.parametrize(("hung", "next_one"), [("swallows", "hurries"), ("blocks", "works_too_long")])
async def test_a_step_that_is_stopped_at_once_gives_its_place_back_however_long_the_grace_is(
    hung: str, next_one: str
) -> None:
    runner = StepRunner(concurrency=1, threads=1, stop_grace=timedelta(days=1))
    runner.start(attempt(hung))
    await until(lambda: gate.inside == 1)

    runner.stop(attempt(hung).id, at_once=True)

    async with asyncio.timeout(20):
        await runner.start(attempt(next_one, 2))
    gate.opened.set()
    await until(lambda: gate.inside == 0)


async def test_a_step_that_lets_its_cancellation_through_is_not_accused_when_it_is_stopped_at_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    runner = StepRunner(concurrency=1, threads=1)
    runner.start(attempt("gathers"))
    await until(lambda: gate.inside == 1)

    runner.stop(attempt("gathers").id, at_once=True)

    await runner.start(attempt("hurries", 2))
    assert "goes on though it was cancelled" not in caplog.text


async def test_a_step_that_swallows_its_cancellation_does_not_hold_up_the_close() -> None:
    runner = StepRunner(concurrency=1, threads=1, stop_grace=GRACE)
    outcome = runner.start(attempt("swallows"))
    await until(lambda: gate.inside == 1)

    await runner.close()

    assert outcome.cancelled()
    assert gate.inside == 1
    gate.opened.set()
    await until(lambda: gate.inside == 0)


async def test_more_hung_threads_than_there_are_places_leave_the_other_steps_theirs(
    caplog: pytest.LogCaptureFixture,
) -> None:
    runner = StepRunner(concurrency=1, threads=2, stop_grace=GRACE)
    for number in (1, 2):
        await runner.start(attempt("times_out", number))
    await until(lambda: caplog.text.count("hangs in its thread") == 2)
    hung = runner.start(attempt("times_out", 3))
    others = [runner.start(attempt("works_too_long", number)) for number in (4, 5, 6)]
    ends = [*await asyncio.gather(*others), await hung]
    await until(lambda: caplog.text.count("hangs in its thread") == 3)

    assert all(isinstance(end, StepFailed) for end in ends)
    await until(lambda: gate.inside == 3)
    assert "flow::1 (run times_out), node only, attempt 3 hangs in its thread, which is left behind" in caplog.text
    assert "assert gate.opened.wait(30)" in caplog.text
    # As many are replaced as there are places; the third one keeps its own.
    assert "3 steps hang in their threads" in caplog.text
    gate.opened.set()
    await until(lambda: gate.inside == 0)
    await runner.close()


async def test_places_of_hung_threads_come_back_with_them(caplog: pytest.LogCaptureFixture) -> None:
    runner = StepRunner(concurrency=1, threads=1, stop_grace=GRACE)
    for number in (1, 2):
        await runner.start(attempt("times_out", number))
    await until(lambda: "Restart this worker" in caplog.text)
    queued = runner.start(attempt("blocks", 3))
    gate.opened.set()

    assert isinstance(await queued, StepEmitted)
    caplog.clear()
    gate.opened.clear()
    await runner.start(attempt("times_out", 4))
    await until(lambda: "hangs in its thread" in caplog.text)
    assert "Restart this worker" not in caplog.text
    gate.opened.set()
    await until(lambda: gate.inside == 0)
    await runner.close()


async def test_a_node_that_its_version_has_no_longer_fails_for_good() -> None:
    runner = StepRunner(concurrency=1, threads=1)
    known = attempt("hurries")
    end = await runner.start(replace(known, id=known.id._replace(node="renamed")))

    assert isinstance(end, StepFailed)
    assert end.permanent
    assert (
        end.error.message == "version 1 of Flow has no step 'renamed' any more; give a changed graph the next version"
    )


async def test_the_timeout_of_a_step_does_not_count_while_it_waits_for_its_place() -> None:
    runner = StepRunner(concurrency=1, threads=1)
    holding = runner.start(attempt("waits"))
    queued = runner.start(attempt("hurries"))
    much_later = asyncio.get_running_loop().time() + 0.02
    await until(lambda: asyncio.get_running_loop().time() > much_later)
    assert not queued.done()
    gate.opened.set()

    assert isinstance(await queued, StepEmitted)
    await holding


class CancelsItself(Step[None]):
    done = Event()

    async def execute(self, instance: Instance, config: None, context: Context[None]) -> Outcome:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(0)
        return self.done()


class PressesCtrlC(Step[None]):
    done = Event()

    async def execute(self, instance: Instance, config: None, context: Context[None]) -> Outcome:
        raise KeyboardInterrupt


@pytest.mark.parametrize(("step", "error"), [(CancelsItself, "CancelledError"), (PressesCtrlC, "RuntimeError")])
async def test_what_a_step_does_to_its_own_task_fails_its_attempt_only(step: type[Step[None]], error: str) -> None:
    class Flow(Workflow[None], key="own"):
        own = step()
        end = Done()
        start = own
        transitions = (NodeEvent(own, cast("Event[None]", vars(step)["done"])).to(end),)

    runner = StepRunner(concurrency=1, threads=1)
    state = State("own::1", "run", "Flow", 1, "running", b"null", NOW, NOW)

    end = await runner.start(Attempt(AttemptId("own::1", "run", "own", 1), Flow.definition, state))

    assert isinstance(end, StepFailed)
    assert end.error.type == error
    await runner.close()
