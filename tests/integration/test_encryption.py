"""A worker with keys beside a real Kafka: its topics and its disk hold nothing of the payloads."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import cast

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from hephaestus_stream import Client, Keyring, PayloadUnreadableError
from hephaestus_stream.wire.connection import Connection
from hephaestus_stream.wire.topics import Topics as Names
from tests.integration.secret_flows import MARKER, Letter, Secret
from tests.integration.workers import PARTITIONS, Workers

MODULE = "tests.integration.secret_flows"
OLD, NEW = bytes(range(32)), bytes(range(32, 64))
KEYS = Keyring({"old": OLD})
BOTH = Keyring({"old": OLD, "new": NEW}, current="new")
PATIENCE = timedelta(seconds=40)
LETTER = Letter(text=f"from the start, {MARKER}")
ANSWER = Letter(text=f"from outside, {MARKER}")


@pytest.fixture
def give_keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> GiveKeys:
    return GiveKeys(monkeypatch, tmp_path / "keys.json")


class GiveKeys:
    """Gives the workers that are started next their keys, in a file."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
        self._environment = monkeypatch
        self._file = file

    def __call__(self, *, current: str, **keys: bytes) -> None:
        self._file.write_text(json.dumps({name: base64.b64encode(key).decode() for name, key in keys.items()}))
        self._environment.setenv("HEPHAESTUS_ENCRYPTION_KEYS_FILE", str(self._file))
        self._environment.setenv("HEPHAESTUS_ENCRYPTION_KEY_ID", current)


def raw_records(connection: Connection) -> Iterator[tuple[str, bytes]]:
    """Every record of every topic of the namespace, keys, values and headers, uncommitted ones among them."""
    consumer = Consumer(
        connection.librdkafka(
            group_id=f"{connection.namespace}.scan", isolation_level="read_uncommitted", enable_partition_eof=True
        )
    )
    places = [
        TopicPartition(topic, each, OFFSET_BEGINNING)
        for topic in Names(connection.namespace)
        for each in range(PARTITIONS)
    ]
    consumer.assign(places)
    ends = 0
    while ends < len(places):
        for message in consumer.consume(1_000, 1):
            if message.error() is not None:
                ends += 1
                continue
            headers = b"".join(value for _, value in cast("list[tuple[str, bytes]]", message.headers() or []))
            yield message.topic() or "", (message.key() or b"") + (message.value() or b"") + headers
    consumer.close()


def topics_with(marker: str, connection: Connection) -> set[str]:
    """The topics that hold a text, as it is or in base64."""
    texts = [marker.encode(), *(base64.b64encode(bytes(shift) + marker.encode())[4:-4] for shift in range(3))]
    return {topic for topic, record in raw_records(connection) if any(text in record for text in texts)}


def files_with(marker: str, folder: Path) -> list[Path]:
    return [file for file in folder.rglob("*") if file.is_file() and marker.encode() in file.read_bytes()]


def run_to_the_end(client: Client, id: str) -> str:  # noqa: A002 - the wire's own word
    """Runs one from start to end; returns how the process saw it."""
    run = client.start(Secret, id, LETTER, timeout=PATIENCE)
    client.resume(Secret, id, Secret.answer.received, ANSWER, timeout=PATIENCE)
    completion = client.wait(run, timeout=PATIENCE)
    assert (completion.status, completion.ended_at) == ("completed", "done")
    assert completion.result(Secret.answer.received) == ANSWER
    return completion.result(Secret.process.written).text


def test_neither_topics_nor_disk_hold_a_word_of_the_payloads(
    workers: Workers, connection: Connection, give_keys: GiveKeys, tmp_path: Path
) -> None:
    give_keys(current="old", old=OLD)
    worker = workers.started(module=MODULE)
    with Client(connection, keys=KEYS) as client:
        seen = run_to_the_end(client, "a")
        waiting = client.start(Secret, "b", LETTER, timeout=PATIENCE)
    assert seen == f"{LETTER.text} {MARKER} 2 before, 0 settings of keys"
    assert worker.stop() == 0
    assert "payloads are encrypted under old" in worker.told()

    topics = {topic.rpartition(".")[2] for topic, _ in raw_records(connection)}
    assert topics >= {"commands", "history", "step-results", "completions", "replies", "state"}
    assert topics_with(waiting.run, connection), "what is looked for would be found"
    assert topics_with(MARKER, connection) == set()
    assert len(list((tmp_path / "worker").rglob("*.sst")) + list((tmp_path / "worker").rglob("*.log"))) > 0
    assert files_with(MARKER, tmp_path) == []


def test_without_keys_the_same_search_finds_the_payloads(
    workers: Workers, connection: Connection, tmp_path: Path
) -> None:
    worker = workers.started(module=MODULE)
    with Client(connection) as client:
        run_to_the_end(client, "a")
    assert worker.stop() == 0
    found = {topic.rpartition(".")[2] for topic in topics_with(MARKER, connection)}
    assert found == {"commands", "step-results", "completions", "state", "history"}
    assert files_with(MARKER, tmp_path)


def test_runs_go_on_through_a_rotation_and_stand_still_without_their_key(
    workers: Workers, connection: Connection, give_keys: GiveKeys, tmp_path: Path
) -> None:
    give_keys(current="old", old=OLD)
    worker = workers.started(module=MODULE)
    with Client(connection, keys=KEYS) as client:
        first = client.start(Secret, "first", LETTER, timeout=PATIENCE)
        second = client.start(Secret, "second", LETTER, timeout=PATIENCE)
        workers.until(lambda: len(workers.executed("written")) == 4, of=[worker])
        assert worker.stop() == 0

        give_keys(current="new", new=NEW, old=OLD)
        worker = workers.started(module=MODULE)
        client.resume(Secret, "first", Secret.answer.received, ANSWER, timeout=PATIENCE)
        # Its last result is under the new key, which this client has not heard of.
        ended = client.wait(first, timeout=PATIENCE)
        assert ended.result(Secret.loop.written) == Letter(text=f"{LETTER.text} {MARKER}")
        with pytest.raises(PayloadUnreadableError, match="is encrypted, and this client cannot decrypt it"):
            ended.result(Secret.answer.received)
        assert worker.stop() == 0

        give_keys(current="new", new=NEW)
        worker = workers.started(module=MODULE)
        workers.until(lambda: "encrypted with the key 'old', which this worker does not have" in worker.told())
        kept = client.resume(Secret, "second", Secret.answer.received, ANSWER, timeout=PATIENCE)
        assert (kept.effect, "key 'old'" in (kept.message or "")) == ("kept", True)
        assert worker.stop() == 0

    give_keys(current="new", new=NEW, old=OLD)
    worker = workers.started(module=MODULE)
    with Client(connection, keys=BOTH) as client:
        ended = client.wait(second, timeout=PATIENCE)
        assert (ended.status, ended.result(Secret.answer.received)) == ("completed", ANSWER)
    assert worker.stop() == 0
    assert topics_with(MARKER, connection) == set()
    assert files_with(MARKER, tmp_path) == []


def test_a_worker_does_not_start_with_a_key_that_is_none(workers: Workers, give_keys: GiveKeys) -> None:
    give_keys(current="old", old=b"short")
    worker = workers.start(module=MODULE)
    assert worker.ended() != 0
    assert "the key 'old' has 5 bytes and must have 32" in worker.told()
    assert base64.b64encode(b"short").decode() not in worker.told()
