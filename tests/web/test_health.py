from __future__ import annotations

import asyncio
import json
import re
import signal
import socket
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from hephaestus_stream.errors import SettingsError
from hephaestus_stream.runtime.facade import WorkerFacade
from hephaestus_stream.runtime.health import ReplayProgress, WorkerHealth
from hephaestus_stream.runtime.topics import create_topics
from hephaestus_stream.settings import Settings, load_settings
from hephaestus_stream.web.connections import OpenConnections
from hephaestus_stream.web.server import listening, require_known, serving
from hephaestus_stream.wire.connection import Connection
from hephaestus_stream.wire.topics import Topics
from tests.cli.command_line import FLOWS, CommandLine

Eventually = Callable[[Callable[[], bool]], None]


def at(port: int) -> Settings:
    return load_settings(http=f"127.0.0.1:{port}")


WELL = WorkerHealth(joined=True, ready=(0, 1))


@pytest.fixture
def hephaestus(tmp_path: Path) -> CommandLine:
    (tmp_path / "flows.py").write_text(FLOWS)
    (tmp_path / "hephaestus.toml").write_text("replication_factor = 1\npartitions = 2\n")
    return CommandLine(tmp_path)


def asked(log: Path, path: str) -> tuple[int, dict[str, Any]]:
    """What a worker answers; status 0 as long as it does not listen."""
    address = re.search(r"health is told at (http://[^/]+)/", log.read_text())
    return (0, {}) if address is None else fetched(f"{address[1]}{path}")


def fetched(url: str) -> tuple[int, dict[str, Any]]:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:  # noqa: S310 - of this test's own worker
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_a_worker_that_owns_its_partitions_is_live_and_ready(
    hephaestus: CommandLine, connection: Connection, tmp_path: Path, eventually: Eventually
) -> None:
    log = tmp_path / "log"
    kafka = ("--bootstrap", connection.bootstrap, "--namespace", connection.namespace)
    with hephaestus.running("worker", "flows", *kafka, "--http", "127.0.0.1:0", log=log) as worker:
        eventually(lambda: asked(log, "/health/ready")[0] == 200)

        _, ready = asked(log, "/health/ready")
        assert (ready["ready"], ready["reasons"]) == (True, [])
        assert ready["partitions"] == {"ready": [0, 1], "opening": {}, "closed": {}}
        assert abs(ready["clock_difference"]) < 5
        assert asked(log, "/health/live") == (200, {"live": True, "reason": None})

        worker.send_signal(signal.SIGTERM)
        assert worker.wait(30) == 0
    assert log.read_text().splitlines()[-1].endswith("stopped in order")


def test_a_worker_that_replays_says_how_far_it_is_and_why_a_partition_stays_closed(
    hephaestus: CommandLine, connection: Connection, tmp_path: Path, eventually: Eventually
) -> None:
    create_topics(connection, partitions=2, replication_factor=1)
    producer = Producer(connection.librdkafka(linger_ms=20, queue_buffering_max_messages=1_000_000))
    for number in range(300_000):
        producer.produce(Topics(connection.namespace).state, b"x", b"\x7f%d" % number, 1)
    assert producer.flush(60) == 0
    log, seen = tmp_path / "log", list[tuple[int, int]]()

    def is_closed() -> bool:
        code, said = asked(log, "/health/ready")
        assert code in {0, 503}
        if "1" in said.get("partitions", {}).get("opening", {}):
            progress = said["partitions"]["opening"]["1"]
            seen.append((progress["reached"], progress["end"]))
        return bool(said) and "1" in said["partitions"]["closed"] and said["partitions"]["ready"] == [0]

    kafka = ("--bootstrap", connection.bootstrap, "--namespace", connection.namespace)
    with hephaestus.running("worker", "flows", *kafka, "--http", "127.0.0.1:0", log=log):
        eventually(is_closed)
        _, said = asked(log, "/health/ready")
        assert asked(log, "/health/live")[0] == 200

    assert any(0 < reached < end == 300_000 for reached, end in seen)
    assert [reached for reached, _ in seen] == sorted(reached for reached, _ in seen)
    # The worker has joined when it has dealt with both partitions, which may be a moment later.
    assert any("its state has records but no position" in reason for reason in said["reasons"])


@pytest.mark.parametrize(
    ("health", "reason"),
    [
        (WorkerHealth(), "no partitions yet"),
        (WorkerHealth(joined=True, opening={3: ReplayProgress(5, 9)}), "1 partitions are being opened"),
        (WorkerHealth(joined=True, closed={3: "3 stays closed"}), "3 stays closed"),
        (WorkerHealth(joined=True, clock_difference=timedelta(hours=-1), clock_is_off=True), "by -3600.0 s"),
        (WorkerHealth(joined=True, stopping=True), "stops"),
        (WorkerHealth(joined=True, failure="fenced"), "fenced"),
    ],
)
async def test_each_reason_not_to_be_ready_is_told_with_503(health: WorkerHealth, reason: str) -> None:
    report = WorkerFacade()
    port = free_port()
    async with serving(at(port), report):
        report.health.attach(lambda: WELL)
        assert (await answer(port, "ready"))[0] == 200
        report.health.attach(lambda: health)
        code, said = await answer(port, "ready")
        live, _ = await answer(port, "live")

    assert (code, said["ready"]) == (503, False)
    assert [reason in each for each in said["reasons"]] == [True]
    assert live == (503 if health.failure else 200)


