from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from datetime import timedelta

import pytest

from hephaestus_stream.core.input import StepEmitted
from hephaestus_stream.runtime.steps.runner import StepRunner
from hephaestus_stream.runtime.steps.watchdog import Watchdog
from tests.runtime.steps.process_flows import Job, LoopFlow, ThreadFlow, attempt_of

SOON = timedelta(milliseconds=50)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - threads bring it about
            await asyncio.sleep(0.001)


async def test_a_step_that_blocks_the_event_loop_is_told_of_once_with_its_place_and_once_more_when_it_ends(
    tmp_path: object, caplog: pytest.LogCaptureFixture
) -> None:
    runner = StepRunner(concurrency=1, threads=1)
    release = threading.Thread(target=touch_when, args=(tmp_path, lambda: "blocks the event loop" in caplog.text))
    with Watchdog(too_long=SOON):
        release.start()
        end = await runner.start(attempt_of(LoopFlow, Job(does="hang", folder=str(tmp_path))))
        await until(lambda: "blocked the event loop for" in caplog.text)
    release.join()
    warning, ending = (record.getMessage() for record in caplog.records if record.name.endswith("watchdog"))

    assert isinstance(end, StepEmitted)
    assert warning.startswith("flow::1 (run run-1), node only, attempt 1 blocks the event loop")
    assert "write def execute" in warning
    assert "in hang" in warning
    assert "do(context.initial, context)" in warning
    assert "execute_on_loop" not in warning
    assert ending.startswith("flow::1 (run run-1), node only, attempt 1 blocked the event loop for ")
    await runner.close()


async def test_what_blocks_in_a_shard_is_told_of_as_a_model_or_a_route(caplog: pytest.LogCaptureFixture) -> None:
    async def choose() -> None:
        while "blocks the event loop" not in caplog.text:
            time.sleep(0.005)  # noqa: ASYNC251 - that is the mistake

    with Watchdog(too_long=SOON):
        await asyncio.create_task(choose(), name="shard 3")

    assert "shard 3 blocks the event loop" in caplog.text
    assert "models check payloads and routes choose there" in caplog.text
    assert "write def execute" not in caplog.text


async def test_a_blocking_step_in_its_thread_is_none_of_the_watchdogs_concern(
    tmp_path: object, caplog: pytest.LogCaptureFixture
) -> None:
    runner = StepRunner(concurrency=1, threads=1)
    with Watchdog(too_long=SOON):
        outcome = runner.start(attempt_of(ThreadFlow, Job(does="hang", folder=str(tmp_path))))
        await asyncio.wait({outcome}, timeout=5 * SOON.total_seconds())
        touch_when(tmp_path, lambda: True)
        await outcome

    assert caplog.text == ""
    await runner.close()


async def test_the_watchdog_ends_with_its_worker() -> None:
    with Watchdog(too_long=SOON):
        began = "watchdog" in [thread.name for thread in threading.enumerate()]

    assert began
    await until(lambda: "watchdog" not in [thread.name for thread in threading.enumerate()])


def touch_when(folder: object, condition: Callable[[], bool]) -> None:
    while not condition():
        time.sleep(0.001)
    with open(f"{folder}/release", "w"):  # noqa: PTH123 - any file
        pass
