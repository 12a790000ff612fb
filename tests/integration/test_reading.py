"""Several real workers answer for all partitions, whichever of them is asked, and whatever happens to another."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from hephaestus_stream.wire.connection import Connection
from tests.web.served import Served, served

PARTITIONS = 6
GUEST = {"name": "ada"}

Start = Callable[[str], Served]


@pytest.fixture
def start(connection: Connection, tmp_path: Path) -> Generator[Start]:
    with ExitStack() as workers:
        yield lambda name: workers.enter_context(served(connection, tmp_path / name, partitions=PARTITIONS))


class Pass:
    """One pass through all pages of a list.

    Attributes:
        keys: What it found.
        missing: The partitions that it named.
    """

    def __init__(self, worker: Served) -> None:
        self.keys: list[str] = []
        self.missing: set[int] = set()
        cursor: str | None = ""
        while cursor is not None:
            parameters = {"limit": 7} | ({"cursor": cursor} if cursor else {})
            page = worker.http.get("/instances", params=parameters).raise_for_status().json()
            self.keys += [each["key"] for each in page["instances"]]
            self.missing |= {each["partition"] for each in page["unavailable"]}
            cursor = page["cursor"]


def owns_some(worker: Served, others: int) -> bool:
    cluster = worker.read("/cluster").json()
    owners = {each["owner"] for each in cluster["partitions"] if each["state"] == "open"}
    return len(owners) == others and all(each["state"] == "open" for each in cluster["partitions"])


def test_any_worker_answers_for_all_and_names_what_a_killed_one_had(
    start: Start, eventually: Callable[[Callable[[], bool]], None]
) -> None:
    workers = [start(f"worker{number}") for number in range(3)]
    first, _, victim = workers
    eventually(lambda: owns_some(first, 3))
    keys = {f"guest::{number}" for number in range(30)}
    positions = {key: first.tell(key, "start", input=GUEST).json()["position"] for key in sorted(keys)}
    for worker in workers:
        found = Pass(worker)
        assert (len(found.keys), set(found.keys), found.missing) == (30, keys, set())
        assert worker.read("/counts", by=["status"]).json()["total"] == 30
        for key in sorted(keys)[:6]:
            assert worker.read(f"/instances/{key}", minimum=positions[key]).json()["key"] == key
            assert worker.read(f"/instances/{key}/history").json()["events"][0]["type"] == "started"

    os.kill(victim.process, signal.SIGKILL)
    incomplete = 0
    while True:
        found = Pass(first)
        assert len(found.keys) == len(set(found.keys))
        if not found.missing:
            # Until its partitions have another owner, what it owned is never left out in silence.
            assert set(found.keys) == keys
            if incomplete:
                break
        incomplete += bool(found.missing)
        time.sleep(0.05)
    eventually(lambda: owns_some(first, 2))
    assert set(Pass(workers[1]).keys) == keys

    late = start("late")
    eventually(lambda: owns_some(late, 3))
    assert set(Pass(late).keys) == keys


def test_a_former_owner_that_was_frozen_does_not_answer_with_the_past(
    start: Start, eventually: Callable[[Callable[[], bool]], None]
) -> None:
    frozen = start("frozen")
    assert frozen.tell("guest::a", "start", input=GUEST).is_success
    os.kill(frozen.process, signal.SIGSTOP)
    heir = start("heir")
    eventually(lambda: owns_some(heir, 1))
    resumed = heir.tell("guest::a", "resume", event="received", payload=GUEST)
    assert resumed.is_success

    os.kill(frozen.process, signal.SIGCONT)
    for _ in range(20):
        try:
            answer = frozen.read("/instances/guest::a", minimum=resumed.json()["position"])
        except httpx.TransportError:
            break  # it has noticed, and is gone
        assert answer.status_code == 503 or answer.json()["status"] == "completed"
