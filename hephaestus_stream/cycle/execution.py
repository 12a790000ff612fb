"""One cycle's work: transitions are applied, and their effects written into the tables and the batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import assert_never

import msgspec

from hephaestus_stream.core.answer import Refused
from hephaestus_stream.core.catalog import Catalog
from hephaestus_stream.core.decision import (
    Choose,
    ClearTimer,
    Decision,
    Effect,
    PublishCompletion,
    PublishResult,
    RunStep,
    SetTimer,
    StopStep,
)
from hephaestus_stream.core.definition import Definition
from hephaestus_stream.core.engine import apply, halt
from hephaestus_stream.core.input import ChoiceFailed, Chosen, Input
from hephaestus_stream.core.progress import unknown_label
from hephaestus_stream.core.state import State
from hephaestus_stream.core.transition import label_text
from hephaestus_stream.cycle.attempt import Attempt, AttemptId, context_of
from hephaestus_stream.cycle.batch import Batch
from hephaestus_stream.cycle.committed import Committed
from hephaestus_stream.cycle.error_text import discreet, told
from hephaestus_stream.cycle.failure_log import log_failures
from hephaestus_stream.cycle.publisher import Publisher
from hephaestus_stream.cycle.tables import Tables, timer
from hephaestus_stream.encryption.cipher import NO_KEYS, Cipher
from hephaestus_stream.encryption.marks import marked
from hephaestus_stream.errors import EngineError
from hephaestus_stream.wire.dead_letter import DeadLetter
from hephaestus_stream.wire.topics import Topics


def _no_trace(_definition: Definition) -> None:
    """Nobody traces."""


def _not_watched() -> bool:
    """Nobody counts, either."""
    return False


@dataclass(frozen=True, slots=True)
class ShardProfile:
    """What a shard is, and what it works with: nothing of it changes from cycle to cycle.

    Attributes:
        partition: The shard's partition.
        partitions: How many there are.
        topics: The topics of the namespace.
        catalog: The worker's workflows.
        command_retention: How long a command's answer is kept.
        retention: How long a finished run is kept whose workflow says nothing else.
        jitter: Draws a random number in [0, 1).
        new_trace: Begins a trace for a run whose start brings none; None where nobody traces.
        cipher: Seals payloads, and opens them.
        is_watched: Whether somebody counts and traces: only then a batch keeps its decisions, since a thousand of them
            cost the garbage collector a twentieth of a cycle.
    """

    partition: int
    partitions: int
    topics: Topics
    catalog: Catalog
    jitter: Callable[[], float]
    command_retention: timedelta = timedelta(days=7)
    retention: timedelta = timedelta(days=7)
    new_trace: Callable[[Definition], str | None] = _no_trace
    is_watched: Callable[[], bool] = _not_watched
    cipher: Cipher = NO_KEYS

    def definition_of(self, state: State) -> Definition | None:
        """A run's workflow in its version; None where the run is parked: the worker lacks that, or a key."""
        definition = self.catalog.get(state.workflow, state.version)
        return None if state.keys and self.cipher.missing(state.keys) is not None else definition

    def why_parked(self, state: State) -> str | None:
        """Why a run stands still, and how it goes on; None where it is not parked."""
        why = self.catalog.why_parked(state.workflow, state.version)
        missing = self.cipher.missing(state.keys)
        if why is not None or missing is None:
            return why
        return (
            f"parked: payloads are encrypted with the key '{missing}', which this worker does not have, or has another "
            "one of that id; it goes on when a worker that has the key takes over"
        )


@dataclass(frozen=True, slots=True)
class Decided:
    """What the engine decided about one run: a decision, and those of the routes that it led to.

    The definition is None for a parked run.
    """

    definition: Definition | None
    decisions: Sequence[Decision]


