"""A real Kafka broker on this machine, without Docker: detached in a folder, or for the length of a block."""

from hephaestus_stream.local_kafka.artifacts import KAFKA_VERSION, KafkaArtifacts
from hephaestus_stream.local_kafka.broker import LocalKafka
from hephaestus_stream.local_kafka.java import Java, find_java
from hephaestus_stream.local_kafka.status import LocalKafkaStatus
from hephaestus_stream.local_kafka.temporary import temporary_kafka

__all__ = ["KAFKA_VERSION", "Java", "KafkaArtifacts", "LocalKafka", "LocalKafkaStatus", "find_java", "temporary_kafka"]
