"""`hephaestus graph`, and how a workflow is found by what the user types."""

from __future__ import annotations

import re

import pytest

from hephaestus_stream.drawing import mermaid, plain, svg
from hephaestus_stream.local_kafka.ports import free_port
from hephaestus_stream.runtime.topics import create_topics
from hephaestus_stream.testing import Simulator
from hephaestus_stream.wire.connection import Connection
from tests.cli.command_line import PROJECT, CommandLine
from tests.client.histories import PARTITIONS, publish, record
from tests.drawing.pictures import SVG, Picture
from workflows.order import Order, OrderFlow


@pytest.mark.parity(24)
def test_a_workflow_is_drawn_for_the_terminal(hephaestus: CommandLine) -> None:
    said = hephaestus("graph", "flows:GreetingFlow")
    assert (said.code, said.err) == (0, "")
    assert "▶ greet" in said.out
    assert "greeted" in said.out


@pytest.mark.parity(24)
def test_a_workflow_is_written_as_mermaid(hephaestus: CommandLine) -> None:
    said = hephaestus("graph", "flows:GreetingFlow", "--format", "mermaid")
    assert said.code == 0
    assert said.out.startswith("flowchart TD\n")


def test_a_workflow_is_written_as_svg(hephaestus: CommandLine) -> None:
    said = hephaestus("graph", "flows:GreetingFlow", "-f", "svg")
    assert said.code == 0
    assert set(Picture(said.out).boxes) == {"greet", "reply", "done"}


@pytest.mark.parametrize(
    ("file", "arguments", "drawing"),
    [
        ("order.svg", (), svg(OrderFlow.definition)),
        ("order.MMD", (), mermaid(OrderFlow.definition)),
        ("order.mermaid", (), mermaid(OrderFlow.definition)),
        ("order.txt", (), plain(OrderFlow.definition)),
        ("order", (), plain(OrderFlow.definition)),
        ("order.svg", ("--format", "text"), plain(OrderFlow.definition)),
        ("order.pdf", ("--format", "text"), plain(OrderFlow.definition)),
    ],
)
def test_the_name_of_a_file_says_the_format_unless_it_is_given(
    hephaestus: CommandLine, file: str, arguments: tuple[str, ...], drawing: str
) -> None:
    said = hephaestus("graph", "workflows.order:OrderFlow", "--out", file, *arguments)
    assert (said.code, said.out) == (0, "")
    assert (hephaestus.folder / file).read_text() == drawing


def test_a_file_whose_name_says_what_nothing_is_drawn_as_is_refused(hephaestus: CommandLine) -> None:
    said = hephaestus("graph", "flows:GreetingFlow", "--out", "loan.pdf")
    assert (said.code, said.out) == (2, "")
    known = ".txt, .mmd, .mermaid, .svg"
    assert said.err == f"error: loan.pdf: nothing is drawn as .pdf; name a file with {known}, or say --format\n"
    assert not (hephaestus.folder / "loan.pdf").exists()


def test_a_file_that_cannot_be_written_is_told(hephaestus: CommandLine) -> None:
    said = hephaestus("graph", "flows:GreetingFlow", "--out", "missing/order.svg")
    assert said.code == 2
    assert said.err.splitlines() == [
        "error: missing/order.svg cannot be written (No such file or directory); name another file with --out"
    ]


async def test_the_path_of_an_instance_is_drawn_from_its_history(connection: Connection) -> None:
    simulator = Simulator()
    order = Order(sku="chair", quantity=2, customer="ada")
    first = await simulator.start(OrderFlow, "abc123", order.model_copy(update={"card": "declined"}))
    second = await simulator.start(OrderFlow, "abc123", order)
    create_topics(connection, partitions=PARTITIONS, replication_factor=1)
    for run in (first, second):
        publish(connection, [each.model_dump_json(by_alias=True).encode() for each in run.history])
    graph = CommandLine(PROJECT)
    instance = ("graph", "workflows.order:OrderFlow", "--instance", "abc123")
    reach = ("-b", connection.bootstrap, "-n", connection.namespace)

    newest = graph(*instance, *reach)
    assert (newest.code, newest.err) == (0, "")
    assert re.match(rf"orderid::abc123, run {second.history[0].run}: \w+ cool_off at 2026-01-01 ", newest.out)
    assert all(words in newest.out for words in ("✓ pack", "● cool_off", "· express", "  review  "))
    assert newest.out.splitlines()[-1] == "✓ taken  ● active  ✗ failed  ■ stopped  · not taken"

    failed = graph(*instance, *reach, "--run", first.history[0].run, "-f", "svg")
    picture = Picture(failed.out)
    assert "failed" in picture.classes_of("declined")
    assert "dead" in picture.classes_of("rejected")
    title = picture.root.findtext(f"{SVG}title")
    assert title is not None
    assert title.startswith(f"orderid::abc123, run {first.history[0].run}: failed declined at ")

    flowchart = graph(*instance, *reach, "-f", "mermaid")
    assert flowchart.out.startswith(f"%% orderid::abc123, run {second.history[0].run}: ")
    assert "    class node_cool_off active\n" in flowchart.out


