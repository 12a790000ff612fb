"""What class creation refuses about routes and input types."""

# The classes are made to be refused.
# pyright: reportUnusedClass=false

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, Literal, Protocol

import pytest
from pydantic import BaseModel

from hephaestus_stream import Context, Done, Event, Instance, Outcome, Step, WaitForEvent, Workflow
from hephaestus_stream.core.rule import Rule
from hephaestus_stream.core.rules.routes import labels_of
from hephaestus_stream.core.rules.typing import accepts
from tests.core.flows import Discount, Order, Rebate, Speed, Work, by_nothing, by_size, by_speed
from tests.core.refusals import assert_refused, problem_of, untyped
from workflows.order import OrderFlow


@pytest.mark.parity(1, 5)
def test_a_label_that_the_table_lacks_is_refused() -> None:
    def make() -> None:
        class Flow(Workflow[Order], key="order"):
            work = Work()
            end = Done()
            start = work
            transitions = (work.done.route(by_size).to({"large": end}),)  # here

    assert_refused(
        make, Rule.MISSING_LABEL, "work.done has no target for 'small', which by_size can return", "add 'small': node"
    )


@pytest.mark.parity(1, 5)
def test_a_label_that_the_function_lacks_is_refused() -> None:
    def make() -> None:
        class Flow(Workflow[Order], key="order"):
            work = Work()
            end = Done()
            start = work
            transitions = (
                work.done.route(by_size).to(untyped({"large": end, "small": end, "huge": end})),  # here
            )

    assert_refused(
        make,
        Rule.UNKNOWN_LABEL,
        "work.done has a target for 'huge', which by_size never returns",
        "use one of 'large', 'small'",
    )


def test_a_routing_function_whose_annotation_names_no_labels_is_refused() -> None:
    def make() -> None:
        class Flow(Workflow[Order], key="order"):
            work = Work()
            end = Done()
            start = work
            transitions = (work.done.route(by_nothing).to({"large": end}),)  # here

    assert_refused(
        make,
        Rule.UNLABELLED_ROUTE,
        "work.done is routed by by_nothing, whose return annotation names no labels",
        "def by_nothing(context) -> Literal['large']",
    )


def test_a_lambda_has_no_annotation_and_a_function_is_asked_for() -> None:
    def make() -> None:
        class Flow(Workflow[Order], key="order"):
            work = Work()
            end = Done()
            start = work
            transitions = (work.done.route(lambda _: "large").to({"large": end}),)  # here

    remedy = "write a function in its place: def choose(context) -> Literal['large']"
    assert problem_of(make, Rule.UNLABELLED_ROUTE).remedy == remedy


def test_a_route_that_does_not_fit_shows_its_function() -> None:
    def make() -> None:
        class Flow(Workflow[Order], key="order"):
            work = Work()
            end = Done()
            start = work
            transitions = (work.done.route(by_size).to({"large": end}),)  # here

    [note] = problem_of(make, Rule.MISSING_LABEL).notes
    assert note.what == "by_size is defined here"
    assert (note.file, note.line) == (by_size.__code__.co_filename, by_size.__code__.co_firstlineno)


def test_a_label_without_a_node_is_refused() -> None:
    def make() -> None:
        class Flow(Workflow[Order], key="order"):
            work = Work()
            end = Done()
            start = work
            transitions = (work.done.route(by_size).to({"large": end, "small": ()}),)  # here

    assert_refused(make, Rule.MISSING_TARGET, "work.done[small] leads to no node", "name the node that comes next")


def test_a_label_with_a_list_of_nodes_is_refused() -> None:
    def make() -> None:
        class Flow(Workflow[Order], key="order"):
            work = Work()
            end = Done()
            start = work
            transitions = (
                work.done.route(by_size).to(untyped({"large": end, "small": [end]})),  # here
            )

    problem = problem_of(make, Rule.BAD_TARGET)
    assert "which is no node" in problem.what
    assert "as a tuple" in problem.remedy


def test_the_labels_of_a_route_may_be_an_enums_members() -> None:
    class Flow(Workflow[Order], key="order"):
        work = Work()
        fast = Work()
        end = Done()
        start = work
        transitions = (work.done.route(by_speed).to({Speed.FAST: fast, Speed.SLOW: end}), fast.done.to(end))

    assert Flow.definition.labels["work", "done"] == {"fast", "slow"}


@pytest.mark.parity(5)
def test_a_label_may_lead_to_a_tuple_of_nodes() -> None:
    class Flow(Workflow[Order], key="order"):
        work = Work()
        a = Work()
        b = Work()
        end = Done()
        start = work
        transitions = (
            work.done.route(by_size).to({"large": (a, b), "small": end}),
            a.done.to(end),
            b.done.to(end),
        )

    [fanout] = Flow.definition.graph.fanouts
    assert str(fanout) == "work.done[large]"
    assert fanout.branches == ("a", "b")


class Colour(Enum):
    RED = 1
    BLUE = 2


def of_a_union(context: Context[Order]) -> Colour | Speed:
    raise NotImplementedError


if TYPE_CHECKING:  # where linters move imports that only annotations need
    from hephaestus_stream.core.retry import RetryPolicy as OutOfReach


