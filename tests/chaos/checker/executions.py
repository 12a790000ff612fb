"""The checks of what the steps themselves wrote down when they were executed."""

from __future__ import annotations

import json
from collections import defaultdict

from tests.chaos.checker.documents import StepResult
from tests.chaos.checker.evidence import Evidence
from tests.chaos.checker.findings import Findings


def check_executions(evidence: Evidence, findings: Findings) -> None:
    """A completed step was executed, and its result is one that an execution of that attempt gave."""
    least = findings.check("a step that completed by itself was executed at least once")
    real = findings.check("a step's result is one that an execution gave")
    given: dict[tuple[str, int], set[str]] = defaultdict(set)
    for execution in evidence.executions:
        given[execution.key, execution.attempt].add(_outcome(execution.event, execution.result))
    for result in evidence.results:
        if not _is_noted(evidence, result) or _is_skipped(evidence, result):
            continue
        outcomes = given.get((f"{result.key}/{result.run}/{result.node}", result.attempt), set())
        least.judge(bool(outcomes), f"{result.node} #{result.attempt} of {result.run} was never executed")
        told = _outcome(result.event, result.result)
        real.judge(
            told in outcomes, f"{result.node} #{result.attempt} of {result.run} tells {told}, given were {outcomes}"
        )


def repetitions(evidence: Evidence) -> tuple[int, int]:
    """How many executions there were, and how many of them were repetitions of an attempt."""
    attempts = {(execution.key, execution.attempt) for execution in evidence.executions}
    return len(evidence.executions), len(evidence.executions) - len(attempts)


def _is_noted(evidence: Evidence, result: StepResult) -> bool:
    """Whether the step writes down what it does; a wait that others end does not."""
    history = evidence.histories.get(result.run)
    if history is None:
        return False
    first = history[0].event
    node = evidence.graphs[first.workflow, first.version].nodes.get(result.node)
    return node is not None and node.noted


def _is_skipped(evidence: Evidence, result: StepResult) -> bool:
    """Whether somebody said what the step would have said."""
    before = (result.sequence - 1, "skipped", result.node)
    told = evidence.histories[result.run]
    return any((each.event.sequence, each.event.type, each.event.node) == before for each in told)


def _outcome(event: str | None, result: object) -> str:
    return f"{event} {json.dumps(result, sort_keys=True)}"
