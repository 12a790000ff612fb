"""What happens to one business key: the commands that are sent about it, and when."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, get_args

from hephaestus_stream.core.admission import OnConflict
from hephaestus_stream.wire.command import Command, ContinueCommand, PauseCommand, RetryCommand, TerminateCommand
from hephaestus_stream.wire.request import (
    AnyWorkflow,
    PlainT,
    cancel_command,
    resume_command,
    skip_command,
    start_command,
    steering_command,
)
from tests.chaos.flows import Errand, Fork, Leaving, Loose, Patience, Quick, Receipt, Reckoning, Relay, Way, Word

WORD: Final = Word(stars=5)
_LAST_ATTEMPT: Final = 4


@dataclass(frozen=True)
class Line:
    """One command of a story.

    Attributes:
        command: What is sent.
        after: How many seconds after the line before it.
        asks: Whether an answer is asked for.
        patient: Whether the answer to the line before is waited for first.
        endings: Of a start, how its run may end.
    """

    command: Command
    after: float = 0.0
    asks: bool = True
    patient: bool = False
    endings: tuple[str, ...] = ()


Story = list[Line]


class Teller:
    """Tells stories; the same seed tells the same ones, whatever happens to them.

    Args:
        seed: Of the whole load.
        number: Of this story.
    """

    def __init__(self, seed: int, number: int) -> None:
        self.chance = random.Random(f"{seed}/{number}")  # noqa: S311 - the same story each time
        self.key = f"{seed}-{number}"

    def tell(self) -> Story:
        """A story, with some of its lines told twice."""
        stories = self._stories()
        told = self.chance.choices(list(stories), weights=list(stories.values()))[0]()
        return self._with_repetitions(told)

    def _stories(self) -> dict[Callable[[], Story], float]:
        return {
            self._errand: 5,
            self._relay: 6,
            self._patience: 5,
            self._fork: 3,
            self._leaving: 4,
            self._again: 3,
            self._loose: 2,
            self._nonsense: 2,
            self._reckoning: 0.5,
            self._mended: 2,
            self._paused: 3,
            self._skipped: 2,
            self._terminated: 1,
        }

    def _errand(self) -> Story:
        fails = self.chance.choice((0, 0, 0, 1, 2, _LAST_ATTEMPT))
        return [self._start(Quick, Errand(fails=fails), ends=("completed done",), fails=fails)]

    def _reckoning(self) -> Story:
        return [self._start(Reckoning, Errand(), ends=("completed done",))]

    def _relay(self) -> Story:
        """The review comes early, in time or never; or the run is cancelled, and the review comes too late."""
        fails = self.chance.choice((0, 0, 0, 1, _LAST_ATTEMPT))
        start = self._start(Relay, Errand(fails=fails), ends=("completed done",), fails=fails)
        review = self._line(resume_command(Relay, self.key, Relay.review.received, WORD, command_id=self._id()))
        review = replace(review, after=self.chance.choice((0.0, 0.1, 0.5, 2.0, 4.0)))
        match self.chance.randrange(6):
            case 0:
                cancel = self._cancel(Relay, after=self.chance.uniform(0, 2))
                return [start, cancel, review]
            case 1:
                return [start, review, self._cancel(Relay, after=self.chance.uniform(0, 2))]
            case 2:
                second = self._line(resume_command(Relay, self.key, Relay.review.received, WORD, command_id=self._id()))
                return [start, review, second]
            case 3:
                return [start]
            case _:
                return [start, review]

    def _patience(self) -> Story:
        """The event comes at about the time when nobody waits for it any more."""
        start = self._start(Patience, Errand(), ends=("completed done", "completed silent"))
        event = resume_command(Patience, self.key, Patience.reply.received, WORD, command_id=self._id())
        return [start, replace(self._line(event), after=self.chance.uniform(0.5, 2.5))]

    def _fork(self) -> Story:
        fails = self.chance.choice((0, 0, 1, 3))
        errand = Errand(fails=fails, way=self.chance.choice(get_args(Way)))
        return [self._start(Fork, errand, ends=("completed done",))]

    def _leaving(self) -> Story:
        leaves = self.chance.random() < 0.5
        start = self._start(Leaving, Errand(leaves=leaves), ends=(f"completed {'left' if leaves else 'done'}",))
        signal = resume_command(Leaving, self.key, Leaving.signal.received, WORD, command_id=self._id())
        return [start, replace(self._line(signal), after=self.chance.uniform(0, 1.2))]

    def _again(self) -> Story:
        """A key that is started again: while it lives, and after its end."""
        lines = [self._start(Relay, Errand(), ends=("completed done",))]
        for _ in range(self.chance.randint(1, 3)):
            conflict: OnConflict = self.chance.choice(get_args(OnConflict))
            other = self._start(Relay, Errand(), ends=("completed done",), on_conflict=conflict)
            lines.append(replace(other, after=self.chance.uniform(0, 1), patient=self.chance.random() < 0.5))
            if self.chance.random() < 0.5:
                lines.append(self._cancel(Relay, after=self.chance.uniform(0, 0.5)))
        review = resume_command(Relay, self.key, Relay.review.received, WORD, command_id=self._id())
        return [*lines, replace(self._line(review), after=1.0)]

    def _loose(self) -> Story:
        """Several runs at once, each with an event that names it, and one that names none."""
        starts = [self._start(Loose, Errand(), ends=("completed done",)) for _ in range(self.chance.randint(2, 4))]
        signals = [
            self._line(
                resume_command(
                    Loose, self.key, Loose.signal.received, WORD, command_id=self._id(), run=start.command.id
                )
            )
            for start in starts
        ]
        vague = resume_command(Loose, self.key, Loose.signal.received, WORD, command_id=self._id())
        return [*starts, replace(self._line(vague), after=0.2), *signals]

    def _nonsense(self) -> Story:
        """Events for no run, for no node, of no name, and a cancel of nothing."""
        good = resume_command(Relay, self.key, Relay.review.received, WORD, command_id=self._id())
        wrong = (
            {"node": "nowhere", "id": self._id()},
            {"event": "nothing", "id": self._id()},
            {"node": "gather", "event": "done", "id": self._id()},
            {"payload": "no word", "id": self._id()},
        )
        lines = [self._line(good), self._cancel(Relay, after=0.0)]
        lines.append(self._start(Relay, Errand(), ends=("completed done",)))
        lines += [self._line(good.model_copy(update=each)) for each in wrong]
        return [*lines, self._cancel(Relay, after=1.0), self._cancel(Relay, after=0.0)]

    def _mended(self) -> Story:
        """A step fails for good, somebody retries the run, perhaps too soon, or says what the step would have said."""
        start = self._start(
            Quick, Errand(fails=_LAST_ATTEMPT), ends=("failed first", "failed second", "completed done")
        )
        hurried = replace(self._steer(RetryCommand, Quick), after=self.chance.uniform(0, 2))
        last = self._steer(RetryCommand, Quick)
        if self.chance.random() < 0.4:
            receipt = Receipt(reference=f"by-hand-{self.chance.getrandbits(40)}")
            skip = skip_command(Quick, self.key, Quick.first.done, receipt, command_id=self._id(), by="ada")
            last = self._line(skip)
        return [start, hurried, replace(last, after=self.chance.uniform(2, 4))]

    def _paused(self) -> Story:
        """A run is paused at any moment, takes its event all the same, and goes on."""
        start = self._start(Relay, Errand(fails=self.chance.choice((0, 1))), ends=("completed done",))
        pause = replace(self._steer(PauseCommand, Relay), after=self.chance.uniform(0, 1))
        review = self._line(resume_command(Relay, self.key, Relay.review.received, WORD, command_id=self._id()))
        goes_on = replace(self._steer(ContinueCommand, Relay), after=self.chance.uniform(0, 2), patient=True)
        return [start, pause, review, goes_on]

    def _skipped(self) -> Story:
        """A node is skipped, at whatever it is; then the run ends by a skip, too."""
        start = self._start(Relay, Errand(), ends=("completed done",))
        receipt = Receipt(reference=f"by-hand-{self.chance.getrandbits(40)}")
        linger = skip_command(Relay, self.key, Relay.linger.done, receipt, command_id=self._id())
        review = skip_command(Relay, self.key, Relay.review.received, WORD, command_id=self._id())
        return [
            start,
            replace(self._line(linger), after=self.chance.uniform(0, 0.5)),
            replace(self._line(review), after=self.chance.uniform(1, 3)),
        ]

    def _terminated(self) -> Story:
        start = self._start(Relay, Errand(), ends=("completed done",))
        return [start, replace(self._steer(TerminateCommand, Relay), after=self.chance.uniform(0, 1))]

    def _steer(self, model: type[PlainT], workflow: AnyWorkflow) -> Line:
        return self._line(steering_command(model, workflow, self.key, command_id=self._id(), by="ada", reason="chaos"))

    def _start(
        self,
        workflow: AnyWorkflow,
        errand: Errand,
        *,
        ends: tuple[str, ...],
        fails: int = 0,
        on_conflict: OnConflict = "reject",
    ) -> Line:
        command = start_command(workflow, self.key, errand, command_id=self._id(), on_conflict=on_conflict)
        if fails >= _LAST_ATTEMPT:
            ends = (f"failed {workflow.definition.graph.start}",)
        return replace(self._line(command), endings=ends)

    def _cancel(self, workflow: AnyWorkflow, *, after: float) -> Line:
        return replace(self._line(cancel_command(workflow, self.key, command_id=self._id())), after=after)

    def _line(self, command: Command) -> Line:
        return Line(command, asks=self.chance.random() < 0.85)

    def _with_repetitions(self, story: Story) -> Story:
        """Some lines come a second time, with or without asking; the same id must have no second effect."""
        told: Story = []
        for line in story:
            told.append(line)
            if self.chance.random() < 0.2:
                told.append(replace(line, after=self.chance.choice((0.0, 0.3)), asks=self.chance.random() < 0.7))
        if self.chance.random() < 0.2:
            told.append(replace(self.chance.choice(story), after=self.chance.uniform(0, 3)))
        return told

    def _id(self) -> str:
        return str(uuid.UUID(int=self.chance.getrandbits(128), version=4))