def with_an_import_out_of_reach(context: Context[OutOfReach]) -> Literal["here"]:
    raise NotImplementedError


def with_labels_out_of_reach(context: Context[Order]) -> OutOfReach:
    raise NotImplementedError


class Chooser:
    def __call__(self, context: Context[Order]) -> Literal["object"]:
        raise NotImplementedError

    def choose(self, context: Context[Order]) -> Literal["method"]:
        raise NotImplementedError


@wraps(by_size)
def decorated(context: Context[Order]) -> object:
    return by_size(context)


def test_of_a_routing_function_only_the_return_annotation_is_evaluated() -> None:
    assert labels_of(with_an_import_out_of_reach) == ("here",)
    assert labels_of(with_labels_out_of_reach) is None


def test_the_labels_are_found_behind_whatever_can_be_called() -> None:
    assert labels_of(of_a_union) == ("1", "2", "fast", "slow")
    assert labels_of(Chooser()) == ("object",)
    assert labels_of(Chooser().choose) == ("method",)
    assert labels_of(partial(by_size)) == ("large", "small")
    assert labels_of(decorated) == ("large", "small")
    assert labels_of(lambda: "large") is None


class Other(BaseModel):
    """Another workflow's start payload."""


@pytest.mark.parity(1)
def test_a_step_that_reads_another_input_is_refused() -> None:
    def make() -> None:
        class Flow(Workflow[Other], key="order"):
            discount = Discount(Rebate(percent=5))  # here
            end = Done()
            start = discount
            transitions = (discount.granted.to(end),)

    assert_refused(
        make, Rule.OTHER_INPUT, "discount reads Order, but Flow is started with Other", "use a step over Other"
    )


def test_a_workflow_that_does_not_say_its_input_is_refused() -> None:
    def make() -> None:
        class Flow(untyped(Workflow), key="order"):  # type: ignore[misc, call-arg]  # here
            work = Work()
            end = Done()
            start = work
            transitions = (work.done.to(end),)

    assert_refused(make, Rule.MISSING_INPUT, "Flow does not say what starts it", "class Flow(Workflow[Order], ...)")


class Unreadable:
    """Nothing that pydantic can validate."""


def test_an_input_that_pydantic_cannot_read_is_refused() -> None:
    def make() -> None:
        class Flow(Workflow[Unreadable], key="order"):  # here
            work = Work()
            end = Done()
            start = work
            transitions = (work.done.to(end),)

    assert_refused(make, Rule.UNREADABLE_INPUT, "Flow cannot be started with Unreadable", "use a pydantic model")


class Silent(Step[object]):
    done = Event(Unreadable)

    async def execute(self, instance: Instance, config: None, context: Context[object]) -> Outcome:
        raise NotImplementedError


@pytest.mark.parity(1)
def test_a_payload_that_pydantic_cannot_read_is_refused() -> None:
    def make() -> None:
        class Flow(Workflow[Other], key="order"):
            work = Silent()  # here
            end = Done()
            start = work
            transitions = (work.done.to(end),)

    assert_refused(make, Rule.UNREADABLE_PAYLOAD, "work.done cannot carry Unreadable", "use a pydantic model")


def test_the_payload_of_a_wait_is_looked_at_as_well() -> None:
    def make() -> None:
        class Flow(Workflow[Other], key="order"):
            wait = WaitForEvent(Unreadable)  # here
            end = Done()
            start = wait
            transitions = (wait.received.to(end),)

    assert_refused(make, Rule.UNREADABLE_PAYLOAD, "wait.received cannot carry Unreadable", "use a pydantic model")


class Wider(BaseModel):
    """A supertype."""


class Narrower(Wider):
    """A subtype."""


class Readable(Protocol):
    def read(self) -> str: ...


@pytest.mark.parametrize(
    ("reads", "given", "fits"),
    [
        (object, Narrower, True),
        (Any, Narrower, True),
        (Wider, Narrower, True),
        (Narrower, Wider, False),
        (Wider | None, Narrower, True),
        (Wider | None, Narrower | None, True),
        (Wider, Narrower | None, False),
        (None, type(None), True),
        (list[int], list[int], True),
        (Mapping[str, int], dict[str, int], True),
        (Mapping[str, int], dict[str, str], False),
        (list, list[int], True),
        (Readable, Wider, False),
    ],
)
def test_a_step_reads_the_workflows_input_or_a_supertype(reads: object, given: object, *, fits: bool) -> None:
    assert accepts(reads, given) is fits


def test_the_sample_of_the_public_api_is_accepted() -> None:
    definition = OrderFlow.definition
    assert (definition.name, definition.version, definition.key) == ("OrderFlow", 2, "orderid")
    assert definition.doc.startswith("Validate, reserve, charge and ship one order.")
    assert definition.graph.start == "validate"
    assert definition.graph.exits == {"declined"}
    assert definition.labels == {("pack", "packed"): {"express", "standard"}}
    assert OrderFlow.review.received.name == "review.received"
    assert [node for node in definition.nodes if definition.graph.meetings[node]] == ["pack"]
