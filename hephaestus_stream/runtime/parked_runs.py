"""Runs that their worker cannot go on with: it lacks their workflow, version or key, and says so once of each kind."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from hephaestus_stream.core.state import State
from hephaestus_stream.cycle.batch import ParkedKind
from hephaestus_stream.cycle.committed import Committed
from hephaestus_stream.cycle.execution import ShardProfile
from hephaestus_stream.cycle.tables import Tables

_logger: Final = logging.getLogger(__name__)

_LOOKED_AT: Final = 1_000
"""Runs that are looked at when a shard opens; of others it tells when it meets them."""


class ParkedRuns:
    """Warns of the parked runs of a partition.

    Args:
        profile: The shard's surroundings.
    """

    def __init__(self, profile: ShardProfile) -> None:
        self._profile = profile
        self._told: set[ParkedKind] = set()

    def some(self, committed: Committed) -> dict[ParkedKind, State]:
        """Parked runs, one of each kind, as far as a quick look tells."""
        tables = Tables(committed, command_retention=timedelta(0))
        live = {(run.workflow, run.version, run.keys): run for run in tables.some_runs(_LOOKED_AT) if run.is_live}
        return {kind: run for kind, run in live.items() if self._profile.definition_of(run) is None}

    def tell(self, parked: Mapping[ParkedKind, State]) -> None:
        """Warns of kinds that were not told yet."""
        for kind in sorted(parked.keys() - self._told):
            why = self._profile.why_parked(parked[kind])
            _logger.warning("partition %d: there are runs of %s that are %s", self._profile.partition, kind[0], why)
        self._told |= parked.keys()
