"""What outsiders do to a run: they send it events."""

from __future__ import annotations

from difflib import get_close_matches

from hephaestus_stream.core import progress
from hephaestus_stream.core.answer import Accepted, Reason, Refused
from hephaestus_stream.core.input import Resume
from hephaestus_stream.core.journal import Journal
from hephaestus_stream.core.limits import MAX_EARLY_EVENTS
from hephaestus_stream.core.state import ACTIVE, EarlyEvent, Reported


def resume(journal: Journal, what: Resume, *, key: str) -> None:
    """An event arrives: its node goes on, or it is kept until the node waits, or it is refused."""
    event = what.reported.event
    if not journal.is_live:
        journal.answer = Refused("ended", f"{key} has ended; {event} came too late")
        return
    target = _target(journal, what, key=key)
    if isinstance(target, Refused):
        refuse(journal, what, target)
        return
    state = journal.nodes.get(target)
    if state is not None and state.status not in ACTIVE:
        refuse(journal, what, Refused("settled", f"{target} of {key} is {state.status}; it takes no more events"))
    elif what.problem is not None:
        refuse(journal, what, Refused("invalid_payload", f"{target}.{event}: {what.problem}"))
    elif (too_large := unfitting(journal, target, what.reported, key=key)) is not None:
        refuse(journal, what, too_large)
    elif state is not None and state.status == "waiting":
        journal.answer = Accepted("applied")
        journal.record("resumed", target, event=event, attempt=state.attempt, details={"command": what.command})
        progress.complete(journal, target, what.reported)
    elif len(journal.early) >= MAX_EARLY_EVENTS:
        message = f"{key} keeps {MAX_EARLY_EVENTS} early events already; send {target}.{event} when {target} waits"
        refuse(journal, what, Refused("early_events_full", message))
    else:
        journal.answer = Accepted("kept")
        journal.early = (*journal.early, EarlyEvent(target, what.reported, what.command))
        journal.payload_bytes += what.reported.size
        journal.record("event_kept", target, event=event, details={"command": what.command})


def _target(journal: Journal, what: Resume, *, key: str) -> str | Refused:
    """The node that an event is for, or why there is none."""
    event = what.reported.event
    events = journal.definition.events
    if what.node is None:
        candidates = journal.definition.external_nodes(event)
        if len(candidates) == 1:
            return candidates[0]
        if candidates:
            return Refused("ambiguous", f"'{event}' is an event of {', '.join(candidates)}; name the node")
        if any(event in names for names in events.values()):
            return Refused("not_external", f"'{event}' is a step's own event; outsiders cannot send it")
        return _unknown("unknown_event", f"no node of {key} takes", event, _external_names(journal))
    wrong = unknown_in(journal, what.node, event, key=key)
    if wrong is None and not events[what.node][event].external:
        wrong = Refused("not_external", f"{what.node}.{event} is the step's own event; outsiders cannot send it")
    return wrong or what.node


def unknown_in(journal: Journal, node: str, event: str, *, key: str) -> Refused | None:
    """What an outsider is told who names a node, or an event of it, that there is not."""
    events = journal.definition.events
    if node not in journal.definition.nodes:
        return _unknown("unknown_node", f"{key} has no node", node, tuple(events))
    declared = events.get(node, {})
    if event not in declared:
        return _unknown("unknown_event", f"{node} of {key} has no event", event, tuple(declared))
    return None


def _unknown(reason: Reason, subject: str, name: str, known: tuple[str, ...]) -> Refused:
    near = get_close_matches(name, known, n=1)
    hint = f"did you mean '{near[0]}'?" if near else f"it has {', '.join(known) or 'none'}"
    return Refused(reason, f"{subject} '{name}'; {hint}")


def _external_names(journal: Journal) -> tuple[str, ...]:
    events = journal.definition.events.values()
    return tuple({name: None for node in events for name, event in node.items() if event.external})


def unfitting(journal: Journal, node: str, reported: Reported, *, key: str) -> Refused | None:
    """What an outsider is told whose payload has no room in the run's record."""
    left = progress.room(journal, node)
    if reported.size <= left:
        return None
    message = (
        f"{node}.{reported.event} carries {reported.size} bytes and {key} has room for {left}; "
        "send a reference to the data instead"
    )
    return Refused("too_large", message)


def refuse(journal: Journal, what: Resume, refused: Refused) -> None:
    """An event is refused, which the history tells as long as there are not too many."""
    journal.answer = refused
    journal.refuse(
        "event_refused",
        what.node,
        command=what.command,
        reason=refused.reason,
        message=refused.message,
        event=what.reported.event,
    )
