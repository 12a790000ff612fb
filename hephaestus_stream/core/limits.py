"""Everything kept has a bound."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

LONGEST_RETENTION: Final = timedelta(days=36_525)
"""A hundred years: the end of a run and its retention must add up to a date."""

MAX_PAYLOAD_BYTES: Final = 400_000
"""Of start payload, results, metadata and early events of one run together: half of what one record may have."""

MAX_EARLY_EVENTS: Final = 100
"""Events that a run keeps for nodes that do not wait yet."""

MAX_REFUSALS: Final = 100
"""Refused commands that a run's history tells; further ones are only answered."""

MAX_RUN_ERROR: Final = 1_000
"""Characters of the message that a failed run keeps, and its completion tells."""

MAX_NODE_ERROR: Final = 300
"""Characters of the message that a node keeps: errors of many nodes must leave room for the payloads beside them."""

MAX_ERRORS_BYTES: Final = 60_000
"""Of the errors that all nodes of a run keep together: each has its share, of type and message."""

MAX_NODES: Final = 2_050
"""Of a workflow, enough for a fan-out of 2,000: what is kept of each node has to fit into the record of a run."""

MAX_PROMPT_LOSSES: Final = 2
"""Workers in a row that an attempt may lose promptly; then it is held, and fails with the next that it loses alone."""

PROMPT_LOSS: Final = timedelta(minutes=1)
"""What kills its worker mostly does so at once: what ran there for longer is hardly to blame."""

MAX_RESTARTS: Final = 20
"""How often an attempt is taken up again after its worker was lost, whoever is to blame, before it counts as failed."""

MAX_CLOCK_DIFFERENCE: Final = timedelta(seconds=5)
"""Between a worker's clock and the brokers': a worker that is further off fires no timer, and is not ready."""

MAX_LIVE_RUNS: Final = 1000
"""Live runs of one key, where the scope allows several."""

MAX_ENDED_RUNS: Final = 100
"""Ended runs that a key remembers; older ones are still kept for their time, and found by those who name them.

Each command to a key rewrites what the key remembers.
"""
