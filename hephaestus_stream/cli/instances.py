"""`hephaestus get`, `list`, `count` and `history`: what the workers say about instances."""

# ruff: noqa: D417 - the options that several commands share say themselves what they are

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Final

from cyclopts import Group, Parameter
from cyclopts.validators import Number
from rich.console import Group as Lines
from rich.table import Table
from rich.text import Text

from hephaestus_stream.cli.failure import tell
from hephaestus_stream.cli.instance_text import event_line, history_text, instance_text, list_text
from hephaestus_stream.cli.modules import load_workflow
from hephaestus_stream.cli.options import API_DEFAULTS, ApiOptions
from hephaestus_stream.cli.output import Output, counted, show, show_line
from hephaestus_stream.cli.since import instant_of
from hephaestus_stream.cli.target import Target, find_target
from hephaestus_stream.client.questions import Filtering
from hephaestus_stream.core.state import Status
from hephaestus_stream.errors import RunNotFoundError
from hephaestus_stream.wire.query import CountBy, Order
from hephaestus_stream.wire.request import AnyWorkflow

if TYPE_CHECKING:
    from hephaestus_stream.client import Client

RunId = Annotated[str | None, Parameter(name="--run", help="Which run; else the live one, else the latest.")]

_MOST_LISTED: Final = 1_000_000
WHICH = Group("Which instances", sort_key=2)


@Parameter(name="*", group=WHICH)
@dataclass(frozen=True, kw_only=True)
class FilterOptions:
    """Which instances are meant: those that fit all that is given."""

    status: Annotated[tuple[Status, ...], Parameter(show_default=False, help="Any of these; repeatable.")] = ()
    tag: Annotated[tuple[str, ...], Parameter(show_default=False, help="All of these; repeatable.")] = ()
    workflow_version: Annotated[int | None, Parameter(show_default=False, help="Of the workflow.")] = None
    waiting_at: Annotated[str | None, Parameter(help="A node that they wait at.")] = None
    paused: Annotated[bool, Parameter(show_default=False, help="Those that were paused.")] = False
    halted: Annotated[bool, Parameter(show_default=False, help="Those that a bug of the engine stopped.")] = False
    id_prefix: Annotated[str | None, Parameter(help="How the id begins, or with `::` the key.")] = None
    started_from: Annotated[str | None, Parameter(help="Since then: `2h` ago, or an instant.")] = None
    started_to: Annotated[str | None, Parameter(help="Before then.")] = None
    updated_from: Annotated[str | None, Parameter(help="Changed since then.")] = None
    updated_to: Annotated[str | None, Parameter(help="Not changed since then.")] = None

    def filtering(self) -> Filtering:
        """The filter, as the client takes it."""
        found = Filtering(status=self.status, tag=self.tag)
        if self.workflow_version is not None:
            found["version"] = self.workflow_version
        if self.waiting_at is not None:
            found["waiting_at"] = self.waiting_at
        if self.paused:
            found["paused"] = True
        if self.halted:
            found["halted"] = True
        if self.id_prefix is not None:
            found["id_prefix"] = self.id_prefix
        now = datetime.now(UTC)
        if self.started_from is not None:
            found["started_from"] = instant_of(self.started_from, now=now, option="--started-from")
        if self.started_to is not None:
            found["started_to"] = instant_of(self.started_to, now=now, option="--started-to")
        if self.updated_from is not None:
            found["updated_from"] = instant_of(self.updated_from, now=now, option="--updated-from")
        if self.updated_to is not None:
            found["updated_to"] = instant_of(self.updated_to, now=now, option="--updated-to")
        return found


ALL = FilterOptions()


