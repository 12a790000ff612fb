"""What a partition keeps and publishes must agree after each commit."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from datetime import datetime
from typing import Any, Final

from hephaestus_stream.core.state import State
from hephaestus_stream.cycle.attempt import AttemptId
from hephaestus_stream.cycle.index import DERIVED, EXPIRY
from hephaestus_stream.cycle.memory import MemoryStore
from hephaestus_stream.cycle.record import decode_key, decode_state, decode_timer
from tests.properties.ledger import check_history, check_state, running_in, timers_of
from tests.properties.world import TOPICS, World

_LABELS: Final = len(b"[[],{}]")
"""What a start without tags and metadata takes for them."""

Told = dict[str, Any]


def check_books(world: World) -> None:
    """Compares the tables of a partition with each other, with the topics, and with what is executed."""
    states = [decode_state(value) for _, value in world.store.scan(b"i", limit=10_000)]
    for state in states:
        definition = world.shard.catalog.get(state.workflow, state.version)
        assert definition is not None
        assert state.halted is None, state.halted
        check_state(definition, state, labels=_LABELS)
    live = [state for state in states if state.is_live]
    check_told(world, states)
    check_keys(world, states)
    check_replies(world)
    check_index(world)
    kept = [decode_timer(value) for _, value in world.store.scan(b"t", limit=10_000)]
    assert {(each.key, each.run, each.node, each.attempt, each.kind, each.due_at) for each in kept} == {
        (state.key, state.run, *timer) for state in live for timer in timers_of(state)
    }
    running = {AttemptId(state.key, state.run, *place) for state in live for place in running_in(state)}
    assert {(key, run) for _, key, run in world.tables().running(after=None, limit=10_000)} == {
        (attempt.key, attempt.run) for attempt in running
    }
    if not world.is_lost:
        assert set(world.runner.held) == running


def check_index(world: World) -> None:
    """What is derived is what the records alone give; what expires is looked at when its time has come."""
    found = dict(world.store.scan(b"", limit=100_000))
    anew = MemoryStore()
    anew.write({key: value for key, value in found.items() if key[:1] not in DERIVED})
    expected = dict(anew.scan(b"", limit=100_000))
    assert {key for key in expected if key[:1] == EXPIRY} <= set(found)
    assert {key: value for key, value in found.items() if key[:1] != EXPIRY} == {
        key: value for key, value in expected.items() if key[:1] != EXPIRY
    }


def check_told(world: World, states: list[State]) -> None:
    """The histories have no gaps and end where the states are; a run completes once."""
    published = by_run(world, TOPICS.history)
    kept: dict[str, list[Told]] = defaultdict(list)
    for _, value in world.store.scan(b"h", limit=100_000):
        for event in json.loads(value):
            kept[event["run"]].append(event)
    assert kept == published
    completions = by_run(world, TOPICS.completions)
    results = by_run(world, TOPICS.step_results)
    assert set(published) == {state.run for state in states}
    for state in states:
        told = published[state.run]
        check_history(
            [
                (each["sequence"], datetime.fromisoformat(each["at"]), each["type"], each["node"], each["attempt"])
                for each in told
            ],
            state,
        )
        retries = [each["type"] for each in told].count("retried")
        ends = [(end["status"], end["ended_at"]) for end in completions[state.run]]
        assert {status for status, _ in ends[:retries]} <= {"failed"}
        assert ends[retries:] == ([] if state.is_live else [(state.status, state.ended_at)])
        told_results = Counter(result["node"] for result in results[state.run])
        assert set(told_results) == {name for name, node in state.nodes.items() if node.reported is not None}
        assert max(told_results.values(), default=0) <= 1 + retries


def check_keys(world: World, states: list[State]) -> None:
    """A key knows its runs, of which one lives at most."""
    for place, value in world.store.scan(b"k", limit=10_000):
        runs = decode_key(value).runs
        own = {state.run: state.ending for state in states if state.key.encode() == place[1:]}
        assert {run.run: run.ended for run in runs} == own
        assert len([run for run in runs if run.ended is None]) <= 1


def check_replies(world: World) -> None:
    """The same command gets the same answer, and only the first time as one that is new."""
    for replies in world.replies.values():
        answers = {reply.model_copy(update={"duplicate": False}).model_dump_json() for reply in replies}
        assert len(answers) == 1
        assert [reply.duplicate for reply in replies] == [False] + [True] * (len(replies) - 1)
        assert replies[0].reason != "engine_error"


def by_run(world: World, topic: str) -> dict[str, list[Told]]:
    """The records of a topic by their runs, in their order."""
    found: dict[str, list[Told]] = defaultdict(list)
    for record in world.outputs:
        if record.topic == topic and record.value is not None:
            told = json.loads(record.value)
            found[told["run"]].append(told)
    return found
