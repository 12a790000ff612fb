"""`hephaestus dlq list`, `show` and `replay`: what was put aside, and how it is sent again."""

# ruff: noqa: D417 - the options that several commands share say themselves what they are

from __future__ import annotations

import heapq
import json
import re
import sys
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Annotated, Final, get_args

from cyclopts import Parameter
from rich.text import Text

from hephaestus_stream.cli.letters import Listed, letter_document, letter_text, list_text
from hephaestus_stream.cli.options import KAFKA_DEFAULTS, KafkaOptions
from hephaestus_stream.cli.output import Output, counted, show
from hephaestus_stream.cli.payload import read_payload
from hephaestus_stream.cli.reach import require_broker
from hephaestus_stream.cli.reading import reading
from hephaestus_stream.cli.redelivery import replay_places, replay_selection
from hephaestus_stream.cli.since import instant_of
from hephaestus_stream.client.dead_letters import Selection, read_dead_letter, read_dead_letters
from hephaestus_stream.client.letter import FOREIGN, Letter
from hephaestus_stream.core.answer import Reason
from hephaestus_stream.errors import UsageError
from hephaestus_stream.settings import Settings

Reasons = Annotated[tuple[str, ...], Parameter(name="--reason", show_default=False, help="Only these; repeatable.")]
Key = Annotated[str | None, Parameter(name="--key", help="Only of this business key, as `orderid::abc123`.")]
Since = Annotated[str | None, Parameter(name="--since", help="Only since then: `2h`, `7d`, or an instant.")]

_REASONS: Final[tuple[str, ...]] = (*get_args(Reason), FOREIGN)
_PLACE: Final = re.compile(r"([0-9]{1,9}):([0-9]{1,18})")


def list_letters(
    *,
    reason: Reasons = (),
    key: Key = None,
    since: Since = None,
    limit: int = 50,
    output: Output = "text",
    kafka: KafkaOptions = KAFKA_DEFAULTS,
) -> None:
    """Lists dead letters.

    Args:
        limit: How many, at most.
    """
    if limit < 1:
        raise UsageError(f"--limit {limit} shows nothing: give 1 or more")
    selection = _selection(reason, key, since)
    settings = _settings(kafka)
    newest: list[Listed] = []
    read, found = 0, 0
    with reading() as tell:
        # Only what is shown is kept: a letter may have close to a megabyte.
        for letter in read_dead_letters(settings.connection, Selection(since=selection.since), on_progress=tell):
            read += 1
            if not selection.fits(letter):
                continue
            found += 1
            listed = Listed.of(letter)
            if len(newest) < limit:
                heapq.heappush(newest, listed)
            else:
                heapq.heappushpop(newest, listed)
    newest.sort(reverse=True)
    documents = [each.document for each in newest]
    text = list_text(newest, found=found) if found else Text(_none_of(read, since=since))
    show(text, document={"found": found, "letters": documents}, output=output)


def show_letter(
    place: str,
    /,
    *,
    raw: bool = False,
    output: Output = "text",
    kafka: KafkaOptions = KAFKA_DEFAULTS,
) -> None:
    """Shows one.

    Args:
        place: `PARTITION:OFFSET`, as `3:17`.
        raw: Write the bytes of its value to standard output, and nothing else.
    """
    partition, offset = _place(place)
    letter = read_dead_letter(_settings(kafka).connection, partition, offset)
    if raw:
        sys.stdout.buffer.write(letter.value or b"")
        sys.stdout.buffer.flush()
    else:
        show(letter_text(letter), document=letter_document(letter, with_bytes=True), output=output)


def replay_letters(
    *places: str,
    all: bool = False,  # noqa: A002 - the option's word
    reason: Reasons = (),
    key: Key = None,
    since: Since = None,
    yes: Annotated[bool, Parameter(alias="-y")] = False,
    dry_run: bool = False,
    value: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,
    output: Output = "text",
    kafka: KafkaOptions = KAFKA_DEFAULTS,
) -> int:
    """Replays dead letters.

    Args:
        places: `PARTITION:OFFSET` of those that are meant, as `3:17 4:2`.
        all: All that fit `--reason`, `--key` and `--since`, in place of naming them.
        yes: Do not ask before all of them are sent.
        dry_run: Send nothing, and tell what could be sent.
        value: A mended command in place of the letter's, under its id: JSON, `@FILE`, or `-` for standard input.
    """
    if value is not None and len(places) != 1:
        raise UsageError("--value is for one place, as in `hephaestus dlq replay 3:17 --value @command.json`")
    if all == bool(places):
        raise UsageError("name places, as 3:17, or write --all with --reason, --key or --since: one of the two")
    if places and (reason or key is not None or since is not None):
        raise UsageError("--reason, --key and --since go with --all, not with places")
    named = [_place(each) for each in dict.fromkeys(places)]
    selection = _selection(reason, key, since)
    connection = _settings(kafka).connection
    if named:
        letters = [read_dead_letter(connection, *each) for each in named]
        if value is not None:
            letters = [_mended(each, value) for each in letters]
        return replay_places(connection, letters, dry_run=dry_run, output=output)
    return replay_selection(connection, selection, is_sure=yes, dry_run=dry_run, output=output)


def _none_of(read: int, *, since: str | None) -> str:
    when = "" if since is None else f" since {since}"
    if read == 1:
        return f"the only dead letter{when} does not fit"
    return f"none of the {counted(read, 'dead letter')}{when} fits" if read else f"no dead letters{when}"


def _selection(reasons: tuple[str, ...], key: str | None, since: str | None) -> Selection:
    for reason in reasons:
        if reason not in _REASONS:
            near = get_close_matches(reason, _REASONS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(_REASONS)}"
            raise UsageError(f"--reason {reason!a} is no reason of dead letters; {hint}")
    return Selection(reasons, key, None if since is None else instant_of(since, now=datetime.now(UTC)))


def _mended(letter: Letter, value: str) -> Letter:
    command = read_payload(value, option="--value")
    if isinstance(command, dict) and "id" not in command and letter.command_id is not None:
        command = {**command, "id": letter.command_id}
    return letter.mended(json.dumps(command).encode())


def _place(argument: str) -> tuple[int, int]:
    found = _PLACE.fullmatch(argument)
    if found is None:
        raise UsageError(f"{argument!a} is no place of a dead letter: write PARTITION:OFFSET, as 3:17")
    return int(found[1]), int(found[2])


def _settings(kafka: KafkaOptions) -> Settings:
    settings = kafka.settings()
    require_broker(settings)
    return settings
