"""The names of all spans, metrics and attributes; `docs/telemetry.md` is the same for readers, and a test holds it so.

Attributes of the messaging conventions are named as there, ours begin with `hephaestus.`. A metric has no attribute
that names one run or key: each value would be a time series of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from hephaestus_stream.wire.command import COMMAND_MODELS

WORKFLOW: Final = "hephaestus.workflow"
VERSION: Final = "hephaestus.version"
KEY: Final = "hephaestus.key"
RUN: Final = "hephaestus.run"
NODE: Final = "hephaestus.node"
EVENT: Final = "hephaestus.event"
ATTEMPT: Final = "hephaestus.attempt"
RUNNER: Final = "hephaestus.runner"
STATUS: Final = "hephaestus.status"
OUTCOME: Final = "hephaestus.outcome"
TRANSITION: Final = "hephaestus.transition"
COMMAND: Final = "hephaestus.command"
DUE_AT: Final = "hephaestus.due_at"
PAUSE: Final = "hephaestus.pause"

SYSTEM: Final = "messaging.system"
OPERATION: Final = "messaging.operation.name"
OPERATION_TYPE: Final = "messaging.operation.type"
DESTINATION: Final = "messaging.destination.name"
PARTITION: Final = "messaging.destination.partition.id"
MESSAGE: Final = "messaging.message.id"
MESSAGE_KEY: Final = "messaging.kafka.message.key"
ERROR: Final = "error.type"

_OF_A_RUN: Final = (WORKFLOW, VERSION, KEY, RUN)


@dataclass(frozen=True, slots=True)
class SpanName:
    """A kind of span.

    Attributes:
        verb: What it begins with; the workflow follows, and the node where it is about one.
        kind: Of OpenTelemetry.
        attributes: What it may carry.
    """

    verb: str
    kind: Literal["producer", "consumer", "internal"]
    attributes: tuple[str, ...]

    def of(self, workflow: str, node: str | None = None) -> str:
        """The span's name; few of them, so that they can be counted together."""
        return f"{self.verb} {workflow}" if node is None else f"{self.verb} {workflow}.{node}"


_SENT: Final = (WORKFLOW, KEY, OUTCOME, SYSTEM, OPERATION, OPERATION_TYPE, DESTINATION, MESSAGE, MESSAGE_KEY, ERROR)

SENT: Final = {kind: SpanName(kind, "producer", _SENT) for kind in COMMAND_MODELS}
"""One span for each kind of command."""
BEGIN: Final = SpanName("begin", "consumer", (WORKFLOW, VERSION, SYSTEM))
STEP: Final = SpanName("step", "internal", (*_OF_A_RUN, NODE, ATTEMPT, RUNNER, EVENT, OUTCOME, ERROR))
WAIT: Final = SpanName("wait", "internal", (*_OF_A_RUN, NODE, ATTEMPT, EVENT, OUTCOME))
RETRY: Final = SpanName("retry", "internal", (*_OF_A_RUN, NODE, ATTEMPT, DUE_AT))
RUN_SPAN: Final = SpanName("run", "internal", (*_OF_A_RUN, NODE, STATUS, ERROR))

SPANS: Final = (*SENT.values(), BEGIN, STEP, WAIT, RETRY, RUN_SPAN)


@dataclass(frozen=True, slots=True)
class Metric:
    """One instrument.

    Attributes:
        name: Its name.
        kind: What it does with numbers.
        unit: As UCUM writes it.
        description: For whoever reads it.
        attributes: What it is told apart by.
        boundaries: Of a histogram's buckets.
    """

    name: str
    kind: Literal["counter", "histogram", "gauge"]
    unit: str
    description: str
    attributes: tuple[str, ...] = ()
    boundaries: tuple[float, ...] | None = None


_PROMPT: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_LASTING: Final = (0.01, 0.1, 0.5, 1.0, 5.0, 30.0, 60.0, 300.0, 1_800.0, 3_600.0)
_DAYS: Final = (0.1, 1.0, 10.0, 60.0, 600.0, 3_600.0, 21_600.0, 86_400.0, 604_800.0, 2_592_000.0)
_MANY: Final = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0)

