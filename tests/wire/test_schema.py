from __future__ import annotations

import re

from pydantic import BaseModel, JsonValue

from hephaestus_stream.wire.command import CancelCommand, ResumeCommand, StartCommand
from hephaestus_stream.wire.output import CompletionRecord, HistoryRecord, Reply, StepResultRecord
from hephaestus_stream.wire.schema import command_schema, output_schemas


def within(schema: JsonValue, *path: str) -> JsonValue:
    for name in path:
        assert isinstance(schema, dict)
        schema = schema[name]
    return schema


def test_the_schema_has_every_command_and_every_field_by_its_name_on_the_wire() -> None:
    for model in (StartCommand, ResumeCommand, CancelCommand):
        properties = within(command_schema(), "$defs", model.__name__, "properties")
        assert isinstance(properties, dict)
        assert set(properties) == {field.alias or name for name, field in model.model_fields.items()}


def test_the_schema_refuses_unknown_fields_and_needs_what_a_worker_needs() -> None:
    assert within(command_schema(), "$defs", "StartCommand", "additionalProperties") is False
    assert within(command_schema(), "$defs", "StartCommand", "required") == ["type", "id", "workflow", "key", "input"]
    assert within(command_schema(), "$defs", "ResumeCommand", "required") == ["type", "id", "workflow", "key", "event"]
    assert within(command_schema(), "$defs", "CancelCommand", "required") == ["type", "id", "workflow", "key"]


def test_the_patterns_of_the_schema_are_understood_and_match_what_is_accepted() -> None:
    key = within(command_schema(), "$defs", "StartCommand", "properties", "key", "pattern")
    identity = within(command_schema(), "$defs", "StartCommand", "properties", "id", "pattern")
    assert isinstance(key, str)
    assert isinstance(identity, str)

    assert re.search(key, "orderid::abc 123")
    assert not re.search(key, "orderid::")
    assert not re.search(key, "abc")
    assert re.search(identity, "é")
    assert not re.search(identity, "a\nb")


def test_every_output_topic_has_a_schema_that_lets_fields_be_added() -> None:
    schemas = output_schemas()

    assert set(schemas) == {"history", "step-results", "completions", "replies"}
    models: list[type[BaseModel]] = [HistoryRecord, StepResultRecord, CompletionRecord, Reply]
    for topic, model in zip(schemas, models, strict=True):
        properties = within(schemas[topic], "properties")
        assert isinstance(properties, dict)
        assert set(properties) == {field.alias or name for name, field in model.model_fields.items()}
        assert "additionalProperties" not in schemas[topic]
