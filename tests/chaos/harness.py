"""One run of the harness: workers and brokers, load and faults, then silence, then judgement."""

from __future__ import annotations

import asyncio
import json
import random
import time
import uuid
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from hephaestus_stream.wire.connection import Connection
from tests.chaos.checker.evidence import Evidence, read_evidence
from tests.chaos.checker.executions import repetitions
from tests.chaos.checker.findings import Findings
from tests.chaos.checker.graph import Graph, graphs_of
from tests.chaos.checker.topics import Topics
from tests.chaos.checker.verdict import judge
from tests.chaos.cluster import Cluster
from tests.chaos.faults import BROKER_FAULTS, Scene, heal
from tests.chaos.fleet import Fleet
from tests.chaos.flows import FLOWS, FOLDER
from tests.chaos.graphs import descriptions
from tests.chaos.load import Load, latencies
from tests.chaos.process import Terms
from tests.chaos.report import Report, percentile, versions
from tests.chaos.schedule import Schedule
from tests.chaos.settling import Settling

MODULE: Final = "tests.chaos.flows"
_READY_WITHIN: Final = 90.0
_PERCENTILES: Final = {"p50": 0.5, "p99": 0.99, "longest": 1.0}


@dataclass(frozen=True)
class Plan:
    """What a run is to be; the same plan sends the same commands and lets the same faults happen.

    Attributes:
        seconds: How long load and faults last.
        workers: How many there are.
        seed: Of load and faults.
        faults: Their names; none for a calm run.
        rate: Stories that begin each second; one has about three commands.
        partitions: How many there are.
        patience: How long to wait for answers after all faults, and then for the runs to come to rest.
        switches: Variables for the processes of workers, which take a protection away.
    """

    seconds: float
    workers: int = 2
    seed: int = 1
    faults: tuple[str, ...] = ()
    rate: float = 10.0
    partitions: int = 4
    patience: timedelta = timedelta(seconds=120)
    switches: dict[str, str] = field(default_factory=dict[str, str])


Play = Callable[["Harness"], Awaitable[None]]


