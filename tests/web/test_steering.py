"""Runs are steered, watched and cancelled together, over HTTP, by client and command line, on a real worker."""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
import uuid
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from hephaestus_stream import AsyncClient, Client
from hephaestus_stream.client.options import Via
from hephaestus_stream.errors import ApiUnreachableError, CommandError, CommandRefusedError, NotEndedError
from hephaestus_stream.wire.connection import Connection
from hephaestus_stream.wire.output import HistoryRecord
from tests.cli.command_line import CommandLine
from tests.web.doorway import doorway
from tests.web.served import Served, served
from tests.web.shipping import OPEN, Parcel, Shipping, Waybill

WHO = {"by": "ada", "reason": "the road is open"}
SOON = timedelta(seconds=60)


@pytest.fixture(scope="module")
def worker(kafka_bootstrap: str, tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    connection = Connection(kafka_bootstrap, f"test-{uuid.uuid4().hex[:12]}")
    flows = (Path(__file__).parent / "shipping.py").read_text()
    with served(connection, tmp_path_factory.mktemp("worker"), flows=flows) as there:
        yield replace(there, workflow="Shipping")


@pytest.fixture
def name(worker: Served) -> Generator[str]:
    yield uuid.uuid4().hex
    (worker.hephaestus.folder / OPEN).unlink(missing_ok=True)


def mend(worker: Served) -> None:
    (worker.hephaestus.folder / OPEN).touch()


def client_of(worker: Served, via: Via) -> Client:
    # Who goes by HTTP needs no broker, and gets none.
    bootstrap = worker.connection.bootstrap if via == "kafka" else "127.0.0.1:1"
    return Client(Connection(bootstrap, worker.connection.namespace), api=worker.url, via=via)


@pytest.mark.parity(16)
@pytest.mark.parametrize("via", ["kafka", "http"])
def test_a_failed_run_is_retried_and_ends_again(worker: Served, name: str, via: Via) -> None:
    with client_of(worker, via) as client:
        run = client.start(Shipping, name, Parcel())
        failed = client.wait(run, timeout=SOON)
        assert (failed.status, failed.ended_at) == ("failed", "carry")
        mend(worker)
        retried = client.retry(Shipping, name, by="ada", reason="the road is open")
        assert (retried.run, retried.effect) == (run.run, "applied")
        # What failed before the retry is no answer to who waits for what follows it.
        with pytest.raises(NotEndedError):
            client.wait(retried, timeout=timedelta(seconds=0.2))
        client.resume(Shipping, name, Shipping.signed.received, "bob")
        completed = client.wait(retried, timeout=SOON)
        assert completed.result(Shipping.carry.carried) == Waybill(number=2)
        assert completed.sequence > failed.sequence
        [told] = [each for each in client.history(run) if each.type == "retried"]
        assert told.details == {"command": retried.command_id, **WHO}
        with pytest.raises(CommandRefusedError) as refused:
            client.retry(Shipping, name)
        assert refused.value.reason == "not_retryable"


@pytest.mark.parametrize("via", ["kafka", "http"])
async def test_an_async_client_pauses_skips_continues_and_terminates(worker: Served, name: str, via: Via) -> None:
    bootstrap = worker.connection.bootstrap if via == "kafka" else "127.0.0.1:1"
    connection = Connection(bootstrap, worker.connection.namespace)
    async with AsyncClient(connection, api=worker.url, via=via) as client:
        run = await client.start(Shipping, name, Parcel(), tags=(name,))
        await client.wait(run, timeout=SOON)
        skipped = await client.skip_node(Shipping, name, Shipping.carry.carried, Waybill(number=7), by="ada")
        assert skipped.effect == "applied"
        assert (await client.pause(Shipping, name)).effect == "applied"
        assert (await client.pause(Shipping, name)).effect == "existing"
        assert [each.key async for each in client.list(paused=True, tag=name)] == [run.key]
        assert (await client.continue_(Shipping, name)).effect == "applied"
        await client.terminate(Shipping, name, reason="lost")
        ended = await client.get(run)
        assert (ended.status, ended.result(Shipping.carry.carried)) == ("cancelled", Waybill(number=7))


@pytest.mark.parametrize("via", ["kafka", "http"])
def test_a_run_is_watched_until_it_ends(worker: Served, name: str, via: Via) -> None:
    with client_of(worker, via) as client:
        run = client.start(Shipping, name, Parcel(fails=False))
        seen: list[HistoryRecord] = []
        for event in client.watch(run):
            seen.append(event)
            if event.type == "suspended":
                client.resume(Shipping, name, Shipping.signed.received, "bob")
        assert [each.sequence for each in seen] == list(range(1, len(seen) + 1))
        assert seen[-1].type == "completed"
        assert [each.type for each in client.watch(Shipping, name)] == [each.type for each in seen]


@pytest.mark.parametrize("via", ["kafka", "http"])
async def test_a_watch_that_comes_before_its_run_waits_for_it(worker: Served, name: str, via: Via) -> None:
    async with AsyncClient(worker.connection, api=worker.url, via=via) as client:

        async def watched() -> list[str]:
            return [event.type async for event in client.watch("Shipping", f"parcel::{name}")]

        watching = asyncio.create_task(watched())
        await asyncio.sleep(0)
        await client.start(Shipping, name, Parcel())
        async with asyncio.timeout(60):
            assert (await watching)[-1] == "failed"
        given_up = asyncio.create_task(watched())
        await asyncio.sleep(0)
        given_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await given_up


def test_what_is_refused_over_http_is_refused_in_the_same_words(worker: Served, name: str) -> None:
    with client_of(worker, "kafka") as client, client_of(worker, "http") as other:
        errors: list[tuple[str, str]] = []
        for each in (client, other):
            with pytest.raises(CommandRefusedError) as refused:
                each.cancel(Shipping, name)
            errors.append((refused.value.reason, str(refused.value)))
        assert errors[0] == errors[1]
        with pytest.raises(CommandError):
            other.cancel(Shipping, name, reason="x" * 1_001)
    assert worker.tell(f"parcel::{name}", "cancel", by="ada").status_code == 404
    told = worker.tell(f"parcel::{name}", "pause", by="ada")
    assert (told.status_code, told.json()["reason"], told.json()["reply"]["accepted"]) == (404, "not_found", False)
    wrong = worker.tell(f"parcel::{name}", "skip", node="carry")
    assert (wrong.status_code, "event" in wrong.json()["detail"]) == (422, True)


def test_a_worker_of_another_namespace_says_so(worker: Served) -> None:
    with (
        closing(Client(Connection("127.0.0.1:1", "elsewhere"), api=worker.url, via="http")) as client,
        pytest.raises(ApiUnreachableError, match=r"this worker is of the namespace '.*HEPHAESTUS_NAMESPACE"),
    ):
        client.get(Shipping, "a")


def test_operators_steer_from_the_command_line(worker: Served, name: str) -> None:
    hephaestus = worker.hephaestus
    kafka = ("-b", worker.connection.bootstrap, "-n", worker.connection.namespace)
    shipping = ("flows:Shipping", name)
    started = hephaestus("start", *shipping, "-i", "{}", "--wait", *kafka)
    assert (started.code, "failed at carry" in started.out) == (1, True)
    mend(worker)
    retried = hephaestus("retry", *shipping, "--reason", "the road is open", "--by", "ada", *kafka)
    assert (retried.code, retried.out) == (0, f"✓ retried parcel::{name} from carry\n")
    assert hephaestus("pause", *shipping, *kafka).out == f"✓ paused parcel::{name}\n"
    assert "nothing had to be done" in hephaestus("pause", *shipping, *kafka).out
    assert hephaestus("continue", *shipping, *kafka).code == 0
    assert hephaestus("skip", *shipping, "signed.received", "-p", '"bob"', *kafka).code == 0
    refused = hephaestus("terminate", *shipping, *kafka)
    assert (refused.code, "has ended" in refused.err) == (3, True)
    missing = hephaestus("pause", "flows:Shipping", f"{name}-nobody", *kafka)
    assert (missing.code, "has no run" in missing.err) == (6, True)
    told = hephaestus("history", *shipping, "--follow", "-o", "json", "--api", worker.url, *kafka[2:])
    events = [json.loads(line) for line in told.out.splitlines()]
    assert [each["type"] for each in events if each["details"].get("by") == "ada"] == ["retried"]
    assert events[-1]["type"] == "completed"


def test_who_reaches_no_kafka_steers_by_http(worker: Served, name: str, tmp_path: Path) -> None:
    outside = CommandLine(tmp_path)
    (tmp_path / "hephaestus.toml").write_text('via = "http"\nbootstrap = "127.0.0.1:1"\n')
    where = ("-n", worker.connection.namespace, "--api", worker.url)
    key = f"parcel::{name}"
    assert outside("start", "Shipping", key, "-i", '{"fails": false}', *where).code == 0
    assert outside("pause", "Shipping", key, *where).out == f"✓ paused {key}\n"
    assert outside("resume", "Shipping", key, "signed.received", "-p", '"bob"', *where).code == 0
    assert outside("get", "Shipping", key, *where[2:], *where[:2]).code == 0
    replayed = outside("replay", "workflows.permit", "nowhere.csv", "-n", worker.connection.namespace)
    assert (replayed.code, "goes by Kafka alone" in replayed.err) == (2, True)


def test_all_that_fit_are_cancelled_together(worker: Served, name: str) -> None:
    hephaestus = worker.hephaestus
    reach = ("-b", worker.connection.bootstrap, "-n", worker.connection.namespace, "--api", worker.url)
    keys = [f"parcel::{name}-{number}" for number in range(12)]
    for key in keys:
        assert worker.tell(key, "start", input={"fails": False}, tags=[name]).is_success
    which = ("--workflow", "Shipping", "--tag", name)
    counted = hephaestus("cancel", *which, "--dry-run", *reach)
    assert counted.out == "would cancel 12 instances (12 Shipping waiting)\n"
    asked = hephaestus("cancel", *which, *reach)
    assert (asked.code, "Nobody is there to answer: add --yes" in asked.err) == (2, True)
    assert {worker.read(f"/instances/{key}").json()["status"] for key in keys} == {"waiting"}
    done = hephaestus("cancel", *which, "--yes", "--reason", "recall", "--by", "ada", *reach)
    assert (done.code, done.out) == (0, "✓ 12 cancelled\n")
    ended = worker.read(f"/instances/{keys[0]}/history").json()["events"][-1]
    assert {name: ended["details"][name] for name in ("by", "reason")} == {"by": "ada", "reason": "recall"}
    assert {worker.read(f"/instances/{key}").json()["status"] for key in keys} == {"cancelled"}
    again = hephaestus("cancel", *which, "--yes", "-o", "json", *reach)
    document = json.loads(again.out)
    assert (again.code, document["total"], document["cancelled"], document["unanswered"]) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        ((), "which? Write WORKFLOW and ID"),
        (("Shipping",), "whose? Write cancel Shipping ID"),
        (("--status", "failed"), "only live runs can be cancelled"),
        (("--status", "waiting", "--run", "r"), "--run and --command-id are of one run"),
        (("Shipping", "parcel::1", "--tag", "a"), "an id means one run"),
        (("--status", "waiting", "--reason", "x" * 1_001), "'reason': "),
    ],
)
def test_a_cancel_that_is_neither_of_one_nor_of_several_is_refused(
    worker: Served, arguments: tuple[str, ...], hint: str
) -> None:
    reach = ("-b", worker.connection.bootstrap, "-n", worker.connection.namespace, "--api", worker.url)
    said = worker.hephaestus("cancel", *arguments, *reach)
    assert (said.code, hint in said.err) == (2, True), said.err


