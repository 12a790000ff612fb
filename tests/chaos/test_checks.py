"""Each check finds the damage that it is for, in evidence that was good; without any Kafka."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from rocksdict import Options, Rdict

from hephaestus_stream.cycle.index import derive
from tests.chaos.checker.documents import Answer, Command, Seen, Told
from tests.chaos.checker.evidence import POSITION, Evidence
from tests.chaos.checker.findings import Findings
from tests.chaos.checker.ledger import Sent
from tests.chaos.checker.topics import Found
from tests.chaos.checker.verdict import judge
from tests.chaos.good_run import EVENT, FAN_IN, KEY, LATE, RUN, events, good_evidence, good_ledger

Damage = Callable[[Evidence], Evidence]


def found_in(evidence: Evidence, ledger: list[Sent] | None = None) -> set[str]:
    findings = Findings()
    judge(evidence, good_ledger() if ledger is None else ledger, findings)
    return {check.name for check in findings.broken}


def answered(command: str, **changes: object) -> Damage:
    """One answer says something else."""

    def change(evidence: Evidence) -> Evidence:
        first, *others = evidence.answers[command]
        other = msgspec.structs.replace(first, **changes)
        return replace(evidence, answers={**evidence.answers, command: [other, *others]})

    return change


def answered_again(answer: Answer) -> Damage:
    return lambda evidence: replace(
        evidence, answers={**evidence.answers, answer.id: [*evidence.answers[answer.id], answer]}
    )


def told(*, place: int, **changes: object) -> Damage:
    """One event of the history says something else."""

    def change(evidence: Evidence) -> Evidence:
        history = list(evidence.histories[RUN])
        event = msgspec.structs.replace(history[place].event, **changes)
        history[place] = Told(event, history[place].partition, history[place].offset)
        return replace(evidence, histories={RUN: history})

    return change


def in_state(key: bytes, value: bytes | None) -> Damage:
    """The changelog has one more record."""
    return lambda evidence: replace(evidence, changelog=[*evidence.changelog, Found(0, 7, key, value, {})])


def without_state(table: bytes) -> Damage:
    """The changelog lacks a table."""
    return lambda evidence: replace(
        evidence, changelog=[record for record in evidence.changelog if record.key[:1] != table]
    )


def second_run(evidence: Evidence) -> Evidence:
    """Another run of the key begins before the first one has ended."""
    started = msgspec.structs.replace(events(FAN_IN)[0], run="r-2")
    return replace(evidence, histories={**evidence.histories, "r-2": [Told(started, 0, 20)]})


def sooner(evidence: Evidence) -> Evidence:
    """The event was taken before its run began, as the topic has it."""
    start, event, *others = evidence.commands
    moved = [msgspec.structs.replace(event, offset=0), msgspec.structs.replace(start, offset=1)]
    return replace(evidence, commands=[*moved, *others])


LOST = Seen(Command("cancel", "c-9", "Relay", KEY), 0, 4, asks=True)
AGAIN = Answer(RUN, KEY, accepted=True, effect="applied", reason=None, run=RUN, partition=0, position=0)

DAMAGES: dict[str, Damage] = {
    "every command has an answer": lambda evidence: replace(evidence, commands=[*evidence.commands, LOST]),
    "all answers to a command say the same": answered_again(msgspec.structs.replace(AGAIN, reason="ended")),
    "an answer names the place where its command stands first": answered(RUN, position=7),
    "a command is answered once for each time that it asked": answered_again(AGAIN),
    "an accepted command has one effect, a refused one none": answered(EVENT, effect="applied"),
    "every effect is that of a command": told(place=8, details={"command": "c-8"}),
    "the commands of a key take effect in their order": sooner,
    "a refusal is true": answered(LATE, reason="not_found"),
    "a history is numbered from 1 without gap or repetition": told(place=3, sequence=9),
    "times in a history do not decrease": told(place=3, at=events(FAN_IN)[1].at),
    "all of a history is of one key and in its partition": told(place=3, key="relay::2"),
    "a history is legal against the graph": told(place=18, node="review"),
    "a key has one live run, where its workflow says so": second_run,
    "an ended run has one completion, a live one none": lambda evidence: replace(evidence, completions=[]),
    "a completion says what the history and the step results say": lambda evidence: replace(
        evidence, completions=[msgspec.structs.replace(evidence.completions[0], ended_at="late")]
    ),
    "a completed step has one result, and a result its step": lambda evidence: replace(
        evidence, results=[*evidence.results, evidence.results[0]]
    ),
    "a timer fires once at most": told(place=15, node="pause", details={"timer": "wait"}),
    "a timer does not fire before it is due": told(
        place=7, details={"timer": "wait", "due_at": (events(FAN_IN)[-1].at + timedelta(days=1)).isoformat()}
    ),
    "a live run only waits for what has not come": lambda evidence: replace(
        evidence, histories={RUN: evidence.histories[RUN][:13]}
    ),
    "no run is halted by a bug of the engine": told(place=13, type="halted"),
    "a step that completed by itself was executed at least once": lambda evidence: replace(evidence, executions=[]),
    "a step's result is one that an execution gave": lambda evidence: replace(
        evidence, executions=[msgspec.structs.replace(each, result="other") for each in evidence.executions]
    ),
    "the state of a run is what its history says": without_state(b"i"),
    "the history kept in the state is that of the topic": without_state(b"h"),
    "the timers in the state are those that the histories wait for": lambda evidence: replace(
        evidence, histories={RUN: evidence.histories[RUN][:13]}
    ),
    "the answers kept in the state are those that were given": without_state(b"c"),
    "a key knows its runs, and how they ended": without_state(b"k"),
    "the changelog has no entry of an index": in_state(b"a" + KEY.encode(), b""),
    "every partition is consumed to its end, and closed in order": in_state(POSITION, None),
    "a dead letter is a refusal that nobody asked to hear, told once": lambda evidence: replace(evidence, letters=[]),
    "what was confirmed to the sender is in the topics": lambda evidence: replace(
        evidence, commands=evidence.commands[1:]
    ),
    "the answer that the sender got is the one in the topic": answered(RUN, run="r-9"),
    "a run ended as its steps were told to": lambda evidence: evidence,
}
"""For each check a damage that it must find. It may be found by others, too."""


def test_good_evidence_is_found_good() -> None:
    assert found_in(good_evidence()) == set()


@pytest.mark.parametrize("check", DAMAGES)
def test_a_check_finds_the_damage_that_it_is_for(check: str) -> None:
    ledger = good_ledger()
    if check == "a run ended as its steps were told to":
        ledger[0].endings = ("completed late",)

    assert check in found_in(DAMAGES[check](good_evidence()), ledger)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A database that is up to the changelog."""
    path = tmp_path / "0"
    written = {record.key: record.value or b"" for record in good_evidence().changelog}
    derived = {key: value for key, value in derive(written, lambda _: None) if value is not None}
    write(path, {**written, **derived, b"\0standing": b'{"changelog_offset": 6}'})
    return path


