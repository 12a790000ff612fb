"""Passwords and certificates between the engine and a Kafka that asks for them: what works, and what is said."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hephaestus_stream import AsyncClient, Client
from hephaestus_stream.errors import BrokerRefusedError, HephaestusError
from hephaestus_stream.wire.connection import Connection
from tests.cli.command_line import CommandLine
from tests.security.flows import GreetingFlow, Guest
from tests.security.secured_kafka import KEY_PASSWORD, PASSWORD, SecuredKafka

Eventually = Callable[[Callable[[], bool]], None]
Options = dict[str, str]
GUEST = '{"name": "ada"}'
READY = "ready; this worker owns the partitions"
UNREACHABLE = 4
NO_RESTART = 78


def plain(**other: str) -> Options:
    return {
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": "PLAIN",
        "sasl.username": "plain",
        "sasl.password": PASSWORD,
        **other,
    }


def scram(kafka: SecuredKafka) -> Options:
    return {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "scram",
        "sasl.password": PASSWORD,
        "ssl.ca.location": str(kafka.authority),
    }


def certificate(kafka: SecuredKafka) -> Options:
    return {
        "security.protocol": "SSL",
        "ssl.ca.location": str(kafka.authority),
        "ssl.certificate.location": str(kafka.client.certificate),
        "ssl.key.location": str(kafka.client.key),
        "ssl.key.password": KEY_PASSWORD,
    }


def configure(hephaestus: CommandLine, bootstrap: str, namespace: str, options: Options) -> None:
    lines = [f"bootstrap = {json.dumps(bootstrap)}", f"namespace = {json.dumps(namespace)}", "partitions = 2"]
    lines += ['log_level = "debug"', "[kafka]", *(f"{name} = {json.dumps(value)}" for name, value in options.items())]
    (hephaestus.folder / "hephaestus.toml").write_text("\n".join(lines))


WAYS: dict[str, tuple[str, Callable[[SecuredKafka], Options]]] = {
    "SASL_PLAINTEXT with PLAIN": ("sasl_plaintext", lambda _: plain()),
    "SASL_SSL with SCRAM-SHA-512": ("sasl_ssl", scram),
    "SSL with a client certificate": ("ssl", certificate),
}


@pytest.mark.parametrize("way", WAYS)
async def test_a_worker_and_a_client_run_a_workflow_over(  # noqa: PLR0917 - fixtures
    way: str, kafka: SecuredKafka, hephaestus: CommandLine, namespace: str, tmp_path: Path, eventually: Eventually
) -> None:
    listener, of = WAYS[way]
    options = of(kafka)
    address = getattr(kafka, listener)
    configure(hephaestus, address, namespace, options)
    log = tmp_path / "worker.log"
    with hephaestus.running("worker", "flows", log=log) as worker:
        eventually(lambda: READY in log.read_text())
        started = hephaestus("start", "flows:GreetingFlow", "ada", "-i", GUEST)
        assert (started.code, started.err) == (0, "")
        async with AsyncClient(Connection(address, namespace, options)) as client:
            await client.resume(GreetingFlow, "ada", GreetingFlow.reply.received, Guest(name="bea"))
            completion = await client.wait(GreetingFlow, "ada")
        assert completion.status == "completed"
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(30) == 0
    assert_no_secret(log.read_text(), started.out, repr(client))


def assert_no_secret(*texts: str) -> None:
    for text in texts:
        assert PASSWORD not in text
        assert KEY_PASSWORD not in text


WRONG: dict[str, tuple[str, Callable[[SecuredKafka], Options], tuple[str, ...]]] = {
    "a wrong password": ("sasl_plaintext", lambda _: plain(**{"sasl.password": "no"}), ("'plain'", "sasl.password")),
    "an unknown user": (
        "sasl_ssl",
        lambda kafka: {**scram(kafka), "sasl.username": "nobody"},
        ("'nobody'", "sasl.username"),
    ),
    "an authority that did not sign": (
        "sasl_ssl",
        lambda kafka: {**scram(kafka), "ssl.ca.location": str(kafka.stranger)},
        ("the TLS handshake with the Kafka broker at ", "certificate verify failed", "ssl.ca.location"),
    ),
    "no client certificate": (
        "ssl",
        lambda kafka: {"security.protocol": "SSL", "ssl.ca.location": str(kafka.authority)},
        ("certificate", "ssl.certificate.location"),
    ),
    "plain text at a listener with TLS": ("ssl", lambda _: {}, ("hung up: ", "security.protocol=PLAINTEXT", "TLS")),
    "TLS at a listener without": (
        "internal",
        lambda kafka: {"security.protocol": "SSL", "ssl.ca.location": str(kafka.authority)},
        ("the TLS handshake with the Kafka broker at ", "security.protocol=SSL"),
    ),
    "a password at a listener that takes none": ("internal", lambda _: plain(), ("security.protocol=SASL_PLAINTEXT",)),
    "a mechanism that the broker lacks": (
        "sasl_plaintext",
        lambda _: plain(**{"sasl.mechanism": "SCRAM-SHA-512"}),
        ("sasl.username", "sasl.password"),
    ),
}


@pytest.fixture(scope="module")
def refusals(kafka: SecuredKafka) -> dict[str, BaseException | None]:
    """What the client says of each mistake; all at once, since each takes a second or three."""

    def opened(mistake: str) -> BaseException | None:
        listener, of, _ = WRONG[mistake]
        client = Client(Connection(getattr(kafka, listener), "nobody-gets-there", of(kafka)))
        try:
            client.open()
        except HephaestusError as error:
            return error
        return None

    with ThreadPoolExecutor(len(WRONG)) as clients:
        return dict(zip(WRONG, clients.map(opened, WRONG), strict=True))


@pytest.mark.parametrize("mistake", WRONG)
def test_the_client_names_the_cause_and_the_setting_of(mistake: str, refusals: dict[str, BaseException | None]) -> None:
    refused = refusals[mistake]
    assert isinstance(refused, BrokerRefusedError)
    for words in WRONG[mistake][2]:
        assert words in str(refused)
    assert_no_secret(str(refused), repr(refused), str(refused.__context__))


COMMANDS = (
    ("worker", "flows"),
    ("start", "flows:GreetingFlow", "ada", "-i", GUEST),
    ("topics", "check"),
)


@pytest.mark.parametrize("command", COMMANDS, ids=[" ".join(command[:2]) for command in COMMANDS])
def test_a_command_that_is_refused_ends_at_once_with_the_cause_in_its_last_line(
    command: tuple[str, ...], kafka: SecuredKafka, hephaestus: CommandLine, namespace: str
) -> None:
    configure(hephaestus, kafka.sasl_plaintext, namespace, plain(**{"sasl.password": "no-such-secret"}))
    refused = hephaestus(*command, within=20)
    assert refused.code == UNREACHABLE
    # A worker has its log before it.
    last = refused.err.splitlines()[-1]
    assert last.startswith("error: ")
    assert "Invalid username or password" in last
    assert "sasl.password" in last
    assert "no-such-secret" not in refused.out + refused.err


def test_a_password_from_a_file_is_on_no_command_line(
    kafka: SecuredKafka, hephaestus: CommandLine, namespace: str, tmp_path: Path
) -> None:
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    options = {name: value for name, value in scram(kafka).items() if name != "sasl.password"}
    raw = [f"-X{name}={value}" for name, value in {**options, "sasl.password.file": "password"}.items()]
    made = hephaestus("topics", "create", "--partitions", "1", "-b", kafka.sasl_ssl, "-n", namespace, *raw)
    assert (made.code, made.err) == (0, "")


def test_a_missing_password_is_named_before_anything_is_asked(hephaestus: CommandLine) -> None:
    options = {name: value for name, value in plain().items() if name != "sasl.password"}
    configure(hephaestus, "127.0.0.1:1", "anything", options)
    refused = hephaestus("worker", "flows", within=20)
    assert refused.code == NO_RESTART
    assert "option sasl.password is missing" in refused.err


def test_a_worker_whose_password_is_changed_exits_and_says_so(
    kafka: SecuredKafka, hephaestus: CommandLine, namespace: str, tmp_path: Path, eventually: Eventually
) -> None:
    kafka.set_password("leaver", PASSWORD, "SCRAM_SHA_256")
    # Sessions with this mechanism end soon, so that the worker has to show its password again.
    user = {"sasl.mechanism": "SCRAM-SHA-256", "sasl.username": "leaver"}
    configure(hephaestus, kafka.sasl_plaintext, namespace, plain(**user))
    log = tmp_path / "worker.log"
    with hephaestus.running("worker", "flows", log=log) as worker:
        eventually(lambda: READY in log.read_text())
        kafka.set_password("leaver", "another-password", "SCRAM_SHA_256")
        assert worker.wait(30) == UNREACHABLE
    said = log.read_text()
    assert "sasl.password" in said.splitlines()[-1]
    assert_no_secret(said)
