"""The headers of requests over HTTP, beside those that everybody knows."""

from __future__ import annotations

from typing import Final

NAMESPACE_HEADER: Final = "Hephaestus-Namespace"
"""The namespace that whoever asks means: a worker of another one says that it is."""

PARTITIONS_HEADER: Final = "Hephaestus-Partitions"
"""The partitions that a worker asks another one for."""

WORKER_HEADER: Final = "Hephaestus-Worker"
"""The id of the worker that is meant."""