def write(path: Path, entries: dict[bytes, bytes]) -> None:
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    database = Rdict(str(path), options)
    for key, value in entries.items():
        database[key] = value
    database.flush()
    database.close()


def with_database(path: Path, *, damaged: bool = False) -> Evidence:
    return replace(good_evidence(), databases={0: [path]}, damaged={path} if damaged else set[Path]())


def test_a_good_database_is_found_good(database: Path) -> None:
    assert found_in(with_database(database)) == set()


@pytest.mark.parametrize(
    ("entries", "check"),
    [
        ({b"\0standing": b'{"changelog_offset": 5}'}, "the last owner's database is up to the changelog's end"),
        ({b"\0standing": b'{"changelog_offset": 8}'}, "no database is ahead of the changelog"),
        ({b"krelay::1": b"other"}, "a database is what the changelog added up to when it was written"),
        ({b"krelay::2": b"risen"}, "a database is what the changelog added up to when it was written"),
        ({b"arelay::1\0r-1": b""}, "a database's indexes are what follows from its records"),
        ({b"Gvip\0" + bytes(8) + b"relay::1\0r-1": b""}, "in a database instances are found by what their records say"),
        ({b"QGvip": bytes(7) + b"\1"}, "in a database instances are found by what their records say"),
    ],
)
def test_a_database_that_is_none_is_found(database: Path, entries: dict[bytes, bytes], check: str) -> None:
    write(database, entries)

    assert check in found_in(with_database(database))


def test_a_database_is_damaged_by_faults_alone(database: Path) -> None:
    table = next(database.glob("*.sst"))
    table.write_bytes(b"\xff" * table.stat().st_size)

    assert found_in(with_database(database)) == {
        "a database can be read, unless somebody damaged it",
        "the last owner's database is up to the changelog's end",
    }
    assert found_in(with_database(database, damaged=True)) == set()


def test_each_check_has_its_damage(database: Path) -> None:
    findings = Findings()
    judge(with_database(database), good_ledger(), findings)

    assert set(DAMAGES) == {name for name in findings.checks if "database" not in name}