def test_the_ends_of_all_runs_are_told_as_they_come(worker: Served, name: str) -> None:
    log = worker.hephaestus.folder / "tail"
    reach = ("-b", worker.connection.bootstrap, "-n", worker.connection.namespace)
    options = ("flows:Shipping", "--status", "failed", "--attempts", "--since", "1h", "-o", "json")
    with client_of(worker, "kafka") as client:
        fine = client.start(Shipping, f"{name}-fine", Parcel(fails=False))
        client.resume(Shipping, f"{name}-fine", Shipping.signed.received, "bob")
        assert client.wait(fine, timeout=SOON).status == "completed"
    with worker.hephaestus.running("tail", *options, *reach, log=log) as process, client_of(worker, "kafka") as client:
        client.wait(client.start(Shipping, name, Parcel()), timeout=SOON)
        told = told_of(f"parcel::{name}", log, process)
    assert {(each.get("type"), each.get("status")) for each in told} == {("step_failed", None), (None, "failed")}
    assert f"{name}-fine" not in log.read_text()


def told_of(key: str, log: Path, process: subprocess.Popen[bytes]) -> list[dict[str, str]]:
    """What a command has told of a key, when that is two things."""
    while process.poll() is None:
        lines = [json.loads(line) for line in log.read_text().splitlines(keepends=True) if line.endswith("\n")]
        found = [each for each in lines if each["key"] == key]
        if len(found) == 2:
            return found
        time.sleep(0.05)
    raise AssertionError(log.read_text())


