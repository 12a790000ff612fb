"""`hephaestus tail`: the ends of all runs, as they come."""

# ruff: noqa: D417 - the options that several commands share say themselves what they are

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Final

from cyclopts import Parameter
from rich.text import Text

from hephaestus_stream.cli.instance_text import STATUS_STYLES, moment, short
from hephaestus_stream.cli.instances import name_of
from hephaestus_stream.cli.options import KAFKA_DEFAULTS, KafkaOptions
from hephaestus_stream.cli.output import Output, show_line
from hephaestus_stream.cli.reach import require_broker
from hephaestus_stream.cli.since import instant_of
from hephaestus_stream.client.tail import tail as tail_topics
from hephaestus_stream.core.state import EndStatus
from hephaestus_stream.errors import RecordError
from hephaestus_stream.wire.output import CompletionRecord, HistoryRecord
from hephaestus_stream.wire.topics import Topics

_FAILURES: Final = frozenset({"step_failed", "halted"})


def tail(
    workflow: str | None = None,
    /,
    *,
    status: Annotated[tuple[EndStatus, ...], Parameter(show_default=False)] = (),
    attempts: Annotated[bool, Parameter(show_default=False)] = False,
    since: Annotated[str | None, Parameter(show_default=False)] = None,
    output: Output = "text",
    kafka: KafkaOptions = KAFKA_DEFAULTS,
) -> None:
    """Tells of ends as they come.

    Args:
        workflow: `module:Class`, or the stored name; all workflows unless given.
        status: Ends of this kind alone; repeatable.
        attempts: Failed attempts of steps as well, and runs that a bug of the engine stopped.
        since: Begin in the past: `2h` ago, or an instant; from now on unless given.
    """
    name = name_of(workflow)
    beginning = None if since is None else instant_of(since, now=datetime.now(UTC))
    settings = kafka.settings()
    require_broker(settings)
    topics = Topics(settings.namespace)
    names = (topics.completions, topics.history) if attempts else (topics.completions,)
    for message in tail_topics(settings.connection, names, since=beginning):
        for record in _records(message.topic() == topics.completions, message.value() or b""):
            if name not in {None, record.workflow}:
                continue
            if isinstance(record, HistoryRecord):
                if record.type in _FAILURES:
                    show_line(_failure(record), document=record.model_dump(mode="json", by_alias=True), output=output)
            elif not status or record.status in status:
                show_line(_end(record), document=record.model_dump(mode="json", by_alias=True), output=output)


def _records(is_completion: bool, value: bytes) -> Iterator[CompletionRecord | HistoryRecord]:  # noqa: FBT001 - which topic it is
    try:
        yield CompletionRecord.from_bytes(value) if is_completion else HistoryRecord.from_bytes(value)
    except RecordError:
        return  # not the engine's: somebody else's mistake must not end this


def _end(record: CompletionRecord) -> Text:
    text = Text.assemble(
        (moment(record.at), "dim"), " ", (record.key, "bold"), " ", (record.status, STATUS_STYLES[record.status])
    )
    if record.ended_at is not None:
        text.append(f" at {record.ended_at}")
    text.append(f" after {(record.at - record.started_at).total_seconds():.3f} s", "dim")
    if record.error is not None:
        text.append(f"  {short(record.error)}", "red")
    return text


def _failure(record: HistoryRecord) -> Text:
    what = "halted" if record.type == "halted" else f"{record.node} attempt {record.attempt} failed"
    told = short({"type": record.details.get("error") or record.type, "message": record.details.get("message") or ""})
    return Text.assemble((moment(record.at), "dim"), " ", (record.key, "bold"), " ", (what, "yellow"), f"  {told}")
