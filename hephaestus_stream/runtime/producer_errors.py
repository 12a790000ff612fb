"""Which of librdkafka's errors mean what for a transaction; its own are spelled with an underscore."""

# ruff: noqa: SLF001 - see above

from __future__ import annotations

from typing import Final

from confluent_kafka import KafkaError

# Another producer of the same transactional id was opened.
FENCED: Final = frozenset({KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH})
# `produce()` refuses what is too large for every topic by itself: a broker that says so has a topic set too low.
TOO_LARGE_FOR_TOPIC: Final = frozenset(
    {KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE, KafkaError.INVALID_MSG_SIZE}
)
# The broker says these of a whole batch of records, so they name the innocent with the guilty.
REFUSED: Final = frozenset(
    {
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.RECORD_LIST_TOO_LARGE,
        KafkaError.INVALID_MSG,
        KafkaError.INVALID_MSG_SIZE,
        KafkaError.INVALID_RECORD,
        KafkaError.INVALID_TIMESTAMP,
        KafkaError.POLICY_VIOLATION,
    }
)
# A call was given up, and nobody will take it up again; librdkafka calls that retriable.
CONFLICT: Final = KafkaError._CONFLICT
# What `produce()` says in a transaction that failed meanwhile.
BROKEN_OFF: Final = frozenset({KafkaError._STATE, KafkaError._FATAL})
# Topic and partition are the shard's own, never an input's: no input may be dropped for them, and no repetition helps.
HOPELESS: Final = frozenset(
    {
        KafkaError._UNKNOWN_TOPIC,
        KafkaError._UNKNOWN_PARTITION,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    }
)
