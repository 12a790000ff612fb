"""The checks of the state: the changelog adds up to what the histories tell, and the databases to the changelog."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, cast

import msgspec
from rocksdict import AccessType, Options, Rdict

from tests.chaos.checker.commands import first_seen
from tests.chaos.checker.documents import Event, Told
from tests.chaos.checker.evidence import POSITION, Evidence, header, unpacked
from tests.chaos.checker.findings import Findings
from tests.chaos.checker.run_model import RunModel
from tests.chaos.checker.topics import Found

_NUL: Final = b"\0"
_DERIVED: Final = frozenset((b"a", b"x", b"S", b"W", b"G", b"N", b"F", b"M", b"Q"))
"""The tables that follow from others: a database's own."""

_STANDING: Final = b"\0standing"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TOLD_AND_NOT_KEPT: Final = ("undecodable", "unsupported_schema", "too_large")
"""What cannot be read, or is too large to be sent on from a wrong partition."""

_UNCOMPACTED_BYTES: Final = 60_000_000
"""Below this the changelog's only segment is the active one, which is never compacted."""


class Position(msgspec.Struct):
    """What the last record of each commit says."""

    commands_offset: int
    closed_cleanly: bool


class Standing(msgspec.Struct):
    """How far a database says that it follows the changelog."""

    changelog_offset: int


def check_state(evidence: Evidence, findings: Findings) -> None:
    """The tables of all partitions are what the histories say."""
    partitions = sorted(evidence.command_ends)
    tables = {partition: evidence.tables(partition) for partition in partitions}
    _check_runs(evidence, findings, tables)
    _check_kept_histories(evidence, findings, tables)
    _check_timers(evidence, findings, tables)
    _check_kept_answers(evidence, findings, tables)
    _check_keys(evidence, findings, tables)
    derived = findings.check("the changelog has no entry of an index")
    for partition in partitions:
        indexed = [key for key in tables[partition] if key[:1] in {*_DERIVED, b"\0"}]
        derived.judge(not indexed, f"partition {partition} has {indexed[:3]}")


def check_positions(evidence: Evidence, findings: Findings) -> None:
    """When all workers have stopped in order, every command is consumed, and every partition closed."""
    consumed = findings.check("every partition is consumed to its end, and closed in order")
    for partition, end in sorted(evidence.command_ends.items()):
        encoded = evidence.tables(partition).get(POSITION)
        position = None if encoded is None else msgspec.json.decode(encoded, type=Position)
        told = None if position is None else (position.commands_offset, position.closed_cleanly)
        consumed.judge(told == (end, True), f"partition {partition} stands at {told}, its commands end at {end}")


def check_databases(evidence: Evidence, findings: Findings) -> None:
    """The last owner's database is the changelog; an older one is what the changelog was, and none is ahead of it."""
    newest = findings.check("the last owner's database is up to the changelog's end")
    same = findings.check("a database is what the changelog added up to when it was written")
    ahead = findings.check("no database is ahead of the changelog")
    sound = findings.check("a database can be read, unless somebody damaged it")
    for partition, paths in sorted(evidence.databases.items()):
        records = [record for record in evidence.changelog if record.partition == partition]
        end = max((record.offset for record in records), default=-1)
        whole = sum(len(record.value or b"") + len(record.key) for record in records) < _UNCOMPACTED_BYTES
        reached = -1
        for path in paths:
            try:
                standing, entries = _read(path)
            except Exception as error:  # noqa: BLE001 - all of RocksDB's errors have this type
                sound.judge(path in evidence.damaged, f"{path}: {error}")
                continue
            sound.judge(True, "")
            reached = max(reached, standing)
            log_end = evidence.changelog_ends[partition]
            ahead.judge(standing < log_end, f"{path} stands at {standing}, the changelog ends at {log_end}")
            if whole or standing >= end:
                differing = _differing(entries, records, standing)
                same.judge(not differing, f"{path} at {standing} of {end}: {len(differing)} differ, as {differing[:2]}")
                _check_indexes(path, entries, findings)
        hidden = any(path in evidence.damaged for path in paths)
        newest.judge(reached >= end or hidden, f"partition {partition}: no database is up to {end}, but to {reached}")


