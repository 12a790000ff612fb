"""The receipt phase of applications for an environmental permit, as a Dutch municipality went through it.

A confirmation of receipt opens a case. Then two lines of work run side by side, each a chain of waiting steps, and the
phase is over when both have ended. Clerks do not keep to this order: an event may come before its step waits for it
(it is kept), after that step is done (it is refused), or for a detour that has no step (it is refused as well).

    hephaestus dev workflows.permit
    hephaestus replay workflows.permit receipt.csv.gz

The log of 1,434 real cases: Buijs, J.C.A.M., "Receipt phase of an environmental permit application process ('WABO'),
CoSeLoG project", 4TU.ResearchData, doi:10.4121/uuid:a07386a5-7be3-4367-9535-70bc9e77dbe6.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from pydantic import AwareDatetime, BaseModel

from hephaestus_stream import Context, Done, Event, Instance, Outcome, Step, WaitForEvent, Workflow
from hephaestus_stream.eventlog import EventLog, Row


class Application(BaseModel, frozen=True):
    """What is known of a case when it opens."""

    received_at: AwareDatetime
    resource: str
    group: str
    channel: str
    department: str
    deadline: AwareDatetime | None


class Work(BaseModel, frozen=True):
    """Who did a piece of work, and when."""

    timestamp: AwareDatetime
    resource: str


class Receipt(BaseModel, frozen=True):
    """How the phase went."""

    duration: timedelta
    clerks: int


class OpenCase(Step[Application]):
    """Opens the two lines of work."""

    opened = Event()

    async def execute(self, instance: Instance, config: None, context: Context[Application]) -> Outcome:
        return self.opened()


class CloseReceipt(Step[Application]):
    """Sums up what both lines did."""

    closed = Event(Receipt)

    async def execute(self, instance: Instance, config: None, context: Context[Application]) -> Outcome:
        work = [result.payload for result in context.steps.values() if isinstance(result.payload, Work)]
        # The last in the clerks' own times, which is not always the one that arrived last.
        ended_at = max(each.timestamp for each in work)
        clerks = {context.initial.resource, *(each.resource for each in work)}
        return self.closed(Receipt(duration=ended_at - context.initial.received_at, clerks=len(clerks)))


class PermitFlow(Workflow[Application], key="permit", tags=("municipality",)):
    """Two lines of waiting steps side by side, then a join.

    Graph, drawn by `hephaestus docs`::

                                 ┌─────────────┐
                                 │ ▶ open_case │
                                 └──────┬──────┘
                                     opened
                         ┌──────────────┴──────────────┐
            ┌╌╌╌╌╌╌╌╌╌╌╌╌▼╌╌╌╌╌╌╌╌╌╌╌┐   ┌╌╌╌╌╌╌╌╌╌╌╌╌╌▼╌╌╌╌╌╌╌╌╌╌╌╌╌┐
            ┆ t02_check_confirmation ┆   ┆ t06_determine_stop_advice ┆
            └╌╌╌╌╌╌╌╌╌╌╌╌┬╌╌╌╌╌╌╌╌╌╌╌┘   └╌╌╌╌╌╌╌╌╌╌╌╌╌┬╌╌╌╌╌╌╌╌╌╌╌╌╌┘
                     received                      received
        ┌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌▼╌╌╌╌╌╌╌╌╌╌╌┐   ┌╌╌╌╌╌╌╌╌╌╌╌╌╌▼╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌┐
        ┆ t04_determine_confirmation ┆   ┆ t10_determine_stop_indication ┆
        └╌╌╌╌╌╌╌╌╌╌╌╌╌╌┬╌╌╌╌╌╌╌╌╌╌╌╌╌┘   └╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌┬╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌┘
                   received                          received
           ┌╌╌╌╌╌╌╌╌╌╌╌▼╌╌╌╌╌╌╌╌╌╌╌┐                     │
           ┆ t05_send_confirmation ┆                     │
           └╌╌╌╌╌╌╌╌╌╌╌┬╌╌╌╌╌╌╌╌╌╌╌┘                     │
                   received                              │
                       └────────────────┬────────────────┘
                                ┌───────▼───────┐
                                │ close_receipt │
                                └───────┬───────┘
                                     closed
                                     ╭──▼───╮
                                     │ done │
                                     ╰──────╯

    End of the graph.
    """

    open_case = OpenCase()
    t02_check_confirmation = WaitForEvent(Work)
    t04_determine_confirmation = WaitForEvent(Work)
    t05_send_confirmation = WaitForEvent(Work)
    t06_determine_stop_advice = WaitForEvent(Work)
    t10_determine_stop_indication = WaitForEvent(Work)
    close_receipt = CloseReceipt()
    done = Done()

    start = open_case
    transitions = (
        open_case.opened.to(t02_check_confirmation, t06_determine_stop_advice),
        t02_check_confirmation.received.to(t04_determine_confirmation),
        t04_determine_confirmation.received.to(t05_send_confirmation),
        t05_send_confirmation.received.to(close_receipt),
        t06_determine_stop_advice.received.to(t10_determine_stop_indication),
        t10_determine_stop_indication.received.to(close_receipt),
        close_receipt.closed.to(done),
    )


def application(row: Row) -> Application:
    """The case as its first row tells it."""
    return Application(
        received_at=datetime.fromisoformat(row["timestamp"]),
        resource=row["resource"],
        group=row["group"],
        channel=row["channel"],
        department=row["department"],
        deadline=datetime.fromisoformat(row["deadline"]) if row["deadline"] else None,
    )


def work(row: Row) -> Work:
    """A later row as what it tells of."""
    return Work(timestamp=datetime.fromisoformat(row["timestamp"]), resource=row["resource"])


receipt_log = EventLog(
    PermitFlow,
    case="case",
    activity="activity",
    start="Confirmation of receipt",
    initial=application,
    events={
        "T02 Check confirmation of receipt": PermitFlow.t02_check_confirmation.received,
        "T04 Determine confirmation of receipt": PermitFlow.t04_determine_confirmation.received,
        "T05 Print and send confirmation of receipt": PermitFlow.t05_send_confirmation.received,
        "T06 Determine necessity of stop advice": PermitFlow.t06_determine_stop_advice.received,
        "T10 Determine necessity to stop indication": PermitFlow.t10_determine_stop_indication.received,
    },
    payload=work,
)
