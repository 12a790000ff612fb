"""An instance as its owner told of it at one moment."""

from __future__ import annotations

from typing import Self, TypeVar, cast

from pydantic import TypeAdapter
from pydantic_core import to_json

from hephaestus_stream.client.completion import opened, typed_result
from hephaestus_stream.core.event import NodeEvent
from hephaestus_stream.core.workflow import Workflow
from hephaestus_stream.encryption.cipher import Cipher
from hephaestus_stream.encryption.envelope import Place
from hephaestus_stream.wire.instance import InstanceView

InputT = TypeVar("InputT")
PayloadT = TypeVar("PayloadT")


class InstanceSnapshot(InstanceView):
    """An instance with its nodes, results, waits and next timer; frozen, as it was when its owner answered.

    Payloads that this client has no key for are `{"$encrypted": ...}`.
    """

    @classmethod
    def read(cls, content: bytes, *, cipher: Cipher) -> Self:
        """The instance in an answer, with its payloads decrypted where that can be."""
        found = cls.model_validate_json(content)
        run = (found.workflow, found.key, found.run)
        nodes = {
            name: node.model_copy(update={"result": opened(node.result, Place("result", *run, name), cipher)})
            for name, node in found.nodes.items()
        }
        return found.model_copy(update={"nodes": nodes, "input": opened(found.input, Place("input", *run), cipher)})

    def initial(self, workflow: type[Workflow[InputT]]) -> InputT:
        """The start payload as its model.

        Raises:
            pydantic.ValidationError: It is none: the model has changed, or it is encrypted.
        """
        adapter = cast("TypeAdapter[InputT]", workflow.definition.input_adapter)
        # From JSON, since a strict model takes a time as text from there only.
        return adapter.validate_json(to_json(self.input))

    def result(self, event: NodeEvent[PayloadT]) -> PayloadT:
        """What a node brought forth with this event, as the event's model: `result(OrderFlow.charge.charged)`.

        Raises:
            MissingResultError: The node has no result, or one that another event of it brought.
            PayloadUnreadableError: It is encrypted, and the client lacks the key.
        """
        results = {name: node.result for name, node in self.nodes.items() if node.event is not None}
        return typed_result(results, event, key=self.key)