RUNS_STARTED: Final = Metric("hephaestus.runs.started", "counter", "{run}", "Runs that began", (WORKFLOW, VERSION))
RUNS_ENDED: Final = Metric("hephaestus.runs.ended", "counter", "{run}", "Runs that ended", (WORKFLOW, VERSION, STATUS))
RUN_DURATION: Final = Metric(
    "hephaestus.run.duration", "histogram", "s", "From start to end of a run", (WORKFLOW, VERSION, STATUS), _DAYS
)
TRANSITIONS: Final = Metric(
    "hephaestus.transitions", "counter", "{event}", "Events of the history", (WORKFLOW, VERSION, TRANSITION)
)
STEP_ATTEMPTS: Final = Metric(
    "hephaestus.step.attempts",
    "counter",
    "{attempt}",
    "Attempts whose end is committed",
    (WORKFLOW, VERSION, NODE, OUTCOME),
)
STEP_DURATION: Final = Metric(
    "hephaestus.step.duration",
    "histogram",
    "s",
    "What a step's code takes, of each attempt",
    (WORKFLOW, VERSION, NODE, OUTCOME),
    _LASTING,
)
COMMANDS: Final = Metric(
    "hephaestus.commands", "counter", "{command}", "Commands by their effect or refusal", (COMMAND, OUTCOME)
)
CYCLE_DURATION: Final = Metric(
    "hephaestus.cycle.duration", "histogram", "s", "A cycle of a shard with its commit", (), _PROMPT
)
CYCLE_INPUTS: Final = Metric(
    "hephaestus.cycle.inputs", "histogram", "{input}", "Commands, outcomes and timers in a cycle", (), _MANY
)
COMMIT_DURATION: Final = Metric(
    "hephaestus.commit.duration", "histogram", "s", "The transaction of a cycle and the database's write", (), _PROMPT
)
PARTITIONS_OWNED: Final = Metric(
    "hephaestus.partitions.owned", "gauge", "{partition}", "Partitions that this worker owns"
)
ATTEMPTS_HELD: Final = Metric(
    "hephaestus.attempts.held", "gauge", "{attempt}", "Attempts that are executed, queued, or wait for their commit"
)
MAILBOX: Final = Metric(
    "hephaestus.mailbox.inputs", "gauge", "{input}", "Inputs that were read, and wait for a cycle", (PARTITION,)
)
READING_PAUSED: Final = Metric(
    "hephaestus.reading.paused",
    "gauge",
    "s",
    "For how long a partition has not been read, its shard having no room; nothing of one that is read",
    (PARTITION, PAUSE),
)
COMMANDS_LAG: Final = Metric(
    "hephaestus.commands.lag",
    "gauge",
    "{record}",
    "Records between the position and the end of the log, as it was when the partition was last read",
    (PARTITION,),
)
COMMANDS_AGE: Final = Metric(
    "hephaestus.commands.age",
    "gauge",
    "s",
    "Age of the oldest command that was read and waits for a cycle",
    (PARTITION,),
)
ATTEMPTS_WAITING: Final = Metric(
    "hephaestus.attempts.waiting", "gauge", "{attempt}", "Attempts in the runner that wait for a place"
)
OUTCOMES_SIZE: Final = Metric(
    "hephaestus.outcomes.size", "gauge", "By", "Large outcomes that wait for their commit; many let no step begin"
)
ANSWERS_UNSENT: Final = Metric(
    "hephaestus.answers.unsent", "gauge", "{record}", "Answers and forwarded commands that no broker has taken yet"
)
BACKLOG: Final = Metric(
    "hephaestus.backlog.attempts", "gauge", "{attempt}", "Committed attempts that wait for the runner", (PARTITION,)
)
TIMERS_HELD: Final = Metric(
    "hephaestus.timers.held", "gauge", "{timer}", "Due timers whose workflow this worker lacks", (PARTITION,)
)
REPLAY_REMAINING: Final = Metric(
    "hephaestus.replay.remaining", "gauge", "{record}", "Changelog records to replay before a shard opens", (PARTITION,)
)
STANDBY_BEHIND: Final = Metric(
    "hephaestus.standby.behind", "gauge", "{record}", "Changelog records that a standby has before it", (PARTITION,)
)

METRICS: Final = (
    RUNS_STARTED,
    RUNS_ENDED,
    RUN_DURATION,
    TRANSITIONS,
    STEP_ATTEMPTS,
    STEP_DURATION,
    COMMANDS,
    CYCLE_DURATION,
    CYCLE_INPUTS,
    COMMIT_DURATION,
    PARTITIONS_OWNED,
    ATTEMPTS_HELD,
    ATTEMPTS_WAITING,
    OUTCOMES_SIZE,
    ANSWERS_UNSENT,
    READING_PAUSED,
    COMMANDS_LAG,
    COMMANDS_AGE,
    MAILBOX,
    BACKLOG,
    TIMERS_HELD,
    REPLAY_REMAINING,
    STANDBY_BEHIND,
)
