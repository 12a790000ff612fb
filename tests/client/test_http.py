"""A client that goes by HTTP, before workers that answer as real ones do only when something is wrong."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Generator
from concurrent.futures import CancelledError
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from hephaestus_stream import AsyncClient, Client
from hephaestus_stream.client.api import ApiPlace
from hephaestus_stream.client.http_transport import HttpTransport
from hephaestus_stream.client.options import Via
from hephaestus_stream.client.polled_watch import PolledWatch
from hephaestus_stream.client.run import Receipt
from hephaestus_stream.encryption.cipher import NO_KEYS
from hephaestus_stream.errors import (
    ApiUnreachableError,
    ClientClosedError,
    CommandError,
    NoAnswerError,
    PartitionUnavailableError,
    RunNotFoundError,
    UsageError,
)
from hephaestus_stream.wire.connection import Connection
from hephaestus_stream.wire.instance import HistoryPage, InstanceView
from tests.client.scripted import Answer, Asked, Scripted, scripted
from workflows.order import Order, OrderFlow

NOWHERE = "http://127.0.0.1:1"
ORDER = Order(sku="tea", quantity=2, customer="ada")
SOON = timedelta(seconds=1)
AT = datetime(2026, 11, 1, tzinfo=UTC)
LATER = AT + timedelta(hours=1)
REPLY: dict[str, object] = {
    "schema": 1,
    "id": "a",
    "key": "orderid::abc",
    "accepted": True,
    "effect": "applied",
    "run": "a",
    "partition": 0,
    "position": 7,
    "at": AT.isoformat(),
}


def problem(status: int, kind: str, detail: str = "so it is") -> Answer:
    return status, {"type": f"urn:hephaestus:problem:{kind}", "title": kind, "status": status, "detail": detail}


def instance(run: str, *, status: str = "running", at: datetime = AT) -> Answer:
    found = InstanceView(
        workflow="OrderFlow",
        version=2,
        key="orderid::abc",
        run=run,
        status="completed" if status == "completed" else "running",
        started_at=AT,
        updated_at=AT,
        tags=(),
        waiting_at=(),
        finished_at=at if status == "completed" else None,
        input=None,
        sequence=1,
        partition=0,
        position=7,
    )
    return 200, found.model_dump(mode="json")


def page(run: str, *sequences: int, after: int | None = None, is_live: bool = True) -> dict[str, object]:
    of = {"schema": 1, "workflow": "OrderFlow", "version": 2, "key": "orderid::abc", "run": run}
    events = [
        {**of, "sequence": each, "at": AT.isoformat(), "type": "step_started", "node": "charge", "attempt": 1}
        for each in sequences
    ]
    return {
        "workflow": "OrderFlow",
        "key": "orderid::abc",
        "run": run,
        "events": events,
        "after": after,
        "is_live": is_live,
    }


@contextmanager
def client_of(*urls: str) -> Generator[Client]:
    with closing(Client(Connection("127.0.0.1:1", "test"), api=",".join(urls), via="http")) as client:
        yield client


@contextmanager
def client_before(script: Callable[[Asked, int], Answer]) -> Generator[tuple[Client, Scripted]]:
    with scripted(script) as worker, client_of(worker.url) as client:
        yield client, worker


def test_a_command_that_may_have_arrived_somewhere_has_no_answer_and_is_not_unsent() -> None:
    with scripted(lambda _asked, _number: None) as worker, client_of(worker.url, NOWHERE) as client:
        with pytest.raises(NoAnswerError) as unanswered:
            client.start(OrderFlow, "abc", ORDER, timeout=SOON)
        assert len(worker.asked) > 1
        assert len({each.path for each in worker.asked}) == 1
    assert unanswered.value.command_id


@pytest.mark.parametrize(
    "refusal", [(401, "refused"), (413, "too-large"), (421, "other-namespace"), (422, "invalid-key")]
)
def test_what_another_worker_refuses_may_have_arrived_at_the_first(refusal: tuple[int, str]) -> None:
    with (
        scripted(lambda _asked, _number: None) as lost,
        scripted(lambda _asked, _number: problem(*refusal)) as strict,
        client_of(lost.url, strict.url) as client,
        pytest.raises(NoAnswerError),
    ):
        client.start(OrderFlow, "abc", ORDER, timeout=SOON)


@pytest.mark.parametrize("status", [500, 502, 504])
def test_a_worker_that_failed_in_the_midst_of_a_command_may_have_sent_it(status: int) -> None:
    with (
        client_before(lambda _asked, _number: problem(status, "unexpected")) as (client, _),
        pytest.raises(NoAnswerError),
    ):
        client.start(OrderFlow, "abc", ORDER, timeout=SOON)


def test_where_one_worker_is_not_ready_the_next_is_asked() -> None:
    def unavailable(_asked: Asked, _number: int) -> Answer:
        return problem(503, "unavailable")

    with (
        scripted(unavailable) as ill,
        scripted(lambda _asked, _number: (200, REPLY)) as well,
        client_of(ill.url, well.url) as client,
    ):
        assert client.start(OrderFlow, "abc", ORDER, timeout=SOON).run == "a"
    with (
        scripted(unavailable) as ill,
        scripted(lambda _asked, _number: instance("a")) as well,
        client_of(ill.url, NOWHERE, well.url) as client,
    ):
        assert client.get(OrderFlow, "abc").run == "a"
        assert len(ill.asked) == 1


def test_wrong_arguments_are_told_as_such() -> None:
    with client_before(lambda _asked, _number: problem(422, "invalid-request", "minimum: -1 is none")) as (client, _):
        with pytest.raises(UsageError, match="minimum: -1 is none"):
            client.get(OrderFlow, "abc", minimum=-1)
        with pytest.raises(CommandError, match="minimum"):
            client.cancel(OrderFlow, "abc")
    with client_before(lambda _asked, _number: problem(413, "too-large")) as (client, _):
        with pytest.raises(CommandError) as refused:
            client.start(OrderFlow, "abc", ORDER)
        assert refused.value.reason == "too_large"
    with client_of(NOWHERE) as client, pytest.raises(CommandError, match="begins or ends with a space"):
        client.start(OrderFlow, "abc", ORDER, command_id="a ")


def test_a_proxy_of_the_environment_is_for_other_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, NOWHERE)
    with client_before(lambda asked, _number: (200, REPLY) if "start" in asked.path else instance("a")) as (client, _):
        assert client.start(OrderFlow, "abc", ORDER).run == "a"
        assert client.get(OrderFlow, "abc").run == "a"


def test_who_waits_for_an_id_waits_for_the_run_that_lives_and_no_other() -> None:
    script = [instance("a"), instance("a", status="completed")]
    with client_before(lambda _asked, number: script[number]) as (client, worker):
        assert client.wait(OrderFlow, "abc").run == "a"
    assert "run" not in worker.asked[0].parameters
    assert worker.asked[1].parameters["run"] == ["a"]
    assert worker.asked[1].parameters["minimum"] == ["7"]


def test_who_waits_after_a_command_for_an_id_waits_beyond_its_former_run() -> None:
    script = [instance("former", status="completed"), instance("a"), instance("a", status="completed", at=LATER)]
    receipt = Receipt("c", "OrderFlow", "orderid::abc", None, 0, at=AT + timedelta(minutes=1))
    with client_before(lambda _asked, number: script[number]) as (client, worker):
        assert client.wait(receipt, timeout=timedelta(seconds=20)).run == "a"
    assert [each.parameters.get("run") for each in worker.asked] == [None, None, ["a"]]


def test_who_waits_after_a_command_for_an_id_that_has_no_run_waits_for_its_next_one() -> None:
    missing: Answer = (404, {"type": "urn:hephaestus:problem:not-found", "detail": "none", "reason": "not_found"})
    script = [missing, instance("a", status="completed", at=LATER)]
    receipt = Receipt("c", "OrderFlow", "orderid::abc", None, 0, position=7, at=AT)
    with client_before(lambda _asked, number: script[number]) as (client, _):
        assert client.wait(receipt, timeout=timedelta(seconds=20)).run == "a"


def test_who_waits_after_a_retry_that_a_worker_has_taken_in_gets_the_end_that_follows() -> None:
    script = [
        (200, REPLY),
        instance("a", status="completed", at=AT - SOON),
        instance("a", status="completed", at=LATER),
    ]
    with client_before(lambda _asked, number: script[number]) as (client, worker):
        receipt = client.retry(OrderFlow, "abc", run="a", wait=False)
        assert client.wait(receipt, timeout=timedelta(seconds=20)).at == LATER
    assert worker.asked[1].parameters["minimum"] == ["7"]


def test_who_waits_for_a_run_that_is_kept_no_longer_is_told_so() -> None:
    script = [instance("a"), problem(404, "not-found")]
    script[1] = (404, {"type": "urn:hephaestus:problem:not-found", "detail": "gone", "reason": "not_found"})
    with (
        client_before(lambda _asked, number: script[number]) as (client, _),
        pytest.raises(RunNotFoundError, match="gone"),
    ):
        client.wait(OrderFlow, "abc", timeout=timedelta(seconds=20))


def test_the_pages_of_a_history_are_of_one_run() -> None:
    script = [page("a", 1, 2, after=2), page("a", 3)]
    with client_before(lambda _asked, number: (200, script[number])) as (client, worker):
        assert [event.sequence for event in client.history(OrderFlow, "abc")] == [1, 2, 3]
    assert worker.asked[1].parameters["run"] == ["a"]


def test_a_closed_client_asks_nothing() -> None:
    with client_before(lambda _asked, _number: instance("a")) as (client, _):
        client.get(OrderFlow, "abc")
        client.close()
        with pytest.raises(ClientClosedError):
            client.get(OrderFlow, "abc")
        with pytest.raises(ClientClosedError):
            client.start(OrderFlow, "abc", ORDER)


@pytest.mark.parametrize("via", ["http", "kafka"])
async def test_a_closed_client_watches_nothing(via: Via) -> None:
    connection = Connection("127.0.0.1:1", "test")
    client = Client(connection, api=NOWHERE, via=via)
    client.close()
    with pytest.raises(ClientClosedError):
        next(client.watch(OrderFlow, "abc"))
    others = AsyncClient(connection, api=NOWHERE, via=via)
    await others.close()
    with pytest.raises(ClientClosedError):
        await anext(others.watch(OrderFlow, "abc"))


@pytest.mark.parametrize("answers", [True, False])
async def test_who_asks_while_a_client_closes_is_told_so(*, answers: bool) -> None:
    came, closed = threading.Event(), threading.Event()

    def script(_asked: Asked, _number: int) -> Answer:
        came.set()
        if answers:
            return problem(503, "unavailable")
        closed.wait(30)
        return None

    with scripted(script) as worker:
        connection = Connection("127.0.0.1:1", "test")
        client = AsyncClient(connection, api=worker.url, via="http")
        asking = asyncio.create_task(client.get(OrderFlow, "abc"))
        assert await asyncio.to_thread(came.wait, 30)
        await client.close()
        closed.set()
        with pytest.raises(ClientClosedError):
            await asking
        came.clear()
        closed.clear()
        blocking = Client(connection, api=worker.url, via="http")
        asking = asyncio.create_task(asyncio.to_thread(blocking.get, OrderFlow, "abc"))
        assert await asyncio.to_thread(came.wait, 30)
        await asyncio.to_thread(blocking.close)
        closed.set()
        with pytest.raises(ClientClosedError):
            await asking


def test_who_waits_when_a_client_closes_is_told_so_and_who_has_cancelled_has() -> None:
    came = threading.Event()

    def script(_asked: Asked, _number: int) -> Answer:
        came.set()
        return instance("a")

    with scripted(script) as worker:
        transport = HttpTransport(lambda: ApiPlace((worker.url,), "test"), cipher=NO_KEYS)
        transport.open()
        cancelled, waiting = transport.completion(OrderFlow, "abc"), transport.completion(OrderFlow, "abc")
        assert came.wait(30)
        cancelled.cancel()
        last = transport.completion(OrderFlow, "abc")
        transport.close()
        with pytest.raises(CancelledError):
            cancelled.result()
        for future in (waiting, last):
            with pytest.raises(ClientClosedError):
                future.result(30)
        with pytest.raises(ClientClosedError):
            transport.completion(OrderFlow, "abc")


def test_a_watch_goes_on_through_what_may_pass_once_a_worker_has_answered() -> None:
    passing = (ApiUnreachableError("away"), PartitionUnavailableError((), "moves"))
    watch = PolledWatch(OrderFlow, "abc", run=None)
    for error in passing:
        with pytest.raises(type(error)):
            watch.fail(error)
    watch.fail(RunNotFoundError("not yet"))
    for error in passing:
        watch.fail(error)
        assert watch.rests
    assert [event.sequence for event in watch.tell(HistoryPage.model_validate(page("a", 1, 2, after=2)))] == [1, 2]
    assert (watch.rests, watch.question.parameters) == (False, {"workflow": "OrderFlow", "run": "a", "after": 2})
    with pytest.raises(RunNotFoundError):
        watch.fail(RunNotFoundError("not any more"))
    watch.tell(HistoryPage.model_validate(page("a", 3, is_live=False)))
    assert watch.is_over


def test_a_retry_that_nobody_has_answered_is_waited_for_whatever_the_difference_of_the_clocks() -> None:
    answered = Receipt("c", "OrderFlow", "orderid::abc", "a", 0, position=3, at=AT)
    assert answered.not_before == AT
    published = Receipt("c", "OrderFlow", "orderid::abc", "a", 0, at=AT)
    assert published.not_before == AT - timedelta(seconds=5)


async def test_threads_share_the_connections_of_a_client() -> None:
    with client_before(lambda _asked, _number: instance("a")) as (client, worker):
        await asyncio.gather(*(asyncio.to_thread(client.get, OrderFlow, "abc") for _ in range(8)))
        assert len(worker.asked) == 8
