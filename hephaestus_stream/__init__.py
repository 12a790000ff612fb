"""Durable workflows on Kafka: typed Python classes, run by a stream processor, each transition applied exactly once."""

from hephaestus_stream.core.context import Context, StepResult
from hephaestus_stream.core.event import Event, NodeEvent, Outcome, Suspend
from hephaestus_stream.core.instance import Instance
from hephaestus_stream.core.retry import RetryPolicy
from hephaestus_stream.core.step import Step
from hephaestus_stream.core.workflow import Workflow
from hephaestus_stream.errors import (
    AmbiguousResultError,
    HephaestusError,
    MissingResultError,
    PermanentError,
    WorkflowDefinitionError,
)
from hephaestus_stream.steps import Debug, Done, Failed, Wait, WaitForEvent

__all__ = [
    "AmbiguousResultError",
    "Context",
    "Debug",
    "Done",
    "Event",
    "Failed",
    "HephaestusError",
    "Instance",
    "MissingResultError",
    "NodeEvent",
    "Outcome",
    "PermanentError",
    "RetryPolicy",
    "Step",
    "StepResult",
    "Suspend",
    "Wait",
    "WaitForEvent",
    "Workflow",
    "WorkflowDefinitionError",
]
