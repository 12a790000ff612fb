"""An input to begin with: what a model needs at least, for people to write over."""

from __future__ import annotations

import json
from typing import Final, cast

from pydantic import TypeAdapter

_SAMPLES: Final[dict[object, object]] = {
    "string": "…",
    "integer": 1,
    "number": 1.0,
    "boolean": False,
    "array": [],
    "object": {},
    "null": None,
}

Schema = dict[str, object]


def sample_input(adapter: TypeAdapter[object]) -> str:
    """The required fields of a model as JSON, with values of about their types."""
    schema = cast("Schema", adapter.json_schema())
    return json.dumps(_sample(schema, schema), ensure_ascii=False)


def _sample(schema: Schema, root: Schema) -> object:
    for given in ("default", "const"):
        if given in schema:
            return schema[given]
    for choices in ("examples", "enum"):
        if choices in schema:
            return cast("list[object]", schema[choices])[0]
    if "$ref" in schema:
        name = str(schema["$ref"]).rpartition("/")[2]
        return _sample(cast("dict[str, Schema]", root["$defs"])[name], root)
    if "anyOf" in schema:
        return _sample(cast("list[Schema]", schema["anyOf"])[0], root)
    properties = cast("dict[str, Schema]", schema.get("properties", {}))
    required = cast("list[str]", schema.get("required", []))
    if required:
        return {name: _sample(properties[name], root) for name in required if name in properties}
    return _SAMPLES.get(schema.get("type"), {})
