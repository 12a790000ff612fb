"""Whether the topics of open partitions are still the same ones: nothing else tells.

Kafka's readers and writers know a topic by its name. One that was made anew is read from the old offset on as soon as
it is long enough, and takes what its owners commit for another state. So its id is asked for while partitions are open.
What was taken in and committed in between is marked with the former ids, so that the next opening knows of it.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import Final

from hephaestus_stream.errors import HephaestusError, ShardClosedError
from hephaestus_stream.runtime.changelog.logs import ask_logs
from hephaestus_stream.runtime.changelog.origin import Origin
from hephaestus_stream.runtime.shards import OwnedShards

_logger = logging.getLogger(__name__)

EVERY_SECONDS: Final = 3.0


async def watch_topics(origin: Origin, shards: OwnedShards) -> None:
    """Closes open partitions whose topics were deleted or made anew; goes on until it is cancelled."""
    stop = threading.Event()
    try:
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            await _look(origin, shards, stop)
    finally:
        stop.set()


async def _look(origin: Origin, shards: OwnedShards, stop: threading.Event) -> None:
    opened = shards.logs()
    try:
        now = await asyncio.to_thread(ask_logs, origin.cluster, stop=stop)
    except ShardClosedError as error:
        if not opened:
            # Without `commands` the group assigns nothing, and nobody else says why.
            _logger.warning("%s", error)
        reasons: dict[int, ShardClosedError | None] = dict.fromkeys(opened, error)
    except HephaestusError as error:
        # Whoever commits or fetches meets it, too, and says so.
        _logger.debug("what the topics are cannot be asked now: %s", error)
        return
    else:
        reasons = {partition: logs.replaced_by(now) for partition, logs in opened.items()}
    still_open = shards.logs()
    for partition, reason in reasons.items():
        if reason is not None and still_open.get(partition) is opened[partition]:
            shards.close(partition, reason)
