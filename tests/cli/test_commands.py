"""`hephaestus start`, `resume`, `cancel` and what steers: what they refuse before anything is sent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import JsonValue

from hephaestus_stream.cli.commands import (
    _ended,  # pyright: ignore[reportPrivateUsage] - a run that ends takes a broker and a worker
)
from hephaestus_stream.cli.local import local_worker, told_here
from hephaestus_stream.cli.sending import made
from hephaestus_stream.client.completion import Completion
from hephaestus_stream.core.state import EndStatus
from hephaestus_stream.errors import UsageError
from hephaestus_stream.local_kafka.ports import free_port
from hephaestus_stream.wire.command import CancelCommand
from tests.cli.command_line import CommandLine

START = ("start", "flows:GreetingFlow", "ada")


@pytest.mark.parametrize(
    ("arguments", "code", "hint"),
    [
        ((*START, "--input", "{name}"), 2, "--input is no JSON: Expecting property name"),
        ((*START, "--input", '{"name": NaN}'), 2, "NaN is no number of JSON"),
        ((*START, "--input", "@guest.json"), 2, "guest.json cannot be read (No such file or directory)"),
        (
            (*START, "--input", '{"nme": "ada"}'),
            3,
            "does not fit: name: Field required; 'nme' is no field of it, did you mean 'name'?",
        ),
        ((*START, "--input", '{"name": "ada"}', "--metadata", "[1]"), 2, "--metadata is no JSON object: write it as"),
        ((*START, "--input", '{"name": "ada"}', "--metadata", "{shop}"), 2, "--metadata is no JSON: Expecting"),
        (("skip", "flows:GreetingFlow", "ada", "greeted"), 2, "does not say which node it is of: write NODE.EVENT"),
        (("skip", "flows:GreetingFlow", "ada", "gret.greeted"), 2, "did you mean 'greet.greeted'?"),
        (
            ("skip", "flows:GreetingFlow", "ada", "greet.greeted", "-p", "[1]"),
            3,
            "greet.greeted carries no payload: leave it out",
        ),
        (("retry", "flows:GreetingFlow", "ada", "--by", "a\nb"), 2, "'by': has characters that are not printable"),
        (("start", "flows:GreetingFlow", "a::b", "-i", "{}"), 2, "the id 'a::b' contains '::'"),
        (("start", "GreetingFlow", "ada", "-i", "{}"), 2, "the id must be the full key, KEY::ada"),
        (("start", "GreetingFlow", "1::ada", "-i", "{}"), 2, "the key prefix '1' is no name"),
        ((*START, "-i", '{"name": "ada"}', "-X", "ssl"), 2, "write -X name=value"),
        ((*START, "-i", '{"name": "ada"}', "-b", "nowhere"), 2, "'nowhere' is no address"),
        (("resume", "flows:GreetingFlow", "ada", "repl.received"), 2, "did you mean 'reply.received'?"),
        (("resume", "flows:GreetingFlow", "ada", "greet.greeted"), 2, "no event 'greet.greeted' that can be sent"),
        (("resume", "flows:GreetingFlow", "ada", "received", "-p", "{}"), 3, "received does not fit: name"),
    ],
)
def test_a_mistake_is_told_with_the_way_out(
    hephaestus: CommandLine, arguments: tuple[str, ...], code: int, hint: str
) -> None:
    said = hephaestus(*arguments)
    assert hint in said.err
    assert (said.code, said.out) == (code, "")


def test_wrong_json_is_shown_with_a_mark_under_the_place(hephaestus: CommandLine) -> None:
    said = hephaestus(*START, "--input", "-", text='{\n  "name" "ada"\n}')
    assert said.code == 2
    assert said.err.splitlines() == [
        "error: standard input is no JSON: Expecting ':' delimiter: line 2 column 10 (char 11)",
        '      "name" "ada"',
        "             ^",
    ]


@pytest.mark.parametrize(
    "arguments", [("worker", "flows"), (*START, "--input", '{"name": "ada"}'), ("topics", "check")]
)
def test_without_a_broker_one_line_names_the_address_and_the_way_out(
    hephaestus: CommandLine, arguments: tuple[str, ...]
) -> None:
    address = f"127.0.0.1:{free_port()}"
    said = hephaestus(*arguments, "--bootstrap", address, within=60)
    assert said.code == 4
    assert said.err.startswith(f"error: no Kafka broker answers at {address}: ")
    assert "hephaestus kafka up" in said.err
    assert len(said.err.splitlines()) == 1


def shown(status: EndStatus, *, error: JsonValue = None, results: dict[str, JsonValue] | None = None) -> list[str]:
    """What `start --wait` says of the end of a run."""
    began = datetime(2026, 1, 1, tzinfo=UTC)
    ended = began + timedelta(seconds=2)
    return _ended(
        Completion("GreetingFlow", 1, "guest::ada", "r-1", status, "a", error, results or {}, began, ended, 9)
    ).plain.splitlines()


@pytest.mark.parametrize(
    ("error", "line"),
    [
        ({"type": "KeyError", "message": "'rate'"}, "  KeyError: 'rate'"),
        ({"of": "a later version"}, '  {"of":"a later version"}'),
    ],
)
def test_the_error_of_a_run_is_shown_as_python_shows_it(error: JsonValue, line: str) -> None:
    assert shown("failed", error=error) == ["guest::ada failed at a after 2.000 s", line]


def test_results_are_shown_as_json_and_those_that_carry_nothing_are_not() -> None:
    results: dict[str, JsonValue] = {"greet": None, "reply": {"name": "Zoë", "again": True}, "count": 0}

    assert shown("completed", results=results)[1:] == ['  reply: {"name":"Zoë","again":true}', "  count: 0"]


def test_what_an_error_holds_is_not_obeyed_by_a_terminal() -> None:
    assert shown("failed", error={"type": "E", "message": "\x1b[2J"})[1] == r"  E: \x1b[2J"


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        ((*START, "--input", "[" * 100_000), "--input is nested too deeply"),
        ((*START, "--input", '{"name": "ada"}', "--command-id", ""), "'id': "),
        ((*START, "--input", '{"name": "ada"}', "-X", "bootstrap.servers=a:1"), "say it with --bootstrap"),
        (("list", "--limit", "1" + "0" * 30), "--limit"),
        (("kafka", "up", "--port", "99999"), "--port"),
        (("list", "--api", "http://127.0.0.1:99999"), "has no port: they end at 65535"),
    ],
)
def test_what_cannot_be_is_told_in_a_line(hephaestus: CommandLine, arguments: tuple[str, ...], hint: str) -> None:
    said = hephaestus(*arguments)
    assert (said.code, hint in said.err, "Traceback" in said.err) == (2, True, False), said.err


def test_a_worker_that_was_killed_is_no_worker_of_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".hephaestus").mkdir()
    with told_here() as tell:
        assert local_worker() is None
        tell("http://127.0.0.1:7431")
        with told_here() as tell_too:
            tell_too("http://127.0.0.1:7432")
        assert local_worker() == "http://127.0.0.1:7431"
    assert local_worker() is None
    (tmp_path / ".hephaestus" / "worker").write_text("http://127.0.0.1:7431")
    assert local_worker() is None


def test_a_wrong_command_is_explained_by_its_own_fields() -> None:
    with pytest.raises(UsageError, match="'reson' is unknown: did you mean 'reason'"):
        made(CancelCommand, id="1", workflow="GreetingFlow", key="guest::ada", reson="moved")
