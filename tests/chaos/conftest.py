from __future__ import annotations

import pytest

from tests.chaos.cluster import Cluster, ForeignCluster


@pytest.fixture
def cluster(kafka_bootstrap: str) -> Cluster:
    """The brokers that all tests share, which nobody may break."""
    return ForeignCluster(kafka_bootstrap)
