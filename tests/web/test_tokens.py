"""Who may do what over HTTP, and what is told before the worker works, or when it fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from hephaestus_stream import Workflow
from hephaestus_stream.core.catalog import Catalog
from hephaestus_stream.errors import SettingsError, WorkerNotReadyError
from hephaestus_stream.runtime.facade import Inside, WorkerFacade
from hephaestus_stream.settings import load_settings
from hephaestus_stream.web.commands import Sender
from hephaestus_stream.web.connections import OpenConnections
from hephaestus_stream.web.server import serving
from hephaestus_stream.wire.instance import InstancePage
from hephaestus_stream.wire.request import cancel_command
from hephaestus_stream.wire.token import Tokens
from tests.cycle.flows import Chain

READ, OPERATE = "read-" + "r" * 20, "operate-" + "o" * 20
PROBLEM = "application/problem+json"


@asynccontextmanager
async def asked(facade: WorkerFacade, **settings: object) -> AsyncGenerator[httpx.AsyncClient]:
    async with (
        serving(load_settings(http="127.0.0.1:0", **settings), facade),
        httpx.AsyncClient(base_url=facade.url or "", trust_env=False) as client,
    ):
        yield client


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize(
    ("headers", "read", "operate"),
    [
        ({}, 401, 401),
        (bearer("wrong"), 401, 401),
        ({"Authorization": f"Basic {READ}"}, 401, 401),
        (bearer(f"{READ}x"), 401, 401),
        (bearer(READ), 503, 403),
        (bearer(OPERATE), 503, 422),
    ],
)
async def test_a_token_opens_its_role_alone(headers: dict[str, str], read: int, operate: int) -> None:
    # The worker has not begun: whoever is let in hears of that, or of what is wrong with the command.
    async with asked(WorkerFacade(), http_read_token=READ, http_operate_token=OPERATE) as client:
        reading = await client.get("/instances", headers=headers)
        operating = await client.post("/instances/a::b/cancel", json={}, headers=headers)
        assert (reading.status_code, operating.status_code) == (read, operate)
        assert {each.headers["content-type"] for each in (reading, operating)} == {PROBLEM}
        assert ("www-authenticate" in reading.headers) == (read == 401)
        assert (await client.get("/health/live")).status_code == 200
        assert READ not in reading.text + operating.text


async def test_who_may_not_send_a_command_is_told_before_its_body_is_read() -> None:
    async with asked(WorkerFacade(), http_operate_token=OPERATE) as client:
        reader, writer = await asyncio.open_connection("127.0.0.1", client.base_url.port)
        head = b"POST /instances/a%3A%3Ab/start HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
        writer.write(head + b"Content-Length: 1000000\r\n\r\n{")
        assert (await reader.readline()).startswith(b"HTTP/1.1 401")
        writer.close()


class Slow:
    """Reads that wait for a signal."""

    def __init__(self) -> None:
        self.asked = asyncio.Semaphore(0)
        self.goes_on = asyncio.Semaphore(0)

    async def page(self, *_: object, **__: object) -> InstancePage:
        self.asked.release()
        await self.goes_on.acquire()
        return InstancePage(instances=())


async def test_requests_that_come_together_have_each_the_time_that_their_answers_take() -> None:
    facade, slow = WorkerFacade(), Slow()
    reads: Any = slow
    facade.attach(Inside(reads, reads, Catalog(()), worker=reads, cluster=reads))
    hasty = OpenConnections(request_within=timedelta(milliseconds=100))
    async with serving(load_settings(http="127.0.0.1:0"), facade, connections=hasty):
        port = httpx.URL(facade.url or "").port
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(2 * b"GET /instances HTTP/1.1\r\nHost: localhost\r\n\r\n")
        for _ in range(2):
            async with asyncio.timeout(30):
                await slow.asked.acquire()
            await asyncio.sleep(0.3)  # for longer than a connection may be without a request
            slow.goes_on.release()
            assert (await reader.readuntil(b"}")).startswith(b"HTTP/1.1 200")
        writer.close()


async def test_commands_that_come_while_kafka_is_away_are_refused_in_their_time() -> None:
    sender = Sender(load_settings(bootstrap="127.0.0.1:1"))
    command = cancel_command(Chain, "a")
    for _ in range(2):
        refused = await asyncio.gather(
            *(sender.send(command, patience=timedelta(seconds=0.2)) for _ in range(3)), return_exceptions=True
        )
        assert {type(each) for each in refused} == {WorkerNotReadyError}
    await sender.close()


async def test_tokens_are_described_where_they_are_asked_for() -> None:
    async with asked(WorkerFacade(), http_read_token=READ) as client:
        described = (await client.get("/openapi.json")).json()
    assert described["paths"]["/instances"]["get"]["security"] == [{"HTTPBearer": []}]
    assert described["components"]["securitySchemes"]["HTTPBearer"]["scheme"] == "bearer"


def test_a_token_is_compared_whole_and_no_token_opens_nothing() -> None:
    tokens = Tokens(read=READ, operate=OPERATE)
    assert [tokens.role_of(shown) for shown in (READ, OPERATE, "", READ[:-1])] == ["read", "operate", None, None]
    assert Tokens(read=READ).role_of("") is None
    assert READ not in repr(tokens)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"http": "0.0.0.0:0"}, "no token is asked for: set http_read_token_file"),
        ({"http_read_token": "short"}, "http_read_token is no token"),
        ({"http_read_token": READ, "http_read_token_file": "x"}, "both set"),
        ({"http_read_token_file": "/nowhere/token"}, "cannot be read"),
    ],
)
async def test_a_wrong_setting_is_told_before_anything_is_served(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        async with serving(load_settings(**{"http": "127.0.0.1:0", **settings}), WorkerFacade()):
            pass


async def test_an_open_address_is_served_where_it_is_said_in_so_many_words() -> None:
    facade = WorkerFacade()
    async with serving(load_settings(http="0.0.0.0:0", http_open=True, http_url="http://10.0.0.7:7430"), facade):
        assert facade.url == "http://10.0.0.7:7430"


async def test_tokens_come_from_files(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(f"{OPERATE}\n")
    token.chmod(0o600)
    settings = load_settings(http_operate_token_file=token, api_token_file=token)
    assert Tokens(read=READ, operate=OPERATE).for_reading == READ
    assert (settings.http_tokens().for_reading, settings.token_for_api()) == (OPERATE, OPERATE)
    assert OPERATE not in repr(load_settings(http_operate_token=OPERATE))


async def test_a_token_that_is_given_counts_in_place_of_that_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = tmp_path / "token"
    token.write_text(OPERATE)
    token.chmod(0o600)
    monkeypatch.setenv("HEPHAESTUS_API_TOKEN", READ)
    assert load_settings(api_token_file=token).token_for_api() == OPERATE
    monkeypatch.setenv("HEPHAESTUS_API_TOKEN_FILE", str(token))
    monkeypatch.delenv("HEPHAESTUS_API_TOKEN")
    assert load_settings(api_token=READ).token_for_api() == READ


class Broken:
    """Reads that fail as nobody expected."""

    async def page(self, *_: object, **__: object) -> None:
        raise RuntimeError("the password is hunter2")


async def test_a_worker_that_has_ended_is_not_asked_any_more() -> None:
    facade = WorkerFacade()
    none: Any = None
    facade.attach(Inside(none, none, Catalog(()), worker=none, cluster=none))
    facade.detach()
    async with asked(facade) as client:
        answer = await client.get("/workflows")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


async def test_an_unexpected_error_tells_nothing_of_its_inside() -> None:
    facade = WorkerFacade()
    workflows: tuple[type[Workflow[Any]], ...] = (Chain,)
    broken: Any = Broken()
    facade.attach(Inside(broken, broken, Catalog(workflows), worker=broken, cluster=broken))
    async with asked(facade) as client:
        answer = await client.get("/instances")
    assert (answer.status_code, answer.headers["content-type"]) == (500, PROBLEM)
    assert "hunter2" not in answer.text


@pytest.mark.parametrize("sent", [b"GARBAGE\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nBad header\r\n\r\n"])
async def test_what_is_no_http_is_a_problem_too(sent: bytes) -> None:
    facade = WorkerFacade()
    async with asked(facade) as client:
        reader, writer = await asyncio.open_connection("127.0.0.1", client.base_url.port)
        writer.write(sent)
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
    assert answer.startswith(b"HTTP/1.1 400")
    assert PROBLEM.encode() in answer
    assert b'"status":400' in answer