def test_of_an_instance_what_cannot_be_drawn_is_told(connection: Connection) -> None:
    create_topics(connection, partitions=PARTITIONS, replication_factor=1)
    publish(connection, [record("started", run="old", version=1)])
    graph = CommandLine(PROJECT)
    reach = ("-b", connection.bootstrap, "-n", connection.namespace)

    unknown = graph("graph", "workflows.order:OrderFlow", "-i", "abc124", *reach)
    assert (unknown.code, unknown.out) == (6, "")
    assert unknown.err.startswith("error: orderid::abc124 has no run of OrderFlow, ")

    old = graph("graph", "workflows.order:OrderFlow", "-i", "abc123", *reach)
    assert (old.code, old.out) == (6, "")
    assert "has version 1 of OrderFlow, and OrderFlow is version 2; name the class of version 1" in old.err


def test_a_run_that_was_migrated_to_the_version_of_the_class_is_drawn(connection: Connection) -> None:
    create_topics(connection, partitions=PARTITIONS, replication_factor=1)
    publish(connection, [record("started", version=1), record("step_started", sequence=2)])

    said = CommandLine(PROJECT)(
        "graph", "workflows.order:OrderFlow", "-i", "abc123", "-b", connection.bootstrap, "-n", connection.namespace
    )
    assert (said.code, said.err) == (0, "")
    assert "● ▶ validate" in said.out


def test_a_history_whose_beginning_is_deleted_is_drawn_as_far_as_it_goes(connection: Connection) -> None:
    create_topics(connection, partitions=PARTITIONS, replication_factor=1)
    publish(connection, [record("step_started", sequence=4)])

    said = CommandLine(PROJECT)(
        "graph", "workflows.order:OrderFlow", "-i", "abc123", "-b", connection.bootstrap, "-n", connection.namespace
    )
    assert said.code == 0
    assert "● ▶ validate" in said.out
    assert said.err == "the first 3 events of this run are deleted: what they told is missing\n"


@pytest.mark.parametrize(
    ("arguments", "code", "hint"),
    [
        (("--run", "1"), 2, "--run names a run of an instance: add --instance ID"),
        (("--instance", "a::b"), 2, "the id 'a::b' contains '::'"),
        (("--format", "dot"), 2, '"svg"'),
    ],
)
def test_wrong_options_are_refused_with_the_way_out(
    hephaestus: CommandLine, arguments: tuple[str, ...], code: int, hint: str
) -> None:
    said = hephaestus("graph", "flows:GreetingFlow", *arguments)
    assert (said.code, said.out) == (code, "")
    assert hint in said.err


def test_without_a_broker_an_instance_cannot_be_drawn(hephaestus: CommandLine) -> None:
    address = f"127.0.0.1:{free_port()}"
    said = hephaestus("graph", "flows:GreetingFlow", "--instance", "ada", "--bootstrap", address)
    assert said.code == 4
    assert said.err.startswith(f"error: no Kafka broker answers at {address}: ")


@pytest.mark.parametrize(
    ("reference", "hint"),
    [
        ("flows:GretingFlow", "did you mean flows:GreetingFlow?"),
        ("flow:GreetingFlow", "did you mean flows?"),
        ("flows", "write module:Class"),
        ("./flows.py:GreetingFlow", "name the module as Python imports it: flows"),
        ("json:GreetingFlow", "the module json has no workflow"),
    ],
)
def test_a_wrong_reference_is_refused_with_the_way_out(hephaestus: CommandLine, reference: str, hint: str) -> None:
    said = hephaestus("graph", reference)
    assert said.code == 1
    assert hint in said.err
    assert said.out == ""


def test_a_class_is_found_in_the_modules_of_a_package(hephaestus: CommandLine) -> None:
    package = hephaestus.folder / "shop"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (hephaestus.folder / "flows.py").rename(package / "greeting.py")
    assert hephaestus("graph", "shop:GreetingFlow").code == 0


def test_an_error_in_the_users_code_shows_the_users_lines_only(hephaestus: CommandLine) -> None:
    (hephaestus.folder / "prices.py").write_text("import json\n\nPRICES = json.loads('{')\n")
    (hephaestus.folder / "shop.py").write_text("import prices\n")
    said = hephaestus("graph", "shop:ShopFlow")
    assert said.code == 1
    assert said.err.splitlines()[:5] == [
        "error: importing shop failed:",
        "  shop.py:1 in <module>",
        "    import prices",
        "  prices.py:3 in <module>",
        "    PRICES = json.loads('{')",
    ]
    assert said.err.splitlines()[5].startswith("JSONDecodeError: ")
    assert len(said.err.splitlines()) == 6


def test_the_whole_traceback_is_shown_on_request(hephaestus: CommandLine) -> None:
    (hephaestus.folder / "shop.py").write_text("import jsonn\n")
    said = hephaestus("graph", "shop:ShopFlow", "--debug")
    assert said.code == 1
    assert "importlib" in said.err
    assert "No module named 'jsonn'" in said.err
