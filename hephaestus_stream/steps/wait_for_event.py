"""A step that waits for the outside world."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Generic, Self, TypeVar, overload

from hephaestus_stream.core.context import Context
from hephaestus_stream.core.event import Event, NodeEvent, Outcome, Suspend
from hephaestus_stream.core.instance import Instance
from hephaestus_stream.core.node import EventOfNode
from hephaestus_stream.core.step import Step

PayloadT = TypeVar("PayloadT")


class Received(EventOfNode):
    """The event `received` of a `WaitForEvent`: typed by the node that it is read from, since each has its model."""

    @overload
    def __get__(self, step: None, owner: type) -> Self: ...
    @overload
    def __get__(self, step: WaitForEvent[PayloadT], owner: type) -> NodeEvent[PayloadT]: ...
    def __get__(self, step: WaitForEvent[PayloadT] | None, owner: type) -> Self | NodeEvent[PayloadT]:
        return self if step is None else NodeEvent(step, step.received_event)


class WaitForEvent(Step[object, None], Generic[PayloadT]):
    """Waits until somebody sends `received`, with a payload of the given model, by a resume command.

    Args:
        model: The payload's type; without it the event carries nothing.
        timeout: How long to wait; without it for ever, and then `timed_out` need not lead anywhere.
    """

    received = Received()
    timed_out = Event()

    @overload
    def __init__(self: WaitForEvent[None], model: None = None, *, timeout: timedelta | None = None) -> None: ...
    @overload
    def __init__(self, model: type[PayloadT], *, timeout: timedelta | None = None) -> None: ...
    def __init__(self, model: type[PayloadT] | None = None, *, timeout: timedelta | None = None) -> None:
        super().__init__()
        event: Event[Any] = Event(external=True) if model is None else Event(model, external=True)
        event.name = "received"
        self.received_event: Event[PayloadT] = event
        self.patience = timeout

    async def execute(self, instance: Instance, config: None, context: Context[object]) -> Outcome:
        """Suspends until the event arrives or the time is over."""
        if self.patience is None:
            return Suspend()
        return Suspend(timeout=self.patience, otherwise=self.timed_out())

    def events(self) -> Mapping[str, Event[Any]]:
        """`received`, and `timed_out` where there is a timeout."""
        timed_out = {} if self.patience is None else {"timed_out": type(self).timed_out}
        return {"received": self.received_event, **timed_out}
