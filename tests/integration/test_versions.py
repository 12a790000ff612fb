"""Runs keep their version through workers that have it, lack it, and have it again."""

from __future__ import annotations

import pytest

from hephaestus_stream import AsyncClient, CommandRefusedError, Workflow
from hephaestus_stream.wire.connection import Connection
from tests.integration.flows import Stars, Trip
from tests.integration.versions.new import NewTour
from tests.integration.versions.old import OldTour
from tests.integration.workers import Workers

STARS = Stars(stars=5)
BOTH = "tests.integration.versions"
NEW = "tests.integration.versions.new"
EACH = [f"t{number}" for number in range(8)]


async def test_a_run_is_parked_by_a_worker_that_lacks_its_version_and_goes_on_under_one_that_has_it(
    workers: Workers, connection: Connection
) -> None:
    both = workers.started("both", module=BOTH)
    async with AsyncClient(connection) as client:
        runs = [await client.start(OldTour, each, Trip()) for each in EACH]
        assert {run.version for run in runs} == {1}
        assert both.stop() == 0
        new = workers.started("new", module=NEW)
        workers.until(lambda: "there are runs of Tour that are parked" in new.told(), of=[new])

        kept = [await client.resume(OldTour, each, OldTour.stars.received, STARS) for each in EACH[2:]]
        assert {receipt.effect for receipt in kept} == {"kept"}
        assert all("has Tour in version 2, and not in version 1" in (receipt.message or "") for receipt in kept)
        await client.cancel(OldTour, EACH[0])
        await client.migrate(NewTour, EACH[2])
        moved = await client.wait(runs[2])
        assert (moved.status, moved.version, list(moved.results)) == ("completed", 2, ["nap", "stars", "book"])
        assert new.stop() == 0

        workers.started("both", module=BOTH)
        for run in runs[3:]:
            completion = await client.wait(run)
            assert (completion.status, completion.version) == ("completed", 1)
        await client.resume(OldTour, EACH[1], OldTour.stars.received, STARS)
        assert (await client.wait(runs[1])).version == 1
        assert (await client.wait(runs[0])).status == "cancelled"


@pytest.mark.parametrize("flow", [OldTour, NewTour])
async def test_versions_run_side_by_side(workers: Workers, connection: Connection, flow: type[Workflow[Trip]]) -> None:
    workers.started("both", module=BOTH)
    async with AsyncClient(connection) as client:
        named = await client.start(flow, "a", Trip())
        current = await client.start(flow, "b", Trip(), version="current")
        await client.resume(NewTour, "a", NewTour.stars.received, STARS)
        await client.resume(NewTour, "b", NewTour.stars.received, STARS)
        assert (await client.wait(named)).version == flow.definition.version
        assert (await client.wait(current)).version == 2


async def test_a_start_of_a_version_that_no_worker_has_is_refused(workers: Workers, connection: Connection) -> None:
    workers.started("new", module=NEW)
    async with AsyncClient(connection) as client:
        with pytest.raises(CommandRefusedError, match="in version 2, not in 1") as refused:
            await client.start(OldTour, "a", Trip())
    assert refused.value.reason == "unknown_version"
