"""The command line as a user has it: a process in a folder."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "hephaestus_stream.cli"]


@dataclass(frozen=True)
class Said:
    """What a command said, and its exit code."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class CommandLine:
    """`hephaestus` in a folder, without the settings of whoever runs the tests.

    Attributes:
        without: Variables that the tests set for all others.
    """

    folder: Path
    without: tuple[str, ...] = ()

    def __call__(self, *arguments: str, text: str = "", within: float = 100) -> Said:
        ended = subprocess.run(
            [*COMMAND, *arguments],
            cwd=self.folder,
            env=self._environment(),
            input=text,
            capture_output=True,
            text=True,
            check=False,
            timeout=within,
        )
        return Said(ended.returncode, ended.stdout, ended.stderr)

    @contextmanager
    def running(self, *arguments: str, log: Path) -> Generator[subprocess.Popen[bytes]]:
        """A command that goes on while the block does; its lines go to a file."""
        with (
            log.open("wb") as lines,
            subprocess.Popen(
                [*COMMAND, *arguments], cwd=self.folder, env=self._environment(), stdout=lines, stderr=lines
            ) as process,
        ):
            try:
                yield process
            finally:
                process.kill()

    def _environment(self) -> dict[str, str]:
        return {name: value for name, value in environment().items() if name not in self.without}


def environment() -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("HEPHAESTUS_")}
    # Many run at once: a test of what is served says where.
    return {**own, "COLUMNS": "100", "PYTHONPATH": str(PROJECT), "HEPHAESTUS_HTTP": "off"}


FLOWS = '''
"""A greeting.

    hephaestus start flows:GreetingFlow ada --input '{"name": "ada"}'
"""

from pydantic import BaseModel

from hephaestus_stream import Context, Done, Event, Instance, Outcome, Step, WaitForEvent, Workflow


class Guest(BaseModel):
    name: str


class Greet(Step[Guest]):
    greeted = Event()

    async def execute(self, instance: Instance, config: None, context: Context[Guest]) -> Outcome:
        return self.greeted()


class GreetingFlow(Workflow[Guest], key="guest", version=3):
    greet = Greet()
    reply = WaitForEvent(Guest)
    done = Done()

    start = greet
    transitions = (greet.greeted.to(reply), reply.received.to(done))
'''
