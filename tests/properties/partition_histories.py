"""Random histories of a partition: commands, timers, outcomes, crashes and duplicates, in any order."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from hypothesis import strategies as st

from hephaestus_stream.core.input import StepEmitted
from hephaestus_stream.core.state import Reported, State
from hephaestus_stream.cycle.attempt import Attempt, AttemptEnd, AttemptId
from hephaestus_stream.cycle.record import decode_state
from hephaestus_stream.cycle.source import AttemptEnded
from hephaestus_stream.wire.command import (
    CancelCommand,
    Command,
    ContinueCommand,
    PauseCommand,
    ResumeCommand,
    RetryCommand,
    SkipCommand,
    StartCommand,
    SteeringCommand,
    TerminateCommand,
)
from tests.properties.blueprint import blueprint
from tests.properties.books import check_books
from tests.properties.flows import PATIENCE, build
from tests.properties.held_runner import MANNERS, end_of
from tests.properties.regions import Region
from tests.properties.world import World

IDS = ("a", "a", "b")
MANY_ROUNDS = 200
STEERING: tuple[type[SteeringCommand], ...] = (
    RetryCommand,
    RetryCommand,
    PauseCommand,
    ContinueCommand,
    TerminateCommand,
    SkipCommand,
)
PAYLOADS: tuple[str | int, ...] = ("fine", "fine", "fine", 5)

manners = st.sampled_from(MANNERS)
numbers = st.integers(0, 5)
# What the routes of the first nodes choose; some have no third label.
plans = st.dictionaries(st.sampled_from([f"n{number}" for number in range(12)]), st.sampled_from((0, 1, 1, 1, 2)))


class PartitionHistory:
    """A partition to which happens whatever is drawn.

    Attributes:
        commands: All that were ever published.
        former: Attempts that ended.
    """

    def __init__(self, region: Region, data: st.DataObject) -> None:
        workflow = build(blueprint(region))
        self.definition = workflow.definition
        self.world = World(workflow)
        self.commands: list[Command] = []
        self.former: list[AttemptId] = []
        self._draw = data.draw

    def drawn(self, *, most: int) -> None:
        """Lets up to so many things happen; the books are right after each commit."""
        actions: list[Callable[[], None]] = [
            *[self.start] * 2,
            *[self.resume] * 4,
            *[self.cycle] * 8,
            *[self.end_an_attempt] * 6,
            *[self.let_time_pass] * 3,
            *[self.crash_before_the_commit] * 2,
            *[self.repeat_a_command] * 2,
            self.lose_the_worker,
            self.hear_a_former_attempt,
            self.publish_garbage,
            self.maybe_cancel,
            *[self.steer] * 3,
        ]
        self.start()
        for _ in range(self._draw(st.integers(0, most), label="actions")):
            self._draw(st.sampled_from(actions), label="what happens")()

    def wind_up(self) -> None:
        """Ends all runs: everything is taken in, executed and answered, and the timers fire."""
        for round_ in range(MANY_ROUNDS):
            self._take_over_if_lost()
            self.world.cycle(1_000)
            for number, attempt in enumerate(self.world.runner.unfinished()):
                self.world.runner.end(attempt, "emits", number)
            live = [state for state in self.states() if state.is_live]
            if not live:
                return
            for state in live:
                if state.paused:
                    self._publish(self._steering(ContinueCommand, f"{state.run}-goes-on-{round_}", state.key))
                for name, node in state.nodes.items():
                    if node.status == "waiting" and node.due_at is None:
                        self._publish(self._event_for(state, name, f"{state.run}-{name}-{round_}"))
            self.world.now += PATIENCE
        raise AssertionError("some runs never end")

    def states(self) -> list[State]:
        return [decode_state(value) for _, value in self.world.store.scan(b"i", limit=10_000)]

    def start(self) -> None:
        conflict = self._draw(st.sampled_from(("reject", "reject", "return_existing", "terminate_existing")))
        fields = {"id": self._new_id(), "workflow": "Random", "key": self._key(), "input": self._draw(plans)}
        self._publish(StartCommand.model_validate(fields | {"on_conflict": conflict}))

    def resume(self) -> None:
        """Somebody sends an event, mostly one that is waited for or may be."""
        places: list[tuple[str | None, str]] = [
            (node, name) for node, events in self.definition.events.items() for name in events
        ]
        external = [
            (node, name) for node, name in places if node is not None and self.definition.events[node][name].external
        ]
        node, name = self._draw(st.sampled_from([*external * 3, *places, (None, "e0"), ("nobody", "e0")]))
        run = self._draw(st.sampled_from((None, None, None, "c0")))
        payload = self._draw(st.sampled_from(PAYLOADS))
        self._publish(
            ResumeCommand(
                id=self._new_id(), workflow="Random", key=self._key(), run=run, node=node, event=name, payload=payload
            )
        )

    def maybe_cancel(self) -> None:
        if self._draw(st.booleans()):
            self._publish(CancelCommand(id=self._new_id(), workflow="Random", key=self._key()))

    def steer(self) -> None:
        """An operator retries a run, pauses one, lets one go on, ends one, or skips a node."""
        kind = self._draw(st.sampled_from(STEERING))
        if kind is not SkipCommand:
            self._publish(self._steering(kind, self._new_id(), self._key()))
            return
        places = [(node, name) for node, events in self.definition.events.items() for name in events]
        node, name = self._draw(st.sampled_from(places))
        payload = self._draw(st.sampled_from((None, *PAYLOADS)))
        self._publish(self._steering(kind, self._new_id(), self._key(), node=node, event=name, payload=payload))

    def repeat_a_command(self) -> None:
        self.world.publish(self._draw(st.sampled_from(self.commands)))

    def publish_garbage(self) -> None:
        self.world.publish(b'{"type": "start"')

    def cycle(self) -> None:
        self._take_over_if_lost()
        self._cycle(crashes=False)
        check_books(self.world)

    def crash_before_the_commit(self) -> None:
        """All that a cycle did is lost, and its inputs come again."""
        self._take_over_if_lost()
        self._cycle(crashes=True)

    def lose_the_worker(self) -> None:
        """What is being executed is lost, and whoever takes over may be lost, too."""
        self.world.crash()
        self.world.take_over(worker_lost=self._draw(st.booleans()), crashes=self._draw(st.booleans()))
        check_books(self.world)

    def end_an_attempt(self) -> None:
        unfinished = self.world.runner.unfinished()
        if unfinished:
            attempt = self._draw(st.sampled_from(unfinished))
            self.former.append(attempt)
            self.world.runner.end(attempt, self._draw(manners), self._draw(numbers))

    def hear_a_former_attempt(self) -> None:
        """The outcome of an attempt that is over arrives, as from a worker that does not know yet."""
        over = [attempt for attempt in self.former if not self.world.runner.is_running(attempt)]
        if over and not self.world.is_lost:
            attempt = self._draw(st.sampled_from(over))
            end = StepEmitted(attempt.node, attempt.number, Reported("e0", b'"stale"'))
            self.world.strays.append(AttemptEnded(attempt, end))

    def let_time_pass(self) -> None:
        self.world.now += self._draw(st.sampled_from((timedelta(seconds=1), timedelta(minutes=2), PATIENCE)))

    def _cycle(self, *, crashes: bool) -> None:
        """A cycle in which some attempts end as they begin."""
        left = self._draw(st.sampled_from((0, 0, 1, 2, 4)))

        def at_once(attempt: Attempt) -> AttemptEnd | None:
            nonlocal left
            left -= 1
            return end_of(attempt, self._draw(manners), self._draw(numbers)) if left >= 0 else None

        self.world.at_once = at_once
        self.world.cycle(self._draw(numbers), crashes=crashes)
        self.world.at_once = lambda _: None

    def _take_over_if_lost(self) -> None:
        if self.world.is_lost:
            self.world.take_over(worker_lost=True)

    def _event_for(self, state: State, node: str, id: str) -> ResumeCommand:  # noqa: A002 - the wire's own word
        declared = self.definition.events[node]
        name = next(name for name, each in declared.items() if each.external)
        return ResumeCommand(id=id, workflow="Random", key=state.key, node=node, event=name, payload="late")

    def _steering(self, kind: type[SteeringCommand], id: str, key: str, **more: object) -> SteeringCommand:  # noqa: A002 - as above
        fields = {"schema": 3, "id": id, "workflow": "Random", "key": key, "by": "ada", "reason": "why not"}
        return kind.model_validate(fields | more)

    def _publish(self, command: Command) -> None:
        self.commands.append(command)
        self.world.publish(command)

    def _new_id(self) -> str:
        return f"c{len(self.commands)}"

    def _key(self) -> str:
        return f"random::{self._draw(st.sampled_from(IDS))}"
