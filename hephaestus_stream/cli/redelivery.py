"""The replay of dead letters, as a user sees it: how many, a question, what came of each, and a sum."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import asdict
from typing import Final

from rich.console import Console
from rich.prompt import Confirm
from rich.text import Text

from hephaestus_stream.cli.failure import ExitCode
from hephaestus_stream.cli.output import OutputFormat, counted, show
from hephaestus_stream.cli.reading import reading
from hephaestus_stream.client.dead_letters import Selection, read_dead_letters
from hephaestus_stream.client.kafka_transport import KafkaTransport
from hephaestus_stream.client.letter import Letter
from hephaestus_stream.client.redelivery import Fate, Redelivered, examine, redeliver
from hephaestus_stream.drawing.label import printable
from hephaestus_stream.errors import UsageError
from hephaestus_stream.wire.connection import Connection

_WORDS: Final[dict[Fate, tuple[str, str, str]]] = {
    "accepted": ("✓", "green", "accepted"),
    "refused": ("✗", "red", "refused"),
    "unanswered": ("?", "yellow", "without an answer"),
    "left_out": ("-", "yellow", "left out"),
    "sendable": ("·", "", "could be sent"),
}

_CODES: Final[tuple[tuple[Fate, int], ...]] = (
    ("unanswered", ExitCode.NO_ANSWER),
    ("refused", ExitCode.REFUSED),
    ("left_out", ExitCode.FAILED),
)


def replay_places(connection: Connection, letters: Iterable[Letter], *, dry_run: bool, output: OutputFormat) -> int:
    """Replays letters, or tells whether they could be; returns the exit code."""
    return _report(_redelivered(connection, letters, dry_run=dry_run), output=output)


def replay_selection(
    connection: Connection, selection: Selection, *, is_sure: bool, dry_run: bool, output: OutputFormat
) -> int:
    """Counts the letters that a selection fits, asks, and replays these and no later ones; returns the exit code.

    Raises:
        UsageError: Nobody is there to be asked.
    """
    reasons, ends = _count(connection, selection)
    found = reasons.total()
    if found and not is_sure and not dry_run and not _asked(reasons):
        found = 0
    letters = (
        letter for letter in read_dead_letters(connection, selection) if letter.offset <= ends.get(letter.partition, -1)
    )
    return _report(_redelivered(connection, letters if found else (), dry_run=dry_run), output=output)


def _count(connection: Connection, selection: Selection) -> tuple[Counter[str], dict[int, int]]:
    """How many letters of each reason there are, and the last of them in each partition."""
    reasons: Counter[str] = Counter()
    ends: dict[int, int] = {}
    with reading() as tell:
        for letter in read_dead_letters(connection, selection, on_progress=tell):
            reasons[letter.why.reason] += 1
            ends[letter.partition] = letter.offset
    return reasons, ends


def _asked(reasons: Counter[str]) -> bool:
    parts = ", ".join(f"{count:,} {printable(reason)}" for reason, count in reasons.most_common())
    what = f"replay {counted(reasons.total(), 'dead letter')} ({parts})"
    if not sys.stdin.isatty():
        raise UsageError(f"{what}? Nobody is there to answer: add --yes, or look first with --dry-run")
    return Confirm.ask(Text(f"{what}?"), console=Console(stderr=True), default=False)


def _redelivered(connection: Connection, letters: Iterable[Letter], *, dry_run: bool) -> Iterator[Redelivered]:
    if dry_run:
        yield from map(examine, letters)
        return
    transport = KafkaTransport(connection)
    with closing(transport):
        transport.open()
        yield from redeliver(transport, letters)


def _report(redelivered: Iterable[Redelivered], *, output: OutputFormat) -> int:
    """Tells of each letter at once, since the next may take long; a program gets one document in the end."""
    fates: Counter[Fate] = Counter()
    documents: list[dict[str, object]] = []
    for each in redelivered:
        fates[each.fate] += 1
        if output == "json":
            documents.append(asdict(each))
        else:
            show(_line(each), document=None, output=output)
    counts = {fate: fates[fate] for fate in _WORDS}
    show(_sum(fates), document={"letters": documents, "counts": counts}, output=output)
    return next((code for fate, code in _CODES if fates[fate]), 0)


def _line(each: Redelivered) -> Text:
    sign, style, word = _WORDS[each.fate]
    text = Text(f"{sign} ", style).append(each.place, "bold").append(f" {printable(each.key or '')} ")
    match each.fate:
        case "accepted":
            text.append("had been accepted before" if each.duplicate else each.effect or word, style)
        case "refused":
            text.append(f"{word} ({printable(each.reason or 'unknown')})", style)
        case _:
            text.append(word, style)
    return text.append(f": {printable(each.message)}") if each.message else text


def _sum(fates: Counter[Fate]) -> Text:
    parts = [f"{fates[fate]:,} {word}" for fate, (_, _, word) in _WORDS.items() if fates[fate]]
    return Text(
        f"{counted(fates.total(), 'dead letter')}: {', '.join(parts)}" if parts else "no dead letters were replayed",
        "bold",
    )
