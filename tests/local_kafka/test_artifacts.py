"""Kafka's jars, and what is said when they cannot be had."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from hephaestus_stream.errors import ArtifactsUnavailableError
from hephaestus_stream.local_kafka import KafkaArtifacts, LocalKafka


def without_a_network(cache: Path, *, port: int) -> KafkaArtifacts:
    return KafkaArtifacts(cache, repositories={"central": f"http://127.0.0.1:{port}"}, local_repository=cache / "empty")


def test_without_cache_and_network_the_error_names_the_ways_out_and_leaves_nothing(tmp_path: Path) -> None:
    # Bound but not listening: connections are refused, and nobody else can take the port meanwhile.
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        artifacts = without_a_network(tmp_path / "cache", port=closed.getsockname()[1])
        with pytest.raises(ArtifactsUnavailableError) as refusal:
            LocalKafka(tmp_path / "kafka", artifacts=artifacts).up()

    assert "Maven Central" in str(refusal.value)
    assert "mirror" in str(refusal.value)
    assert "HEPHAESTUS_BOOTSTRAP" in str(refusal.value)
    assert "Traceback" not in str(refusal.value)
    assert refusal.value.__suppress_context__
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_complete_cache_needs_no_network(tmp_path: Path) -> None:
    jars = KafkaArtifacts().jars()
    (tmp_path / jars.name).symlink_to(jars)
    said: list[str] = []

    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        cached = without_a_network(tmp_path, port=closed.getsockname()[1]).jars(said.append)

    assert any(jar.name.startswith("kafka_2.13-") for jar in cached.glob("*.jar"))
    assert said == []
