"""What a client needs before its first command, and what it does not."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from hephaestus_stream.client import AsyncClient, Client
from hephaestus_stream.errors import BrokerUnreachableError, SettingsError, TopicMismatchError, UsageError
from hephaestus_stream.local_kafka.ports import free_port
from hephaestus_stream.wire.connection import Connection
from tests.client.responder import Responder
from workflows.order import Order, OrderFlow


async def test_an_address_without_a_broker_is_named() -> None:
    address = f"127.0.0.1:{free_port()}"
    with pytest.raises(BrokerUnreachableError, match=f"no Kafka broker answers at {address}"):
        await AsyncClient(Connection(address)).open()


def test_a_namespace_without_topics_is_named_with_the_way_out(connection: Connection) -> None:
    with pytest.raises(TopicMismatchError, match="hephaestus topics create") as missing, Client(connection):
        pass
    assert connection.namespace in str(missing.value)
    assert missing.value.problems[0].startswith(f"{connection.namespace}.commands is missing")


def test_an_unknown_option_of_librdkafka_is_a_settings_error(connection: Connection) -> None:
    wrong = Connection(connection.bootstrap, connection.namespace, {"no.such.option": "1"})
    with pytest.raises(SettingsError, match=r"no\.such\.option"), Client(wrong):
        pass


def test_without_a_connection_the_environment_says_where(
    connection: Connection, responder: Responder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEPHAESTUS_BOOTSTRAP", connection.bootstrap)
    with Client(namespace=connection.namespace) as client:
        client.start(OrderFlow, "abc123", Order(sku="chair", quantity=1, customer="ada"))
    assert len(responder.arrived) == 1


def test_a_connection_and_an_address_are_one_too_many(connection: Connection) -> None:
    with pytest.raises(TypeError, match="not both"):
        Client(connection, bootstrap="there:1")


@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_a_way_for_commands_that_is_none_is_refused_at_once(kind: Any) -> None:  # noqa: ANN401 - a program without types
    with pytest.raises(UsageError, match="via='htp' is no way for commands: give 'kafka' or 'http'"):
        kind(Connection("127.0.0.1:1"), via="htp")


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import hephaestus_stream.client", {"faust", "rocksdict", "aiokafka", "pydantic_settings", "cyclopts"}),
        ("import hephaestus_stream", {"confluent_kafka", "faust", "rocksdict", "pydantic_settings", "cyclopts"}),
        ("from hephaestus_stream import Client", {"faust", "rocksdict", "pydantic_settings"}),
    ],
)
def test_an_import_brings_only_what_it_needs(statement: str, absent: set[str]) -> None:
    program = f"import sys; {statement}; print(' '.join(sorted(sys.modules)))"
    modules = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.split()
    assert absent.isdisjoint(modules)
    assert "hephaestus_stream" in modules


def test_a_program_without_logging_gets_no_lines_of_librdkafka_on_its_stderr() -> None:
    program = "from hephaestus_stream.kafka_client import LIBRDKAFKA_LOG; LIBRDKAFKA_LOG.error('FAIL')"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stderr == ""


@pytest.mark.parametrize(
    ("verb", "given", "told"),
    [
        ("start", {"comand_id": "k1"}, r"comand_id= is no keyword of this verb; did you mean command_id=\?"),
        ("start", {"by": "ada"}, r"by= is no keyword of this verb; there are command_id, metadata, on_conflict"),
        ("migrate", {"run_id": "x"}, r"did you mean run=\?"),
        ("cancel", {"resaon": "x"}, r"did you mean reason=\?"),
        ("pause", {"resaon": "x"}, r"did you mean reason=\?"),
        ("resume", {"runn": "x"}, r"did you mean run=\?"),
        ("skip_node", {"byy": "x"}, r"did you mean by=\?"),
    ],
)
def test_a_misspelt_keyword_is_refused_before_anything_is_sent(verb: str, given: Any, told: str) -> None:  # noqa: ANN401 - as above
    arguments: dict[str, tuple[object, ...]] = {
        "start": (Order(sku="chair", quantity=1, customer="ada"),),
        "resume": (OrderFlow.review.received, {"stars": 5}),
        "skip_node": (OrderFlow.review.received, {"stars": 5}),
    }
    client = Client(Connection("127.0.0.1:1"))
    with pytest.raises(TypeError, match=told):
        getattr(client, verb)(OrderFlow, "abc123", *arguments.get(verb, ()), **given)
