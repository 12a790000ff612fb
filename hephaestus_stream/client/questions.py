"""The reading verbs of both clients, up to the moment of asking: which path is asked, and how its answer is read."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Final, TypedDict, TypeVar, cast
from urllib.parse import quote

from pydantic import ValidationError

from hephaestus_stream.client.question import Question
from hephaestus_stream.client.run import Receipt, Run
from hephaestus_stream.client.snapshot import InstanceSnapshot
from hephaestus_stream.core.node import Node
from hephaestus_stream.core.state import Status
from hephaestus_stream.encryption.cipher import Cipher
from hephaestus_stream.errors import PartitionUnavailableError, UsageError
from hephaestus_stream.wire.instance import HistoryPage, InstanceCounts, InstancePage
from hephaestus_stream.wire.key import SEPARATOR, full_key
from hephaestus_stream.wire.problem import problems_of
from hephaestus_stream.wire.query import CountBy, InstanceFilter, InstanceQuery, Order
from hephaestus_stream.wire.request import AnyWorkflow, definition_of

_logger: Final = logging.getLogger(__name__)

PartsT = TypeVar("PartsT", InstancePage, InstanceCounts)
FilterT = TypeVar("FilterT", bound=InstanceFilter)


class Filtering(TypedDict, total=False):
    """Which instances are meant: those that fit all that is given.

    Attributes:
        version: Of the workflow.
        status: One, or any of several.
        tag: One, or all of several.
        waiting_at: A node, or its name.
        started_from: The first moment that counts; of `..._to` the first that counts no more.
        paused: Whether it was paused by command.
        halted: Whether it stands still after a bug of the engine.
        id_prefix: How the id begins.
    """

    version: int
    status: Status | Sequence[Status]
    tag: str | Sequence[str]
    waiting_at: Node | str
    started_from: datetime
    started_to: datetime
    updated_from: datetime
    updated_to: datetime
    paused: bool
    halted: bool
    id_prefix: str


def getting(
    workflow: Run | Receipt | AnyWorkflow | str,
    id: str | None,  # noqa: A002 - the wire's own word
    *,
    run: str | None,
    minimum: int | None,
    cipher: Cipher,
) -> Question[InstanceSnapshot]:
    """One instance.

    Raises:
        InvalidKeyError: The id cannot be part of a key.
    """
    name, key, run = named(workflow, id, run)
    if isinstance(workflow, Run | Receipt) and minimum is None:
        minimum = workflow.position
    parameters = {"workflow": name, "run": run, "minimum": minimum}
    return Question(_path(key), _given(parameters), partial(InstanceSnapshot.read, cipher=cipher))


def telling(
    workflow: Run | AnyWorkflow | str,
    id: str | None,  # noqa: A002 - as above
    *,
    run: str | None,
    after: int,
) -> Question[HistoryPage]:
    """A page of a history; raises as `getting` does."""
    name, key, run = named(workflow, id, run)
    parameters = {"workflow": name, "run": run, "after": after or None}
    return Question(f"{_path(key)}/history", _given(parameters), HistoryPage.model_validate_json)


def listing(
    workflow: AnyWorkflow | str | None, filtering: Filtering, *, order: Order, limit: int, cursor: str | None
) -> Question[InstancePage]:
    """A page of instances.

    Raises:
        UsageError: A filter is none.
    """
    which = filter_of(workflow, filtering).model_dump(mode="json", exclude_defaults=True)
    parameters = {**which, "order": order, "limit": limit, "cursor": cursor}
    _checked(InstanceQuery, {name: value for name, value in parameters.items() if value is not None})
    return Question("/instances", _given(parameters), InstancePage.model_validate_json)


def counting(
    workflow: AnyWorkflow | str | None, filtering: Filtering, *, by: CountBy | Iterable[CountBy]
) -> Question[InstanceCounts]:
    """How many instances there are; raises as `listing` does."""
    which = filter_of(workflow, filtering).model_dump(mode="json", exclude_defaults=True)
    return Question(
        "/counts",
        _given({**which, "by": (by,) if isinstance(by, str) else tuple(by)}),
        InstanceCounts.model_validate_json,
    )


def whole(question: Question[PartsT]) -> Question[PartsT]:
    """The same question, whose answer lacks no partition: one that does is asked for again."""

    def read(content: bytes) -> PartsT:
        found = question.read(content)
        if found.unavailable:
            raise PartitionUnavailableError(found.unavailable)
        return found

    return replace(question, read=read)


def tell_missing(found: InstancePage | InstanceCounts) -> None:
    """Logs which partitions an answer lacks."""
    if found.unavailable:
        reasons = "; ".join(f"partition {each.partition}: {each.message}" for each in found.unavailable)
        _logger.warning("instances are missing (%s)", reasons)


def filter_of(workflow: AnyWorkflow | str | None, filtering: Filtering) -> InstanceFilter:
    """The filter that keywords mean.

    Raises:
        UsageError: One of them is none.
    """
    given: dict[str, object] = dict(filtering)
    given["workflow"] = workflow if isinstance(workflow, str) or workflow is None else definition_of(workflow).name
    for name in ("status", "tag"):
        if isinstance(value := given.get(name), str):
            given[name] = (value,)
    if isinstance(node := given.get("waiting_at"), Node):
        given["waiting_at"] = node.node_name
    prefix = given.get("id_prefix")
    if isinstance(prefix, str) and SEPARATOR not in prefix and workflow is not None and not isinstance(workflow, str):
        # The key says where to look.
        given["id_prefix"] = f"{workflow.definition.key}{SEPARATOR}{prefix}"
    return _checked(InstanceFilter, {name: value for name, value in given.items() if value is not None})


def _checked(model: type[FilterT], given: dict[str, object]) -> FilterT:
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise UsageError(f"this finds nothing: {problems_of(error, model)}") from None


def named(
    workflow: Run | Receipt | AnyWorkflow | str,
    id: str | None,  # noqa: A002 - as above
    run: str | None,
) -> tuple[str, str, str | None]:
    """The stored name, the key and the run that are meant.

    Raises:
        UsageError: No id is given beside a workflow.
        InvalidKeyError: The id cannot be part of a key.
    """
    if isinstance(workflow, Run | Receipt):
        return workflow.workflow, workflow.key, workflow.run
    if id is None:
        raise UsageError("whose? Give an id beside the workflow, or the `Run` that `start` has returned")
    if isinstance(workflow, str):
        return workflow, id, run
    definition = definition_of(workflow)
    return definition.name, full_key(definition.key, id), run


def _path(key: str) -> str:
    """A key is one segment of a path, whatever it holds."""
    return f"/instances/{quote(key, safe='')}"


def _given(parameters: Mapping[str, object]) -> dict[str, str | int | Sequence[str]]:
    given: dict[str, str | int | Sequence[str]] = {}
    for name, value in parameters.items():
        if isinstance(value, str | int):
            given[name] = value
        elif isinstance(value, list | tuple) and value:
            given[name] = [str(each) for each in cast("Sequence[object]", value)]
    return given