async def test_of_many_who_send_half_a_request_few_are_kept_and_a_probe_is_answered() -> None:
    port, report = free_port(), WorkerFacade()
    report.health.attach(lambda: WELL)
    patient = OpenConnections(limit=8, request_within=timedelta(hours=1))
    async with serving(at(port), report, connections=patient):
        half = [await half_a_request(port) for _ in range(30)]
        assert (await answer(port, "ready"))[0] == 200
        ended = [reader for reader, _ in half[:22]]
        assert [await end_of(reader) for reader in ended] == [b""] * 22
        open_ones = [writer for reader, writer in half if not (reader.at_eof() or reader.exception())]
        assert len(open_ones) <= 8
        for _, writer in half:
            writer.close()


async def test_a_connection_without_a_whole_request_is_dropped_in_time() -> None:
    port, report = free_port(), WorkerFacade()
    report.health.attach(lambda: WELL)
    hasty = OpenConnections(request_within=timedelta(milliseconds=100))
    async with serving(at(port), report, connections=hasty):
        reader, writer = await half_a_request(port)
        assert await end_of(reader) == b""
        assert (await answer(port, "ready"))[0] == 200
        writer.close()


async def test_a_connection_may_ask_again_and_again() -> None:
    port, report = free_port(), WorkerFacade()
    report.health.attach(lambda: WELL)
    async with serving(at(port), report):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(3):
            writer.write(LIVE)
            assert (await reader.readuntil(b"}")).startswith(b"HTTP/1.1 200")
        writer.close()


LIVE = b"GET /health/live HTTP/1.1\r\nHost: here\r\n\r\n"


@pytest.mark.parametrize("rest", [b"", LIVE[:20]], ids=["alone", "with-a-part-of-the-next"])
async def test_a_connection_that_had_an_answer_is_kept_as_long_as_no_request_begins(rest: bytes) -> None:
    port, report = free_port(), WorkerFacade()
    report.health.attach(lambda: WELL)
    hasty = OpenConnections(request_within=timedelta(milliseconds=100), kept_for=timedelta(hours=1))
    async with serving(at(port), report, connections=hasty):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(LIVE + rest)
        assert (await reader.readuntil(b"}")).startswith(b"HTTP/1.1 200")
        if not rest:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(reader.read(), 0.5)
            writer.write(LIVE)
            assert (await reader.readuntil(b"}")).startswith(b"HTTP/1.1 200")
            writer.write(LIVE[:20])
        assert await end_of(reader) == b""
        writer.close()


async def test_a_connection_that_nobody_uses_any_more_is_dropped() -> None:
    port, report = free_port(), WorkerFacade()
    report.health.attach(lambda: WELL)
    hasty = OpenConnections(request_within=timedelta(hours=1), kept_for=timedelta(milliseconds=100))
    async with serving(at(port), report, connections=hasty):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(LIVE)
        assert (await reader.readuntil(b"}")).startswith(b"HTTP/1.1 200")
        assert await end_of(reader) == b""
        writer.close()


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
async def test_no_page_is_made_of_what_other_sites_serve(path: str) -> None:
    port = free_port()
    async with serving(at(port), WorkerFacade()):
        assert (await asyncio.to_thread(fetched, f"http://127.0.0.1:{port}{path}"))[0] == 404


def test_a_server_that_would_take_the_signals_of_the_worker_is_refused() -> None:
    def serve() -> None:
        """As a later uvicorn may have it."""

    with pytest.raises(SettingsError, match="would take the signals that stop the worker"):
        require_known(serve)


async def test_an_address_that_is_taken_is_a_wrong_setting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(SettingsError, match=f"cannot listen on {address}"):
            async with serving(load_settings(http=address), WorkerFacade()):
                pass


async def test_an_address_that_nobody_has_set_steps_aside_where_it_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("HEPHAESTUS_HTTP", raising=False)
    first, second = WorkerFacade(), WorkerFacade()
    async with serving(load_settings(), first), serving(load_settings(), second):
        assert second.url is not None
        assert first.url not in {None, second.url}
        assert (await asyncio.to_thread(fetched, f"{second.url}/health/live"))[0] == 200


def test_no_part_of_an_answer_waits_for_the_receipt_of_what_came_before_it() -> None:
    with listening(at(0)) as listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def answer(port: int, name: str) -> tuple[int, dict[str, Any]]:
    return await asyncio.to_thread(fetched, f"http://127.0.0.1:{port}/health/{name}")


async def half_a_request(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /health/live HTTP/1.1\r\nX: ")
    return reader, writer


async def end_of(reader: asyncio.StreamReader) -> bytes:
    """What came until the server let the connection go, in whatever way."""
    try:
        return await asyncio.wait_for(reader.read(), 10)
    except ConnectionResetError:
        return b""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
