from __future__ import annotations

import asyncio

import pytest

from hephaestus_stream.cycle.attempt import Kind
from hephaestus_stream.runtime.steps.places import Places

SLOW, QUICK, OTHER = ("Slow", "step"), ("Quick", "step"), ("Other", "step")


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def taken_all(count: int, kind: Kind) -> Places:
    places = Places(count)
    for _ in range(count):
        await places.acquire(kind)
    return places


async def test_a_kind_without_a_place_gets_one_though_another_kind_holds_them_all() -> None:
    places = await taken_all(20, SLOW)

    async with asyncio.timeout(5):
        await places.acquire(QUICK)
        await places.acquire(QUICK)


async def test_beyond_a_tenth_it_waits_like_the_others() -> None:
    places = await taken_all(20, SLOW)
    async with asyncio.timeout(5):
        await places.acquire(QUICK)
        await places.acquire(QUICK)
    third = asyncio.create_task(places.acquire(QUICK))
    await turns()
    waited = not third.done()

    places.release(QUICK)

    async with asyncio.timeout(5):
        await third
    assert waited


async def test_who_waits_has_its_turn_one_of_each_kind_after_the_other() -> None:
    places = await taken_all(1, SLOW)
    order: list[Kind] = []

    async def work(kind: Kind) -> None:
        await places.acquire(kind)
        order.append(kind)

    async with asyncio.timeout(5):
        await places.acquire(QUICK)
        await places.acquire(OTHER)
    tasks = [asyncio.create_task(work(kind)) for kind in (QUICK, QUICK, OTHER)]
    await turns()
    assert order == []
    for kind in (SLOW, QUICK, OTHER, QUICK):
        places.release(kind)
        await turns()

    async with asyncio.timeout(5):
        await asyncio.gather(*tasks)
    assert order == [QUICK, OTHER, QUICK]


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
