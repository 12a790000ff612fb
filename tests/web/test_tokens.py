"""Who may do what over HTTP, and what is told before the worker works, or when it fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from hephaestus_stream import Workflow
from hephaestus_stream.core.catalog import Catalog
from hephaestus_stream.errors import SettingsError
from hephaestus_stream.runtime.facade import Inside, WorkerFacade
from hephaestus_stream.settings import load_settings
from hephaestus_stream.web.server import serving
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
    assert (settings.http_tokens().strongest, settings.token_for_api()) == (OPERATE, OPERATE)
    assert OPERATE not in repr(load_settings(http_operate_token=OPERATE))


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
