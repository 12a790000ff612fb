"""Commands as Python programs make them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hephaestus_stream.core.workflow import Workflow
from hephaestus_stream.errors import CommandError, InvalidKeyError
from hephaestus_stream.wire.command import RetryCommand
from hephaestus_stream.wire.request import (
    cancel_command,
    migrate_command,
    resume_command,
    skip_command,
    start_command,
    steering_command,
)
from workflows.order import Order, OrderFlow

ORDER = Order(sku="chair", quantity=1, customer="ada")


@pytest.mark.parity(20)
def test_metadata_that_cannot_be_kept_are_refused_in_one_line() -> None:
    with pytest.raises(CommandError, match="'metadata': holds a whole number beyond 64 bits") as refused:
        start_command(OrderFlow, "a", ORDER, metadata={"n": 10**26})

    assert refused.value.reason == "invalid_payload"
    assert "\n" not in str(refused.value)


def test_arguments_of_every_command_are_refused_alike() -> None:
    with pytest.raises(CommandError, match="the ResumeCommand is wrong: 'id'"):
        resume_command(OrderFlow, "a", OrderFlow.review.received, {"stars": 5}, command_id="x" * 101)
    with pytest.raises(CommandError, match="the CancelCommand is wrong: 'reason'"):
        cancel_command(OrderFlow, "a", reason="x" * 1001)


def test_an_id_that_cannot_be_part_of_a_key_keeps_its_own_error() -> None:
    with pytest.raises(InvalidKeyError):
        start_command(OrderFlow, "", ORDER)


@pytest.mark.parametrize(
    ("event", "told"),
    [
        ("review.received", "'review.received' is no event of a node; give OrderFlow.review.received"),
        ("reveiw.recieved", "give OrderFlow.review.received"),
        (OrderFlow.review, "is no event of a node; give OrderFlow.review.received"),
    ],
)
def test_an_event_by_its_name_or_a_node_instead_is_a_type_error_that_says_what_to_give(event: Any, told: str) -> None:  # noqa: ANN401 - a program without types
    with pytest.raises(TypeError, match=told):
        resume_command(OrderFlow, "a", event, {"stars": 5})


def test_a_payload_that_does_not_fit_is_told_in_one_line_and_not_quoted() -> None:
    with pytest.raises(CommandError) as refused:
        start_command(OrderFlow, "a", {"sku": 17, "customer": "ada"})
    assert str(refused.value) == (
        "the input of OrderFlow cannot be sent: sku: Input should be a valid string; quantity: Field required"
    )


def test_a_stored_name_in_place_of_the_class_is_a_type_error_that_says_so() -> None:
    named: Any = "OrderFlow"
    makers: tuple[Callable[[], object], ...] = (
        lambda: start_command(named, "a", ORDER),
        lambda: resume_command(named, "a", OrderFlow.review.received, {"stars": 5}),
        lambda: skip_command(named, "a", OrderFlow.review.received, {"stars": 5}),
        lambda: steering_command(RetryCommand, named, "a"),
        lambda: migrate_command(named, "a"),
        lambda: cancel_command(named, "a"),
    )
    for make in makers:
        with pytest.raises(TypeError, match="'OrderFlow' is no workflow class: give the class"):
            make()
    with pytest.raises(TypeError, match="is no workflow class"):
        start_command(Workflow[Order], "a", ORDER)
