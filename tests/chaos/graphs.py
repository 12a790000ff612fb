"""The public graphs of workflow classes as plain data, for a checker that knows no engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hephaestus_stream.core.definition import Definition
from hephaestus_stream.core.ending import Ending
from hephaestus_stream.core.node import Node
from hephaestus_stream.core.retry import DEFAULT_RETRY
from hephaestus_stream.core.workflow import Workflow
from tests.chaos.flows import Noting


def descriptions(workflows: Sequence[type[Workflow[Any]]]) -> list[dict[str, object]]:
    """One object for each workflow, as JSON can hold it."""
    return [_description(workflow.definition) for workflow in workflows]


def _description(definition: Definition) -> dict[str, object]:
    return {
        "workflow": definition.name,
        "version": definition.version,
        "scope": definition.scope,
        "start": definition.graph.start,
        "nodes": {name: _node(definition, name, node) for name, node in definition.nodes.items()},
        "edges": [[edge.source, edge.event, edge.label, edge.target] for edge in definition.graph.edges],
    }


def _node(definition: Definition, name: str, node: Node) -> dict[str, object]:
    if isinstance(node, Ending):
        return {"ending": True, "failure": node.failure is not None, "interrupts": node.interrupts}
    events = definition.events[name]
    return {
        "events": list(events),
        "external": [event for event, declared in events.items() if declared.external],
        "attempts": (definition.retry_of(name) or DEFAULT_RETRY).max_attempts,
        "routes": {event: sorted(labels) for (of, event), labels in definition.labels.items() if of == name},
        "noted": isinstance(node, Noting),
    }
