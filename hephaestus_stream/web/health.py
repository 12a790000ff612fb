"""`/health/live` and `/health/ready`: the two probes, as JSON for machines and for people."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, Response, status
from pydantic import BaseModel

from hephaestus_stream.runtime.health import HealthReport, WorkerHealth

_AVAILABLE: Final[dict[int | str, dict[str, Any]]] = {
    status.HTTP_200_OK: {"description": "Yes."},
    status.HTTP_503_SERVICE_UNAVAILABLE: {"description": "No; the body says why."},
}


class Liveness(BaseModel):
    """Whether the worker should be left alone; one that should be started again says why, or does not answer."""

    live: bool
    reason: str | None


class Progress(BaseModel):
    """How far a replay is, in offsets of the topic `state`."""

    reached: int
    end: int


class Partitions(BaseModel):
    """The partitions that the group has assigned to the worker; standbys are not among them."""

    ready: list[int]
    opening: dict[int, Progress]
    closed: dict[int, str]


class Readiness(BaseModel):
    """Whether the worker does all of its work; `reasons` says why it does not."""

    ready: bool
    reasons: list[str]
    partitions: Partitions
    clock_difference: float
    """Seconds that the worker's clock is ahead of the brokers'."""


def health_routes(report: HealthReport) -> APIRouter:
    """The routes of one worker."""
    routes = APIRouter(prefix="/health", tags=["health"])

    @routes.get("/live", summary="Whether the worker lives", responses=_AVAILABLE)
    async def live(response: Response) -> Liveness:
        health = report()
        response.status_code = _code(is_well=health.is_live)
        return Liveness(live=health.is_live, reason=health.failure)

    @routes.get("/ready", summary="Whether the worker does all of its work", responses=_AVAILABLE)
    async def ready(response: Response) -> Readiness:
        readiness = _readiness(report())
        response.status_code = _code(is_well=readiness.ready)
        return readiness

    return routes


def _readiness(health: WorkerHealth) -> Readiness:
    reasons = health.reasons()
    opening = {
        partition: Progress(reached=progress.reached, end=progress.end)
        for partition, progress in health.opening.items()
    }
    return Readiness(
        ready=not reasons,
        reasons=reasons,
        partitions=Partitions(ready=list(health.ready), opening=opening, closed=dict(health.closed)),
        clock_difference=health.clock_difference.total_seconds(),
    )


def _code(*, is_well: bool) -> int:
    return status.HTTP_200_OK if is_well else status.HTTP_503_SERVICE_UNAVAILABLE
