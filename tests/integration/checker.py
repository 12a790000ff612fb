"""Judges a namespace by what lies in its topics: it reads the wire's records and knows nothing of the engine's code."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import datetime
from typing import Final

from tests.chaos.checker.evidence import unpacked
from tests.chaos.checker.topics import Document, Topics

__all__ = [
    "Document",
    "Topics",
    "check_answers",
    "check_endings",
    "check_everything",
    "check_histories",
    "check_results",
]

_NUL: Final = b"\0"


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


def check_state(topics: Topics, histories: dict[str, list[Document]], answers: dict[str, Document]) -> None:
    """What the changelog adds up to is what the other topics tell."""
    tables: dict[bytes, dict[bytes, bytes]] = defaultdict(dict)
    for record in topics.records("state"):
        table, place = record.key[:1], record.key[1:]
        if record.value is None:
            tables[table].pop(place, None)
        else:
            tables[table][place] = record.value
    _check_instances(tables[b"i"], histories)
    _check_kept_histories(tables[b"h"], histories)
    assert not tables[b"t"], "timers are left behind"
    assert not tables[b"a"], "an index is in the changelog"
    assert not tables[b"x"], "an index is in the changelog"
    kept = {place.split(_NUL)[1].decode(): unpacked(value) for place, value in tables[b"c"].items()}
    # What could not be read, or came to a wrong partition, is answered and not kept.
    assert {command for command, answer in answers.items() if answer["accepted"]} <= set(kept)
    for command in set(kept) & set(answers):
        said = (answers[command]["effect"], answers[command]["reason"])
        assert (kept[command].get("effect"), kept[command].get("reason")) == said


def _check_instances(instances: dict[bytes, bytes], histories: dict[str, list[Document]]) -> None:
    states = {place.split(_NUL)[1].decode(): unpacked(value) for place, value in instances.items()}
    assert set(states) == set(histories)
    for run, state in states.items():
        last = histories[run][-1]
        assert (state["key"], state["sequence"], state["status"]) == (last["key"], last["sequence"], last["type"])


def _check_kept_histories(kept: dict[bytes, bytes], histories: dict[str, list[Document]]) -> None:
    found: dict[str, list[Document]] = defaultdict(list)
    for place in sorted(kept):
        found[place.split(_NUL)[1].decode()] += json.loads(kept[place])
    assert found == histories


def check_everything(topics: Topics, *, runs: set[str]) -> dict[str, list[Document]]:
    """All of the above for runs that have all ended; returns their histories."""
    histories = check_histories(topics)
    check_endings(topics, histories, runs=runs)
    check_results(topics, histories)
    check_state(topics, histories, check_answers(topics))
    return histories
