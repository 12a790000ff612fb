"""What a node says when something is read from it that it does not have."""

from __future__ import annotations

import copy
import pickle

import pytest

from hephaestus_stream import Done, Event, Step, Wait, WaitForEvent
from hephaestus_stream.core.rule import Rule
from hephaestus_stream.errors import UnknownEventError
from tests.core.flows import Check, Discount, Rebate, Work
from tests.core.refusals import assert_at, untyped


def test_a_misspelt_event_names_the_nearest_and_the_line() -> None:
    def make() -> None:
        untyped(Check()).pased.to(Done())  # here

    with pytest.raises(AttributeError) as caught:
        make()
    error = caught.value
    assert isinstance(error, UnknownEventError)
    assert error.problem.rule == Rule.UNKNOWN_EVENT
    assert_at(error.problem, make)
    assert str(error) == f"Check has no event 'pased'; did you mean 'passed'? ({error.problem.where})"


@pytest.mark.parametrize(
    ("node", "says"),
    [
        (Work(), "Work has no event 'unknown'; it has 'done' "),
        (Check(), "Check has no event 'unknown'; it has 'passed', 'failed' "),
        (WaitForEvent(), "WaitForEvent has no event 'unknown'; it has 'received', 'timed_out' "),
        (Done(), "Done has no event 'unknown'; it has none "),
    ],
)
def test_an_event_that_resembles_none_tells_all(node: object, says: str) -> None:
    with pytest.raises(UnknownEventError) as caught:
        _ = untyped(node).unknown
    assert str(caught.value).startswith(says)


def test_another_attribute_that_is_misspelt_is_named_as_well() -> None:
    with pytest.raises(UnknownEventError, match="did you mean 'config'"):
        _ = untyped(Discount(Rebate(percent=5))).confg


def test_whether_a_node_has_something_can_be_asked() -> None:
    assert not hasattr(Work(), "paid")
    assert hasattr(Work(), "done")
    assert getattr(Work(), "paid", None) is None


def test_nodes_and_the_error_can_be_copied_and_pickled() -> None:
    node = Discount(Rebate(percent=5))
    for twin in (copy.copy(node), copy.deepcopy(node), pickle.loads(pickle.dumps(node))):  # noqa: S301  # our own bytes
        assert (twin.config, twin.location) == (node.config, node.location)
    with pytest.raises(UnknownEventError) as caught:
        _ = untyped(node).grant
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)  # noqa: S301  # as above


def test_a_node_that_is_only_half_built_still_answers() -> None:
    node = Wait.__new__(Wait)
    with pytest.raises(UnknownEventError, match="Wait has no event 'config'; it has 'elapsed'"):
        _ = node.config


def test_of_a_name_of_pythons_own_it_says_what_any_object_says() -> None:
    with pytest.raises(AttributeError, match="'Work' object has no attribute '__length_hint__'"):
        _ = untyped(Work()).__length_hint__


class Fetch(Step[object]):
    """Has a property that fails."""

    @property
    def address(self) -> str:
        return str(untyped("example").hostname)


class Delegating:
    """Answers what others have not."""

    def __getattr__(self, name: str) -> str:
        return f"delegated {name}"


class Mixed(Work, Delegating):
    """A step that is something else, too."""


def test_a_property_that_fails_says_itself_why() -> None:
    with pytest.raises(AttributeError, match="'str' object has no attribute 'hostname'"):
        _ = Fetch().address


def test_another_parent_may_answer() -> None:
    assert untyped(Mixed()).anything == "delegated anything"


@pytest.mark.parametrize("verb", ["to", "route"])
def test_a_class_that_stands_in_place_of_a_node_is_told_with_the_way_out(verb: str) -> None:
    check = untyped(Check)  # without its brackets
    with pytest.raises(AttributeError) as caught:
        getattr(check.passed, verb)
    assert str(caught.value) == "'passed' is an event of the class Check, not of a node; write Check()"


def test_of_an_event_names_of_pythons_own_and_before_it_has_a_class_are_told_as_ever() -> None:
    assert copy.deepcopy(Check.passed).name == "passed"
    with pytest.raises(AttributeError, match="object has no attribute '__length_hint__'"):
        _ = untyped(Check.passed).__length_hint__
    with pytest.raises(AttributeError, match="'Event' object has no attribute 'to'"):
        _ = untyped(Event()).to
