"""Judges a namespace by what lies in its topics: it reads the wire's records and knows nothing of the engine's code."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import datetime
from functools import cache
from typing import Final

from hephaestus_stream.cli.modules import load_workflows
from tests.chaos.checker.evidence import read_evidence
from tests.chaos.checker.findings import Findings
from tests.chaos.checker.graph import Graph, graphs_of
from tests.chaos.checker.topics import Document, Topics
from tests.chaos.checker.verdict import OF_TOPICS
from tests.chaos.graphs import descriptions

__all__ = [
    "Document",
    "Topics",
    "check_answers",
    "check_endings",
    "check_everything",
    "check_histories",
    "check_results",
]

_MODULES: Final = (
    "workflows",
    "tests.integration.flows",
    "tests.integration.large_flows",
    "tests.integration.retry_flows",
    "tests.integration.rude_flows",
    "tests.integration.runner_flows",
    "tests.integration.unique_flows",
)


def check_histories(topics: Topics) -> dict[str, list[Document]]:
    """Each run's history begins with 1, has no gap, no repetition, and times that never decrease; by run."""
    histories: dict[str, list[Document]] = defaultdict(list)
    for document in topics.documents("history"):
        histories[document["run"]].append(document)
    for run, history in histories.items():
        assert [event["sequence"] for event in history] == list(range(1, len(history) + 1)), f"the history of {run}"
        times = [datetime.fromisoformat(event["at"]) for event in history]
        assert times == sorted(times), f"the times of {run}"
        assert history[0]["type"] == "started"
        assert len({event["key"] for event in history}) == 1
    return dict(histories)


def check_endings(topics: Topics, histories: dict[str, list[Document]], *, runs: set[str]) -> None:
    """Each of these runs, and no other, ended exactly once, with the last event of its history."""
    completions = topics.documents("completions")
    assert sorted(document["run"] for document in completions) == sorted(runs)
    assert set(histories) == runs
    for document in completions:
        last = histories[document["run"]][-1]
        assert (last["sequence"], last["type"]) == (document["sequence"], document["status"])


def check_results(topics: Topics, histories: dict[str, list[Document]]) -> None:
    """Each completed step has exactly one result, with the sequence of its event."""
    told = [(run, event["sequence"]) for run, history in histories.items() for event in history if _is_result(event)]
    results = [(document["run"], document["sequence"]) for document in topics.documents("step-results")]
    assert sorted(results) == sorted(told)


def _is_result(event: Document) -> bool:
    return bool(event["type"] == "step_completed")


def check_answers(topics: Topics) -> dict[str, Document]:
    """All answers to a command say the same, and at most one of them says that it is the first; by command."""
    answers: dict[str, list[Document]] = defaultdict(list)
    for document in topics.documents("replies"):
        answers[document["id"]].append(document)
    for command, given in answers.items():
        said = {(each["accepted"], each["effect"], each["reason"], each["run"], each["position"]) for each in given}
        assert len(said) == 1, f"the answers to {command} differ: {given}"
        assert sum(not each.get("duplicate", False) for each in given) <= 1, f"{command} was applied twice"
    return {command: given[0] for command, given in answers.items()}


def check_everything(topics: Topics, *, runs: set[str]) -> dict[str, list[Document]]:
    """These runs, and no others, have ended, and all rules of the harness's checker hold; returns their histories."""
    evidence, findings = read_evidence(topics, _graphs()), Findings()
    for check in OF_TOPICS:
        check(evidence, findings)
    assert not findings.broken, str(findings)
    assert {run for run, model in evidence.models.items() if model.status is not None} == runs
    assert set(evidence.models) == runs
    return check_histories(topics)


@cache
def _graphs() -> dict[tuple[str, int], Graph]:
    """The workflows of these tests as plain data."""
    workflows = [workflow for module in _MODULES for workflow in load_workflows(module)]
    return graphs_of(json.loads(json.dumps(descriptions(workflows))))
