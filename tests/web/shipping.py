"""A step that fails until a file is there, then a wait; the worker imports it from its own folder."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel

from hephaestus_stream import (
    Context,
    Done,
    Event,
    Instance,
    Outcome,
    PermanentError,
    Step,
    WaitForEvent,
    Workflow,
)

OPEN = "road-is-open"


class Parcel(BaseModel, frozen=True):
    """The start payload."""

    fails: bool = True


class Waybill(BaseModel, frozen=True):
    """What a parcel is carried with."""

    number: int


class Carry(Step[Parcel]):
    """Goes by road."""

    carried = Event(Waybill)

    def execute(self, instance: Instance, config: None, context: Context[Parcel]) -> Outcome:
        if context.initial.fails and not Path(OPEN).exists():
            raise PermanentError("the road is closed")
        return self.carried(Waybill(number=context.attempt))


class Shipping(Workflow[Parcel], key="parcel"):
    """Carried, then signed for."""

    carry = Carry()
    signed = WaitForEvent(str)
    done = Done()
    start = carry
    transitions = (carry.carried.to(signed), signed.received.to(done))
