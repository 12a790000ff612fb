"""The parts of Faust that `stream` overrides or relies on, compared with what is installed, at import.

The overrides reach into methods that Faust does not document. A release that changes one of them must stop the worker
with a sentence, and not lose commands in silence.
"""

# Faust's annotations have holes:
# pyright: reportPrivateUsage=false, reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import version

import faust
from faust.app.base import BootStrategy
from faust.assignor.partition_assignor import PartitionAssignor
from faust.serializers.schemas import Schema
from faust.tables.manager import TableManager
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, ConsumerRebalanceListener

from hephaestus_stream.errors import UnsupportedFaustError

READ_IN = "faust-streaming 0.15.3 with aiokafka 0.14.0"

FAUST: Sequence[tuple[Callable[..., object], str]] = [
    (faust.App._new_transport, "(self)"),  # noqa: SLF001 - the names are Faust's, here and below
    (faust.App._on_rebalance_when_stopped, "(self)"),  # noqa: SLF001
    (faust.App._wait_for_table_recovery_completed, "(self)"),  # noqa: SLF001
    (BootStrategy.kafka_producer, "(self)"),
    (BootStrategy.web_server, "(self)"),
    (PartitionAssignor._global_table_standby_assignments, "(self, assignments, partitions_by_topic)"),  # noqa: SLF001
    (TableManager.on_start, "(self)"),
    (ConsumerRebalanceListener.on_partitions_assigned, "(self, assigned)"),
    (AIOKafkaConsumerThread._create_worker_consumer, "(self, transport)"),  # noqa: SLF001
    (AIOKafkaConsumerThread._ensure_consumer, "(self)"),  # noqa: SLF001
    (AIOKafkaConsumerThread.call_thread, "(self, fun, *args, **kwargs)"),
    (AIOKafkaConsumerThread.on_thread_stop, "(self)"),
    (Consumer._new_consumer_thread, "(self)"),  # noqa: SLF001
    (Consumer.on_partitions_assigned, "(self, assigned, generation_id=0)"),
    (Consumer.on_partitions_revoked, "(self, revoked)"),
    (Consumer.getmany, "(self, timeout)"),
    (Consumer.perform_seek, "(self)"),
    (Consumer.wait_empty, "(self)"),
    (Consumer.commit, "(self, topics=None, start_new_transaction=True)"),
    (Consumer.verify_event_path, "(self, now, tp)"),
    (Schema.loads_key, "(self, app, message, *, loads=None, serializer=None)"),
    (Schema.loads_value, "(self, app, message, *, loads=None, serializer=None)"),
    (PartitionAssignor.assigned_standbys, "(self)"),
]


def assert_signatures(expected: Sequence[tuple[Callable[..., object], str]]) -> None:
    """Compare each function's parameters, without annotations, with the ones that were read in the source.

    Raises:
        UnsupportedFaustError: One of them differs; the message names all of them and the installed versions.
    """
    _require_none(
        f"{function.__qualname__}{found} is not the expected {parameters}"
        for function, parameters in expected
        if (found := _parameters(function)) != parameters
    )


def assert_names(expected: Sequence[tuple[Callable[..., object], Sequence[str]]]) -> None:
    """Look in each function's code for names of attributes and globals that it must use: they have no signature.

    Raises:
        UnsupportedFaustError: One of them is not there, as above.
    """
    _require_none(
        f"{function.__qualname__} does not use {name}"
        for function, names in expected
        for name in names
        if name not in inspect.unwrap(function).__code__.co_names
    )


def _require_none(found: Iterable[str]) -> None:
    problems = list(found)
    if problems:
        installed = f"faust-streaming {version('faust-streaming')} with aiokafka {version('aiokafka')}"
        raise UnsupportedFaustError(
            f"{installed} cannot be used, the stream was written for {READ_IN}: {'; '.join(problems)}. "
            "Install the versions that hephaestus-stream pins."
        )


def _parameters(function: Callable[..., object]) -> str:
    signature = inspect.signature(function)
    bare = [parameter.replace(annotation=inspect.Parameter.empty) for parameter in signature.parameters.values()]
    return str(inspect.Signature(bare))
