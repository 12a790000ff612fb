"""`python -m tests.chaos`: load, faults, and an independent checker; exit code 1 when anything is found."""

from __future__ import annotations

import asyncio
import shutil
import signal
import sys
import tempfile
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Annotated, Final, Literal

from cyclopts import App, Parameter
from rich.console import Console
from rich.live import Live
from rich.text import Text

from tests.chaos.cluster import Cluster, ForeignCluster, own_cluster
from tests.chaos.faults import BROKER_FAULTS, WORKER_FAULTS
from tests.chaos.harness import Harness, Plan
from tests.chaos.report import Report

app: Final = App(name="chaos", help=__doc__, help_format="plaintext")
_FAULTS_HELP: Final = f"Their names with commas between, none, or all: {', '.join([*WORKER_FAULTS, *BROKER_FAULTS])}."
_LOOK_SECONDS: Final = 0.5
# How often a line is written where there is no terminal.
_LINE_SECONDS: Final = 10.0


@app.default
def main(
    *,
    seconds: float = 60.0,
    workers: int = 2,
    brokers: Literal[1, 3] = 1,
    seed: int = 1,
    faults: Annotated[str, Parameter(help=_FAULTS_HELP)] = "kill,freeze,stop",
    rate: float = 10.0,
    partitions: int = 4,
    bootstrap: str | None = None,
    report: Path = Path("chaos.json"),
    folder: Path | None = None,
) -> None:
    """Sends commands while faults happen, then judges what the topics hold.

    Ctrl-C ends load and faults early; what was done until then is judged and reported. Once more ends at once.

    Args:
        seconds: How long load and faults last.
        workers: How many workers there are.
        brokers: How many brokers there are.
        seed: Of load and faults; the same seed does the same.
        rate: Stories that begin each second; one has about three commands.
        partitions: How many partitions there are.
        bootstrap: A Kafka that runs already, and is left alone.
        report: Where the JSON goes.
        folder: Where databases and logs go, and stay; else they are deleted after a good run.
    """
    known = [*WORKER_FAULTS, *(BROKER_FAULTS if bootstrap is None else ())]
    names = known if faults == "all" else [] if faults == "none" else faults.split(",")
    wrong = [name for name in names if name not in known]
    if wrong:
        sys.stderr.write(f"there is no fault {', '.join(wrong)} here; there are {', '.join(known)}\n")
        sys.exit(2)
    plan = Plan(seconds=seconds, workers=workers, seed=seed, faults=tuple(names), rate=rate, partitions=partitions)
    place = folder or Path(tempfile.mkdtemp(prefix="chaos-"))
    console = Console(stderr=True)
    cluster: AbstractContextManager[Cluster] = (
        own_cluster(brokers) if bootstrap is None else nullcontext(ForeignCluster(bootstrap))
    )
    with cluster as running:
        found = asyncio.run(_run(plan, running, place, console))
    found.write(report)
    found.show(Console())
    if folder is None and found.is_good:
        shutil.rmtree(place, ignore_errors=True)
    else:
        console.print(f"logs and databases are in {place}")
    sys.exit(0 if found.is_good else 1)


async def _run(plan: Plan, cluster: Cluster, folder: Path, console: Console) -> Report:
    harness = Harness(plan, cluster, folder)
    loop = asyncio.get_running_loop()
    running = asyncio.ensure_future(harness.run())

    def interrupt() -> None:
        if harness.stop.is_set():
            running.cancel()
        harness.stop.set()

    loop.add_signal_handler(signal.SIGINT, interrupt)
    began = loop.time()
    if not console.is_terminal:
        await _told_in_lines(harness, running, console)
        return await running
    with Live(console=console, refresh_per_second=2, transient=True) as live:
        while not running.done():
            live.update(_progress(harness, loop.time() - began))
            await asyncio.wait({running}, timeout=_LOOK_SECONDS)
    return await running


async def _told_in_lines(harness: Harness, running: asyncio.Future[Report], console: Console) -> None:
    began = line_at = asyncio.get_running_loop().time()
    phase = ""
    while not running.done():
        now = asyncio.get_running_loop().time()
        if harness.phase != phase or now >= line_at:
            console.print(_progress(harness, now - began), soft_wrap=True)
            phase, line_at = harness.phase, now + _LINE_SECONDS
        await asyncio.wait({running}, timeout=_LOOK_SECONDS)


def _progress(harness: Harness, seconds: float) -> Text:
    load, fleet = harness.load, harness.fleet
    parts = [
        f"{seconds:4.0f} s",
        harness.phase,
        f"{load.answered:,} of {len(load.ledger):,} commands answered",
        f"{len(fleet.alive)} of {fleet.wanted} workers, {fleet.starts} starts",
        f"{len(harness.schedule.happenings)} faults"
        + (f", now {', '.join(harness.schedule.now)}" * bool(harness.schedule.now)),
    ]
    return Text(" · ".join(parts))


if __name__ == "__main__":
    app()
