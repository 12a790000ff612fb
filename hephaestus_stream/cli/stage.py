"""A stage of something long: a spinner while it lasts, one line with its time when it is over."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.status import Status
from rich.text import Text


@dataclass(slots=True)
class Stage:
    """What is going on, and what is to be told of it afterwards.

    Attributes:
        outcome: The line that remains.
    """

    name: str
    spinner: Status
    outcome: str = field(default="")

    def update(self, step: str) -> None:
        """Tells how far it is."""
        self.spinner.update(f"{self.name}: {step}")


@contextmanager
def stage(console: Console, name: str) -> Generator[Stage]:
    """Shows a stage for the length of a block; one that fails leaves no line, since its error will."""
    began = time.monotonic()
    with console.status(name) as spinner:
        current = Stage(name, spinner, outcome=name)
        yield current
    console.print(Text.assemble(("✓ ", "green"), current.outcome, (f"  {time.monotonic() - began:.1f} s", "dim")))
