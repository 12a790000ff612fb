"""What a worker's log says, and how often."""

from __future__ import annotations

import logging
from collections.abc import Generator

import pytest

from hephaestus_stream.cli.logs import set_up_logging


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
