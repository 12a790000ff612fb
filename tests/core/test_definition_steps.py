"""What is refused of steps, nodes and outcomes, where they are made."""

# The classes are made to be refused.
# pyright: reportUnusedClass=false

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from hephaestus_stream import Context, Event, Instance, Outcome, Step, Suspend, Wait
from hephaestus_stream.core.rule import Rule
from hephaestus_stream.errors import StepDefinitionError
from tests.core.flows import Discount, Order, Work
from tests.core.refusals import step_problem_of, untyped

NAIVE = datetime(2026, 12, 24)  # noqa: DTZ001  # without a time zone on purpose


@pytest.mark.parametrize("name", ["config", "execute", "retry", "timeout", "runner", "events", "node_name", "location"])
def test_an_event_that_shadows_a_steps_own_attribute_is_refused(name: str) -> None:
    def make() -> None:
        type("Odd", (Work,), {name: Event()})  # here

    problem = step_problem_of(make, Rule.RESERVED_EVENT)
    assert problem.what == f"Odd.{name} is an event, but {name} is an attribute that every step has"
    assert problem.remedy == "call the event something else"


def test_one_event_object_under_two_names_is_refused() -> None:
    def make() -> None:
        class Odd(Step[object]):  # here
            one = Event()
            two = one

    problem = step_problem_of(make, Rule.SHARED_EVENT)
    assert problem.what == "Odd.two is the same Event object as Odd.one"
    assert problem.remedy == "give each its own: two = Event(...)"


@pytest.mark.parametrize(
    ("rule", "attributes", "what", "remedy"),
    [
        (Rule.BAD_STEP_RETRY, {"retry": 5}, "Odd.retry is 5", "give a RetryPolicy(...)"),
        (Rule.BAD_TIMEOUT, {"timeout": 20}, "Odd.timeout is 20", "timedelta(seconds=20)"),
        (Rule.BAD_TIMEOUT, {"timeout": timedelta(0)}, "Odd.timeout is datetime.timedelta(0)", "above zero"),
        (Rule.BAD_RUNNER, {"runner": "fibre"}, "Odd.runner is 'fibre'", "choose one of asyncio, thread"),
        (Rule.BAD_RUNNER, {"runner": "thread"}, "Odd.runner is 'thread', but async def execute", "write def execute"),
    ],
)
def test_a_bad_attribute_of_a_step_is_refused(
    rule: Rule, attributes: dict[str, object], what: str, remedy: str
) -> None:
    def make() -> None:
        type("Odd", (Work,), attributes)  # here

    problem = step_problem_of(make, rule)
    assert problem.what.startswith(what)
    assert remedy in problem.remedy


@pytest.mark.parity(6)
def test_a_blocking_execute_on_the_event_loop_is_refused() -> None:
    def make() -> None:
        class Odd(Step[object]):  # here
            runner = "asyncio"

            def execute(self, instance: Instance, config: None, context: Context[object]) -> Outcome:
                raise NotImplementedError

    problem = step_problem_of(make, Rule.BAD_RUNNER)
    assert problem.what == "Odd.runner is 'asyncio', but def execute would block the event loop"
    assert problem.remedy == "write async def execute"


@pytest.mark.parity(8)
def test_a_step_without_its_configuration_is_refused_at_its_line() -> None:
    def make() -> None:
        untyped(Discount)()  # here

    problem = step_problem_of(make, Rule.BAD_CONFIGURATION)
    assert problem.what == "Discount takes a configuration of type Rebate and got none"
    assert problem.remedy == "write Discount(Rebate(...))"


@pytest.mark.parity(8)
def test_a_step_with_a_configuration_of_another_type_is_refused() -> None:
    with pytest.raises(StepDefinitionError, match="Discount takes a configuration of type Rebate and got Order"):
        Discount(untyped(Order()))


@pytest.mark.parity(8)
def test_a_configuration_of_a_step_that_takes_none_is_refused() -> None:
    with pytest.raises(StepDefinitionError, match="Work takes no configuration and got Order"):
        Work(untyped(Order()))


def test_a_configuration_that_may_be_one_of_several_types_cannot_be_left_out() -> None:
    with pytest.raises(StepDefinitionError, match="Wait takes a configuration of type"):
        Wait(untyped(None))


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        ({"timeout": 2}, "Suspend(timeout=2) has no duration"),
        ({"until": "noon"}, "Suspend(until='noon') has no instant"),
        ({"until": NAIVE}, f"Suspend(until={NAIVE!r}) has no time zone"),
        ({"otherwise": "later"}, "Suspend(otherwise='later') is no outcome"),
        ({"timeout": timedelta(1), "until": NAIVE.replace(tzinfo=UTC)}, "Suspend has both timeout= and until="),
        ({"otherwise": Work.done()}, "Suspend(otherwise=...) never happens"),
    ],
)
def test_a_suspension_that_makes_no_sense_is_refused(arguments: dict[str, object], what: str) -> None:
    def make() -> None:
        Suspend(**untyped(arguments))  # here

    assert step_problem_of(make, Rule.BAD_SUSPEND).what == what


def test_a_wait_until_an_instant_without_a_time_zone_is_refused() -> None:
    def make() -> None:
        Wait(NAIVE)  # here

    problem = step_problem_of(make, Rule.BAD_WAIT)
    assert problem.what == f"Wait({NAIVE!r}) has no time zone"
    assert "an aware datetime" in problem.remedy
