"""What worker and client may do: they work with the rights that are documented, and name the one that is missing."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import Future
from contextlib import suppress

import pytest

from hephaestus_stream import AsyncClient, Client
from hephaestus_stream.client.history import read_history
from hephaestus_stream.errors import AccessDeniedError, NoAnswerError
from hephaestus_stream.runtime.worker import run_worker
from hephaestus_stream.wire.output import Reply
from hephaestus_stream.wire.request import start_command
from hephaestus_stream.wire.rights import Right, client_rights, worker_rights
from hephaestus_stream.wire.topics import Topics
from tests.security.flows import GreetingFlow, Guest
from tests.security.users import Users


async def until_ready(users: Users) -> tuple[asyncio.Task[None], asyncio.Event]:
    """A worker that owns its partitions, or has failed."""
    stop, ready = asyncio.Event(), asyncio.Event()
    working = asyncio.create_task(run_worker([GreetingFlow], users.settings, stop=stop, on_ready=lambda _: ready.set()))
    waiting = asyncio.create_task(ready.wait())
    await asyncio.wait({working, waiting}, timeout=20, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    return working, stop


async def test_worker_and_client_need_no_more_than_is_documented(users: Users) -> None:
    users.allow("worker", worker_rights(users.namespace))
    users.allow("client", client_rights(users.namespace))
    working, stop = await until_ready(users)
    connection = users.connection("client")
    async with AsyncClient(connection) as client:
        run = await client.start(GreetingFlow, "ada", Guest(name="ada"))
        await client.resume(GreetingFlow, "ada", GreetingFlow.reply.received, Guest(name="bea"))
        completion = await asyncio.wait_for(client.wait(run), 20)
    assert completion.status == "completed"
    history = await asyncio.to_thread(read_history, connection, "guest::ada")
    assert history[-1].type == "completed"
    stop.set()
    await asyncio.wait_for(working, 30)


@pytest.mark.parametrize(
    "missing",
    [
        "Read on topic *.commands",
        "Read on topic *.state",
        "Write on topic *.history",
        "Write on topic *.replies",
        "DescribeConfigs on topic *.commands",
        "Read on group *",
        "Write on transactional-id *-*",
    ],
)
async def test_a_worker_that_lacks_a_right_names_it(missing: str, users: Users) -> None:
    wanted = missing.replace("*", users.namespace, 1)
    rights = worker_rights(users.namespace)
    assert wanted in [str(right) for right in rights]
    # Read and Write include it: what lacks one of them is named, and not that it cannot be seen.
    seen = [Right("Describe", "topic", topic) for topic in Topics(users.namespace)]
    users.allow("worker", [*(right for right in rights if str(right) != wanted), *seen])

    working, stop = await until_ready(users)
    stop.set()
    with pytest.raises(AccessDeniedError) as denied:
        await asyncio.wait_for(working, 20)
    assert wanted.removesuffix("*") in str(denied.value)
    assert f"{users.namespace}-worker" in str(denied.value)
    assert "authorization" in str(denied.value)


async def start(client: AsyncClient) -> None:
    await client.start(GreetingFlow, "ada", Guest(name="ada"))


async def await_completion(client: AsyncClient) -> None:
    await client.wait(GreetingFlow, "ada")


@pytest.mark.parametrize(
    "missing", ["Write on topic *.commands", "Read on topic *.replies", "Read on topic *.completions"]
)
async def test_a_client_that_lacks_a_right_names_it(missing: str, users: Users) -> None:
    wanted = missing.replace("*", users.namespace, 1)
    rights = client_rights(users.namespace)
    described = [Right("Describe", "topic", right.name) for right in rights]
    users.allow("client", [right for right in rights if str(right) != wanted] + described)

    ask = await_completion if "completions" in missing else start
    async with AsyncClient(users.connection("client")) as client:
        with pytest.raises(AccessDeniedError) as denied:
            await asyncio.wait_for(ask(client), 20)
    assert wanted in str(denied.value)


def test_a_client_that_may_not_write_closes_at_whichever_moment_it_is_told_so(users: Users) -> None:
    wanted = f"Write on topic {users.namespace}.commands"
    rights = client_rights(users.namespace)
    described = [Right("Describe", "topic", right.name) for right in rights]
    users.allow("client", [right for right in rights if str(right) != wanted] + described)
    for moment in range(8):
        client = Client(users.connection("client"))
        client.open()
        answers: list[Future[Reply]] = []
        with suppress(AccessDeniedError, NoAnswerError):
            for number in range(5):
                command = start_command(GreetingFlow, f"{number}", Guest(name="ada"))
                answers.append(client.submit(command))
        time.sleep(moment / 100)
        closing = threading.Thread(target=client.close, daemon=True)
        closing.start()
        closing.join(30)
        assert not closing.is_alive()
        assert {type(answer.exception(30)) for answer in answers} <= {AccessDeniedError, NoAnswerError}
