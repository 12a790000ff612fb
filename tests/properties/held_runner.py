"""Executes attempts by hand: each ends when, and as, whoever holds it says."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import TypeVar

from hypothesis import strategies as st

from hephaestus_stream import PermanentError, Suspend
from hephaestus_stream.core.event import Emitted, Outcome
from hephaestus_stream.cycle.attempt import Attempt, AttemptEnd, AttemptId, Kind
from hephaestus_stream.steps.wait import Wait
from hephaestus_stream.steps.wait_for_event import WaitForEvent
from tests.properties.flows import PATIENCE, PAUSE

DrawnT = TypeVar("DrawnT")
Draw = Callable[[st.SearchStrategy[DrawnT]], DrawnT]

JITTER = 0.5

MANNERS = (
    *["emits"] * 6,
    *["waits", "waits long", "waits for somebody"] * 2,
    *["fails"] * 2,
    "fails for good",
    "talks nonsense",
)


class HeldRunner:
    """What a worker executes, without executing it.

    Attributes:
        held: The attempts whose outcomes are not committed, ended or not.
        at_once: Says how an attempt ends within the cycle that starts it; None for one that goes on.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, at_once: Callable[[Attempt], AttemptEnd | None]) -> None:
        self._loop = loop
        self.at_once = at_once
        self.held: dict[AttemptId, tuple[Attempt, asyncio.Future[AttemptEnd]]] = {}

    def start(self, attempt: Attempt) -> asyncio.Future[AttemptEnd]:
        if attempt.id not in self.held:
            future: asyncio.Future[AttemptEnd] = self._loop.create_future()
            end = self.at_once(attempt)
            if end is not None:
                future.set_result(end)
            self.held[attempt.id] = (attempt, future)
        return self.held[attempt.id][1]

    def has_room_for(self, kind: Kind) -> bool:
        return True

    def is_running(self, attempt: AttemptId) -> bool:
        return attempt in self.held

    def stop(self, attempt: AttemptId) -> None:
        if attempt in self.held:
            self.held.pop(attempt)[1].cancel()

    def forget(self, attempt: AttemptId) -> None:
        self.held.pop(attempt, None)

    def unfinished(self) -> list[AttemptId]:
        return [attempt for attempt, (_, future) in self.held.items() if not future.done()]

    def finished(self) -> dict[AttemptId, AttemptEnd]:
        return {attempt: future.result() for attempt, (_, future) in self.held.items() if future.done()}

    def end(self, attempt: AttemptId, manner: str, number: int) -> None:
        held, future = self.held[attempt]
        future.set_result(end_of(held, manner, number))


def end_of(attempt: Attempt, manner: str, number: int) -> AttemptEnd:
    """How an attempt ends; a wait does what its own code says."""
    if isinstance(attempt.step, Wait | WaitForEvent):
        return attempt.ended(outcome_of(attempt))
    events = attempt.definition.events[attempt.id.node]
    emitted = event_of(attempt, sorted(events)[number % len(events)])
    match manner:
        case "waits for somebody" if any(event.external for event in events.values()):
            return attempt.ended(Suspend())
        case "waits":
            return attempt.ended(Suspend(timeout=PAUSE))
        case "waits long":
            return attempt.ended(Suspend(timeout=PATIENCE, otherwise=emitted))
        case "fails":
            return attempt.failed(OSError("down"), jitter=JITTER)
        case "fails for good":
            return attempt.failed(PermanentError("never"), jitter=JITTER)
        case "talks nonsense":
            return attempt.ended("nonsense")
        case _:
            return attempt.ended(emitted)


def event_of(attempt: Attempt, name: str) -> Emitted:
    event = attempt.definition.events[attempt.id.node][name]
    return Emitted(name, event, None if event.adapter is None else f"of {attempt.id.node}", {"by": attempt.id.node})


def outcome_of(attempt: Attempt) -> Outcome:
    """What a step says that waits for nothing while it is executed."""
    execution = attempt.step.execute(attempt.instance, attempt.step.config, attempt.context())
    assert inspect.iscoroutine(execution)
    try:
        execution.send(None)
    except StopIteration as stop:
        outcome: Outcome = stop.value
        return outcome
    raise AssertionError(f"{attempt.id.node} waits within its code")
