"""What a run found, as a table and as JSON."""

from __future__ import annotations

import json
import platform
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from hephaestus_stream.local_kafka import KAFKA_VERSION
from tests.chaos.checker.findings import Check
from tests.chaos.schedule import Happening


@dataclass
class Report:
    """Everything that is to be told.

    Attributes:
        conditions: Seed, numbers and versions: what it takes to do it again.
        happenings: The faults.
        figures: What was counted.
        checks: Each rule, how often it was tried and broken.
        problems: What workers did that they must not.
    """

    conditions: dict[str, Any]
    happenings: Sequence[Happening] = ()
    figures: dict[str, Any] = field(default_factory=dict[str, Any])
    checks: Sequence[Check] = ()
    problems: Sequence[str] = ()

    @property
    def is_good(self) -> bool:
        """Whether nothing was found."""
        return not self.problems and not any(check.broken for check in self.checks)

    def write(self, path: Path) -> None:
        """Writes it as JSON."""
        path.write_text(json.dumps({**asdict(self), "is_good": self.is_good}, indent=2, default=str) + "\n")

    def show(self, console: Console) -> None:
        """Prints it."""
        console.print(Group(self._figures(), self._faults(), self._checks()))
        for check in self.checks:
            for case in check.first:
                console.print(Text(f"✗ {check.name}: {case}", style="red"))
        for problem in self.problems:
            console.print(Text(f"✗ {problem}", style="red"))
        good = "nothing lost, nothing twice" if self.is_good else "DAMAGE FOUND"
        console.print(Text(good, style="bold green" if self.is_good else "bold red"))

    def _figures(self) -> Table:
        table = Table(title="chaos", show_header=False, title_justify="left")
        for name, value in {**self.conditions, **self.figures}.items():
            table.add_row(name, str(value))
        return table

    def _faults(self) -> Table:
        table = Table("fault", "times", "the last one", title="faults", title_justify="left")
        last = {happening.name: happening.what for happening in self.happenings}
        for name, times in sorted(Counter(happening.name for happening in self.happenings).items()):
            table.add_row(name, str(times), last[name])
        return table

    def _checks(self) -> Table:
        table = Table("check", "examined", "violations", title="checks", title_justify="left")
        for check in self.checks:
            style = "red" if check.broken else "green" if check.examined else "dim"
            table.add_row(check.name, f"{check.examined:,}", Text(f"{check.broken:,}", style=style))
        return table


def versions() -> dict[str, str]:
    """Of everything that a result depends on."""
    packages = ("hephaestus-stream", "faust-streaming", "aiokafka", "confluent-kafka", "rocksdict")
    return {"python": platform.python_version(), "kafka": KAFKA_VERSION} | {name: version(name) for name in packages}


def percentile(values: Sequence[float], part: float) -> float | None:
    """Of values that are sorted."""
    return round(values[min(len(values) - 1, int(part * len(values)))], 3) if values else None