def _differing(entries: dict[bytes, bytes], records: list[Found], standing: int) -> list[bytes]:
    """The keys whose value is not what the changelog had for them at an offset."""
    expected = {record.key: record.value for record in records if record.offset <= standing}
    found = {key: value for key, value in entries.items() if key[:1] not in _DERIVED}
    return [key for key in found.keys() | expected.keys() if found.get(key) != expected.get(key)]


def _check_indexes(path: Path, entries: dict[bytes, bytes], findings: Findings) -> None:
    derived = findings.check("a database's indexes are what follows from its records")
    active = {b"a" + key[1:] for key, value in entries.items() if key[:1] == b"i" and header(value)[0]}
    expiring = {
        b"x" + header(value)[1].to_bytes(8, "big") + key
        for key, value in entries.items()
        if key[:1] in {b"i", b"c"} and header(value)[1]
    }
    found = {key for key in entries if key[:1] in {b"a", b"x"}}
    # A failed run that was retried keeps the entry of its former end until that time; nothing follows from it then.
    former = {key for key in found - expiring if key[:1] == b"x" and key[9:10] == b"i" and key[9:] in entries}
    wrong = (found - former) ^ (active | expiring)
    derived.judge(not wrong, f"{path}: {len(wrong)} differ, as {list(wrong)[:2]}")
    _check_found_by(path, entries, findings)


def _check_found_by(path: Path, entries: dict[bytes, bytes], findings: Findings) -> None:
    """Each run is found by its name, its time, its status, its tags and the nodes that it waits at, and counted so."""
    sound = findings.check("in a database instances are found by what their records say")
    places: set[bytes] = set()
    counts: Counter[bytes] = Counter()
    for key, value in entries.items():
        if key[:1] != b"i":
            continue
        state = unpacked(value)
        suffix = (state["started_at"] - _EPOCH) // timedelta(microseconds=1)
        at = suffix.to_bytes(8, "big") + key[1:]
        waits = [name for name, node in state.get("nodes", {}).items() if node["status"] == "waiting"]
        waits = [] if state.get("finished_at") else [name.encode() for name in waits]
        tags = [tag.encode() for tag in state.get("tags", ())]
        workflow, status = state["workflow"].encode(), state["status"].encode()
        kind = _NUL.join((workflow, str(state["version"]).encode(), status))
        places |= {b"S" + at, b"M" + key[1:], b"W" + _NUL.join((workflow, status, at))}
        places |= {b"G" + tag + _NUL + at for tag in tags} | {b"N" + node + _NUL + at for node in waits}
        counts.update([b"QW" + kind, *(b"QG" + tag for tag in tags), *(b"QN" + kind + _NUL + node for node in waits)])
    wrong = places ^ {key for key in entries if key[:1] in {b"S", b"M", b"W", b"G", b"N"}}
    sound.judge(not wrong, f"{path}: {len(wrong)} differ, as {list(wrong)[:2]}")
    counted = {key: int.from_bytes(value, "big") for key, value in entries.items() if key[:1] == b"Q"}
    sound.judge(counted == dict(counts), f"{path}: it counts {counted}, and there are {dict(counts)}")


def _read(path: Path) -> tuple[int, dict[bytes, bytes]]:
    """How far a database follows the changelog, and all that is in it; raises if it is damaged."""
    database = Rdict(str(path), Options(raw_mode=True), access_type=AccessType.read_only())
    try:
        told = cast("bytes | None", database.get(_STANDING))
        entries: dict[bytes, bytes] = {}
        iterator = database.iter()
        iterator.seek_to_first()
        while iterator.valid():
            entries[cast("bytes", iterator.key())] = cast("bytes", iterator.value())
            iterator.next()
        # Damage looks like the end: only the status tells.
        iterator.status()
    finally:
        database.close()
    entries.pop(_STANDING, None)
    return -1 if told is None else msgspec.json.decode(told, type=Standing).changelog_offset, entries


def _check_runs(evidence: Evidence, findings: Findings, tables: dict[int, dict[bytes, bytes]]) -> None:
    same = findings.check("the state of a run is what its history says")
    states = {
        key.split(_NUL)[1].decode(): (partition, unpacked(value))
        for partition, table in tables.items()
        for key, value in table.items()
        if key[:1] == b"i"
    }
    for run in states.keys() | evidence.histories.keys():
        history = evidence.histories.get(run)
        if not same.judge(run in states and history is not None, f"{run} is in one of state and history only"):
            continue
        partition, state = states[run]
        problems = _differences(state, evidence.models[run], cast("list[Told]", history), partition)
        same.judge(not problems, f"{run}: {'; '.join(problems)}")


