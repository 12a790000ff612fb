"""What both sides of the HTTP of workers know: their own headers, and what of a command stands in no body."""

from __future__ import annotations

from typing import Final

NAMESPACE_HEADER: Final = "Hephaestus-Namespace"
"""The namespace that whoever asks means: a worker of another one says that it is."""

PARTITIONS_HEADER: Final = "Hephaestus-Partitions"
"""The partitions that a worker asks another one for."""

WORKER_HEADER: Final = "Hephaestus-Worker"
"""The id of the worker that is meant."""

ADDRESSING: Final = frozenset({"type", "id", "key", "schema"})
"""The fields of a command that path and headers tell."""
