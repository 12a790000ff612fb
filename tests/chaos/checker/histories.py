"""The checks of histories, and of what is told beside them: results and completions."""

from __future__ import annotations

from collections import defaultdict
from typing import Final

from tests.chaos.checker.evidence import Evidence
from tests.chaos.checker.findings import Findings
from tests.chaos.checker.run_model import ENDINGS

_BEGINNINGS: Final = frozenset({"started", "retried"})
_TURNS: Final = _BEGINNINGS | frozenset(ENDINGS)


def check_sequences(evidence: Evidence, findings: Findings) -> None:
    """Numbers without gaps, times that do not decrease, one key and one partition."""
    gaps = findings.check("a history is numbered from 1 without gap or repetition")
    times = findings.check("times in a history do not decrease")
    same = findings.check("all of a history is of one key and in its partition")
    for run, history in evidence.histories.items():
        numbers = [told.event.sequence for told in history]
        gaps.judge(numbers == list(range(1, len(history) + 1)), f"the history of {run} has the numbers {numbers}")
        ats = [told.event.at for told in history]
        times.judge(ats == sorted(ats), f"the times of {run} are {[at.isoformat() for at in ats]}")
        places = {(told.event.key, told.event.workflow, told.partition) for told in history}
        same.judge(len(places) == 1, f"the history of {run} is in {places}")


def check_legality(evidence: Evidence, findings: Findings) -> None:
    """Each event may follow from those before it, as the graph says."""
    legal = findings.check("a history is legal against the graph")
    for run, model in evidence.models.items():
        legal.judge(not model.wrong, f"{run}: {'; '.join(model.wrong[:3])}")


def check_endings(evidence: Evidence, findings: Findings) -> None:
    """Each run that ended has one completion, which says what the history says."""
    once = findings.check("an ended run has one completion, a live one none")
    said = findings.check("a completion says what the history and the step results say")
    found: dict[str, int] = defaultdict(int)
    results = _results_by_run(evidence)
    for completion in evidence.completions:
        run = completion.run
        found[run] += 1
        history = evidence.histories.get(run)
        if not said.judge(history is not None, f"{run} has a completion and no history") or history is None:
            continue
        model = evidence.models[run]
        last = next((each.event for each in history if each.event.sequence == completion.sequence), history[-1].event)
        ended_at = last.node if last.type != "cancelled" else None
        told = (completion.sequence, completion.status, completion.ended_at, completion.results)
        if last is not history[-1].event:  # the run was retried after it
            said.judge(told[:3] == (last.sequence, "failed", ended_at), f"{run} tells {told} of {last}")
            continue
        # The result of a node whose route failed is published, and is none of the run's.
        failed = {name for name, node in model.nodes.items() if node.status == "failed"}
        kept = {name: each for name, each in results[run].items() if name not in failed}
        expected = (last.sequence, last.type, ended_at, kept)
        said.judge(told == expected and model.status in ENDINGS, f"{run} tells {told} and should tell {expected}")
    for run, model in evidence.models.items():
        wanted = sum(told.event.type in ENDINGS for told in evidence.histories[run])
        once.judge(found[run] == wanted, f"{run}, which is {model.status or 'live'}, has {found[run]} completions")


def check_results(evidence: Evidence, findings: Findings) -> None:
    """Each completed step has one result."""
    once = findings.check("a completed step has one result, and a result its step")
    told = {
        (run, each.event.sequence, each.event.node, each.event.event, each.event.attempt)
        for run, history in evidence.histories.items()
        for each in history
        if each.event.type == "step_completed"
    }
    found: dict[tuple[str, int, str | None, str | None, int | None], int] = defaultdict(int)
    for result in evidence.results:
        found[result.run, result.sequence, result.node, result.event, result.attempt] += 1
    for place in told | set(found):
        expected = 1 if place in told else 0
        once.judge(found[place] == expected, f"{place} has {found[place]} results and should have {expected}")


def check_uniqueness(evidence: Evidence, findings: Findings) -> None:
    """A key's former run is over before its next one begins; by the order of the topic, which no clock moves."""
    one = findings.check("a key has one live run, where its workflow says so")
    runs: dict[tuple[str, str], list[str]] = defaultdict(list)
    for run, history in evidence.histories.items():
        first = history[0].event
        if evidence.graphs[first.workflow, first.version].description.scope == "workflow":
            runs[first.workflow, first.key].append(run)
    for (workflow, key), lives in runs.items():
        turns = sorted(
            (told for run in lives for told in evidence.histories[run] if told.event.type in _TURNS),
            key=lambda told: told.offset,
        )
        live: str | None = None
        for told in turns:
            run, begins = told.event.run, told.event.type in _BEGINNINGS
            one.judge(live == (None if begins else run), f"{key} of {workflow}: {told.event}, while {live} was live")
            live = run if begins else None


def check_settled(evidence: Evidence, findings: Findings) -> None:
    """A live run only waits for what has not come: when all faults are over, nothing is left to do."""
    settled = findings.check("a live run only waits for what has not come")
    for run, model in evidence.models.items():
        if model.status is not None:
            continue
        overdue = [
            f"{name} is {node.status}" + ("" if node.due_at is None else f", due at {node.due_at.isoformat()}")
            for name, node in model.nodes.items()
            if node.status in {"running", "failing", "retrying", "choosing"}
            or (node.status == "waiting" and node.due_at is not None and node.due_at <= evidence.read_at)
        ]
        settled.judge(not overdue and bool(model.nodes), f"{run} ({evidence.histories[run][-1].event}): {overdue}")


def check_timers(evidence: Evidence, findings: Findings) -> None:
    """No timer fires early, or twice; one that neither fired nor was given up is still to come."""
    once = findings.check("a timer fires once at most")
    early = findings.check("a timer does not fire before it is due")
    for run, model in evidence.models.items():
        for timer in model.timers:
            where = (
                f"{run}: the {timer.kind} timer of {timer.node} #{timer.attempt}, due at {timer.due_at.isoformat()},"
            )
            once.judge(len(timer.fired_at) <= 1, f"{where} fired at {timer.fired_at}")
            for at in timer.fired_at:
                early.judge(at >= timer.due_at, f"{where} fired at {at.isoformat()}")


def check_halts(evidence: Evidence, findings: Findings) -> None:
    """The engine met no bug of its own."""
    halted = findings.check("no run is halted by a bug of the engine")
    for run, history in evidence.histories.items():
        halted.judge(all(told.event.type != "halted" for told in history), f"{run}: {history[-1].event}")


def _results_by_run(evidence: Evidence) -> dict[str, dict[str, object]]:
    results: dict[str, dict[str, object]] = defaultdict(dict)
    for result in evidence.results:
        results[result.run][result.node] = result.result
    return results
