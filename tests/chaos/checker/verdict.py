"""All checks, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tests.chaos.checker.commands import (
    check_answered,
    check_answers,
    check_effects,
    check_order,
    check_refusals,
)
from tests.chaos.checker.dead_letters import check_dead_letters
from tests.chaos.checker.evidence import Evidence
from tests.chaos.checker.executions import check_executions
from tests.chaos.checker.findings import Findings
from tests.chaos.checker.histories import (
    check_endings,
    check_halts,
    check_legality,
    check_results,
    check_sequences,
    check_settled,
    check_timers,
    check_uniqueness,
)
from tests.chaos.checker.ledger import Sent, check_ledger
from tests.chaos.checker.state import check_databases, check_positions, check_state

OF_TOPICS: Final = (
    check_answers,
    check_effects,
    check_order,
    check_refusals,
    check_sequences,
    check_legality,
    check_uniqueness,
    check_endings,
    check_results,
    check_timers,
    check_settled,
    check_halts,
    check_state,
)
"""What holds at any moment at which no worker is at work."""

AT_THE_END: Final = (check_answered, check_executions, check_positions, check_databases, check_dead_letters)
"""What holds when all has been asked for again, and all workers have stopped in order."""


def judge(evidence: Evidence, sent: Sequence[Sent], findings: Findings) -> None:
    """Tries every rule on everything that was found."""
    for check in (*OF_TOPICS, *AT_THE_END):
        check(evidence, findings)
    check_ledger(evidence, sent, findings)
