from __future__ import annotations

from tests.integration.conftest import publisher, topics, workers

__all__ = ["publisher", "topics", "workers"]
