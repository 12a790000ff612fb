"""The plugin, in projects of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest_plugins = ["pytester"]

SHOP = """
    from datetime import timedelta
    from hephaestus_stream import Done, Event, Step, WaitForEvent, Workflow
    from hephaestus_stream.testing import Simulator

    class Charge(Step[object]):
        charged = Event()

        async def execute(self, instance, config, context):
            raise ValueError("no such card")

    class OrderFlow(Workflow[None], key="orderid"):
        review = WaitForEvent()
        charge = Charge()
        done = Done()
        start = review
        transitions = (review.received.to(charge), charge.charged.to(done))
"""


def run(pytester: pytest.Pytester, tests: str) -> pytest.RunResult:
    pytester.makeini("[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n")
    pytester.makepyfile(shop=SHOP, test_shop=f"from shop import *\n{tests}")
    return pytester.runpytest_inprocess("-p", "no:xdist", "-p", "no:cacheprovider")


def test_a_failure_shows_the_path_of_the_run_and_the_last_events(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
async def test_an_order(simulator):
    run = await simulator.start(OrderFlow, "abc123", None)
    run = await simulator.resume(run, OrderFlow.review.received)
    run = await simulator.skip(run, timedelta(days=1))
    assert run.status == "completed"
""",
    )

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*- hephaestus: OrderFlow orderid::abc123 failed at charge -*",
            "*✓ ▶ review*",
            "*✗ charge*",
            "ValueError: no such card",
            "charge failed in:",
            '  File "*shop.py", line *, in execute',
            '    raise ValueError("no such card")',
            "last events:",
            "  2026-01-01 00:00:15 step_failed charge (attempt 5): error ValueError; message no such card",
            "  2026-01-01 00:00:15 failed charge: error ValueError; message no such card",
        ]
    )


def test_the_last_events_are_written_as_people_write_them(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
from hephaestus_stream.testing import HANGS

async def test_an_order(simulator):
    simulator.stub(OrderFlow.charge, HANGS)
    run = await simulator.start(OrderFlow, "abc123", None)
    run = await simulator.resume(run, OrderFlow.review.received)
    assert run.status == "completed"
""",
    )

    result.stdout.fnmatch_lines(["last events:", "  2026-01-01 00:00:00 step_completed review.received*"])
    result.stdout.no_fnmatch_line("*failed in:*")


def test_a_simulator_of_the_test_itself_is_shown_too_and_that_of_a_former_test_is_not(
    pytester: pytest.Pytester,
) -> None:
    result = run(
        pytester,
        """
kept = []

async def test_first():
    kept.append(Simulator())
    await kept[0].start(OrderFlow, "first", None)

async def test_second():
    run = await Simulator().start(OrderFlow, "second", None)
    assert run.status == "completed"
""",
    )

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*- hephaestus: OrderFlow orderid::second waiting at review -*"])
    result.stdout.no_fnmatch_line("*orderid::first*")


def test_a_test_that_passes_shows_nothing(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
async def test_an_order(simulator):
    await simulator.start(OrderFlow, "abc123", None)
""",
    )

    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*hephaestus: *")


def test_each_test_has_a_simulator_of_its_own_and_need_not_be_async(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
import asyncio

def test_an_order(simulator):
    run = asyncio.run(simulator.start(OrderFlow, "abc123", None))
    run = asyncio.run(simulator.resume(run, OrderFlow.review.received))
    assert run.path == ("review",)

async def test_the_same_order_again(simulator):
    assert simulator.runs() == ()
    await simulator.start(OrderFlow, "abc123", None)
""",
    )

    result.assert_outcomes(passed=2)


def test_a_run_that_cannot_be_drawn_hides_no_failure(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
async def test_an_order(simulator):
    run = await simulator.start(OrderFlow, "abc123", None)
    simulator.runs = lambda: 1 / 0
    assert run.status == "completed"
""",
    )

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*assert 'waiting' == 'completed'*", "the runs cannot be drawn: ZeroDivisionError*"])


def test_the_plugin_loads_nothing_that_its_project_does_not_use() -> None:
    code = (
        "import sys, pytest; before = set(sys.modules); import pytest_hephaestus; "
        "print(*sorted(set(sys.modules) - before))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert found.stdout == "pytest_hephaestus\n"


@pytest.mark.parametrize(
    "line",
    [
        "simulator.stub(OrderFlow.charge, 'charged')",
        "simulator.stub(OrderFlow.charge, OrderFlow.charge.charged(5))",
        "await simulator.start(OrderFlow, 'abc123', 5)",
        "await simulator.start(OrderFlow, 'first', None)",
        "await simulator.resume(run, OrderFlow.charge.charged)",
        "await simulator.resume(run, OrderFlow.review.received, 5)",
        "await simulator.cancel('abc123')",
        "await simulator.skip(timedelta(days=-1))",
        "simulator.crash_before_commit(0)",
        "run.result(OrderFlow.review.received)",
    ],
)
def test_an_error_is_reported_at_the_users_line(pytester: pytest.Pytester, line: str) -> None:
    result = run(
        pytester,
        f"""
async def test_an_order(simulator):
    run = await simulator.start(OrderFlow, "first", None)
    {line}
""",
    )

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f">       {line}".replace("[", "[[]"), "test_shop.py:*: *Error"])
    result.stdout.no_fnmatch_line("*hephaestus_stream/*.py:*")
