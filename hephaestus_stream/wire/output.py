"""What the engine publishes, as its consumers read it: history, step results, completions and answers.

The worker writes the same records with `wire.output_bytes`.
"""

from __future__ import annotations

from typing import Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, ValidationError

from hephaestus_stream.core.answer import AnswerEffect
from hephaestus_stream.core.state import EndStatus
from hephaestus_stream.errors import RecordError
from hephaestus_stream.wire.problem import problems_of


class _Output(BaseModel):
    """A record of an output topic.

    Fields that this release does not know are ignored, because a newer worker may add some.
    """

    # A foreign number beyond any float reads as an infinity; dumped as `null` it would be lost in silence.
    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_inf_nan="constants")

    schema_version: int = Field(default=1, alias="schema", ge=1)

    @classmethod
    def from_bytes(cls, value: bytes) -> Self:
        """Reads a record's value.

        Raises:
            RecordError: It is no such record.
        """
        try:
            return cls.model_validate_json(value)
        except ValidationError as error:
            raise RecordError(f"the value is no {cls.__name__}: {problems_of(error, cls)}") from None


class _OfRun(_Output):
    """What every record about a run carries: whose it is, its place in the run's history, and when it was written."""

    workflow: str
    version: int
    key: str
    run: str
    sequence: int = Field(ge=1)
    at: AwareDatetime


class HistoryRecord(_OfRun):
    """One event of a run's history, in a sequence without gaps.

    `type` is open: a newer worker may write types that this release does not know.
    """

    type: str
    node: str | None = None
    event: str | None = None
    attempt: int | None = None
    details: dict[str, JsonValue] = Field(default_factory=dict)


class StepResultRecord(_OfRun):
    """What a node brought forth; `sequence` is that of its `step_completed` in the history."""

    node: str
    event: str
    attempt: int
    result: JsonValue = None
    metadata: dict[str, JsonValue] = Field(default_factory=dict)
    started_at: AwareDatetime


class CompletionRecord(_OfRun):
    """The end of a run; a run that was retried after its failure has a second one, with a higher sequence.

    `ended_at` is the name of the node that ended it, `error` says why it failed.
    """

    status: EndStatus
    ended_at: str | None = None
    error: JsonValue = None
    results: dict[str, JsonValue] = Field(default_factory=dict)
    started_at: AwareDatetime


class Reply(_Output):
    """The answer to a command: accepted with its effect, or refused with a reason and the way out.

    `reason` is a `Reason`, or the word of a newer worker. `duplicate` marks the answer to a repeated command.
    """

    id: str
    key: str | None = None
    accepted: bool
    effect: AnswerEffect | None = None
    reason: str | None = None
    message: str | None = None
    run: str | None = None
    partition: int
    position: int | None = None
    at: AwareDatetime
    duplicate: bool = False
