"""The results that a node sees, read from the record of its run when they are asked for."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import msgspec

from hephaestus_stream.core.context import StepResult
from hephaestus_stream.core.definition import Definition
from hephaestus_stream.core.state import Reported, State
from hephaestus_stream.core.visible import visible_nodes
from hephaestus_stream.encryption.cipher import NO_KEYS, Cipher
from hephaestus_stream.encryption.run import metadata_place, result_place


@dataclass(frozen=True, slots=True)
class RecordedResults:
    """Reads the results of a run's nodes.

    Attributes:
        definition: The workflow.
        state: The run.
        node: Whose view it is.
        with_own: Whether the node's own result is visible, as it is to its routing function.
        cipher: Opens them.
    """

    definition: Definition
    state: State
    node: str
    with_own: bool = False
    cipher: Cipher = NO_KEYS

    def visible(self) -> Collection[str]:
        """The nodes whose results are visible, in the order of the graph."""
        before = visible_nodes(self.definition.graph, self.state.nodes, self.node)
        return [*before, *([self.node] if self.with_own else [])]

    def source(self, node: str) -> object:
        """The `Event` object that a visible node emitted."""
        return self.definition.events[node][self._reported(node).event]

    def read(self, node: str) -> StepResult:
        """The result of a visible node; raises what pydantic raises if a stored payload fits its model no more."""
        reported = self._reported(node)
        event = self.definition.events[node][reported.event]
        adapter = event.adapter
        payload, metadata = reported.payload, reported.metadata
        return StepResult(
            node=node,
            event=reported.event,
            source=event,
            payload=None
            if adapter is None or payload is None
            else adapter.validate_json(self.cipher.open(payload, result_place(self.state, node))),
            metadata={}
            if metadata is None
            else msgspec.json.decode(self.cipher.open(metadata, metadata_place(self.state, node))),
            attempt=self.state.nodes[node].attempt,
        )

    def _reported(self, node: str) -> Reported:
        return self.state.nodes[node].reported or Reported("")
