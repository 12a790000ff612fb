"""A real Kafka on this machine, without Docker: detached in a folder, or for the length of a block."""

from hephaestus_stream.local_kafka.artifacts import KAFKA_VERSION, KafkaArtifacts
from hephaestus_stream.local_kafka.java import Java, find_java
from hephaestus_stream.local_kafka.kafka import LocalKafka
from hephaestus_stream.local_kafka.status import BrokerStatus, LocalKafkaStatus
from hephaestus_stream.local_kafka.temporary import temporary_cluster, temporary_kafka

__all__ = [
    "KAFKA_VERSION",
    "BrokerStatus",
    "Java",
    "KafkaArtifacts",
    "LocalKafka",
    "LocalKafkaStatus",
    "find_java",
    "temporary_cluster",
    "temporary_kafka",
]
