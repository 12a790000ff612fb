"""What a worker's log says, and how often."""

from __future__ import annotations

import json
import logging
from collections.abc import Generator
from contextvars import copy_context
from datetime import UTC, datetime
from typing import Final

import pytest
from aiokafka.errors import KafkaConnectionError  # type: ignore[import-untyped]

from hephaestus_stream.cli.logs import set_up_logging
from hephaestus_stream.telemetry.log_fields import add_log_fields

LOG: Final = logging.getLogger("hephaestus_stream.runtime.shard")


@pytest.fixture(autouse=True)
def restore_logging() -> Generator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


def test_a_client_that_complains_a_hundred_times_is_heard_once(capfd: pytest.CaptureFixture[str]) -> None:
    set_up_logging("INFO")
    for number in range(100):
        logging.getLogger("aiokafka").error("Unable connect to node %d", number)
        logging.getLogger("hephaestus_stream.librdkafka").error("FAIL [rdkafka#consumer-%d] refused", number)
        logging.getLogger("hephaestus_stream.runtime.shard").warning("our own line")

    lines = capfd.readouterr().err.splitlines()

    assert len([line for line in lines if "Unable" in line]) == 1
    assert len([line for line in lines if "FAIL" in line]) == 1
    assert len([line for line in lines if "our own" in line]) == 100


def test_a_question_to_another_worker_is_no_line(capfd: pytest.CaptureFixture[str]) -> None:
    set_up_logging("INFO")
    logging.getLogger("httpx").info("HTTP Request: GET http://127.0.0.1:7430/instances")
    assert capfd.readouterr().err == ""


def lines_of(capfd: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capfd.readouterr().err.splitlines()]


def test_as_json_a_line_is_one_object_that_says_when_where_and_what(capfd: pytest.CaptureFixture[str]) -> None:
    set_up_logging("INFO", "json")
    before = datetime.now(UTC)
    LOG.warning("attempt %d\nfailed", 2, extra={"key": "orderid::ä", "run": "r-1", "since": before})

    [line] = lines_of(capfd)

    time = datetime.fromisoformat(str(line.pop("time")))
    assert before <= time <= datetime.now(UTC)
    assert line == {
        "level": "WARNING",
        "logger": LOG.name,
        "message": "attempt 2\nfailed",
        "key": "orderid::ä",
        "run": "r-1",
        "since": str(before),
    }


def test_as_json_an_exception_is_a_field_of_its_line(capfd: pytest.CaptureFixture[str]) -> None:
    set_up_logging("INFO", "json")
    LOG.error("not found", exc_info=LookupError("nowhere"), stack_info=True)

    [line] = lines_of(capfd)

    assert line["message"] == "not found"
    assert line["exception"] == "LookupError: nowhere"
    assert str(line["stack"]).startswith("Stack")


def test_as_json_a_field_cannot_pass_for_what_was_said_and_when(capfd: pytest.CaptureFixture[str]) -> None:
    set_up_logging("INFO", "json")
    LOG.info("the truth", extra={"level": "NONE", "time": "never", "logger": "nobody"})

    [line] = lines_of(capfd)

    assert (line["level"], line["logger"], line["message"]) == ("INFO", LOG.name, "the truth")
    assert line["time"] != "never"


def test_as_json_a_line_has_the_fields_of_where_it_was_written(capfd: pytest.CaptureFixture[str]) -> None:
    set_up_logging("INFO", "json")

    def of_a_shard() -> None:
        add_log_fields({"partition": 7})
        add_log_fields({"node": "charge"})
        LOG.info("inside")
        LOG.info("another's", extra={"node": "ship"})

    copy_context().run(of_a_shard)
    LOG.info("outside")

    inside, others, outside = lines_of(capfd)

    assert (inside["partition"], inside["node"]) == (7, "charge")
    assert (others["partition"], others["node"]) == (7, "ship")
    assert {"partition", "node"} & set(outside) == set()


def test_for_people_a_line_is_what_it_was(capfd: pytest.CaptureFixture[str]) -> None:
    set_up_logging("INFO")
    LOG.warning("our own line", extra={"key": "orderid::a"})

    [line] = capfd.readouterr().err.splitlines()

    assert line.endswith(f" WARNING {LOG.name}: our own line")


@pytest.mark.parametrize(("error", "is_told"), [(KafkaConnectionError("no broker"), False), (ValueError("ours"), True)])
def test_a_task_that_aiokafka_forgot_is_not_told_and_one_of_our_own_is(
    error: Exception,
    is_told: bool,  # noqa: FBT001 - a parameter of the test
    capsys: pytest.CaptureFixture[str],
) -> None:
    set_up_logging("INFO")
    logging.getLogger("asyncio").error("Task exception was never retrieved", exc_info=error)
    assert ("never retrieved" in capsys.readouterr().err) is is_told
