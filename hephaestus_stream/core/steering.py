"""What outsiders decide about a run as a whole: it goes on after a failure, pauses, leaves a step out, or ends."""

from __future__ import annotations

from hephaestus_stream.core import external, progress, timers
from hephaestus_stream.core.answer import Accepted, Refused
from hephaestus_stream.core.decision import Choose, StopStep
from hephaestus_stream.core.input import Cancel, Continue, Pause, Retry, Skip, Steering
from hephaestus_stream.core.journal import Journal
from hephaestus_stream.core.state import ACTIVE, State


def cancel(journal: Journal, what: Cancel, *, key: str) -> None:
    """The run is over."""
    if not journal.is_live:
        journal.answer = Refused("ended", f"{key} has ended already")
        return
    journal.answer = Accepted("applied")
    details = _details(what) | ({"terminated": True} if what.at_once else {})
    progress.end(journal, "cancelled", node=None, error=None, at_once=what.at_once, details=details)


def pause(journal: Journal, what: Pause, *, key: str) -> None:
    """No attempt of a step begins any more, and no timer fires; what runs ends, and events are taken."""
    if not journal.is_live:
        journal.answer = Refused("ended", f"{key} has ended; there is nothing to pause")
    elif journal.paused:
        journal.answer = Accepted("existing")
    else:
        journal.answer = Accepted("applied")
        timers.hold_timers(journal)
        journal.paused = True
        journal.record("paused", details=_details(what))


def continue_(journal: Journal, what: Continue, *, key: str) -> None:
    """What was held begins, and what has become due fires."""
    if not journal.is_live:
        journal.answer = Refused("ended", f"{key} has ended; there is nothing to continue")
    elif not journal.paused:
        journal.answer = Accepted("existing")
    else:
        journal.answer = Accepted("applied")
        journal.paused = False
        journal.record("continued", details=_details(what))
        timers.set_timers(journal)
        for node, state in list(journal.nodes.items()):
            if state.status == "ready":
                progress.attempt(journal, node, number=state.attempt + 1)


def retry(journal: Journal, what: Retry, *, key: str) -> None:
    """The run goes on from the node that failed it, or from where it stood still."""
    if journal.is_halted:
        journal.answer = Accepted("applied")
        journal.revive()
        journal.record("retried", details=_details(what))
        _begin_again(journal)
        return
    failed = _failed_node(journal)
    if failed is None:
        journal.answer = Refused("not_retryable", _why_not_retryable(journal, key=key))
        return
    journal.answer = Accepted("applied", f"from {failed}")
    _revive(journal, failed, what)
    state = journal.nodes[failed]
    if state.reported is not None:
        # The step has said what it had to say, and its route failed: that alone is asked again.
        journal.update(failed, status="choosing", settled_at=journal.now, error=None)
        journal.effects.append(Choose(failed, state.reported.event))
    else:
        journal.update(failed, settled_at=None, error=None, forgiven=state.attempt)
        progress.attempt(journal, failed, number=state.attempt + 1)


def skip(journal: Journal, what: Skip, *, key: str) -> None:
    """A node ends with what it is told, in place of its step; of a failed run the node that failed it."""
    refused = external.unknown_in(journal, what.node, what.reported.event, key=key) or _unskippable(
        journal, what.node, key=key
    )
    if refused is None and what.problem is not None:
        refused = Refused("invalid_payload", f"{what.node}.{what.reported.event}: {what.problem}")
    refused = refused or external.unfitting(journal, what.node, what.reported, key=key)
    if refused is not None:
        journal.answer = refused
        return
    journal.answer = Accepted("applied")
    if not journal.is_live:
        _revive(journal, what.node, what)
    state = journal.nodes[what.node]
    event, attempt = what.reported.event, state.attempt or None
    journal.record("skipped", what.node, event=event, attempt=attempt, details=_details(what))
    if state.status == "running":
        journal.effects.append(StopStep(what.node, state.attempt))
    progress.complete(journal, what.node, what.reported)


def may_be_retried(state: State) -> bool:
    """Whether an ended run may live again: a node of it has failed."""
    return progress.has_failed_at(state.nodes, state.ended_at)


def _details(what: Steering) -> dict[str, object]:
    told = {"command": what.command, "by": what.by, "reason": what.reason}
    return {name: value for name, value in told.items() if value is not None}


def _failed_node(journal: Journal) -> str | None:
    """The node that failed the run; None where the run has not failed, or at an ending."""
    return journal.ended_at if progress.has_failed_at(journal.nodes, journal.ended_at) else None


def _why_not_retryable(journal: Journal, *, key: str) -> str:
    if journal.is_live:
        return f"{key} has not failed, and goes on by itself; cancel it, or skip the node that it is at"
    if journal.status == "failed":
        return f"{key} failed as its workflow wants it to, at {journal.ended_at}; start it again"
    return f"{key} is {journal.status}; only a failed run can be retried. Start it again"


def _unskippable(journal: Journal, node: str, *, key: str) -> Refused | None:
    state = journal.nodes.get(node)
    if not journal.is_live:
        failed = _failed_node(journal)
        if failed is None:
            return Refused("ended", f"{key} has ended; there is nothing to skip")
        if node != failed:
            return Refused("ended", f"{key} failed at {failed}; only that node can be skipped now")
    elif state is None:
        return Refused("not_reached", f"{key} has not come to {node} yet; skip it when it is there")
    elif state.status not in ACTIVE:
        return Refused("settled", f"{node} of {key} is {state.status}; it is done with")
    return None


def _revive(journal: Journal, node: str, what: Retry | Skip) -> None:
    """A failed run is live again; what the failure interrupted is taken up."""
    idle = journal.idle
    journal.revive()
    journal.record("retried", node, attempt=journal.nodes[node].attempt, details=_details(what))
    for name, state in list(journal.nodes.items()):
        if state.status == "interrupted":
            progress.take_up(journal, name, idle=idle)


def _begin_again(journal: Journal) -> None:
    """What has become of a run that stood still is unknown: attempts begin anew, and timers are set again."""
    timers.set_timers(journal)
    for node, state in list(journal.nodes.items()):
        if state.status == "running":
            journal.effects.append(StopStep(node, state.attempt))
            progress.restart(journal, node)
