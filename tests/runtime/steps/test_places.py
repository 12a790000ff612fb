from __future__ import annotations

import asyncio

import pytest

from hephaestus_stream.cycle.attempt import Kind
from hephaestus_stream.runtime.steps.places import Places
from hephaestus_stream.runtime.steps.room import Room

SLOW, SLOWER, QUICK, OTHER = ("Slow", "step"), ("Slow", "other"), ("Quick", "step"), ("Other", "step")


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def taken_all(count: int, kind: Kind) -> Places:
    places = Places(Room(count))
    for _ in range(count):
        await places.acquire(kind)
    return places


async def test_a_kind_without_a_place_gets_one_though_another_kind_holds_them_all() -> None:
    places = await taken_all(20, SLOW)

    async with asyncio.timeout(5):
        await places.acquire(QUICK)
        await places.acquire(OTHER)


async def test_many_kinds_get_no_more_than_a_tenth_on_top_between_them() -> None:
    places = Places(Room(30))
    tasks = [asyncio.create_task(places.acquire(("Wide", f"step {number}"))) for number in range(600)]
    await turns()

    assert sum(task.done() for task in tasks) == 33
    for number in range(600):
        places.release(("Wide", f"step {number}"))
        await turns()
        assert sum(task.done() for task in tasks) - number - 1 <= 33
    assert all(task.done() for task in tasks)


async def test_without_a_tenth_on_top_there_are_as_many_places_as_are_said() -> None:
    places = Places(Room(1, spare=0))
    await places.acquire(SLOW)
    quick = asyncio.create_task(places.acquire(QUICK))
    await turns()
    waited = not quick.done()

    places.release(SLOW)

    async with asyncio.timeout(5):
        await quick
    assert waited


async def test_a_kind_that_holds_places_on_top_leaves_others_theirs() -> None:
    places = await taken_all(100, SLOW)
    quick = [asyncio.create_task(places.acquire(QUICK)) for _ in range(20)]
    await turns()
    got = sum(task.done() for task in quick)

    async with asyncio.timeout(5):
        await places.acquire(OTHER)
    places.release(QUICK)
    await turns()

    assert (got, sum(task.done() for task in quick)) == (5, 6)
    for task in quick:
        task.cancel()


@pytest.mark.parametrize("spare", [0, None])
async def test_who_waits_has_its_turn_one_of_each_kind_after_the_other(spare: int | None) -> None:
    places = Places(Room(1, spare=spare))
    order: list[Kind] = []

    async def work(kind: Kind) -> None:
        await places.acquire(kind)
        order.append(kind)

    async with asyncio.timeout(5):
        await places.acquire(SLOW)
        if spare is None:
            await places.acquire(SLOWER)
    kinds = (QUICK, QUICK, QUICK, OTHER, OTHER)
    tasks = [asyncio.create_task(work(kind)) for kind in kinds]
    await turns()
    assert order == []
    if spare is None:
        places.release(SLOWER)
    for kind in (SLOW, QUICK, OTHER, QUICK, OTHER):
        places.release(kind)
        await turns()

    async with asyncio.timeout(5):
        await asyncio.gather(*tasks)
    assert order == [QUICK, OTHER, QUICK, OTHER, QUICK]


async def test_a_place_of_one_that_is_cancelled_in_its_turn_is_not_lost() -> None:
    places = await taken_all(1, SLOW)
    cancelled, patient = (asyncio.create_task(places.acquire(SLOW)) for _ in range(2))
    await turns()

    places.release(SLOW)
    cancelled.cancel()

    async with asyncio.timeout(5):
        await patient
        with pytest.raises(asyncio.CancelledError):
            await cancelled


async def test_one_that_gives_up_is_passed_over() -> None:
    places = await taken_all(1, SLOW)
    impatient, patient = (asyncio.create_task(places.acquire(SLOW)) for _ in range(2))
    await turns()
    impatient.cancel()
    await turns()

    places.release(SLOW)

    async with asyncio.timeout(5):
        await patient


async def test_who_comes_behind_others_that_gave_up_need_not_wait_for_them() -> None:
    places = await taken_all(1, SLOW)
    impatient = asyncio.create_task(places.acquire(SLOW))
    await turns()
    impatient.cancel()
    places.release(SLOW)
    await turns()

    async with asyncio.timeout(5):
        await places.acquire(SLOW)
