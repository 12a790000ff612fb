"""Finding instances among a million in one partition, as its owner does it.

    python -m benchmarks.queries
    python -m benchmarks.queries --instances 100000

The records are written as a shard writes them, with all that derives from them; then each question is asked many times
from this thread. Machines differ: compare the questions of one run.
"""

from __future__ import annotations

import os
import platform
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median, quantiles
from typing import Final

from cyclopts import run
from rich.console import Console
from rich.table import Table
from rocksdict import Cache

from hephaestus_stream.core.state import NodeState, State, Status
from hephaestus_stream.cycle import search
from hephaestus_stream.cycle.index import INDEX_VERSION, derive
from hephaestus_stream.cycle.record import encode
from hephaestus_stream.runtime.changelog.store import Store
from hephaestus_stream.wire.query import CountBy, InstanceFilter, InstanceQuery

console = Console(width=120)

_BATCH: Final = 1_000
_TIMES: Final = 200
_BEGIN: Final = datetime(2026, 1, 1, tzinfo=UTC)


def state(number: int) -> State:
    """One in a thousand has failed, one in a hundred waits, some of them paused; the others are completed."""
    status: Status = "failed" if number % 1_000 == 0 else "waiting" if number % 100 == 1 else "completed"
    at = _BEGIN + timedelta(seconds=number)
    return State(
        key=f"orderid::{number:07}",
        run=f"run-{number}",
        workflow="OrderFlow" if number % 2 else "PermitFlow",
        version=1,
        status=status,
        input=b'{"sku": "chair", "quantity": 2}',
        started_at=at,
        updated_at=at,
        tags=("vip",) if number % 500 == 3 else (),  # noqa: PLR2004 - one in five hundred
        paused=number % 10_000 == 1,
        nodes={"review": NodeState("waiting" if status == "waiting" else "completed", 1, at)},
    )


def fill(store: Store, instances: int) -> float:
    """Writes the records; returns the seconds that it took."""
    began = time.perf_counter()
    for first in range(0, instances, _BATCH):
        states = (state(number) for number in range(first, min(first + _BATCH, instances)))
        changes = [(b"i" + each.key.encode() + b"\0" + each.run.encode(), encode(each)) for each in states]
        store.write(changes, changelog_offset=first, as_of=_BEGIN)
    return time.perf_counter() - began


def questions(store: Store, instances: int) -> dict[str, Callable[[], object]]:
    """What is asked, by how it is told."""
    middle = _BEGIN + timedelta(seconds=instances // 2)
    by_status: tuple[CountBy, ...] = ("status",)

    def page(**filters: object) -> Callable[[], object]:
        query = InstanceQuery.model_validate({"limit": 50, **filters})
        return lambda: search.page(store, query)

    deep = search.page(store, InstanceQuery(started_to=middle, limit=50)).cursor
    return {
        "newest": page(),
        "oldest": page(order="oldest"),
        "behind a cursor in the middle": page(cursor=deep),
        "workflow": page(workflow="OrderFlow"),
        "status failed": page(status=("failed",)),
        "workflow, waiting at a node": page(workflow="OrderFlow", waiting_at="review"),
        "tag": page(tag=("vip",)),
        "tag, failed (none)": page(tag=("vip",), status=("failed",)),
        "started in an hour": page(started_from=middle, started_to=middle + timedelta(hours=1)),
        "key begins with": page(id_prefix=f"orderid::{instances // 2:07}"[:-2]),
        "paused": page(paused=True),
        "version 2 (none), 5,000 looked at": page(version=2),
        "count by workflow and status": lambda: search.count(store, InstanceFilter(), by=("workflow", "status")),
        "count paused": lambda: search.count(store, InstanceFilter(paused=True), by=by_status),
        "count with a tag": lambda: search.count(store, InstanceFilter(tag=("vip",)), by=by_status),
    }


def main(*, instances: int = 1_000_000) -> None:
    """Measure pages of 50, and counts.

    Args:
        instances: How many there are.
    """
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "0", cache=Cache(32 * 1024 * 1024), derive=derive, index_version=INDEX_VERSION)
        store.adopt("benchmark")
        seconds = fill(store, instances)
        table = Table("question", "p50 ms", "p99 ms", title=f"{instances:,} instances, written in {seconds:.0f} s")
        for told, ask in questions(store, instances).items():
            took: list[float] = []
            for _ in range(_TIMES):
                began = time.perf_counter()
                ask()
                took.append((time.perf_counter() - began) * 1_000)
            table.add_row(told, f"{median(took):.2f}", f"{quantiles(took, n=100)[98]:.2f}")
        store.close()
    console.print(table)
    console.print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()}"
    )


if __name__ == "__main__":
    run(main)
