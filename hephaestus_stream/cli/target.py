"""Whom a command is for: `module:Class` with the raw id, or a stored name with the full key."""

from __future__ import annotations

import json
from collections.abc import Container, Iterator
from dataclasses import dataclass
from difflib import get_close_matches

from pydantic import TypeAdapter, ValidationError
from pydantic.errors import PydanticInvalidForJsonSchema

from hephaestus_stream.cli.modules import load_workflow
from hephaestus_stream.cli.payload import Payload
from hephaestus_stream.core.definition import Definition
from hephaestus_stream.errors import CommandError, UsageError
from hephaestus_stream.wire.key import SEPARATOR, full_key, split_key
from hephaestus_stream.wire.problem import payload_problems


@dataclass(frozen=True, slots=True)
class Target:
    """The addressee of a command.

    Attributes:
        workflow: The stored name.
        key: The full key.
        definition: The class's definition, where the user named a class; with it mistakes show before they are sent.
    """

    workflow: str
    key: str
    definition: Definition | None

    def version_or(self, given: int | None) -> int | None:
        """The version that was given, else that of the class; None leaves it to the workers."""
        return self.definition.version if given is None and self.definition is not None else given

    def check_input(self, payload: Payload) -> None:
        """Refuses an input that the workflow's model would refuse.

        Raises:
            CommandError: It does not fit.
        """
        if self.definition is not None:
            _check(self.definition.input_adapter, payload, of=f"the input of {self.workflow}")

    def check_event(self, node: str | None, event: str, payload: Payload) -> None:
        """Refuses an event that the workflow does not have, or a payload that its model would refuse.

        Raises:
            UsageError: There is no such node, or no such event that outsiders may send.
            CommandError: The payload does not fit.
        """
        if self.definition is None:
            return
        external = _events(self.definition, external=True)
        name = event if node is None else f"{node}.{event}"
        known = {full for full in external if name in {full, full.partition(".")[2]}}
        if not known:
            near = get_close_matches(name, external, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"it has {', '.join(external) or 'none'}"
            raise UsageError(f"{self.workflow} has no event '{name}' that can be sent; {hint}")
        if len(known) > 1:
            raise UsageError(
                f"several nodes of {self.workflow} have '{event}'; write one of {', '.join(sorted(known))}"
            )
        _check_event(external[known.pop()], payload, of=name)

    def check_outcome(self, node: str, event: str, payload: Payload) -> None:
        """Refuses what a node cannot end with.

        Raises:
            UsageError: No node is named, or it declares no such event.
            CommandError: The payload does not fit.
        """
        if not node:
            raise UsageError(f"'{event}' does not say which node it is of: write NODE.EVENT, as charge.charged")
        if self.definition is None:
            return
        declared = _events(self.definition)
        name = f"{node}.{event}"
        if name not in declared:
            near = get_close_matches(name, declared, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"it has {', '.join(declared)}"
            raise UsageError(f"{self.workflow} has no event '{name}'; {hint}")
        _check_event(declared[name], payload, of=name)


def find_target(workflow: str, id: str) -> Target:  # noqa: A002 - the wire's own word
    """The addressee that two arguments name.

    Raises:
        WorkflowNotFoundError: There is no such class.
        InvalidKeyError: The id cannot be part of a key, or the key is none.
        UsageError: The key of a stored name has no prefix.
    """
    if ":" in workflow:
        definition = load_workflow(workflow).definition
        return Target(definition.name, full_key(definition.key, id), definition)
    if SEPARATOR not in id:
        raise UsageError(
            f"'{workflow}' is a stored name, so the id must be the full key, {SEPARATOR.join(('KEY', id))} with the "
            f"workflow's key before it; or name the class, as module:{workflow} {id}"
        )
    split_key(id)
    return Target(workflow, id, None)


def _events(definition: Definition, *, external: bool = False) -> dict[str, TypeAdapter[object] | None]:
    return {
        f"{node}.{name}": event.adapter
        for node, events in definition.events.items()
        for name, event in events.items()
        if event.external or not external
    }


def _check_event(adapter: TypeAdapter[object] | None, payload: Payload, *, of: str) -> None:
    if adapter is not None:
        _check(adapter, payload, of=of)
    elif payload is not None:
        raise CommandError(f"{of} carries no payload: leave it out", reason="invalid_payload")


def _check(adapter: TypeAdapter[object], payload: Payload, *, of: str) -> None:
    try:
        # As the worker reads it: from JSON, where a date is a text.
        adapter.validate_json(json.dumps(payload))
    except ValidationError as error:
        problems = "; ".join(
            [
                payload_problems(error),
                *_strange_fields(
                    adapter, payload, told={str(detail["loc"][0]) for detail in error.errors() if detail["loc"]}
                ),
            ]
        )
        raise CommandError(f"{of} does not fit: {problems}", reason="invalid_payload") from None


def _strange_fields(adapter: TypeAdapter[object], payload: Payload, *, told: Container[str]) -> Iterator[str]:
    """Fields of a payload that does not fit which its model does not have: one of them may be a misspelt one."""
    if not isinstance(payload, dict):
        return
    try:
        schema = adapter.json_schema()
    except PydanticInvalidForJsonSchema:
        return
    if "$ref" in schema:
        schema = schema["$defs"][str(schema["$ref"]).rpartition("/")[2]]
    known = list(schema.get("properties", ()))
    for name in payload if known else ():
        if name not in known and name not in told:
            near = get_close_matches(name, known, n=1)
            yield f"{name!a} is no field of it" + (f", did you mean '{near[0]}'?" if near else "")
