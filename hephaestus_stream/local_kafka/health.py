"""Whether a broker really serves."""

from __future__ import annotations

import socket

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from hephaestus_stream.local_kafka.folder import BrokerRecord

_CONNECT_SECONDS = 0.5
_METADATA_SECONDS = 2.0


def serves(record: BrokerRecord) -> bool:
    """Whether the broker of this record answers a metadata request, as the cluster it should be, with itself in it.

    A broker lists itself only after the controller let it in, so a listed broker takes requests; and the cluster id
    tells it from a stranger that has the port now.
    """
    host = record.bootstrap.partition(":")[0]
    try:
        # Asked first because librdkafka waits and retries where nobody listens.
        socket.create_connection((host, record.port), timeout=_CONNECT_SECONDS).close()
        # librdkafka would write each failed connection to standard error.
        admin = AdminClient({"bootstrap.servers": record.bootstrap, "log_level": 0})
        metadata = admin.list_topics(timeout=_METADATA_SECONDS)
    except (OSError, KafkaException):
        return False
    # Its type stub says None.
    return str(metadata.cluster_id) == record.cluster_id and record.node_id in metadata.brokers