def get(
    workflow: str,
    id: str,  # noqa: A002 - the wire's own word
    /,
    *,
    run: RunId = None,
    output: Output = "text",
    options: ApiOptions = API_DEFAULTS,
) -> None:
    """Shows one instance.

    Args:
        workflow: `module:Class`, or the stored name.
        id: The business value, as `abc123`; with a stored name the full key, as `orderid::abc123`.
    """
    target = find_target(workflow, id)
    with closing(options.client()) as client:
        found = client.get(target.workflow, target.key, run=run)
    show(instance_text(found), document=found.model_dump(mode="json"), output=output)


def list_(
    workflow: str | None = None,
    /,
    *,
    which: FilterOptions = ALL,
    order: Order = "newest",
    limit: Annotated[int, Parameter(validator=Number(gte=1, lte=_MOST_LISTED))] = 50,
    all: bool = False,  # noqa: A002 - the option's word
    output: Output = "text",
    options: ApiOptions = API_DEFAULTS,
) -> None:
    """Lists instances.

    Args:
        workflow: `module:Class`, or the stored name; all workflows unless given.
        order: By the time of their start.
        limit: How many at most, up to a million.
        all: However many there are.
    """
    with closing(options.client()) as client:
        instances = client.list(named(workflow), order=order, **which.filtering())
        found = list(instances if all else islice(instances, limit + 1))
    shown = found if all else found[:limit]
    documents = [each.model_dump(mode="json") for each in shown]
    show(list_text(shown, more=len(found) > len(shown)), document=documents, output=output)


def count(
    workflow: str | None = None,
    /,
    *,
    by: Annotated[tuple[CountBy, ...], Parameter(show_default=False)] = (),
    which: FilterOptions = ALL,
    output: Output = "text",
    options: ApiOptions = API_DEFAULTS,
) -> None:
    """Counts instances.

    Args:
        workflow: `module:Class`, or the stored name; all workflows unless given.
        by: What they are counted by; repeatable. By node those are that wait at one.
    """
    with closing(options.client()) as client:
        counts = client.count(named(workflow), by=by, **which.filtering())
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in by:
        table.add_column(name)
    table.add_column("count", justify="right")
    for each in counts.counts:
        table.add_row(*(str(getattr(each, name) or "") for name in by), f"{each.count:,}")
    total = Text(counted(counts.total, "instance"))
    total.stylize("bold", end=total.plain.index(" "))
    show(Lines(table, total) if by else total, document=counts.model_dump(mode="json"), output=output)


def history(
    workflow: str,
    id: str,  # noqa: A002 - as above
    /,
    *,
    run: RunId = None,
    follow: Annotated[bool, Parameter(alias="-f", show_default=False)] = False,
    output: Output = "text",
    options: ApiOptions = API_DEFAULTS,
) -> None:
    """Tells what has happened.

    Args:
        workflow: `module:Class`, or the stored name.
        id: The business value; with a stored name the full key.
        follow: Tell each further event as it comes, until the run has ended.
    """
    target = find_target(workflow, id)
    with closing(options.client()) as client:
        if follow:
            _tell_of_waiting(client, target, run)
            for event in client.watch(target.workflow, target.key, run=run):
                document = event.model_dump(mode="json", by_alias=True)
                show_line(event_line(event), document=document, output=output)
            return
        events = list(client.history(target.workflow, target.key, run=run))
    documents = [each.model_dump(mode="json", by_alias=True) for each in events]
    show(history_text(events), document=documents, output=output)


def _tell_of_waiting(client: Client, target: Target, run: str | None) -> None:
    """Tells whoever follows that nothing is there yet: the id may be misspelt."""
    try:
        client.get(target.workflow, target.key, run=run)
    except RunNotFoundError as missing:
        tell(f"{missing}. It is waited for; Ctrl-C ends that", style="yellow")


def named(workflow: str | None) -> AnyWorkflow | str | None:
    """A workflow as the client takes it: the class, where one is named."""
    return load_workflow(workflow) if workflow is not None and ":" in workflow else workflow


def name_of(workflow: str | None) -> str | None:
    """The stored name of a workflow, where one is named."""
    found = named(workflow)
    return found if found is None or isinstance(found, str) else found.definition.name
