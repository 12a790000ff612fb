"""`/workflows`: what the worker runs, for people and for programs that build on it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

from fastapi import APIRouter
from pydantic import BaseModel, TypeAdapter
from pydantic.errors import PydanticInvalidForJsonSchema

from hephaestus_stream.core.catalog import Catalog
from hephaestus_stream.core.definition import Definition
from hephaestus_stream.drawing.mermaid import mermaid
from hephaestus_stream.runtime.facade import WorkerFacade
from hephaestus_stream.web.problems import ProblemError, responses
from hephaestus_stream.web.tokens import routes_for
from hephaestus_stream.wire.token import Tokens


class WorkflowSummary(BaseModel):
    """A workflow; `current` is the version that a start without one gets, if it is one of this worker's."""

    name: str
    key: str
    current: int | None
    versions: tuple[int, ...]


class EventSchema(BaseModel):
    """An event that a node may get from outside, and the JSON Schema of its payload."""

    node: str
    event: str
    payload: dict[str, Any]


class WorkflowVersion(BaseModel):
    """A version of a workflow.

    Attributes:
        input: The JSON Schema of the start payload.
        events: What outsiders may send.
        graph: The graph as Mermaid draws it.
    """

    version: int
    key: str
    scope: str
    tags: tuple[str, ...]
    metadata: dict[str, Any]
    nodes: tuple[str, ...]
    input: dict[str, Any]
    events: tuple[EventSchema, ...]
    graph: str


class WorkflowView(WorkflowSummary):
    """A workflow with all versions of it that the worker has."""

    details: tuple[WorkflowVersion, ...]


def workflow_routes(facade: WorkerFacade, tokens: Tokens) -> APIRouter:
    """The routes of one worker's workflows."""
    routes = routes_for("read", tokens, tag="workflows", responses=responses(401, 403, 421, 503))

    @routes.get("/workflows", summary="The workflows of this worker")
    async def workflows() -> list[WorkflowSummary]:
        catalog = facade.inside.catalog
        return [_summary(catalog, name, versions) for name, versions in sorted(_by_name(catalog).items())]

    @routes.get("/workflows/{name}", summary="One workflow, with its versions", responses=responses(404, 422))
    async def workflow(name: str) -> WorkflowView:
        catalog = facade.inside.catalog
        name = unquote(name, errors="replace")
        versions = _by_name(catalog).get(name)
        if versions is None:
            raise ProblemError(HTTPStatus.NOT_FOUND, "not-found", catalog.unknown(name).message)
        summary = _summary(catalog, name, versions)
        return WorkflowView(**summary.model_dump(), details=tuple(_version(each) for each in versions))

    return routes


def _by_name(catalog: Catalog) -> dict[str, list[Definition]]:
    found: dict[str, list[Definition]] = defaultdict(list)
    for definition in sorted(catalog, key=lambda each: each.version):
        found[definition.name].append(definition)
    return found


def _summary(catalog: Catalog, name: str, versions: Sequence[Definition]) -> WorkflowSummary:
    current = catalog.find(name, None)
    return WorkflowSummary(
        name=name,
        key=versions[-1].key,
        current=current.version if isinstance(current, Definition) else None,
        versions=tuple(each.version for each in versions),
    )


def _version(definition: Definition) -> WorkflowVersion:
    return WorkflowVersion(
        version=definition.version,
        key=definition.key,
        scope=definition.scope,
        tags=definition.tags,
        metadata=dict(definition.metadata),
        nodes=tuple(definition.nodes),
        input=_schema(definition.input_adapter),
        events=tuple(
            EventSchema(node=node, event=name, payload=_schema(event.adapter))
            for node, events in definition.events.items()
            for name, event in events.items()
            if event.external
        ),
        graph=mermaid(definition),
    )


def _schema(adapter: TypeAdapter[Any] | None) -> dict[str, Any]:
    """The JSON Schema of a payload; that of no payload is `null`, and one that has none says nothing."""
    if adapter is None:
        return {"type": "null"}
    try:
        return adapter.json_schema()
    except PydanticInvalidForJsonSchema:
        return {}
