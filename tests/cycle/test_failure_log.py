"""A mistake in a step is found from the log of the worker alone."""

from __future__ import annotations

import json
import logging
from typing import Final

import pytest

from hephaestus_stream import Context, Done, Event, Failed, Instance, Outcome, RetryPolicy, Step, Workflow
from hephaestus_stream.telemetry.log_format import LogFormat, formatter_of
from hephaestus_stream.wire.request import start_command
from tests.cycle.flows import Order
from tests.cycle.partition import Partition

RATES: Final[dict[str, int]] = {}


def rate_of(name: str) -> int:
    return RATES[name]


class OnLoop(Step[object]):
    done = Event()
    retry = RetryPolicy(max_attempts=1)

    async def execute(self, instance: Instance, config: None, context: Context[object]) -> Outcome:
        rate_of("rate")
        return self.done()


class InThread(Step[object]):
    done = Event()
    retry = RetryPolicy(max_attempts=1)

    def execute(self, instance: Instance, config: None, context: Context[object]) -> Outcome:
        try:
            rate_of("rate")
        except KeyError as error:
            raise ValueError("no rate") from error
        return self.done()


class LoopFlow(Workflow[Order], key="bug"):
    a = OnLoop()
    end = Done()
    start = a
    transitions = (a.done.to(end),)


class ThreadFlow(Workflow[Order], key="bug"):
    a = InThread()
    end = Done()
    start = a
    transitions = (a.done.to(end),)


class Declining(Step[object]):
    done = Event()

    async def execute(self, instance: Instance, config: None, context: Context[object]) -> Outcome:
        return self.done()


class DeclinedFlow(Workflow[Order], key="bug"):
    a = Declining()
    declined = Failed("the card was declined")
    start = a
    transitions = (a.done.to(declined),)


async def logged(
    flow: type[Workflow[Order]], caplog: pytest.LogCaptureFixture, *, style: LogFormat = "text"
) -> list[str]:
    """What the worker's log has of a run, record by record."""
    partition = Partition((flow,))
    await partition.finish(await partition.cycle(partition.record(start_command(flow, "1", Order()))))
    await partition.runner.close()
    formatter = formatter_of(style)
    return [formatter.format(record) for record in caplog.records if record.levelno >= logging.WARNING]


async def test_the_line_of_a_failed_attempt_is_followed_by_where_in_the_users_code_it_failed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    warning, _ = await logged(LoopFlow, caplog)

    sentence, heading, frame, *_ = warning.splitlines()
    assert sentence.endswith("bug::1: attempt 1 of a failed: KeyError: 'rate'")
    assert heading == "Traceback (most recent call last):"
    assert frame.startswith(f'  File "{__file__}", line ')  # no frame of the engine is above it
    assert frame.endswith(", in execute")
    assert "    return RATES[name]\n" in warning
    assert warning.endswith("\nKeyError: 'rate'")


async def test_the_cause_of_a_failed_attempt_is_shown_and_the_engines_frames_are_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    warning, _ = await logged(ThreadFlow, caplog)

    frames = [line for line in warning.splitlines() if line.startswith("  File ")]
    assert [frame.rpartition(" ")[2] for frame in frames] == ["execute", "rate_of", "execute"]
    assert "KeyError: 'rate'\n\nThe above exception was the direct cause" in warning
    assert warning.endswith("\nValueError: no rate")


async def test_as_json_a_failed_attempt_is_one_line_with_its_traceback_in_a_field(
    caplog: pytest.LogCaptureFixture,
) -> None:
    warning, _ = await logged(LoopFlow, caplog, style="json")

    line = json.loads(warning)
    assert line["message"] == "bug::1: attempt 1 of a failed: KeyError: 'rate'"
    assert (line["key"], line["node"], line["attempt"], line["level"]) == ("bug::1", "a", 1, "WARNING")
    assert line["exception"].startswith(f'Traceback (most recent call last):\n  File "{__file__}"')
    assert line["exception"].endswith("KeyError: 'rate'")


async def test_the_line_of_a_failed_run_names_the_type_of_its_error(caplog: pytest.LogCaptureFixture) -> None:
    _, error = await logged(LoopFlow, caplog)

    assert error.endswith(" failed at a: KeyError: 'rate'")


async def test_a_run_that_fails_as_it_was_drawn_is_one_line_without_a_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    [error] = await logged(DeclinedFlow, caplog)

    assert error.endswith(" failed at declined: Failed: the card was declined")


async def test_where_only_errors_are_logged_a_failed_attempt_is_silent(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, "hephaestus_stream.cycle")
    caplog.handler.setLevel(logging.NOTSET)  # it would keep from the test what the logger lets through
    lines = await logged(LoopFlow, caplog)

    assert len(lines) == 1
