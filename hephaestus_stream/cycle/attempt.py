"""One attempt of a step: what it is given, and how its end is told to the engine."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pydantic_core import to_json

from hephaestus_stream.core.context import Context, StepResults, never
from hephaestus_stream.core.definition import Definition
from hephaestus_stream.core.event import Emitted, Suspend
from hephaestus_stream.core.idempotency import idempotency_key
from hephaestus_stream.core.input import StepEmitted, StepFailed, StepSuspended
from hephaestus_stream.core.instance import Instance
from hephaestus_stream.core.state import Error, Reported, State
from hephaestus_stream.core.step import Step, is_step
from hephaestus_stream.cycle.error_text import clip, discreet, message_of, told
from hephaestus_stream.cycle.payload import written
from hephaestus_stream.cycle.results import RecordedResults
from hephaestus_stream.encryption.cipher import NO_KEYS, Cipher
from hephaestus_stream.encryption.run import input_place, metadata_place, result_place
from hephaestus_stream.errors import PermanentError, RetryAfterError, StepDefinitionError
from hephaestus_stream.wire.sound_json import require_sound

AttemptEnd = StepEmitted | StepSuspended | StepFailed


Kind = tuple[str, str]
"""What is executed, whichever the run: a workflow's name and a node."""


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
        cipher: Opens what the step is given, and seals what it brings forth.
    """

    id: AttemptId
    definition: Definition
    state: State
    cipher: Cipher = field(default=NO_KEYS, kw_only=True)

    @property
    def kind(self) -> Kind:
        """The workflow and its node."""
        return self.definition.name, self.id.node

    @property
    def step(self) -> Step[Any, Any]:
        """Whose code is executed.

        Raises:
            PermanentError: The version of the run has no such step any more.
        """
        node = self.definition.nodes.get(self.id.node)
        if not is_step(node):
            raise PermanentError(
                f"version {self.definition.version} of {self.definition.name} has no step '{self.id.node}' any more; "
                "give a changed graph the next version"
            )
        return node

    @property
    def instance(self) -> Instance:
        """What the step may know of the run."""
        return instance_of(self.state)

    def context(self, stopping: Callable[[], bool] = never) -> Context[Any]:
        """What the step decides by; raises what pydantic raises if a stored payload fits its model no more."""
        return context_of(
            self.definition, self.state, self.id.node, attempt=self.id.number, stopping=stopping, cipher=self.cipher
        )

    def ended(self, outcome: object) -> AttemptEnd:
        """What the engine is told of a returned outcome; nonsense is a failure that no retry mends."""
        try:
            match outcome:
                case Emitted():
                    return StepEmitted(self.id.node, self.id.number, self._reported(outcome))
                case Suspend():
                    if outcome.timeout is None and outcome.until is None and not self._has_external_events:
                        return self._bad_outcome(
                            "execute returned Suspend(), and nothing ends that: no event of the step is external=True; "
                            "declare one so, or give timeout= or until="
                        )
                    otherwise = None if outcome.otherwise is None else self._reported(outcome.otherwise)
                    return StepSuspended(self.id.node, self.id.number, outcome.timeout, outcome.until, otherwise)
                case _:
                    what = f"execute returned a {type(outcome).__name__}; return an event or a Suspend"
                    return self._bad_outcome(what)
        except Exception as error:  # noqa: BLE001 - a model's own validators may raise anything
            return self._bad_outcome(message_of(error))

    def failed(self, error: BaseException, *, jitter: float) -> StepFailed:
        """What the engine is told of an exception."""
        known = self.id.node in self.definition.nodes
        lasting = self.definition.retry_of(self.id.node).non_retryable if known else (BaseException,)
        permanent = isinstance(error, (PermanentError, *lasting))
        later = error.delay if isinstance(error, RetryAfterError) else None
        what = told(error, self.state, self.id.node, cipher=self.cipher)
        return StepFailed(self.id.node, self.id.number, what, permanent, jitter, later)

    def _bad_outcome(self, what: str) -> StepFailed:
        error = discreet(Error("BadOutcome", clip(what)), self.state, self.id.node, cipher=self.cipher)
        return StepFailed(self.id.node, self.id.number, error, permanent=True)

    @property
    def _has_external_events(self) -> bool:
        return any(event.external for event in self.definition.events[self.id.node].values())

    def _reported(self, emitted: Emitted) -> Reported:
        event = self.definition.events[self.id.node].get(emitted.event)
        if event is None or event is not emitted.source:
            known = ", ".join(self.definition.events[self.id.node])
            raise StepDefinitionError(f"'{emitted.event}' is not an event of {self.id.node}; it has {known}")
        metadata = self._metadata(emitted) if emitted.metadata else None
        if event.adapter is None:
            if emitted.payload is not None:
                raise StepDefinitionError(f"'{emitted.event}' carries nothing; declare it as Event(Model)")
            return Reported(emitted.event, None, metadata)
        plain = written(event.adapter, event.adapter.validate_python(emitted.payload))
        return Reported(emitted.event, self.cipher.seal(plain, result_place(self.state, self.id.node)), metadata)

    def _metadata(self, emitted: Emitted) -> bytes:
        """Metadata as JSON; raises what its writers raise where it cannot be read back."""
        plain = require_sound(to_json(dict(emitted.metadata), inf_nan_mode="constants"))
        return self.cipher.seal(plain, metadata_place(self.state, self.id.node))


def instance_of(state: State) -> Instance:
    """The identity of a run; the metadata are a copy, so that no step changes the record."""
    return Instance(
        key=state.key,
        run=state.run,
        workflow=state.workflow,
        version=state.version,
        tags=state.tags,
        metadata=deepcopy(state.metadata) if state.metadata else {},
        started_at=state.started_at,
    )


def context_of(
    definition: Definition,
    state: State,
    node: str,
    *,
    attempt: int,
    cipher: Cipher,
    with_own_result: bool = False,
    stopping: Callable[[], bool] = never,
) -> Context[Any]:
    """What a node sees; a routing function sees its own node's result too."""
    return Context(
        initial=definition.input_adapter.validate_json(cipher.open(state.input, input_place(state))),
        idempotency_key=idempotency_key(state.key, state.run, node),
        attempt=attempt,
        steps=StepResults(RecordedResults(definition, state, node, with_own=with_own_result, cipher=cipher)),
        stopping=stopping,
    )
