"""A worker: everything between `hephaestus worker` and the shards."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final

from rocksdict import Cache

from hephaestus_stream.core.catalog import Catalog
from hephaestus_stream.core.workflow import Workflow
from hephaestus_stream.cycle.execution import ShardProfile
from hephaestus_stream.runtime.changelog.origin import Origin
from hephaestus_stream.runtime.changelog.standbys import Standbys
from hephaestus_stream.runtime.clock import WorkerClock
from hephaestus_stream.runtime.courier import Courier
from hephaestus_stream.runtime.data_folder import data_folder
from hephaestus_stream.runtime.exhaustion import explained
from hephaestus_stream.runtime.facade import Inside, WorkerFacade
from hephaestus_stream.runtime.queries.census import Census
from hephaestus_stream.runtime.queries.directory import Directory
from hephaestus_stream.runtime.queries.owned import OwnedReads
from hephaestus_stream.runtime.queries.peer import Peers
from hephaestus_stream.runtime.queries.routed import RoutedReads
from hephaestus_stream.runtime.shard import Surroundings
from hephaestus_stream.runtime.shards import OwnedShards
from hephaestus_stream.runtime.steps.orders import require_places
from hephaestus_stream.runtime.steps.runner import StepRunner
from hephaestus_stream.runtime.steps.watchdog import Watchdog
from hephaestus_stream.runtime.stream.app import build_app, run
from hephaestus_stream.runtime.stream.credentials import CredentialsWatch
from hephaestus_stream.runtime.topic_watch import watch_topics
from hephaestus_stream.runtime.topics import check_rights, check_topics, create_topics
from hephaestus_stream.runtime.unready import once_ready
from hephaestus_stream.settings import Settings
from hephaestus_stream.telemetry.api import LISTENERS
from hephaestus_stream.telemetry.gauges import WorkerLoad, watched
from hephaestus_stream.telemetry.run_spans import begin_trace
from hephaestus_stream.wire.cluster import WorkerView
from hephaestus_stream.wire.topics import Topics

_logger = logging.getLogger(__name__)

BLOCK_CACHE_BYTES: Final = 32 * 1024 * 1024


async def run_worker(
    workflows: Sequence[type[Workflow[Any]]],
    settings: Settings,
    *,
    stop: asyncio.Event,
    on_ready: Callable[[Sequence[int]], None] | None = None,
    facade: WorkerFacade | None = None,
) -> None:
    """Works until it is told to stop; it then closes its shards in order and returns.

    Args:
        workflows: The classes that this worker has.
        settings: Where Kafka is, and how much to do at once.
        stop: Set it to end the worker.
        on_ready: Told the partitions that this worker owns, after each assignment.
        facade: Where the worker shows what is asked of it.

    Raises:
        BrokerUnreachableError: No broker answers, or the cluster is not ready.
        BrokerRefusedError: One refuses the credentials, at the start or later.
        AccessDeniedError: A right is missing.
        TopicMismatchError: The topics are not as the engine needs them.
        FencedError: Another worker took a partition over while this one was frozen.
        SettingsError: The encryption keys are wrong.
        WorkflowNotFoundError: A step should run in a process, which cannot import its workflow.
        DataFolderError: Another worker uses the data folder.
        OutOfResourcesError: The system has no more threads, open files or disk space.
    """
    with data_folder(settings.data / settings.namespace), explained():
        await _work(workflows, settings, stop=stop, on_ready=on_ready or _log_ready, facade=facade or WorkerFacade())


async def _work(
    workflows: Sequence[type[Workflow[Any]]],
    settings: Settings,
    *,
    stop: asyncio.Event,
    on_ready: Callable[[Sequence[int]], None],
    facade: WorkerFacade,
) -> None:
    catalog, cipher = Catalog(workflows), settings.cipher()
    if cipher.is_on:
        _logger.info("%s", cipher)
    require_places(catalog)
    partitions = await asyncio.to_thread(once_ready, partial(_ensure_topics, settings))
    origin = await asyncio.to_thread(_origin, settings)
    clock = WorkerClock()
    standbys = Standbys(origin, clock)
    runner = StepRunner(
        concurrency=settings.concurrency,
        threads=settings.threads,
        processes=settings.processes,
        stop_grace=settings.stop_grace,
        log_format=settings.log_format,
    )
    threads = ThreadPoolExecutor(max_workers=partitions + 1, thread_name_prefix="shard")

    def fail(error: BaseException) -> None:
        app.feed.fail(error)

    credentials = CredentialsWatch(settings.connection, fail)
    courier = Courier(settings.connection, on_refusal=credentials.doubt)

    def profile(partition: int) -> ShardProfile:
        return ShardProfile(
            partition=partition,
            partitions=partitions,
            topics=Topics(settings.namespace),
            catalog=catalog,
            jitter=random.random,
            command_retention=settings.command_retention,
            retention=settings.retention,
            new_trace=begin_trace,
            is_watched=LISTENERS.are_there,
            cipher=cipher,
        )

    shards = OwnedShards(
        origin,
        Surroundings(profile, runner, courier, threads, fail, clock=clock),
        standbys=standbys,
        partitions=partitions,
        on_ready=on_ready,
    )
    app = build_app(
        connection=settings.connection,
        topic=Topics(settings.namespace).commands,
        shards=shards,
        data=settings.data / settings.namespace / "faust",
        session_timeout=settings.session_timeout,
        url=facade.member.announced(),
        standbys=settings.standbys,
    )
    facade.health.attach(lambda: shards.health(failure=app.feed.failure))
    directory = Directory(facade.member, app.distribution, topic=app.commands_topic)
    owned, peers = OwnedReads(shards, partitions=partitions), Peers(settings.http_tokens().for_reading)

    def tell() -> WorkerView:
        mine = sorted(number for number, owner in directory.owners().items() if owner.id == facade.id)
        return WorkerView(
            id=facade.id,
            url=facade.url,
            answers=True,
            partitions=tuple(shards.view(number, owner=facade.id) for number in mine),
            standbys=tuple(sorted(standbys.behind())),
        )

    facade.attach(
        Inside(
            reads=RoutedReads(owned, directory, peers, partitions=partitions),
            owned=owned,
            catalog=catalog,
            worker=tell,
            cluster=Census(settings.namespace, directory, peers, tell, partitions=partitions).take,
        )
    )
    closed = asyncio.Event()

    async def drain() -> None:
        await stop.wait()
        shards.drain()
        await runner.finish(settings.grace)
        closed.set()

    aside = [asyncio.create_task(drain()), asyncio.create_task(credentials.watch())]
    aside.append(asyncio.create_task(watch_topics(origin, shards)))
    try:
        with (
            Watchdog(),
            watched(
                lambda: WorkerLoad(
                    shards.loads(),
                    runner.held,
                    runner.waiting,
                    runner.unheard_bytes,
                    courier.unsent,
                    shards.unreplayed(),
                    standbys.behind(),
                )
            ),
        ):
            await run(app, closed)
    finally:
        facade.detach()
        for task in aside:
            task.cancel()
        await runner.close()
        await asyncio.to_thread(standbys.close)
        courier.close()
        owned.close()
        await peers.close()
        origin.close()
        threads.shutdown(wait=False, cancel_futures=True)


def _ensure_topics(settings: Settings) -> int:
    created = create_topics(
        settings.connection, partitions=settings.partitions, replication_factor=settings.replication_factor
    )
    if created:
        _logger.info("created the topics %s", ", ".join(created))
    partitions = check_topics(settings.connection, partitions=settings.partitions, exist=True)
    check_rights(settings.connection)
    return partitions


def _origin(settings: Settings) -> Origin:
    folder = settings.data / settings.namespace / "shards"
    return Origin.of(settings.connection, folder=folder, cache=Cache(BLOCK_CACHE_BYTES))


def _log_ready(partitions: Sequence[int]) -> None:
    _logger.info("ready; this worker owns the partitions %s", ", ".join(map(str, partitions)) or "none")
