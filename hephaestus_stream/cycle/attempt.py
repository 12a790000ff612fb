"""One attempt of a step: what it is given, and how its end is told to the engine."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import msgspec

from hephaestus_stream.core.context import Context, StepResult, StepResults
from hephaestus_stream.core.definition import Definition
from hephaestus_stream.core.event import Emitted, Suspend
from hephaestus_stream.core.input import StepEmitted, StepFailed, StepSuspended
from hephaestus_stream.core.instance import Instance
from hephaestus_stream.core.state import Error, Reported, State
from hephaestus_stream.core.visible import visible_nodes
from hephaestus_stream.errors import PermanentError, StepDefinitionError

_MAX_MESSAGE = 1_000
_MAX_TRACEBACK = 4_000

AttemptEnd = StepEmitted | StepSuspended | StepFailed


class AttemptId(NamedTuple):
    """Which attempt: outcomes and stops name it, so that nothing of a former life reaches the next."""

    key: str
    run: str
    node: str
    number: int


@dataclass(frozen=True, slots=True)
class Attempt:
    """Everything that is needed to execute one attempt.

    Attributes:
        id: Which attempt.
        definition: The workflow.
        state: The run as it was when the attempt began.
    """

    id: AttemptId
    definition: Definition
    state: State

    @property
    def instance(self) -> Instance:
        """What the step may know of the run."""
        return instance_of(self.state)

    @property
    def context(self) -> Context[Any]:
        """What the step decides by; raises what pydantic raises if a stored payload fits its model no more."""
        return context_of(self.definition, self.state, self.id.node, attempt=self.id.number)

    def ended(self, outcome: object) -> AttemptEnd:
        """What the engine is told of a returned outcome; nonsense is a failure that no retry mends."""
        try:
            match outcome:
                case Emitted():
                    return StepEmitted(self.id.node, self.id.number, self._reported(outcome))
                case Suspend():
                    otherwise = None if outcome.otherwise is None else self._reported(outcome.otherwise)
                    return StepSuspended(self.id.node, self.id.number, outcome.timeout, outcome.until, otherwise)
                case _:
                    what = f"execute returned a {type(outcome).__name__}; return an event or a Suspend"
                    return self._bad_outcome(what)
        except Exception as error:  # noqa: BLE001 - a model's own validators may raise anything
            return self._bad_outcome(_message(error))

    def failed(self, error: BaseException, *, jitter: float) -> StepFailed:
        """What the engine is told of an exception."""
        policy = self.definition.retry_of(self.id.node)
        permanent = isinstance(error, (PermanentError, *policy.non_retryable))
        return StepFailed(self.id.node, self.id.number, describe(error), permanent=permanent, jitter=jitter)

    def _bad_outcome(self, what: str) -> StepFailed:
        return StepFailed(self.id.node, self.id.number, Error("BadOutcome", _clip(what)), permanent=True)

    def _reported(self, emitted: Emitted) -> Reported:
        event = self.definition.events[self.id.node].get(emitted.event)
        if event is None or event is not emitted.source:
            known = ", ".join(self.definition.events[self.id.node])
            raise StepDefinitionError(f"'{emitted.event}' is not an event of {self.id.node}; it has {known}")
        metadata = msgspec.json.encode(dict(emitted.metadata)) if emitted.metadata else None
        if event.adapter is None:
            if emitted.payload is not None:
                raise StepDefinitionError(f"'{emitted.event}' carries nothing; declare it as Event(Model)")
            return Reported(emitted.event, None, metadata)
        payload = event.adapter.validate_python(emitted.payload)
        return Reported(emitted.event, event.adapter.dump_json(payload, by_alias=True, round_trip=True), metadata)


def instance_of(state: State) -> Instance:
    """The identity of a run."""
    return Instance(
        key=state.key,
        run=state.run,
        workflow=state.workflow,
        version=state.version,
        tags=state.tags,
        metadata=state.metadata,
        started_at=state.started_at,
    )


def context_of(
    definition: Definition, state: State, node: str, *, attempt: int, with_own_result: bool = False
) -> Context[Any]:
    """What a node sees; a routing function sees its own node's result too."""
    names = [*visible_nodes(definition.graph, state.nodes, node), *([node] if with_own_result else [])]
    readers: Mapping[str, Callable[[], StepResult]] = {
        name: partial(_read_result, definition, state, name) for name in names
    }
    return Context(
        initial=definition.input_adapter.validate_json(state.input),
        idempotency_key=f"{state.run}/{node}",
        attempt=attempt,
        steps=StepResults(readers),
    )


def describe(error: BaseException) -> Error:
    """An exception as the history keeps it."""
    text = _encodable("".join(traceback.format_exception(error)))
    return Error(type(error).__name__, _clip(_message(error)), text[-_MAX_TRACEBACK:])


def _read_result(definition: Definition, state: State, node: str) -> StepResult:
    node_state = state.nodes[node]
    reported = node_state.reported or Reported("")
    event = definition.events[node][reported.event]
    adapter = event.adapter
    return StepResult(
        node=node,
        event=reported.event,
        source=event,
        payload=None if adapter is None or reported.payload is None else adapter.validate_json(reported.payload),
        metadata={} if reported.metadata is None else msgspec.json.decode(reported.metadata),
        attempt=node_state.attempt,
    )


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - an exception's own code may raise anything, too
        return f"a {type(error).__name__} that cannot be shown"


def _encodable(text: str) -> str:
    # Half a surrogate pair in a text must not keep the history from being written.
    return text.encode(errors="backslashreplace").decode()


def _clip(text: str) -> str:
    text = _encodable(text)
    return text if len(text) <= _MAX_MESSAGE else f"{text[:_MAX_MESSAGE]}…"
