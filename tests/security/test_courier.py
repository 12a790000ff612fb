"""A worker whose rights come late."""

from __future__ import annotations

import asyncio
import logging

import pytest

from hephaestus_stream.cycle.batch import Forward
from hephaestus_stream.runtime.courier import Courier
from hephaestus_stream.wire.rights import worker_rights
from tests.runtime.test_shard import until
from tests.security.users import Users


async def test_commands_are_forwarded_as_soon_as_the_worker_may(users: Users, caplog: pytest.LogCaptureFixture) -> None:
    courier = Courier(users.connection("worker"), on_refusal=lambda: None)
    # Who may write to no topic at all gets no producer's id, and librdkafka's producer ends for good.
    with caplog.at_level(logging.DEBUG, "hephaestus_stream.runtime.courier"):
        sent = asyncio.create_task(courier.forward([Forward(1, b"key", b"value", [])]))
        await until(lambda: "since the former has failed" in caplog.text)
    users.allow("worker", worker_rights(users.namespace))
    await asyncio.wait_for(sent, 20)
    courier.close()
