"""What a step sees of its run: the start payload and the results of the nodes before it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Generic, Protocol, TypeVar, overload

from hephaestus_stream.core.event import Event, NodeEvent
from hephaestus_stream.errors import AmbiguousResultError, MissingResultError

InputT_co = TypeVar("InputT_co", covariant=True)
PayloadT = TypeVar("PayloadT")


@dataclass(frozen=True, slots=True)
class StepResult:
    """How a node before this one ended.

    Attributes:
        node: The node's name.
        event: The name of the event that it emitted.
        source: The `Event` object, as its step class declares it.
        payload: The event's payload as its model, or None for an event without one.
        metadata: The metadata given with the outcome.
        attempt: The attempt that succeeded, counted from 1.
    """

    node: str
    event: str
    source: object
    payload: object
    metadata: Mapping[str, object]
    attempt: int


class ResultReader(Protocol):
    """Where the results come from; it is asked for nothing that the step does not ask for."""

    def visible(self) -> Collection[str]:
        """The nodes whose results are visible, in the order of the graph."""
        ...

    def source(self, node: str) -> object:
        """The `Event` object that a visible node emitted, without decoding its payload."""
        ...

    def read(self, node: str) -> StepResult:
        """The result of a visible node."""
        ...


class StepResults(Mapping[str, StepResult]):
    """The results of a node's ancestors by the nodes' names; each is decoded when it is asked for.

    Args:
        reader: Where they come from; None means that there are none.
    """

    def __init__(self, reader: ResultReader | None = None) -> None:
        self._reader = reader

    def __getitem__(self, node: str) -> StepResult:
        if self._reader is None or node not in self._visible:
            raise MissingResultError(
                f"no result of a node {node!r} is visible here; visible are {', '.join(sorted(self)) or 'none'}"
            )
        return self._reader.read(node)

    def __iter__(self) -> Iterator[str]:
        return iter(self._visible)

    def __len__(self) -> int:
        return len(self._visible)

    def __contains__(self, node: object) -> bool:
        return node in self._visible

    def emitting(self, event: Event[Any]) -> list[str]:
        """The visible nodes that ended with an event; no payload is decoded for it."""
        return [] if self._reader is None else [node for node in self._visible if self._reader.source(node) is event]

    @cached_property
    def _visible(self) -> Mapping[str, None]:
        # A long chain has many ancestors, and most steps ask for none of them.
        return dict.fromkeys(() if self._reader is None else self._reader.visible())


def never() -> bool:
    """Whether a step is asked to stop that nobody can ask."""
    return False


@dataclass(frozen=True, slots=True)
class Context(Generic[InputT_co]):
    """Everything a step decides by.

    Only results of the node's *ancestors* are visible: what runs beside it would be there or not by chance of timing.

    Attributes:
        initial: The start payload as the workflow's input type; each step gets an object of its own.
        idempotency_key: `{key}/{run}/{node}`, the same in every attempt: give it to whatever the step calls. A `/`
            in key or run stands in it as `%2F`, a `%` as `%25`.
        attempt: The attempt that this is, counted from 1.
        steps: The visible results by node name.
        stopping: What `stop_requested` asks; a test gives its own.
    """

    initial: InputT_co
    idempotency_key: str
    attempt: int = 1
    steps: Mapping[str, StepResult] = field(default_factory=StepResults)
    stopping: Callable[[], bool] = field(default=never, repr=False, compare=False)

    @property
    def stop_requested(self) -> bool:
        """Whether nobody wants the attempt's outcome any more: return or raise soon, whatever it is goes unheard.

        So it is after the attempt's timeout, when the run has ended, and when the worker stops. A blocking step that
        takes long looks at it between its pieces of work; `async def` is cancelled instead.
        """
        return self.stopping()

    @overload
    def result(self, event: Event[PayloadT]) -> PayloadT: ...
    @overload
    def result(self, event: NodeEvent[PayloadT]) -> PayloadT: ...
    def result(self, event: Event[PayloadT] | NodeEvent[PayloadT]) -> object:
        """The payload of an event: of one node (`OrderFlow.charge.charged`), or of a step (`ChargeCard.charged`).

        Raises:
            MissingResultError: No visible node emitted the event.
            AmbiguousResultError: The event of a step was emitted by several visible nodes; name one of them.
        """
        if isinstance(event, NodeEvent):
            return self._result_of_node(event.node.node_name, event.event)
        names = self._nodes_emitting(event)
        if len(names) == 1:
            return self.steps[names[0]].payload
        if not names:
            raise MissingResultError(
                f"no node before this one emitted '{event.name}'; visible are {', '.join(sorted(self.steps)) or 'none'}"
            )
        raise AmbiguousResultError(
            f"'{event.name}' was emitted by {', '.join(names)}; ask by node, as Flow.{names[0]}.{event.name}", names
        )

    def _nodes_emitting(self, event: Event[Any]) -> list[str]:
        if isinstance(self.steps, StepResults):
            return self.steps.emitting(event)
        # A test may give a plain dict.
        return [node for node, result in self.steps.items() if result.source is event]

    def _result_of_node(self, node: str, event: Event[Any]) -> object:
        result = self.steps[node]
        if result.source is not event:
            raise MissingResultError(f"'{node}' ended with '{result.event}', not with '{event.name}'")
        return result.payload
