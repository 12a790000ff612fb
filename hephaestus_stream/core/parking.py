"""A run whose workflow the worker lacks: it is parked, which is the worker's view of it and never written down.

Nobody can say there what an event means, or what follows from it: events are kept as they came, and tried when a worker
that has the workflow takes the run over. A run can be cancelled anywhere.
"""

from __future__ import annotations

from hephaestus_stream.core import external
from hephaestus_stream.core.answer import Accepted, Refused
from hephaestus_stream.core.input import Resume
from hephaestus_stream.core.journal import Journal
from hephaestus_stream.core.limits import MAX_EARLY_EVENTS, MAX_PAYLOAD_BYTES
from hephaestus_stream.core.state import ParkedEvent


def keep(journal: Journal, what: Resume, *, key: str) -> None:
    """An event comes for a parked run."""
    event = what.reported.event
    room = MAX_PAYLOAD_BYTES - journal.payload_bytes
    if not journal.is_live:
        journal.answer = Refused("ended", f"{key} has ended; {event} came too late")
    elif what.problem is not None:
        external.refuse(journal, what, Refused("invalid_payload", f"{event}: {what.problem}"))
    elif what.reported.size > room:
        message = f"{event} carries {what.reported.size} bytes and {key} has room for {room}; send a reference instead"
        external.refuse(journal, what, Refused("too_large", message))
    elif len(journal.early) + len(journal.parked) >= MAX_EARLY_EVENTS:
        message = f"{key} is parked and keeps {MAX_EARLY_EVENTS} events already; send {event} when it goes on"
        external.refuse(journal, what, Refused("early_events_full", message))
    else:
        journal.answer = Accepted("kept")
        journal.parked = (*journal.parked, ParkedEvent(what.node, what.reported, what.command))
        journal.payload_bytes += what.reported.size
        journal.record("event_kept", what.node, event=event, details={"command": what.command, "parked": True})


def release(journal: Journal, what: Resume, *, key: str) -> None:
    """A kept event is sent again, now that the workflow is known: it is taken, kept for its node, or refused."""
    kept = next((event for event in journal.parked if event.command == what.command), None)
    if kept is None:
        return
    journal.parked = tuple(event for event in journal.parked if event is not kept)
    journal.payload_bytes -= kept.reported.size
    told = journal.sequence
    external.resume(journal, what, key=key)
    if journal.sequence == told:  # refused, and there were too many refusals before
        journal.record("event_dropped", what.node, event=kept.reported.event, details={"command": what.command})
    journal.answer = None  # whoever sent it was told that it is kept
