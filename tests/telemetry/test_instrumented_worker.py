"""`opentelemetry-instrument hephaestus worker` sends what OpenTelemetry's own variables say, where they say."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hephaestus_stream.wire.connection import Connection
from hephaestus_stream.wire.request import start_command
from tests.integration.workers import Publisher
from tests.telemetry.receiver import Received, receiver
from workflows.order import Order, OrderFlow

ROOT = Path(__file__).parents[2]


def instrumented_worker(connection: Connection, folder: Path, port: int) -> subprocess.Popen[bytes]:
    scripts = Path(sys.executable).parent
    command = [str(scripts / "opentelemetry-instrument"), str(scripts / "hephaestus"), "worker", "workflows.order"]
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "HEPHAESTUS_BOOTSTRAP": connection.bootstrap,
        "HEPHAESTUS_NAMESPACE": connection.namespace,
        "HEPHAESTUS_PARTITIONS": "2",
        "HEPHAESTUS_REPLICATION_FACTOR": "1",
        "HEPHAESTUS_DATA": str(folder),
        "HEPHAESTUS_LOG_FORMAT": "json",
        "OTEL_SERVICE_NAME": "shop",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_LOGS_EXPORTER": "none",
        "OTEL_BSP_SCHEDULE_DELAY": "100",
        "OTEL_METRIC_EXPORT_INTERVAL": "500",
    }
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(command, env=environment, cwd=folder, stdout=log, stderr=log)


def is_told(received: Received) -> bool:
    return "run OrderFlow" in {span.name for span in received.spans} and "hephaestus.runs.ended" in received.metrics


@pytest.mark.parity(21)
def test_a_worker_under_opentelemetry_instrument_sends_spans_metrics_and_structured_lines(
    connection: Connection, tmp_path: Path, eventually: Callable[[Callable[[], bool]], None]
) -> None:
    with receiver() as received:
        worker = instrumented_worker(connection, tmp_path, received.port)
        try:
            eventually(lambda: worker.poll() is not None or b"owns the partitions" in (tmp_path / "log").read_bytes())
            assert worker.poll() is None, (tmp_path / "log").read_text()
            declined = Order(sku="chair", quantity=2, customer="ada", card="declined")
            command = start_command(OrderFlow, "a", declined)
            Publisher(connection).send([command])
            eventually(lambda: is_told(received))
        finally:
            worker.send_signal(signal.SIGTERM)
            worker.wait(30)

    begin = next(span for span in received.spans if span.name == "begin OrderFlow")
    charge = next(span for span in received.spans if span.name == "step OrderFlow.charge")
    assert (charge.trace_id, charge.parent_span_id) == (begin.trace_id, begin.span_id)
    assert "hephaestus.partitions.owned" in received.metrics
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    [failed] = [line for line in lines if line["level"] == "ERROR"]
    assert {name: failed[name] for name in ("key", "run", "workflow", "node", "message")} == {
        "key": command.key,
        "run": command.id,
        "workflow": "OrderFlow",
        "node": "declined",
        "message": f"{command.key} (run {command.id}) failed at declined: Failed: the card was declined",
    }
    assert failed["partition"] in {0, 1}
    assert [line["message"] for line in lines][-1] == "stopped in order"
