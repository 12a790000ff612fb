"""Runs that fill their record: what is too much is refused, and they can always be ended."""

from __future__ import annotations

from collections import Counter

from hephaestus_stream.core.limits import MAX_EARLY_EVENTS, MAX_REFUSALS
from hephaestus_stream.cycle.intake import MAX_ANSWERS
from hephaestus_stream.wire.request import cancel_command, resume_command, start_command
from tests.integration.checker import (
    Topics,
    check_answers,
    check_endings,
    check_everything,
    check_histories,
    check_results,
)
from tests.integration.flows import Trip
from tests.integration.large_flows import Brimful, Crowded, Load, Text
from tests.integration.wide_flows import WIDTH, FanOut
from tests.integration.workers import Publisher, Workers

MODULE = "tests.integration.large_flows"


def test_a_run_whose_record_is_full_takes_nothing_more_and_can_be_cancelled(
    workers: Workers, publisher: Publisher, topics: Topics
) -> None:
    worker = workers.started(module=MODULE)
    full = start_command(Brimful, "full", Load(size=99_900))
    over = start_command(Brimful, "over", Load(size=130_000))
    publisher.send([full, over])
    workers.until(lambda: any(event["type"] == "suspended" for event in topics.documents("history")), of=[worker])
    more = resume_command(Brimful, "full", Brimful.news.received, Text(text="x" * 1_000))
    cancel = cancel_command(Brimful, "full", reason="😀" * 1_000)

    publisher.send([more, cancel])

    workers.until(lambda: len(topics.records("completions")) == 2, of=[worker])
    workers.until(lambda: cancel.id in check_answers(topics), of=[worker])
    answers = check_answers(topics)
    assert (answers[more.id]["reason"], answers[cancel.id]["effect"]) == ("too_large", "applied")
    ended = {document["run"]: document for document in topics.documents("completions")}
    assert (ended[over.id]["status"], ended[over.id]["error"]["type"]) == ("failed", "ResultTooLarge")
    assert (ended[full.id]["status"], len(ended[full.id]["results"])) == ("cancelled", 4)
    assert worker.stop() == 0
    check_everything(topics, runs={full.id, over.id})


def test_two_thousand_branches_that_all_fail_at_length_are_retried_and_meet(
    workers: Workers, publisher: Publisher, topics: Topics
) -> None:
    worker = workers.started(module="tests.integration.wide_flows")
    start = start_command(FanOut, "wide", Load(size=150, wordy=True))
    publisher.send([start])

    workers.until(lambda: len(topics.records("completions")) == 1, of=[worker])

    [completion] = topics.documents("completions")
    assert (completion["status"], len(completion["results"])) == ("completed", WIDTH + 1)
    histories = check_histories(topics)
    check_endings(topics, histories, runs={start.id})
    check_results(topics, histories)
    assert [event["type"] for event in histories[start.id]].count("retry_scheduled") == WIDTH + 1
    assert worker.stop() == 0
    assert topics.records("dead-letters") == []


EARLY = 10_000


def test_ten_thousand_early_events_for_one_key_are_refused_but_for_a_hundred_and_other_keys_go_on(
    workers: Workers, publisher: Publisher, topics: Topics
) -> None:
    worker = workers.started(module=MODULE)
    crowded = start_command(Crowded, "one", Trip())
    others = [start_command(Brimful, f"other-{number}", Load()) for number in range(8)]
    early = [resume_command(Crowded, "one", Crowded.news.received, Text(text="x" * 1_000)) for _ in range(EARLY)]
    publisher.send([crowded])

    publisher.send([*early[: EARLY // 2], *others, *early[EARLY // 2 :]])
    workers.until(lambda: len(topics.records("replies")) == 1 + len(others) + EARLY, of=[worker])

    counts = Counter(answer["reason"] or answer["effect"] for answer in check_answers(topics).values())
    assert counts == {"applied": 1 + len(others), "kept": MAX_EARLY_EVENTS, "early_events_full": EARLY - 100}
    told = Counter(event["type"] for event in check_histories(topics)[crowded.id])
    assert (told["event_kept"], told["event_refused"]) == (MAX_EARLY_EVENTS, MAX_REFUSALS)
    kept = {record.key: record.value for record in topics.records("state")}
    run = next(value for key, value in kept.items() if key.startswith(b"icrowded::one\0"))
    assert 100_000 < len(run or b"") < 150_000
    answers = [key for key, value in kept.items() if key.startswith(b"ccrowded::one\0") and value is not None]
    assert len(answers) <= 3 * MAX_ANSWERS
    suspended = {event["key"] for event in topics.documents("history") if event["type"] == "suspended"}
    assert suspended == {other.key for other in others}
    publisher.send([cancel_command(Crowded, "one")])
    workers.until(lambda: len(topics.records("completions")) == 1, of=[worker])
    assert worker.stop() == 0
