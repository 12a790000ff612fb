"""The check of dead letters: what was refused without having asked for an answer, and nothing else."""

from __future__ import annotations

from collections import defaultdict

from tests.chaos.checker.commands import first_seen
from tests.chaos.checker.evidence import Evidence
from tests.chaos.checker.findings import Findings


def check_dead_letters(evidence: Evidence, findings: Findings) -> None:
    """Each refused command that asked for no answer is there once, with its reason."""
    once = findings.check("a dead letter is a refusal that nobody asked to hear, told once")
    found: dict[tuple[int, int], list[str]] = defaultdict(list)
    for letter in evidence.letters:
        place = (int(letter.headers["partition"]), int(letter.headers["offset"]))
        found[place].append(letter.headers["reason"].decode())
    for seen in first_seen(evidence).values():
        answers = evidence.answers.get(seen.command.id)
        letters = found.pop((seen.partition, seen.offset), [])
        if not answers:
            continue
        reason = answers[0].reason
        expected = [] if seen.asks or reason is None else [reason]
        once.judge(letters == expected, f"{seen.command}: letters {letters}, should be {expected}")
    for place, reasons in found.items():
        once.judge(False, f"the record {place} is no refused command, and has the letters {reasons}")
