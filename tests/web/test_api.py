"""The HTTP interface of a real worker."""

from __future__ import annotations

import uuid
from collections.abc import Generator
from typing import Any, cast
from urllib.parse import quote

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel
from schemathesis.specs.openapi import checks

from hephaestus_stream import (
    AsyncClient,
    Client,
    Done,
    MissingResultError,
    WaitForEvent,
    Workflow,
)
from hephaestus_stream.errors import ApiUnreachableError, RunNotFoundError
from hephaestus_stream.wire.connection import Connection
from tests.web.served import Served, served

GUEST = {"name": "ada"}
PROBLEM = "application/problem+json"


class Guest(BaseModel):
    name: str


class GreetingFlow(Workflow[Guest], key="guest", version=3):
    """The worker's own has a step before its wait; for a client the names alone count."""

    reply = WaitForEvent(Guest)
    done = Done()
    start = reply
    transitions = (reply.received.to(done),)


@pytest.fixture(scope="module")
def worker(kafka_bootstrap: str, tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    connection = Connection(kafka_bootstrap, f"test-{uuid.uuid4().hex[:12]}")
    with served(connection, tmp_path_factory.mktemp("worker")) as there:
        yield there


@pytest.fixture
def name() -> str:
    return uuid.uuid4().hex


@pytest.mark.parity(16, 25)
def test_the_life_of_an_instance_over_http(worker: Served, name: str) -> None:
    key = f"guest::{name}"
    started = worker.tell(key, "start", input=GUEST, tags=[name])
    assert (started.status_code, started.json()["effect"]) == (200, "applied")
    # Right after the answer, and not before what the answer says.
    found = worker.read(f"/instances/{key}", minimum=started.json()["position"])
    assert found.json()["waiting_at"] == ["reply"]
    assert found.json()["input"] == GUEST

    resumed = worker.tell(key, "resume", event="received", payload={"name": "bob"})
    assert resumed.json()["run"] == started.json()["run"]
    ended = worker.read(f"/instances/{key}").json()
    assert (ended["status"], ended["ended_at"]) == ("completed", "done")
    assert ended["nodes"]["reply"]["result"] == {"name": "bob"}

    history = worker.read(f"/instances/{key}/history", limit=2).json()
    assert [event["sequence"] for event in history["events"]] == [1, 2]
    rest = worker.read(f"/instances/{key}/history", after=history["after"]).json()
    assert rest["events"][-1]["type"] == "completed"

    listed = worker.read("/instances", tag=[name], status=["completed", "failed"]).json()
    assert [each["key"] for each in listed["instances"]] == [key]
    counted = worker.read("/counts", tag=[name], by=["status", "workflow"]).json()
    assert counted["counts"] == [{"workflow": "GreetingFlow", "status": "completed", "node": None, "count": 1}]


def test_the_position_before_the_first_command_of_a_new_topic_is_known_to_everyone(worker: Served, name: str) -> None:
    # As a view tells it after `positions reset` to a topic that was made anew.
    worker.tell(f"guest::{name}", "start", input=GUEST)
    assert worker.read(f"/instances/guest::{name}", minimum=-1).status_code == 200
    assert worker.read(f"/instances/guest::{name}", minimum=-2).status_code == 422


def test_the_same_idempotency_key_gets_the_same_answer(worker: Served, name: str) -> None:
    first = worker.tell(f"guest::{name}", "start", id=name, input=GUEST)
    again = worker.tell(f"guest::{name}", "start", id=name, input=GUEST)
    assert (first.json()["run"], first.json()["duplicate"]) == (name, False)
    assert (again.json()["run"], again.json()["duplicate"]) == (name, True)


def test_a_command_may_have_any_id_that_a_header_can_carry(worker: Served, name: str) -> None:
    odd = f"bücher-注文-{name}"
    with Client(worker.connection, api=worker.url, via="http") as client:
        started = client.start(GreetingFlow, name, Guest(name="ada"), command_id=odd)
        again = client.start(GreetingFlow, name, Guest(name="ada"), command_id=odd)
    assert (started.run, again.run, again.duplicate) == (odd, odd, True)
    for broken in (b"b\xfccher", b""):
        told = worker.http.post(
            f"/instances/guest::{name}/cancel",
            json={"workflow": "GreetingFlow"},
            headers=[(b"Idempotency-Key", broken)],
        )
        assert (told.status_code, told.json()["type"]) == (422, "urn:hephaestus:problem:invalid-request")


@pytest.mark.parametrize("odd", ["a/b", "a b", "ä%2F..", "../../etc", "a;b,c?d#e", "'; DROP TABLE runs; --", "日本"])
def test_an_id_is_one_segment_whatever_it_holds(worker: Served, name: str, odd: str) -> None:
    key = f"guest::{name}{odd}"
    place = quote(key, safe="")
    assert worker.tell(place, "start", input=GUEST).is_success
    assert worker.read(f"/instances/{place}").json()["key"] == key
    assert worker.read(f"/instances/{place}/history").json()["key"] == key


@pytest.mark.parametrize(
    ("key", "command", "body", "status", "reason"),
    [
        ("guest::{}", "start", {"input": {}}, 422, "invalid_payload"),
        ("other::{}", "start", {"input": GUEST}, 422, "invalid_key"),
        ("guest::{}", "start", {"input": GUEST, "workflow": "Nope"}, 404, "unknown_workflow"),
        ("guest::{}", "start", {"input": GUEST, "version": 9}, 404, "unknown_version"),
        ("guest::{}", "cancel", {}, 404, "not_found"),
        ("guest::{}", "resume", {"event": "received"}, 404, "not_found"),
        ("nokey{}", "cancel", {}, 422, "invalid_key"),
        ("guest::{}", "start", {}, 422, None),
        ("guest::{}", "start", {"input": GUEST, "typo": 1}, 422, None),
        ("guest::{}", "start", {"input": GUEST, "schema": 1}, 422, None),
        ("guest::{}", "explode", {}, 404, None),
    ],
)
def test_a_mistake_is_a_problem_with_the_way_out(  # noqa: PLR0917 - pytest passes them by name
    worker: Served, name: str, key: str, command: str, body: dict[str, Any], status: int, reason: str | None
) -> None:
    answer = worker.tell(key.format(name), command, **body)
    assert (answer.status_code, answer.headers["content-type"]) == (status, PROBLEM)
    problem = answer.json()
    assert (problem["status"], problem.get("reason")) == (status, reason)
    assert problem["detail"]


def test_a_conflict_names_the_run_that_lives(worker: Served, name: str) -> None:
    run = worker.tell(f"guest::{name}", "start", input=GUEST).json()["run"]
    again = worker.tell(f"guest::{name}", "start", input=GUEST)
    assert (again.status_code, again.json()["reason"]) == (409, "already_running")
    assert run in again.json()["detail"]


@pytest.mark.parametrize(
    ("method", "path", "content", "headers", "status"),
    [
        ("GET", "/nothing", b"", {}, 404),
        ("DELETE", "/instances", b"", {}, 405),
        ("GET", "/instances?limit=0", b"", {}, 422),
        ("GET", "/instances?colour=red", b"", {}, 422),
        ("GET", "/instances?cursor=%00", b"", {}, 422),
        ("GET", "/instances?status=' OR 1=1", b"", {}, 422),
        ("GET", f"/instances/guest%3A%3A{'a' * 7_900}", b"", {}, 422),
        ("GET", f"/instances/guest%3A%3A{'a' * 10_000}", b"", {}, 414),
        ("GET", "/instances/guest%3A%3Aa%0D%0AX-Injected%3A%201", b"", {}, 422),
        ("GET", "/instances/guest%3A%3Aa%00", b"", {}, 422),
        ("GET", "/instances/guest%3A%3A%FF%FE", b"", {}, 422),
        ("GET", "/instances/", b"", {}, 404),
        ("GET", "/cluster", b"", {"Host": "localhost.evil.example"}, 421),
        ("GET", "/cluster", b"", {"Host": "127.0.0.1.evil.example"}, 421),
        ("GET", "/instances", b"", {"Hephaestus-Partitions": "1,x"}, 400),
        ("GET", "/instances", b"", {"Hephaestus-Worker": "another"}, 421),
        ("GET", "/instances", b"", {"Host": "evil.example"}, 421),
        ("POST", "/instances/guest%3A%3Aa/start", b"{", {"Content-Type": "application/json"}, 422),
        (
            "POST",
            "/instances/guest%3A%3Aa/start",
            b'{"workflow": "GreetingFlow", "input": {}}',
            {"Content-Type": ""},
            415,
        ),
        ("POST", "/instances/guest%3A%3Aa/start", b"{}", {"Content-Type": "text/plain"}, 415),
        ("POST", "/instances/guest%3A%3Aa/start", b"{}", {"Content-Type": "application/jsonp"}, 415),
        ("POST", "/instances/guest%3A%3Aa/start", b" " * 1_200_000, {"Content-Type": "application/json"}, 413),
        (
            "POST",
            "/instances/guest%3A%3Aa/start",
            b"{}",
            {"Content-Type": "application/json", "Idempotency-Key": "x" * 101},
            422,
        ),
    ],
)
def test_what_is_wrong_with_a_request_is_a_problem(  # noqa: PLR0917 - as above
    worker: Served, method: str, path: str, content: bytes, headers: dict[str, str], status: int
) -> None:
    answer = worker.http.request(method, path, content=content, headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (status, PROBLEM), answer.text
    assert answer.json()["status"] == status
    assert "x-injected" not in answer.headers


@pytest.mark.parametrize("host", ["LocalHost.:80", "127.8.9.1", "[::1]:7430"])
def test_a_worker_answers_to_each_name_of_its_machine(worker: Served, host: str) -> None:
    assert worker.http.get("/cluster", headers={"Host": host}).status_code == 200


def test_who_asks_for_the_head_alone_gets_it(worker: Served) -> None:
    for path, status in (("/cluster", 200), ("/nothing", 404)):
        head = worker.http.head(path)
        assert (head.status_code, head.content) == (status, b"")
        assert int(head.headers["content-length"]) == len(worker.read(path).content)


def test_a_body_without_a_length_has_a_bound_too(worker: Served) -> None:
    chunks = (b" " * 100_000 for _ in range(20))
    answer = worker.http.post("/instances/guest::a/start", content=chunks, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.headers["content-type"]) == (413, PROBLEM)
    assert answer.json()["type"] == "urn:hephaestus:problem:too-large"


def test_workflows_and_cluster_are_told(worker: Served) -> None:
    assert worker.read("/workflows").json() == [{"name": "GreetingFlow", "key": "guest", "current": 3, "versions": [3]}]
    (version,) = worker.read("/workflows/GreetingFlow").json()["details"]
    assert version["input"]["properties"]["name"] == {"title": "Name", "type": "string"}
    assert [(each["node"], each["event"]) for each in version["events"]] == [("reply", "received")]
    assert version["graph"].startswith("flowchart")
    assert worker.read("/workflows/Greetin").json()["detail"].endswith("did you mean 'GreetingFlow'?")
    cluster = worker.read("/cluster").json()
    assert [(each["url"], each["answers"]) for each in cluster["workers"]] == [(worker.url, True)]
    assert [(each["partition"], each["state"]) for each in cluster["partitions"]] == [(0, "open"), (1, "open")]


@pytest.mark.parity(16, 18, 20, 25)
def test_the_blocking_client_reads_what_it_has_started(worker: Served, name: str) -> None:
    with Client(worker.connection, api=worker.url) as client:
        run = client.start(GreetingFlow, name, Guest(name="ada"), tags=(name,))
        found = client.get(run)
        assert (found.status, found.initial(GreetingFlow)) == ("waiting", Guest(name="ada"))
        with pytest.raises(MissingResultError):
            found.result(GreetingFlow.reply.received)
        client.resume(GreetingFlow, name, GreetingFlow.reply.received, Guest(name="bob"))
        assert client.get(GreetingFlow, name).result(GreetingFlow.reply.received) == Guest(name="bob")
        assert [each.key for each in client.list(GreetingFlow, tag=name)] == [run.key]
        assert list(client.list(status="failed", tag=name)) == []
        assert client.count(GreetingFlow, by=("status",), tag=name).total == 1
        assert client.count(GreetingFlow, by="status", tag=name).counts[0].status == "completed"
        history = list(client.history(run))
        assert [each.sequence for each in history] == list(range(1, len(history) + 1))
        assert (history[0].type, history[-1].type) == ("started", "completed")
        assert list(client.history(run, after=2)) == history[2:]
        with pytest.raises(RunNotFoundError, match="no run"):
            client.get(GreetingFlow, f"{name}-other")


@pytest.mark.parity(16, 25)
async def test_the_async_client_has_the_same_verbs(worker: Served, name: str) -> None:
    async with AsyncClient(worker.connection, api=f"http://127.0.0.1:1,{worker.url}") as client:
        runs = [await client.start(GreetingFlow, f"{name}-{number}", Guest(name="a")) for number in range(3)]
        assert (await client.get(runs[0])).run == runs[0].run
        newest = [each.key async for each in client.list(GreetingFlow, id_prefix=name)]
        oldest = [each.key async for each in client.list("GreetingFlow", id_prefix=f"guest::{name}", order="oldest")]
        assert newest == oldest[::-1] == [run.key for run in runs[::-1]]
        waiting = await client.count(GreetingFlow, waiting_at=GreetingFlow.reply, id_prefix=name, by=("node",))
        assert [(each.node, each.count) for each in waiting.counts] == [("reply", 3)]
        history = [each.type async for each in client.history(GreetingFlow, f"{name}-0")]
        assert history[0] == "started"


async def test_where_no_worker_answers_the_error_says_the_way_out(worker: Served) -> None:
    async with AsyncClient(worker.connection, api="http://127.0.0.1:1") as client:
        with pytest.raises(
            ApiUnreachableError, match=r"no worker answers over HTTP at http://127.0.0.1:1 .*HEPHAESTUS_API"
        ):
            await client.get(GreetingFlow, "a")


@pytest.mark.parity(16, 25)
def test_the_commands_show_list_count_and_tell(worker: Served, name: str) -> None:
    hephaestus, at = worker.hephaestus, ("--api", worker.url, "-n", worker.connection.namespace)
    assert worker.tell(f"guest::{name}", "start", input=GUEST, tags=[name]).is_success

    shown = hephaestus("get", "flows:GreetingFlow", name, *at)
    assert (shown.code, shown.out.splitlines()[0]) == (0, f"guest::{name} waiting")
    assert "reply" in shown.out
    listed = hephaestus("list", "flows:GreetingFlow", "--tag", name, "--started-from", "1h", *at)
    assert f"guest::{name}" in listed.out
    counted = hephaestus("count", "GreetingFlow", "--by", "node", "--tag", name, *at)
    assert counted.out.splitlines()[-1] == "1 instance"
    told = hephaestus("history", "GreetingFlow", f"guest::{name}", *at)
    assert "step started" in told.out

    missing = hephaestus("get", "GreetingFlow", f"guest::{name}x", *at)
    assert (missing.code, missing.err) == (
        6,
        f"error: guest::{name}x has no run of GreetingFlow; a run is kept for its retention after its end\n",
    )
    assert hephaestus("list", "--api", "http://127.0.0.1:1").code == 4
    wrong = hephaestus("list", "--started-from", "soon", *at)
    assert (wrong.code, wrong.err.startswith("error: --started-from 'soon' is no time")) == (2, True)


def test_the_interface_is_as_it_describes_itself(worker: Served) -> None:
    schema: Any = schemathesis.openapi.from_url(f"{worker.url}/openapi.json")
    operations = [each.ok() for each in schema.get_all_operations()]
    assert len(operations) >= 12
    for operation in operations:
        check(operation.as_strategy())


def check(cases: st.SearchStrategy[Any]) -> None:
    @settings(max_examples=10, suppress_health_check=[HealthCheck.too_slow], deadline=None, database=None)
    @given(cases)
    def is_as_described(case: Any) -> None:  # noqa: ANN401 - of a library without a name for it
        # A cursor, or a key, is more than its schema can say.
        case.call_and_validate(timeout=40, excluded_checks=[cast("Any", checks).positive_data_acceptance])

    is_as_described()