def test_a_command_that_no_worker_can_be_reached_for_says_so_and_one_that_is_not_meant_is_not_sent_again(
    worker: Served, name: str
) -> None:
    with (
        closing(Client(worker.connection, api="http://127.0.0.1:1", via="http")) as client,
        pytest.raises(ApiUnreachableError, match=r"no worker answers over HTTP at http://127.0.0.1:1 "),
    ):
        client.start(Shipping, name, Parcel(), timeout=timedelta(seconds=1))
    with (
        closing(Client(Connection("127.0.0.1:1", "elsewhere"), api=worker.url, via="http")) as client,
        pytest.raises(ApiUnreachableError, match="of the namespace"),
    ):
        client.start(Shipping, name, Parcel())


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in other threads, too
            await asyncio.sleep(0.01)


async def test_who_waits_and_watches_by_http_goes_on_when_the_worker_was_away(worker: Served, name: str) -> None:
    async with (
        doorway(worker.url) as door,
        AsyncClient(worker.connection, api=worker.url, via="kafka") as inside,
        AsyncClient(worker.connection, api=door.url, via="http") as client,
    ):
        run = await inside.start(Shipping, name, Parcel(fails=False))
        seen: list[str] = []

        async def watch() -> None:
            async for event in client.watch(run):
                seen.append(event.type)  # noqa: PERF401 - others look at it meanwhile

        watching, waiting = asyncio.create_task(watch()), asyncio.create_task(client.wait(run))
        await until(lambda: "suspended" in seen and door.let_through > 9)
        door.shut()
        await inside.resume(Shipping, name, Shipping.signed.received, "bob")
        await until(lambda: door.refused > 3)
        assert not watching.done()
        assert not waiting.done()
        door.is_open = True
        async with asyncio.timeout(60):
            assert (await waiting).status == "completed"
            await watching
        assert seen[-1] == "completed"
