"""What class creation refuses about the class statement."""

# The classes are made to be refused.
# pyright: reportUnusedClass=false

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from hephaestus_stream import Done, Event, RetryPolicy, Step, Workflow
from hephaestus_stream.errors import StepDefinitionError
from tests.core.flows import Order, Work
from tests.core.refusals import assert_at, assert_refused, problems_of, untyped


def test_a_workflow_without_a_key_is_refused() -> None:
    def make() -> None:
        class Flow(Workflow[Order]):  # here
            work = Work()
            end = Done()
            start = work
            transitions = (work.done.to(end),)

    assert_refused(make, "Flow has no key", "class Flow(Workflow[...], key=...)")


def test_a_workflow_without_a_start_is_refused() -> None:
    def make() -> None:
        class Flow(Workflow[Order], key="order"):  # here
            work = Work()
            end = Done()
            transitions = (work.done.to(end),)

    assert_refused(make, "Flow has no start", "start = work")


def test_a_workflow_without_transitions_is_refused_without_a_word_about_each_event() -> None:
    def make() -> None:
        class Flow(Workflow[Order], key="order"):  # here
            work = Work()
            end = Done()
            start = work

    assert_refused(make, "Flow has no transitions", "transitions = (first.done.to(second), ...)")


def test_an_empty_class_misses_three_things_at_once() -> None:
    def make() -> None:
        class Flow(Workflow[Order]):  # here
            pass

    problems = problems_of(make)
    assert [problem.what for problem in problems] == ["Flow has no key", "Flow has no start", "Flow has no transitions"]
    for problem in problems:
        assert_at(problem, make)


def test_transitions_that_are_no_tuple_are_refused() -> None:
    def make() -> None:
        class Flow(Workflow[Order], key="order"):  # here
            work = Work()
            end = Done()
            start = work
            transitions = untyped(work.done.to(end))  # no comma

    assert_refused(make, "transitions is a Transition", "(first.done.to(second),)")


def flow(**keywords: object) -> Callable[[], None]:
    """A class statement with bad keywords, which no type checker would let pass as they are."""

    def make() -> None:
        class Flow(Workflow[Order], **untyped({"key": "order", **keywords})):  # here
            work = Work()
            end = Done()
            start = work
            transitions = (work.done.to(end),)

    return make


@pytest.mark.parametrize(
    ("keywords", "what", "remedy"),
    [
        ({"key": ""}, "key '' is no prefix for business keys", "key='orderid'"),
        ({"key": "a::b"}, "key 'a::b' is no prefix for business keys", "letters, digits"),
        ({"key": 5}, "key 5 is no prefix for business keys", "letters, digits"),
        ({"name": "Order Flow"}, "name 'Order Flow' is no stored name", "letters, digits"),
        ({"name": "x" * 101}, f"name {'x' * 101!r} is no stored name", "100 characters"),
        ({"version": 0}, "version 0 is no version", "a whole number from 1"),
        ({"version": True}, "version True is no version", "a whole number from 1"),
        ({"version": "2"}, "version '2' is no version", "a whole number from 1"),
        ({"scope": "galaxy"}, "scope 'galaxy' is unknown", "workflow, version, global, none"),
        ({"reuse": "sometimes"}, "reuse 'sometimes' is unknown", "always, after_failure, never"),
        ({"retention": timedelta(0)}, "retention datetime.timedelta(0) cannot be kept", "above zero"),
        ({"retention": timedelta.max}, f"retention {timedelta.max!r} cannot be kept", "a hundred years at most"),
        ({"retry": 5}, "retry 5 is no retry policy", "RetryPolicy(...)"),
        ({"tags": "sales"}, "tags 'sales' are no tags", "tags=('sales',)"),
        ({"tags": ("a\n",)}, "tags ('a\\n',) are no tags", "printable"),
        ({"metadata": {"since": timedelta(1)}}, "metadata of Flow is not JSON", "a dict of strings"),
        ({"metadata": {"share": float("nan")}}, "metadata of Flow is not JSON", "a dict of strings"),
        ({"metadata": {1: "one"}}, "metadata of Flow is not JSON", "a dict of strings"),
        ({"metadata": {"atoms": [10**30]}}, "metadata of Flow is not JSON", "numbers of 64 bits"),
        ({"metadata": {"text": "\ud800"}}, "metadata of Flow is not JSON", "a dict of strings"),
        ({"metadata": [1]}, "metadata of Flow is not JSON", "a dict of strings"),
    ],
)
def test_a_bad_keyword_is_refused(keywords: dict[str, object], what: str, remedy: str) -> None:
    assert_refused(flow(**keywords), what, remedy)


def test_good_keywords_are_kept() -> None:
    class Flow(
        Workflow[Order],
        key="order",
        name="OrderFlow",
        version=3,
        scope="global",
        reuse="never",
        tags=("sales",),
        metadata={"team": {"name": "shop", "size": [1, 2.5, None]}},
        retry=RetryPolicy(max_attempts=2),
        retention=timedelta(days=1),
    ):
        work = Work()
        end = Done()
        start = work
        transitions = (work.done.to(end),)

    definition = Flow.definition
    assert (definition.key, definition.name, definition.version) == ("order", "OrderFlow", 3)
    assert (definition.scope, definition.reuse, definition.tags) == ("global", "never", ("sales",))
    assert definition.metadata == {"team": {"name": "shop", "size": [1, 2.5, None]}}
    assert definition.retry_of("work").max_attempts == 2
    assert definition.retention == timedelta(days=1)


def test_a_bad_name_of_a_node_is_refused() -> None:
    def make() -> None:
        class Flow(Workflow[Order], key="order"):
            _work = Work()  # here
            end = Done()
            start = _work
            transitions = (_work.done.to(end),)

    assert_refused(make, "_work is no name for a node", "begin with a letter")


def test_a_node_under_a_reserved_name_is_refused() -> None:
    def make() -> None:
        class Flow(Workflow[Order], key="order"):
            work = definition = untyped(Work())  # here
            end = Done()
            start = work
            transitions = (work.done.to(end),)

    problems = problems_of(make)
    assert problems[0].what == "definition is a reserved name"
    assert_at(problems[0], make)


def test_an_attribute_under_a_reserved_name_is_refused() -> None:
    def make() -> None:
        class Flow(Workflow[Order], key="order"):  # here
            definition = untyped("how we ship")
            work = Work()
            end = Done()
            start = work
            transitions = (work.done.to(end),)

    assert_refused(make, "definition is a reserved name", "something else")


@pytest.mark.parametrize("name", ["config", "execute", "retry", "timeout", "runner", "events", "node_name", "location"])
def test_an_event_that_shadows_a_steps_own_attribute_is_refused(name: str) -> None:
    with pytest.raises(StepDefinitionError, match=f"Odd: no event can be called {name}"):
        type("Odd", (Work,), {name: Event()})


def test_one_event_object_under_two_names_is_refused() -> None:
    with pytest.raises(StepDefinitionError, match=r"Odd.two is the same Event object as Odd.one"):

        class Odd(Step[object]):
            one = Event()
            two = one
