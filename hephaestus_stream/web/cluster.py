"""`/cluster`: the workers of the group and their partitions."""

from __future__ import annotations

from fastapi import APIRouter

from hephaestus_stream.runtime.facade import WorkerFacade
from hephaestus_stream.web.problems import responses
from hephaestus_stream.web.tokens import routes_for
from hephaestus_stream.wire.cluster import ClusterView, WorkerView
from hephaestus_stream.wire.token import Tokens


def cluster_routes(facade: WorkerFacade, tokens: Tokens) -> APIRouter:
    """The routes about workers."""
    routes = routes_for("read", tokens, tag="cluster", responses=responses(401, 403, 421, 503))

    @routes.get("/cluster", summary="All workers and partitions")
    async def cluster() -> ClusterView:
        return await facade.inside.cluster()

    @routes.get("/cluster/worker", summary="This worker")
    async def worker() -> WorkerView:
        return facade.inside.worker()

    return routes
