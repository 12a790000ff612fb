"""What class creation refuses about the class statement."""

# The classes are made to be refused.
# pyright: reportUnusedClass=false

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from inspect import signature

import pytest

from hephaestus_stream import Done, RetryPolicy, Workflow
from hephaestus_stream.core.rule import Rule
from hephaestus_stream.core.rules.keywords import KEYWORDS
from tests.core.flows import Order, Work
from tests.core.refusals import assert_at, assert_refused, problem_of, problems_of, untyped


@pytest.mark.parity(15)
def test_a_workflow_without_a_key_is_refused() -> None:
    def make() -> None:
        class Flow(Workflow[Order]):  # here
            work = Work()
            end = Done()
            start = work
            transitions = (work.done.to(end),)

    assert_refused(make, Rule.MISSING_KEY, "Flow has no key", "class Flow(Workflow[...], key='orderid')")


def test_a_workflow_without_a_start_is_refused() -> None:
    def make() -> None:
        class Flow(Workflow[Order], key="order"):  # here
            work = Work()
            end = Done()
            transitions = (work.done.to(end),)

    assert_refused(make, Rule.MISSING_START, "Flow has no start", "start = work")


def test_a_workflow_without_transitions_is_refused_without_a_word_about_each_event() -> None:
    def make() -> None:
        class Flow(Workflow[Order], key="order"):  # here
            work = Work()
            end = Done()
            start = work

    assert_refused(
        make, Rule.MISSING_TRANSITIONS, "Flow has no transitions", "transitions = (first.done.to(second), ...)"
    )


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

    assert_refused(make, Rule.BAD_TRANSITIONS, "transitions is a Transition", "(first.done.to(second),)")


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
    ("rule", "keywords", "what", "remedy"),
    [
        (Rule.BAD_KEY, {"key": ""}, "key '' is no prefix for business keys", "key='orderid'"),
        (Rule.BAD_KEY, {"key": "a::b"}, "key 'a::b' is no prefix for business keys", "letters, digits"),
        (Rule.BAD_KEY, {"key": 5}, "key 5 is no prefix for business keys", "letters, digits"),
        (Rule.BAD_NAME, {"name": "Order Flow"}, "name 'Order Flow' is no stored name", "letters, digits"),
        (Rule.BAD_NAME, {"name": "x" * 101}, f"name {'x' * 101!r} is no stored name", "100 characters"),
        (Rule.BAD_VERSION, {"version": 0}, "version 0 is no version", "a whole number from 1"),
        (Rule.BAD_VERSION, {"version": True}, "version True is no version", "a whole number from 1"),
        (Rule.BAD_VERSION, {"version": "2"}, "version '2' is no version", "a whole number from 1"),
        (Rule.BAD_SCOPE, {"scope": "galaxy"}, "scope 'galaxy' is unknown", "workflow, version, global, none"),
        (Rule.BAD_SCOPE, {"scope": "globl"}, "scope 'globl' is unknown", "did you mean 'global'?"),
        (Rule.BAD_CURRENT, {"current": 0}, "current 0 is neither True nor False", "current=False"),
        (Rule.BAD_REUSE, {"reuse": "sometimes"}, "reuse 'sometimes' is unknown", "always, after_failure, never"),
        (
            Rule.BAD_RETENTION,
            {"retention": timedelta(0)},
            "retention datetime.timedelta(0) cannot be kept",
            "above zero",
        ),
        (
            Rule.BAD_RETENTION,
            {"retention": timedelta.max},
            f"retention {timedelta.max!r} cannot be kept",
            "a hundred years at most",
        ),
        (Rule.BAD_RETRY, {"retry": 5}, "retry 5 is no retry policy", "RetryPolicy(...)"),
        (Rule.BAD_TAGS, {"tags": "sales"}, "tags 'sales' are no tags", "tags=('sales',)"),
        (Rule.BAD_TAGS, {"tags": ("a\n",)}, "tags ('a\\n',) are no tags", "printable"),
        (
            Rule.BAD_METADATA,
            {"metadata": {"since": timedelta(1)}},
            "metadata of Flow is not JSON at 'since'",
            "a dict with strings",
        ),
        (
            Rule.BAD_METADATA,
            {"metadata": {"share": float("nan")}},
            "metadata of Flow is not JSON at 'share'",
            "a dict with strings",
        ),
        (Rule.BAD_METADATA, {"metadata": {1: "one"}}, "metadata of Flow is not JSON at 1", "a dict with strings"),
        (
            Rule.BAD_METADATA,
            {"metadata": {"atoms": [10**30]}},
            "metadata of Flow is not JSON at 'atoms'",
            "numbers of 64 bits",
        ),
        (
            Rule.BAD_METADATA,
            {"metadata": {"text": "\ud800"}},
            "metadata of Flow is not JSON at 'text'",
            "a dict with strings",
        ),
        (Rule.BAD_METADATA, {"metadata": [1]}, "metadata of Flow is not JSON", "a dict with strings"),
    ],
)
def test_a_bad_keyword_is_refused(rule: Rule, keywords: dict[str, object], what: str, remedy: str) -> None:
    assert_refused(flow(**keywords), rule, what, remedy)


@pytest.mark.parity(20)
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

    assert_refused(make, Rule.BAD_NODE_NAME, "_work is no name for a node", "begin with a letter")


@pytest.mark.parity(1)
def test_a_node_under_a_reserved_name_is_refused() -> None:
    def make() -> None:
        class Flow(Workflow[Order], key="order"):
            work = definition = untyped(Work())  # here
            end = Done()
            start = work
            transitions = (work.done.to(end),)

    problems = problem_of(make, Rule.RESERVED_NAME)
    assert problems.what == "definition is a reserved name"


@pytest.mark.parity(1)
def test_an_attribute_under_a_reserved_name_is_refused() -> None:
    def make() -> None:
        class Flow(Workflow[Order], key="order"):  # here
            definition = untyped("how we ship")
            work = Work()
            end = Done()
            start = work
            transitions = (work.done.to(end),)

    assert_refused(make, Rule.RESERVED_NAME, "definition is a reserved name", "something else")


@pytest.mark.parametrize(
    ("keyword", "remedy"),
    [("nmae", "did you mean 'name'? It is one of key, scope, name"), ("colour", "choose one of key, scope, name")],
)
def test_a_keyword_that_a_workflow_has_none_of_is_refused_with_the_one_that_was_meant(
    keyword: str, remedy: str
) -> None:
    def make() -> None:
        class Flow(Workflow[Order], key="order", **untyped({keyword: "Orders"})):  # here
            work = Work()
            end = Done()
            start = work
            transitions = (work.done.to(end),)

    assert_refused(make, Rule.UNKNOWN_KEYWORD, f"{keyword} is no keyword of a workflow", remedy)


def test_the_keywords_that_can_be_meant_are_those_of_the_class_statement() -> None:
    parameters = signature(Workflow.__init_subclass__).parameters.values()
    assert tuple(each.name for each in parameters if each.kind is each.KEYWORD_ONLY) == KEYWORDS
