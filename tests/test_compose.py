"""docker-compose.yml starts a broker and a worker that finds it. (Docker itself is not needed to read it.)"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import yaml

from hephaestus_stream.settings import Settings

ROOT = Path(__file__).parents[1]


def services() -> dict[str, dict[str, Any]]:
    document = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return cast("dict[str, dict[str, Any]]", document["services"])


def test_the_worker_reaches_the_broker_by_the_listener_that_is_advertised_inside() -> None:
    broker, worker = services()["kafka"]["environment"], services()["worker"]["environment"]

    assert f"INSIDE://{worker['HEPHAESTUS_BOOTSTRAP']}" in broker["KAFKA_ADVERTISED_LISTENERS"].split(",")


def test_the_worker_gets_only_settings_that_there_are() -> None:
    names = {name.removeprefix("HEPHAESTUS_").lower() for name in services()["worker"]["environment"]}

    assert names <= set(Settings.model_fields)


def test_the_image_holds_what_the_worker_is_told_to_run() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text().splitlines()

    assert 'CMD ["worker", "workflows"]' in dockerfile
    assert "COPY workflows ./workflows" in dockerfile
