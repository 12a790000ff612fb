"""Durable workflows on Kafka: typed Python classes, run by a stream processor, each transition applied exactly once."""

from importlib import import_module
from typing import TYPE_CHECKING

from hephaestus_stream.core.context import Context, StepResult
from hephaestus_stream.core.event import Emitted, Event, NodeEvent, Outcome, Suspend
from hephaestus_stream.core.instance import Instance
from hephaestus_stream.core.retry import RetryPolicy
from hephaestus_stream.core.step import Step
from hephaestus_stream.core.workflow import Workflow
from hephaestus_stream.encryption import KeyProvider, Keyring
from hephaestus_stream.errors import (
    AccessDeniedError,
    AmbiguousResultError,
    BrokerRefusedError,
    BrokerUnreachableError,
    ClientBusyError,
    ClientClosedError,
    CommandError,
    CommandRefusedError,
    HephaestusError,
    InvalidKeyError,
    MissingResultError,
    NoAnswerError,
    NotEndedError,
    PayloadUnreadableError,
    PermanentError,
    RetryAfterError,
    SettingsError,
    StepDefinitionError,
    StepTimeoutError,
    TopicMismatchError,
    WorkflowDefinitionError,
)
from hephaestus_stream.steps import Debug, Done, Failed, Wait, WaitForEvent
from hephaestus_stream.wire.connection import Connection

if TYPE_CHECKING:
    from hephaestus_stream.client import AsyncClient, Client, Completion, Published, Receipt, Run
else:
    # The client brings Kafka's library along, a tenth of a second that a workflow's module need not pay. Hidden from
    # checkers, who would take any misspelt name for one that this function knows.
    _OF_THE_CLIENT = frozenset({"AsyncClient", "Client", "Completion", "Published", "Receipt", "Run"})

    def __getattr__(name: str) -> object:
        if name in _OF_THE_CLIENT:
            return getattr(import_module("hephaestus_stream.client"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})


__all__ = [
    "AccessDeniedError",
    "AmbiguousResultError",
    "AsyncClient",
    "BrokerRefusedError",
    "BrokerUnreachableError",
    "Client",
    "ClientBusyError",
    "ClientClosedError",
    "CommandError",
    "CommandRefusedError",
    "Completion",
    "Connection",
    "Context",
    "Debug",
    "Done",
    "Emitted",
    "Event",
    "Failed",
    "HephaestusError",
    "Instance",
    "InvalidKeyError",
    "KeyProvider",
    "Keyring",
    "MissingResultError",
    "NoAnswerError",
    "NodeEvent",
    "NotEndedError",
    "Outcome",
    "PayloadUnreadableError",
    "PermanentError",
    "Published",
    "Receipt",
    "RetryAfterError",
    "RetryPolicy",
    "Run",
    "SettingsError",
    "Step",
    "StepDefinitionError",
    "StepResult",
    "StepTimeoutError",
    "Suspend",
    "TopicMismatchError",
    "Wait",
    "WaitForEvent",
    "Workflow",
    "WorkflowDefinitionError",
]
