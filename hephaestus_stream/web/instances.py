"""`/instances` and `/counts`: what the owners of the partitions say about instances."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Annotated, Final
from urllib.parse import unquote

from fastapi import APIRouter, Depends, Header, Path, Query

from hephaestus_stream.errors import InvalidKeyError, PartitionUnavailableError
from hephaestus_stream.runtime.facade import WorkerFacade
from hephaestus_stream.runtime.queries.reads import InstanceReads
from hephaestus_stream.web.problems import ProblemError, responses
from hephaestus_stream.web.tokens import routes_for
from hephaestus_stream.wire.command import Name
from hephaestus_stream.wire.http import PARTITIONS_HEADER, WORKER_HEADER
from hephaestus_stream.wire.instance import HistoryPage, InstanceCounts, InstancePage, InstanceView
from hephaestus_stream.wire.key import split_key
from hephaestus_stream.wire.query import CountBy, InstanceFilter, InstanceQuery
from hephaestus_stream.wire.token import Tokens

MOST_EVENTS: Final = 1_000
_DIGITS: Final = 10

_UNREADABLE: Final = responses(401, 403, 404, 421, 422, 503)


class CountQuery(InstanceFilter):
    """Which instances are counted, and by what."""

    by: tuple[CountBy, ...] = ()


def key_of(key: Annotated[str, Path(description="The whole key, percent-encoded: `orderid%3A%3Aabc123`.")]) -> str:
    """The key in a path.

    Raises:
        InvalidKeyError: It is none.
    """
    try:
        decoded = unquote(key, errors="strict")
    except UnicodeDecodeError:
        raise InvalidKeyError("the key in the path is no UTF-8: percent-encode its UTF-8, byte for byte") from None
    split_key(decoded)
    return decoded


Key = Annotated[str, Depends(key_of)]
Partitions = list[int] | None
Workflow = Annotated[Name | None, Query(description="Where several workflows share the key.")]
Run = Annotated[Name | None, Query(description="The run; else the live one, else the latest.")]


def instance_routes(facade: WorkerFacade, tokens: Tokens) -> APIRouter:
    """The routes that read."""
    routes = routes_for("read", tokens, tag="instances", responses=_UNREADABLE)

    def asked(
        partitions: Annotated[str | None, Header(alias=PARTITIONS_HEADER, include_in_schema=False)] = None,
        worker: Annotated[str | None, Header(alias=WORKER_HEADER, include_in_schema=False)] = None,
    ) -> list[int] | None:
        """The partitions that another worker asks this one for, as their owner; None where anybody asks."""
        if worker not in {None, facade.id}:
            detail = (
                "another worker has this address now: it was started anew, and the group has yet to notice; or several "
                "have one address, and each needs an `http_url` of its own"
            )
            raise ProblemError(HTTPStatus.MISDIRECTED_REQUEST, "misdirected", detail)
        return None if partitions is None else _numbers(partitions)

    # Annotations are looked up in the module, which does not know this worker's.
    of_worker = Depends(asked)

    def reads(partitions: list[int] | None) -> InstanceReads:
        return facade.inside.reads if partitions is None else facade.inside.owned

    @routes.get("/instances", summary="A page of the instances that fit")
    async def page(query: Annotated[InstanceQuery, Query()], partitions: Partitions = of_worker) -> InstancePage:
        return await reads(partitions).page(query, partitions=partitions)

    @routes.get("/counts", summary="How many instances fit")
    async def count(query: Annotated[CountQuery, Query()], partitions: Partitions = of_worker) -> InstanceCounts:
        return await reads(partitions).count(query, by=query.by, partitions=partitions)

    @routes.get("/instances/{key}", summary="One instance")
    async def get(
        key: Key,
        *,
        partitions: Partitions = of_worker,
        workflow: Workflow = None,
        run: Run = None,
        minimum: Annotated[int | None, Query(ge=-1, description="The position of an answer that it must know.")] = None,
    ) -> InstanceView:
        with _as_owner(partitions):
            return await reads(partitions).get(key, workflow=workflow, run=run, minimum=minimum)

    @routes.get("/instances/{key}/history", summary="What has happened to an instance")
    async def history(
        key: Key,
        *,
        partitions: Partitions = of_worker,
        workflow: Workflow = None,
        run: Run = None,
        after: Annotated[int, Query(ge=0, le=2**53, description="The last sequence that is known.")] = 0,
        limit: Annotated[int, Query(ge=1, le=MOST_EVENTS)] = 200,
    ) -> HistoryPage:
        with _as_owner(partitions):
            return await reads(partitions).history(key, workflow=workflow, run=run, after=after, limit=limit)

    return routes


@contextmanager
def _as_owner(partitions: list[int] | None) -> Generator[None]:
    """Tells a worker that this one is not the owner who can answer; whoever else asks is told to ask again."""
    try:
        yield
    except PartitionUnavailableError as error:
        if partitions is None:
            raise
        status = HTTPStatus.MISDIRECTED_REQUEST
        raise ProblemError(status, "misdirected", str(error), unavailable=error.unavailable) from None


def _numbers(partitions: str) -> list[int]:
    numbers = partitions.split(",")
    if not all(number.isascii() and number.isdigit() and len(number) < _DIGITS for number in numbers):
        raise ProblemError(
            HTTPStatus.BAD_REQUEST, "invalid-request", f"{PARTITIONS_HEADER}: write numbers, separated by commas"
        )
    return [int(number) for number in numbers]
