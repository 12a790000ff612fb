"""The topics that a partition hangs on: while a worker lives they may be deleted, made anew, or set otherwise."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from confluent_kafka import KafkaException

from hephaestus_stream.errors import ClusterNotReadyError, ShardClosedError
from hephaestus_stream.runtime.broker import PATIENCE, require_running, unreachable
from hephaestus_stream.runtime.changelog.following import ChangelogTopic
from hephaestus_stream.runtime.cluster import Cluster, TopicDescribed
from hephaestus_stream.runtime.position import WAY_OUT
from hephaestus_stream.wire.topics import Topics

_PAUSE_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Logs:
    """What the topics are at a moment.

    Attributes:
        changelog: The topic `state`.
        commands_id: The id of `commands`, which a topic made anew does not share.
    """

    changelog: ChangelogTopic
    commands_id: str

    def replaced_by(self, now: Logs) -> ShardClosedError | None:
        """Why a partition that was opened with these topics must be closed, if it must."""
        before = {"state": self.changelog.topic_id, "commands": self.commands_id}
        after = {"state": now.changelog.topic_id, "commands": now.commands_id}
        anew = [f"`{name}` (id {before[name]}, now {after[name]})" for name in before if before[name] != after[name]]
        if not anew:
            return None
        return ShardClosedError(
            f"{' and '.join(anew)} was made anew while the partition was open, and what it held is lost. {WAY_OUT}"
        )


def ask_logs(cluster: Cluster, *, stop: threading.Event, patience: timedelta = PATIENCE) -> Logs:
    """What the topics of a namespace are now; blocks.

    Args:
        cluster: Whom to ask.
        stop: Ends the question within a slice.
        patience: For how long it is asked again; a topic that was just made is known to each broker a little later.

    Raises:
        BrokerUnreachableError: No broker answers.
        ShardClosedError: One of the topics is missing.
        StoppedError: `stop` was set.
    """
    topics = Topics(cluster.namespace)
    names = (topics.state, topics.commands)
    deadline = time.monotonic() + patience.total_seconds()
    while True:
        found = _described(cluster, names, stop=stop, patience=patience)
        missing = [name for name in names if found is not None and name not in found]
        if found is not None and not missing:
            return _logs(found[topics.state], found[topics.commands])
        if time.monotonic() > deadline:
            if missing:
                raise _missing(missing)
            raise unreachable(cluster.connection, within=patience)
        stop.wait(_PAUSE_SECONDS)


def _described(
    cluster: Cluster, names: Sequence[str], *, stop: threading.Event, patience: timedelta
) -> Mapping[str, TopicDescribed] | None:
    require_running(stop, doing=f"asking for {' and '.join(names)}")
    try:
        return cluster.describe(names, with_options=True, stop=stop, patience=patience)
    except (KafkaException, ClusterNotReadyError):
        # Nobody answered in time, or a topic went between two questions.
        return None


def _logs(state: TopicDescribed, commands: TopicDescribed) -> Logs:
    life = timedelta(milliseconds=int(state.options["delete.retention.ms"]))
    changelog = ChangelogTopic(name=state.name, topic_id=state.topic_id, tombstone_life=life)
    return Logs(changelog=changelog, commands_id=commands.topic_id)


def _missing(names: Sequence[str]) -> ShardClosedError:
    return ShardClosedError(
        f"all partitions stay closed: {' and '.join(names)} went missing, and with it what was in it. If that "
        f"loss is acceptable: `hephaestus topics create`, then `hephaestus positions reset --accept-loss`"
    )
