"""The runs that the demo starts, and what it answers when they wait.

They are data and not classes, because a wheel does not have the examples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, TypeAlias

from pydantic import JsonValue

CANCEL: Final = "cancel"
"""In place of an event: the run is cancelled."""

Answers: TypeAlias = Mapping[str, tuple[str, JsonValue]]


@dataclass(frozen=True, slots=True)
class Scene:
    """One run.

    Attributes:
        workflow: The stored name.
        key: The full key.
        input: The start payload.
        answers: The event and its payload that a node gets once it waits; a wait without one ends by its time.
    """

    workflow: str
    key: str
    input: Mapping[str, JsonValue]
    answers: Answers = field(default_factory=lambda: MappingProxyType({}))


def _order(id: str, *, answers: Answers | None = None, **fields: JsonValue) -> Scene:  # noqa: A002 - the wire's word
    stars: JsonValue = {"stars": 5}
    order: dict[str, JsonValue] = {"sku": "chair", "quantity": 2, "customer": id, **fields}
    return Scene("OrderFlow", f"orderid::{id}", order, answers or {"review": ("received", stars)})


def _expense(id: str, answers: Answers, *, amount: int = 900, patience: str = "PT1M") -> Scene:  # noqa: A002
    expense: dict[str, JsonValue] = {"title": "chairs", "amount": amount, "patience": patience}
    return Scene("ApprovalFlow", f"expense::{id}", expense, answers)


def _subscription(id: str, answers: Answers, *, trial: str = "PT1S") -> Scene:  # noqa: A002 - the wire's word
    lengths: dict[str, JsonValue] = {"trial": trial, "month": "PT1S", "notice": "PT1S"}
    return Scene("SubscriptionFlow", f"subscription::{id}", {"plan": "reader", **lengths}, answers)


def _permit(id: str) -> Scene:  # noqa: A002 - the wire's word
    work: JsonValue = {"timestamp": "2026-11-23T09:00:00Z", "resource": "clerk-7"}
    nodes = (
        "t02_check_confirmation",
        "t04_determine_confirmation",
        "t05_send_confirmation",
        "t06_determine_stop_advice",
        "t10_determine_stop_indication",
    )
    application: dict[str, JsonValue] = {
        "received_at": "2026-11-20T08:00:00Z",
        "resource": "clerk-1",
        "group": "desk",
        "channel": "internet",
        "department": "general",
        "deadline": None,
    }
    return Scene("PermitFlow", f"permit::{id}", application, dict.fromkeys(nodes, ("received", work)))


_FINANCE: Final[Answers] = {"finance": ("received", {"account": "4711"})}
_GRACE: Final[JsonValue] = {"by": "grace"}
_ALAN: Final[JsonValue] = {"by": "alan", "note": "no"}

LEAD: Final = "orderid::ada"
"""The run whose history and path are shown at the end: it has a fan-out, a retry, a route, a wait and an event."""

SCENES: Final[Sequence[Scene]] = (
    _order("ada", card="flaky", express=True),
    _order("bea"),
    _order("cai", express=True),
    _order("dan", card="flaky"),
    _order("eve", card="declined"),
    _order("fay", quantity=0),
    _order("gus", sku="table"),
    _order("hal", answers={"review": (CANCEL, "the customer asked")}),
    _order("ida", sku="lamp", express=True),
    _expense("pens", {}, amount=20),
    _expense("chairs", {**_FINANCE, "manager": ("approved", _GRACE)}),
    _expense("yacht", {"manager": ("rejected", _ALAN)}, amount=900_000),
    _expense("desks", {**_FINANCE, "director": ("approved", _GRACE)}, patience="PT2S"),
    _expense("rent", _FINANCE, patience="PT1S"),
    _subscription("kim", {}),
    _subscription("lea", {"first_month": ("cancelled", {"reason": "moving"})}),
    _subscription("max", {"trial": ("cancelled", {"reason": "not convinced"})}, trial="PT1M"),
    _permit("case-1"),
    _permit("case-2"),
    _permit("case-3"),
)
