"""What must come of a log of the receipt phase, counted from the file alone; and a log of the same kind by a seed.

Nothing of the library is used here: the rules are written down a second time, in a few lines.
"""

from __future__ import annotations

import csv
import gzip
import os
import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

LINES = (("T02", "T04", "T05"), ("T06", "T10"))
NAMES = {
    "T02": "T02 Check confirmation of receipt",
    "T04": "T04 Determine confirmation of receipt",
    "T05": "T05 Print and send confirmation of receipt",
    "T06": "T06 Determine necessity of stop advice",
    "T10": "T10 Determine necessity to stop indication",
}
START = "Confirmation of receipt"
DETOURS = ("T03 Adjust confirmation of receipt", "T07-1 Draft intern advice aspect 1", "T20 Print report Y")
COLUMNS = ("timestamp", "case", "activity", "resource", "group", "channel", "department", "deadline")


@dataclass
class Case:
    """How many steps of each line are behind it, and which events came too early."""

    done: list[int] = field(default_factory=lambda: [0, 0])
    early: Counter[str] = field(default_factory=Counter[str])

    @property
    def ended(self) -> bool:
        return self.done == [len(line) for line in LINES]


@dataclass
class Expected:
    """What the engine must have said when the file has been replayed once."""

    started: int = 0
    completed: int = 0
    taken: int = 0
    kept: int = 0
    refused: Counter[str] = field(default_factory=Counter[str])

    @property
    def waiting(self) -> int:
        return self.started - self.completed


def expect(file: Path) -> Expected:
    """Goes through a file row by row."""
    expected = Expected()
    cases: dict[str, Case] = {}
    with file.open("rb") as raw:
        gzipped = raw.read(2) == b"\x1f\x8b"
    with gzip.open(file, "rt") if gzipped else file.open() as text:
        for row in csv.DictReader(text):
            case = cases.get(row["case"])
            if case is None:
                cases[row["case"]] = Case()
                expected.started += 1
            else:
                _happens(expected, case, row["activity"])
    expected.completed = sum(case.ended for case in cases.values())
    return expected


def _happens(expected: Expected, case: Case, activity: str) -> None:
    step = next((short for short, name in NAMES.items() if name == activity), None)
    if case.ended:
        expected.refused["ended"] += 1
    elif step is None:
        expected.refused["unknown_node"] += 1
    else:
        line = 0 if step in LINES[0] else 1
        place = LINES[line].index(step)
        if place < case.done[line]:
            expected.refused["settled"] += 1
        elif place > case.done[line]:
            expected.kept += 1
            case.early[step] += 1
        else:
            expected.taken += 1
            case.done[line] += 1
            while case.done[line] < len(LINES[line]) and case.early[LINES[line][case.done[line]]]:
                case.done[line] += 1


def receipt_file(folder: Path) -> Path:
    """The log of the real cases where it is at hand, else one of the same kind."""
    beside = Path(__file__).parents[3] / "shared" / "data" / "receipt.csv.gz"
    found = Path(os.environ.get("HEPHAESTUS_RECEIPT_LOG", beside))
    return found if found.exists() else made_up_log(folder / "receipt.csv", seed=7, cases=300)


def made_up_log(file: Path, *, seed: int, cases: int) -> Path:
    """Cases whose clerks swap, repeat and leave out steps and take detours, all mixed with each other."""
    # A seed makes the same log everywhere; no secret depends on it.
    random_numbers = random.Random(seed)  # noqa: S311
    rows: dict[str, list[str]] = {f"case-{number}": _activities(random_numbers) for number in range(cases)}
    turns = [case for case, activities in rows.items() for _ in activities]
    random_numbers.shuffle(turns)
    with file.open("w", newline="") as text:
        writer = csv.writer(text)
        writer.writerow(COLUMNS)
        seconds: defaultdict[str, int] = defaultdict(int)
        for case in turns:
            seconds[case] += 1
            at = f"2011-01-01T00:{seconds[case]:02}:00+01:00"
            writer.writerow((at, case, rows[case].pop(0), "Resource01", "Group 1", "Internet", "General", ""))
    return file


def _activities(random_numbers: random.Random) -> list[str]:
    first, second = ([NAMES[step] for step in line] for line in LINES)
    activities: list[str] = []
    while first or second:
        lines: Sequence[list[str]] = [line for line in (first, second) if line]
        activities.append(random_numbers.choice(lines).pop(0))
    for _ in range(random_numbers.choice((0, 0, 0, 1, 2))):
        here = random_numbers.randrange(len(activities))
        there = random_numbers.randrange(len(activities))
        activities[here], activities[there] = activities[there], activities[here]
    if random_numbers.random() < 0.2:
        activities.insert(random_numbers.randrange(len(activities)), random_numbers.choice(DETOURS))
    if random_numbers.random() < 0.2:
        activities.insert(random_numbers.randrange(len(activities)), random_numbers.choice(activities))
    if random_numbers.random() < 0.1:
        del activities[random_numbers.randrange(len(activities)) :]
    return [START, *activities]
