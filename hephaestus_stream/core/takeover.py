"""A run's steps under a new owner: they are started again, and what may have killed its worker waits for its turn."""

from __future__ import annotations

from hephaestus_stream.core.decision import RunStep
from hephaestus_stream.core.input import Recovered, StepFailed
from hephaestus_stream.core.journal import Journal
from hephaestus_stream.core.limits import MAX_PROMPT_LOSSES, MAX_RESTARTS
from hephaestus_stream.core.losses import WORKER_LOST, is_suspect, taken_over, was_blamed
from hephaestus_stream.core.progress import fail_attempt
from hephaestus_stream.core.state import Error


def recover(journal: Journal, what: Recovered) -> None:
    """The run's steps are started again on a new owner; what may have killed its worker waits for its turn.

    An attempt that killed its worker while no other could be to blame fails. Its policy may try it once more. When that
    ends the same way its node fails, whatever the policy says: each further attempt would cost as many workers again.
    """
    for node, state in list(journal.nodes.items()):
        if state.status != "running" or node in what.alive or not journal.is_live:
            continue
        if not what.turn:
            _take_over(journal, node, what)
        elif node in what.turn and state.held:
            _restart(journal, node, what)


def _take_over(journal: Journal, node: str, what: Recovered) -> None:
    was_held = journal.nodes[node].held
    state = taken_over(journal.nodes[node], worker_lost=what.worker_lost, last_seen=what.last_seen)
    journal.put(node, state)
    is_to_blame = node == what.alone and state.prompt_losses > MAX_PROMPT_LOSSES
    if is_to_blame or state.restarts > MAX_RESTARTS:
        error = Error(WORKER_LOST, f"{state.restarts} workers were lost while they ran {node}")
        again = is_to_blame and was_blamed(state)
        fail_attempt(journal, StepFailed(node, state.attempt, error, permanent=again))
    elif not is_suspect(state):
        _restart(journal, node, what)
    elif not was_held:
        journal.update(node, held=True)
        journal.record("step_held", node, attempt=state.attempt)


def _restart(journal: Journal, node: str, what: Recovered) -> None:
    state = journal.update(node, restarted_at=journal.now, held=False)
    journal.record("step_restarted", node, attempt=state.attempt, details={"worker_lost": what.worker_lost})
    journal.effects.append(RunStep(node, state.attempt))
