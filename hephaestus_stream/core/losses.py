"""Workers that were lost while an attempt ran, and whether the attempt may be what killed them.

Who killed a worker cannot be told from one loss: all that had just begun there may have. So what was lost promptly
twice in a row is held at the next takeover and begins again in turns (`Recovered.turn`), in fewer and fewer company.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from hephaestus_stream.core.limits import MAX_PROMPT_LOSSES, PROMPT_LOSS
from hephaestus_stream.core.state import NodeState

WORKER_LOST: Final = "WorkerLost"
"""The type of the error of an attempt that lost too many."""


def taken_over(state: NodeState, *, worker_lost: bool, last_seen: datetime | None) -> NodeState:
    """A running node when another worker takes it over: one that was held did not run there, and lost nothing."""
    if state.held:
        return state
    prompt = is_prompt(state, last_seen)
    if not worker_lost:
        return state if prompt else msgspec.structs.replace(state, prompt_losses=0)
    prompt_losses = state.prompt_losses + 1 if prompt else 0
    return msgspec.structs.replace(state, restarts=state.restarts + 1, prompt_losses=prompt_losses)


def is_under_watch(state: NodeState, last_seen: datetime | None) -> bool:
    """Whether a worker may have been lost by it more likely than by what began there for the first time."""
    return not state.held and is_prompt(state, last_seen) and (state.restarted_at is not None or was_blamed(state))


def was_blamed(state: NodeState) -> bool:
    """Whether the attempt before killed its worker."""
    return state.error is not None and state.error.type == WORKER_LOST


def is_prompt(state: NodeState, last_seen: datetime | None) -> bool:
    """Whether a node had not run for long by the last commit of its worker."""
    began = state.restarted_at or state.started_at
    return last_seen is None or began is None or last_seen - began < PROMPT_LOSS


def is_suspect(state: NodeState) -> bool:
    """Whether it begins again in its turn only."""
    return state.prompt_losses >= MAX_PROMPT_LOSSES