class Execution:
    """Applies transitions one after the other, and collects what they leave to be done.

    Attributes:
        tables: The shard's tables under this cycle's changes.
        batch: What is collected.
        publisher: Collects the output records.
        to_run: Attempts that the transitions so far asked for, by their ids.
    """

    def __init__(self, shard: ShardProfile, committed: Committed, *, now: datetime) -> None:
        self.shard = shard
        self.now = now
        self.tables = Tables(committed, command_retention=shard.command_retention)
        self.publisher = Publisher(shard.topics)
        self.batch = Batch(outputs=self.publisher.records)
        self.to_run: dict[AttemptId, Attempt] = {}
        self._is_watched = shard.is_watched()

    def transit(self, definition: Definition | None, state: State | None, what: Input) -> Decision:
        """Applies an input and the routing decisions that it leads to; nothing has changed if it raises.

        Raises:
            Exception: Whatever a bug of ours raises.
        """
        decided = Decided(definition, self.decide(definition, state, what))
        self.carry_out([decided])
        return decided.decisions[0]

    def decide(self, definition: Definition | None, state: State | None, what: Input) -> list[Decision]:
        """What an input leads to, with the routing decisions that follow from it; nothing changes by it.

        Raises:
            Exception: Whatever a bug of ours raises.
        """
        decisions = [self._marked(apply(definition, state, what, now=self.now), what)]
        while definition is not None and (chosen := self._choose(definition, decisions[-1])):
            decisions.append(apply(definition, decisions[-1].state, chosen, now=self.now))
        return decisions

    def _marked(self, decision: Decision, what: Input) -> Decision:
        """The decision with the keys among those of the run that the input's payloads are under, if they are kept."""
        if isinstance(decision.answer, Refused) or not decision.history:
            return decision
        state = marked(decision.state, what, cipher=self.shard.cipher)
        return decision if state is decision.state else msgspec.structs.replace(decision, state=state)

    def tell_parked(self, state: State) -> None:
        """Leaves word of a run that is parked."""
        self.batch.parked[state.workflow, state.version, state.keys] = state

    def defer(self, key: str, run: str) -> None:
        """Lets the attempts of a run that were asked for begin after the commit only, which stops their forerunners."""
        for attempt in [attempt for attempt in self.to_run if (attempt.key, attempt.run) == (key, run)]:
            self.batch.to_start.append(self.to_run.pop(attempt))

    def halt(self, definition: Definition, state: State, what: Input, *, error: Exception) -> None:
        """Keeps a run as it was before an input that the engine failed on; the input is in the dead letters."""
        reason = f"{type(what).__name__} failed in the engine: {error!r}"[:1000]
        self.carry_out([Decided(definition, [halt(definition, state, reason=reason, now=self.now)])])
        letter = DeadLetter(
            "engine_error", reason, self.shard.topics.commands, self.shard.partition, -1, self.now.astimezone(UTC)
        )
        self.publisher.dead_letter(state.key.encode(), msgspec.json.encode(what), letter)

    def _choose(self, definition: Definition, decision: Decision) -> Chosen | ChoiceFailed | None:
        """Asks the routing function that a decision waits for."""
        state = decision.state
        for effect in decision.effects:
            if isinstance(effect, Choose) and state.nodes[effect.node].status == "choosing":
                attempt = state.nodes[effect.node].attempt
                try:
                    context = context_of(
                        definition, state, effect.node, attempt=attempt, with_own_result=True, cipher=self.shard.cipher
                    )
                    label = label_text(definition.routes[effect.node, effect.event](context))
                except BaseException as error:  # noqa: BLE001 - the user's function may raise anything
                    return ChoiceFailed(effect.node, told(error, state, effect.node, cipher=self.shard.cipher))
                return self._chosen(definition, state, effect, label=label)
        return None

    def _chosen(self, definition: Definition, state: State, choice: Choose, *, label: str) -> Chosen | ChoiceFailed:
        """A label for the engine; one that is not declared may quote a payload, as the text of an exception may."""
        declared = definition.labels[choice.node, choice.event]
        if label in declared:
            return Chosen(choice.node, label)
        error = unknown_label(choice.node, choice.event, label=label, declared=declared)
        return ChoiceFailed(choice.node, discreet(error, state, choice.node, cipher=self.shard.cipher))

    def carry_out(self, decided: Sequence[Decided]) -> None:
        """Writes decisions down, all or none: first what may fail, the encoding, then what cannot."""
        mark = len(self.publisher.records)
        decisions = [decision for each in decided for decision in each.decisions]
        try:
            history = [
                (decision.state, event.sequence, self.publisher.history(decision.state, event))
                for decision in decisions
                for event in decision.history
            ]
            for decision in decisions:
                self._publish(decision)
        except Exception:
            del self.publisher.records[mark:]
            raise
        for state, sequence, event in history:
            self.tables.add_history(state, sequence, event)
        for decision in decisions:
            log_failures(decision)
        if self._is_watched:
            self.batch.decisions += decisions
        for each in decided:
            for decision in each.decisions:
                for effect in decision.effects:
                    self._effect(each.definition, decision.state, effect)
            # What is not told changed nothing: the record need not be written again.
            if any(decision.history for decision in each.decisions):
                self._keep(each.definition, each.decisions[-1].state)

    def _publish(self, decision: Decision) -> None:
        for effect in decision.effects:
            if isinstance(effect, PublishResult):
                self.publisher.step_result(decision.state, effect)
            elif isinstance(effect, PublishCompletion):
                self.publisher.completion(decision.state, sequence=effect.sequence)

    def _effect(self, definition: Definition | None, state: State, effect: Effect) -> None:
        match effect:
            case RunStep(node, attempt):
                if definition is None:
                    raise EngineError(f"{state.key} is parked, and a step of it was to run")
                begun = AttemptId(state.key, state.run, node, attempt)
                self.to_run[begun] = Attempt(begun, definition, state, cipher=self.shard.cipher)
            case StopStep(node, attempt, at_once):
                stopped = AttemptId(state.key, state.run, node, attempt)
                self.to_run.pop(stopped, None)
                self.batch.stops.append(stopped)
                if at_once:
                    self.batch.stops_at_once.add(stopped)
            case SetTimer(node, attempt, kind, due_at):
                self.tables.set_timer(timer(state, node, attempt, kind=kind, due_at=due_at))
            case ClearTimer(node, attempt, kind, due_at):
                self.tables.clear_timer(timer(state, node, attempt, kind=kind, due_at=due_at))
            case PublishResult() | PublishCompletion() | Choose():
                pass  # done before
            case _:
                assert_never(effect)

    def _keep(self, definition: Definition | None, state: State) -> None:
        record = self.tables.key_record(state.key)
        if definition is not None:
            scope, retention = definition.scope, definition.retention
        else:  # parked: what its workflow says stands with the key
            former = record.find(state.run)
            scope, retention = None, None if former is None else former.retention
        self.tables.put_state(state, retention=retention or self.shard.retention)
        changed = record.with_run(state, scope=scope, retention=retention)
        if changed is not record:
            self.tables.put_key_record(state.key, changed)
