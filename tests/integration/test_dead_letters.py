"""What was put aside is looked at, and sent again when its cause is mended: with `hephaestus dlq`, by a real worker."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hephaestus_stream.cli.app import app
from hephaestus_stream.cli.failure import exit_code_of
from hephaestus_stream.errors import HephaestusError
from hephaestus_stream.wire.connection import Connection
from hephaestus_stream.wire.request import cancel_command, start_command
from tests.cli.command_line import Said
from tests.integration.checker import Topics, check_endings, check_histories, check_results
from tests.integration.flows import Held, Trip
from tests.integration.workers import Publisher, Workers


class Dlq:
    """`hephaestus dlq` in the namespace of a test, in this process: it is asked often."""

    def __init__(self, output: pytest.CaptureFixture[str], connection: Connection) -> None:
        self._output = output
        self._kafka = ("-b", connection.bootstrap, "-n", connection.namespace)

    def __call__(self, *arguments: str) -> Said:
        self._output.readouterr()
        try:
            code = app.meta(["dlq", *arguments, *self._kafka])
        except HephaestusError as error:
            code = exit_code_of(error)
        said = self._output.readouterr()
        return Said(code, said.out, said.err)

    def documents(self, *arguments: str) -> Any:  # noqa: ANN401 - JSON
        return json.loads(self("list", "-o", "json", *arguments).out)


@pytest.fixture
def dlq(capfd: pytest.CaptureFixture[str], connection: Connection, monkeypatch: pytest.MonkeyPatch) -> Dlq:
    monkeypatch.setenv("COLUMNS", "100")
    return Dlq(capfd, connection)


def test_letters_are_listed_shown_and_replayed_when_their_cause_is_mended(
    workers: Workers, publisher: Publisher, topics: Topics, dlq: Dlq
) -> None:
    worker = workers.started(module="tests.integration.retry_flows")
    lost = start_command(Held, "lost", Trip())
    lost_value = lost.model_dump_json(by_alias=True, exclude_none=True).encode()
    publisher.send_raw(lost_value, key=lost.key.encode())
    cancel = cancel_command(Held, "nobody").model_dump_json(by_alias=True, exclude_none=True).encode()
    publisher.send_raw(cancel, key=b"\x1b[31m")
    publisher.send_raw(b"\xff\x00", key=b"\xfe")
    workers.until(lambda: len(topics.records("dead-letters")) == 3, of=[worker])

    places = {each["reason"]: each["place"] for each in dlq.documents()["letters"]}
    unknown, unread = [places[reason] for reason in ("unknown_workflow", "undecodable")]
    listed = dlq("list", "--limit", "2", "--since", "1h").out
    assert "the newest 2 of 3" in listed
    assert dlq.documents("--reason", "undecodable", "--since", "2020-01-01")["found"] == 1
    assert "\x1b" not in dlq("list").out
    assert dlq("list", "--key", "held::other").out == "none of the 3 dead letters fits\n"
    assert dlq("list", "--since", "2100-01-01").out == "no dead letters since 2100-01-01\n"
    [told] = dlq.documents("--key", "held::lost")["letters"]
    assert (told["type"], told["workflow"], told["id"]) == ("start", "Held", lost.id)
    assert json.loads(dlq("show", unknown, "--raw").out) == json.loads(lost_value)
    assert "ff 00" in dlq("show", unread).out
    assert json.loads(dlq("show", unread, "-o", "json").out)["value"] == {"base64": "/wA="}

    # Nothing is mended yet, and what cannot be read cannot be sent.
    assert dlq("replay", "--all").code == 2
    assert dlq("replay", unread).code == 1
    early = dlq("replay", unknown)
    assert early.code == 3
    assert "refused (unknown_workflow)" in early.out
    assert worker.stop() == 0
    worker = workers.started()
    dry = dlq("replay", "--all", "--dry-run", "-o", "json")
    assert dry.code == 1
    assert json.loads(dry.out)["counts"]["sendable"] == 2
    mended = dlq("replay", unknown)
    again = dlq("replay", unknown)
    rest = dlq("replay", "--all", "--yes", "--reason", "not_found", "--reason", "unknown_workflow")
    written = start_command(Held, "written", Trip())
    value = written.model_dump_json(by_alias=True, exclude_none=True)
    anew = [dlq("replay", unread, "--value", value).out for _ in range(2)]
    for each in ("lost", "written"):
        workers.release(each)
    workers.until(lambda: len(topics.records("completions")) == 2, of=[worker])

    assert (mended.code, again.code) == (0, 0)
    assert f"✓ {unknown} held::lost applied" in mended.out
    assert "had been accepted before" in again.out
    assert f"✓ {unread} held::written applied" in anew[0]
    assert "had been accepted before" in anew[1]
    assert (rest.code, rest.out.splitlines()[-1]) == (3, "2 dead letters: 1 accepted, 1 refused")
    assert len(topics.records("dead-letters")) == 3
    assert worker.stop() == 0
    histories = check_histories(topics)
    check_endings(topics, histories, runs={lost.id, written.id})
    check_results(topics, histories)


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (("replay", "--all", "--value", "{}"), "--value is for one place"),
        (("replay",), "name places, as 3:17, or write --all"),
        (("replay", "3:1", "--all"), "one of the two"),
        (("replay", "3:1", "--reason", "settled"), "go with --all"),
        (("show", "3"), "write PARTITION:OFFSET, as 3:17"),
        (("list", "--since", "yesterday"), "write how long ago, as 30m, 2h or 7d"),
        (("list", "--limit", "0"), "shows nothing"),
        (("list", "--reason", "undecodeable"), "did you mean undecodable?"),
        (("replay", "--all", "--reason", "nonsense"), "there are already_running, "),
    ],
)
def test_a_mistake_is_told_with_the_way_out(dlq: Dlq, arguments: tuple[str, ...], hint: str) -> None:
    said = dlq(*arguments)

    assert hint in said.err
    assert (said.code, said.out) == (2, "")
