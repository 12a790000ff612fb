"""JSON Schemas of the wire, so that any language can publish commands and read what the engine writes."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import BaseModel, Field, JsonValue, TypeAdapter

from hephaestus_stream.wire.command import Command
from hephaestus_stream.wire.output import CompletionRecord, HistoryRecord, Reply, StepResultRecord

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_OUTPUTS: Final[dict[str, type[BaseModel]]] = {
    "history": HistoryRecord,
    "step-results": StepResultRecord,
    "completions": CompletionRecord,
    "replies": Reply,
}


def command_schema() -> dict[str, JsonValue]:
    """The JSON Schema of a value in the topic `commands`; unknown fields are refused."""
    # An adapter is built by the call: a schema is printed once, and nobody else should pay for it at import.
    adapter: TypeAdapter[Command] = TypeAdapter(Annotated[Command, Field(discriminator="type")])
    schema: dict[str, JsonValue] = adapter.json_schema()
    # `type` has a default in Python, where the class says it; on the wire nothing else says it.
    definitions = schema["$defs"]
    if isinstance(definitions, dict):
        for definition in definitions.values():
            if isinstance(definition, dict):
                _require(definition, "type")
    return {"$schema": _DIALECT, "title": "Command", **schema}


def output_schemas() -> dict[str, dict[str, JsonValue]]:
    """The JSON Schema of the values in each output topic, by the topic's name without its namespace."""
    return {topic: {"$schema": _DIALECT, **model.model_json_schema()} for topic, model in _OUTPUTS.items()}


def _require(definition: dict[str, JsonValue], field: str) -> None:
    required = definition.get("required")
    properties = definition.get("properties")
    if isinstance(required, list) and isinstance(properties, dict) and field in properties:
        required.insert(0, field)