class Harness:
    """Carries a plan out; what goes on can be read from it meanwhile.

    Args:
        plan: What to do.
        cluster: Where.
        folder: For databases, logs, and what the steps write.
    """

    def __init__(self, plan: Plan, cluster: Cluster, folder: Path) -> None:
        self.plan = plan
        self.stop = asyncio.Event()
        self.phase = "starting workers"
        self._cluster = cluster
        self._connection = Connection(cluster.bootstrap, f"chaos-{plan.seed}-{uuid.uuid4().hex[:8]}")
        # Of its own, so that nothing of a former run is taken for evidence.
        folder /= self._connection.namespace
        self._steps = folder / "steps"
        self._steps.mkdir(parents=True)
        terms = Terms(
            self._connection,
            partitions=plan.partitions,
            replication=max(1, len(cluster.brokers)),
            environment={FOLDER: str(self._steps), **plan.switches},
        )
        self.fleet = Fleet(terms, folder, module=MODULE)
        self.load = Load(self._connection, seed=plan.seed, rate=plan.rate)
        self.problems: list[str] = []
        chance = random.Random(f"victims {plan.seed}")  # noqa: S311 - the same victims each time
        brokers_break = any(name in BROKER_FAULTS for name in plan.faults)
        self.scene = Scene(self.fleet, cluster, chance, self.problems, brokers_break)
        self.schedule = Schedule(self.scene, plan.faults, seed=plan.seed)
        self.graphs = graphs()

    @property
    def topics(self) -> Topics:
        """Its topics, read from the beginning."""
        connection = self._connection
        return Topics(connection.bootstrap, connection.namespace, partitions=self.plan.partitions)

    async def run(self, play: Play | None = None) -> Report:
        """All of it; when `stop` is set early, what was done until then is judged.

        Args:
            play: What happens meanwhile, in place of the schedule.
        """
        async with self.running():
            began = time.monotonic()
            self.phase = "load and faults"
            timer = asyncio.get_running_loop().call_later(self.plan.seconds, self.stop.set)
            faults = self.schedule.run(self.stop) if play is None else play(self)
            await asyncio.gather(self.load.run(self.stop), faults)
            timer.cancel()
            lasted = time.monotonic() - began
            await self.calm()
        return await asyncio.to_thread(self.judged, lasted)

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Workers for the length of the block; none is left behind."""
        self.fleet.want(self.plan.workers)
        self.fleet.begin()
        try:
            if not await self.fleet.settled(within=_READY_WITHIN):
                logs = "\n".join(place.worker.told()[-3_000:] for place in self.fleet.places if place.worker)
                raise RuntimeError(f"the workers did not become ready:\n{logs}")
            yield
        finally:
            await self.load.close()
            self.fleet.kill()

    async def calm(self) -> None:
        """Ends all faults, waits until nothing is left to do, and stops the workers in order."""
        self.phase, patience = "healing", self.plan.patience
        await heal(self.scene)
        self.fleet.want(self.plan.workers)
        await self.fleet.settled(within=_READY_WITHIN)
        self.phase = "asking again"
        try:
            await self.load.ask_again(within=patience)
        except TimeoutError:
            self.problems.append(f"there are commands without an answer {patience.seconds} s after all faults")
        self.phase = "settling"
        if not await Settling(self.topics, self.graphs).settled(within=patience):
            self.problems.append(f"there are runs with something to do {patience.seconds} s after all faults")
        self.phase = "stopping workers"
        if not await self.fleet.settled(within=_READY_WITHIN):
            self.problems.append(f"not all workers own something {_READY_WITHIN:.0f} s after all faults")
        codes = await self.fleet.end()
        if any(codes):
            self.problems.append(f"the workers were told to stop, and ended with {codes}")

    def judged(self, lasted: float) -> Report:
        """Reads everything and judges it; blocks."""
        self.phase = "judging"
        data = tuple(place.data for place in self.fleet.places)
        evidence = read_evidence(self.topics, self.graphs, steps=self._steps, data=data)
        evidence.damaged = self.scene.damaged
        findings = Findings()
        judge(evidence, list(self.load.ledger.values()), findings)
        return Report(
            conditions=self._conditions(),
            happenings=self.schedule.happenings,
            figures=self._figures(evidence, lasted),
            checks=list(findings.checks.values()),
            problems=self.problems,
        )

    def _conditions(self) -> dict[str, Any]:
        plan = self.plan
        return {
            "seed": plan.seed,
            "workers": plan.workers,
            "brokers": len(self._cluster.brokers) or "a foreign cluster",
            "partitions": plan.partitions,
            "faults": ", ".join(plan.faults) or "none",
            "versions": ", ".join(f"{name} {number}" for name, number in versions().items()),
        }

    def _figures(self, evidence: Evidence, lasted: float) -> dict[str, Any]:
        times = latencies(self.load.ledger.values())
        executions, repeated = repetitions(evidence)
        events = sum(len(history) for history in evidence.histories.values())
        refused = Counter(
            answers[0].reason for answers in evidence.answers.values() if answers and answers[0].reason is not None
        )
        exits = Counter(code for place in self.fleet.places for code in place.exits)
        return {
            "seconds": round(lasted, 1),
            "commands": f"{len(self.load.ledger):,}, {self.load.sent:,} with repetitions",
            "commands/s": round(self.load.sent / lasted),
            "refused": ", ".join(f"{reason} {number}" for reason, number in refused.most_common()),
            "runs": f"{len(evidence.histories):,}, {len(evidence.completions):,} ended",
            "events": f"{events:,}, {events / lasted:.0f}/s",
            "executions": f"{executions:,}, {repeated:,} of them again",
            "worker starts": f"{self.fleet.starts}, exits {dict(exits)}",
            "answers after": ", ".join(f"{name} {percentile(times, part)} s" for name, part in _PERCENTILES.items()),
        }


def graphs() -> dict[tuple[str, int], Graph]:
    """The workflows of the harness, after a detour through JSON: the checker gets plain data and nothing else."""
    return graphs_of(json.loads(json.dumps(descriptions(FLOWS))))