def _differences(state: dict[str, Any], model: RunModel, history: list[Told], partition: int) -> list[str]:
    last = history[-1]
    nodes = {name: (node["status"], node.get("attempt", 0)) for name, node in state.get("nodes", {}).items()}
    expected = {
        name: (node.status, 0 if node.status == "dead" or model.graph.nodes[name].ending else node.attempt)
        for name, node in model.nodes.items()
    }
    kept = [(each["node"], each["reported"]["event"], each["command"]) for each in state.get("early", ())]
    pairs = {
        "partition": (partition, last.partition),
        "key": (state["key"], last.event.key),
        "sequence": (state["sequence"], last.event.sequence),
        "status": (state["status"], model.derived_status),
        "nodes": (nodes, expected),
        "early events": (kept, [(each.node, each.event, each.command) for each in model.kept]),
    }
    return [f"{name}: state {one}, history {other}" for name, (one, other) in pairs.items() if one != other]


def _check_kept_histories(evidence: Evidence, findings: Findings, tables: dict[int, dict[bytes, bytes]]) -> None:
    same = findings.check("the history kept in the state is that of the topic")
    found: dict[str, list[Event]] = defaultdict(list)
    for table in tables.values():
        for key in sorted(key for key in table if key[:1] == b"h"):
            found[key.split(_NUL)[1].decode()] += msgspec.json.decode(table[key], type=list[Event])
    for run in found.keys() | evidence.histories.keys():
        told = [each.event for each in evidence.histories.get(run, [])]
        same.judge(
            found.get(run) == told, f"{run} has {len(told)} events in the topic, {len(found.get(run, []))} in the state"
        )


def _check_timers(evidence: Evidence, findings: Findings, tables: dict[int, dict[bytes, bytes]]) -> None:
    same = findings.check("the timers in the state are those that the histories wait for")
    found = {
        (each["run"], each["node"], each["attempt"], each["kind"], datetime.fromisoformat(str(each["due_at"])))
        for table in tables.values()
        for each in (unpacked(value) for key, value in table.items() if key[:1] == b"t")
    }
    expected = {
        (run, timer.node, timer.attempt, timer.kind, timer.due_at)
        for run, model in evidence.models.items()
        for timer in model.pending_timers
    }
    for timer in found | expected:
        where = "state" if timer in found else "histories"
        same.judge(timer in found and timer in expected, f"{timer} is in the {where} only")


def _check_kept_answers(evidence: Evidence, findings: Findings, tables: dict[int, dict[bytes, bytes]]) -> None:
    same = findings.check("the answers kept in the state are those that were given")
    kept = {
        tuple(part.decode() for part in key[1:].split(_NUL)): unpacked(value)
        for table in tables.values()
        for key, value in table.items()
        if key[:1] == b"c"
    }
    for key, command in first_seen(evidence):
        answers = evidence.answers.get(command)
        answer = kept.pop((key, command), None)
        if not answers or (answer is None and answers[0].reason in _TOLD_AND_NOT_KEPT):
            continue
        given = answers[0]
        told = None if answer is None else tuple(answer.get(name) for name in ("effect", "reason", "run", "position"))
        expected = (given.effect, given.reason, given.run, given.position)
        same.judge(told == expected, f"{command} for {key}: kept is {told}, given was {expected}")
    for place in kept:
        same.judge(False, f"{place} is kept and was never sent")


def _check_keys(evidence: Evidence, findings: Findings, tables: dict[int, dict[bytes, bytes]]) -> None:
    same = findings.check("a key knows its runs, and how they ended")
    lives: dict[str, dict[str, str | None]] = defaultdict(dict)
    for run, history in evidence.histories.items():
        lives[history[0].event.key][run] = evidence.models[run].status
    keys = {
        key[1:].decode(): {each["run"]: each.get("ended") for each in unpacked(value).get("runs", ())}
        for table in tables.values()
        for key, value in table.items()
        if key[:1] == b"k"
    }
    for key, runs in lives.items():
        same.judge(keys.get(key) == runs, f"{key} knows {keys.get(key)}, its histories are of {runs}")
