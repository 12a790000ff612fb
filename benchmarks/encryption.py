"""What encryption costs: a payload alone, and three steps that read and write one, with keys and without.

    python benchmarks/encryption.py
    python benchmarks/encryption.py --workflows 5000 --rounds 4 --bootstrap localhost:9092

Two workers take turns on one broker, one with keys: compare the two, not runs.
"""

from __future__ import annotations

import base64
import json
import os
import random
import tempfile
import timeit
from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from functools import partial
from pathlib import Path
from statistics import median
from typing import Annotated

from cyclopts import Parameter, run
from pydantic import BaseModel
from rich.table import Table

from benchmarks.three_steps import Load, console, worker
from hephaestus_stream import Context, Done, Event, Instance, Keyring, Outcome, Step, Workflow
from hephaestus_stream.encryption import NO_KEYS, Cipher
from hephaestus_stream.encryption.command import sealed
from hephaestus_stream.encryption.envelope import Place
from hephaestus_stream.local_kafka import temporary_kafka
from hephaestus_stream.wire.command import Command, new_id
from hephaestus_stream.wire.connection import Connection
from hephaestus_stream.wire.request import start_command

KEY = bytes(range(32))
SIZES = (100, 1_000, 10_000, 100_000)


class Letter(BaseModel):
    """A payload of a kilobyte."""

    text: str


def any_letter() -> Letter:
    """Another one each time: Kafka would compress what is always the same to nothing, and ciphertext not at all."""
    return Letter(text=random.randbytes(500).hex())  # noqa: S311 - no secret


class Answer(Step[Letter]):
    """Reads the start payload, and brings forth another."""

    answered = Event(Letter)

    async def execute(self, instance: Instance, config: None, context: Context[Letter]) -> Outcome:  # noqa: ARG002
        """Ends at once."""
        return self.answered(any_letter())


class Letters(Workflow[Letter], key="bench"):
    """Three steps one after the other, with a kilobyte each."""

    first = Answer()
    second = Answer()
    third = Answer()
    end = Done()

    start = first
    transitions = (first.answered.to(second), second.answered.to(third), third.answered.to(end))


def main(
    *,
    workflows: Annotated[int, Parameter(help="How many to run in each round.")] = 5_000,
    rounds: Annotated[int, Parameter(help="How often each worker is measured.")] = 4,
    partitions: Annotated[int, Parameter(help="Partitions of every topic.")] = 12,
    bootstrap: Annotated[str | None, Parameter(help="A Kafka to use; without it a local one is started.")] = None,
) -> None:
    """Measure what encryption costs."""
    alone()
    broker = temporary_kafka(console.log) if bootstrap is None else nullcontext(bootstrap)
    with broker as address:
        beside_a_broker(address, workflows=workflows, rounds=rounds, partitions=partitions)


def alone() -> None:
    """A payload is sealed, opened, and passed by where there are no keys."""
    cipher = Cipher(Keyring({"key": KEY}))
    place = Place("result", "Letters", "bench::abc123", new_id(), "first")
    table = Table("bytes of JSON", "seal, µs", "open, µs", "both without keys, µs", "bytes sealed")
    for size in SIZES:
        plain = json.dumps({"text": "x" * (size - 12)}).encode()
        stored = cipher.seal(plain, place)
        figures = (
            microseconds(partial(cipher.seal, plain, place)),
            microseconds(partial(cipher.open, stored, place)),
            microseconds(partial(NO_KEYS.seal, plain, place)) + microseconds(partial(NO_KEYS.open, plain, place)),
        )
        table.add_row(f"{len(plain):,}", *(f"{each:.1f}" for each in figures), f"{len(stored):,}")
    console.print(table)


def microseconds(call: Callable[[], object]) -> float:
    """How long a call takes, at best."""
    timer = timeit.Timer(call)
    number, _ = timer.autorange()
    return min(timer.repeat(5, number)) / number * 1e6


def beside_a_broker(bootstrap: str, *, workflows: int, rounds: int, partitions: int) -> None:
    """Two workers take turns."""
    keys = {"HEPHAESTUS_ENCRYPTION_KEYS": json.dumps({"key": base64.b64encode(KEY).decode()})}
    sides: dict[str, tuple[Cipher, dict[str, str]]] = {
        "plain": (NO_KEYS, {}),
        "encrypted": (Cipher(Keyring({"key": KEY})), keys),
    }
    rates: dict[str, list[float]] = {}
    with ExitStack() as stack:
        loads: dict[str, Load] = {}
        for name, (cipher, settings) in sides.items():
            namespace = f"bench-{new_id()}"
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            stack.enter_context(
                worker(
                    bootstrap,
                    namespace,
                    folder,
                    partitions=partitions,
                    module="benchmarks.encryption",
                    settings=settings,
                )
            )
            loads[name] = Load(Connection(bootstrap, namespace), partitions=partitions, command=starts(cipher))
            loads[name].one_by_one(5)
            loads[name].many(workflows, in_flight=None)  # warms it up
        for _ in range(rounds):
            for name, load in loads.items():
                rates.setdefault(name, []).append(load.many(workflows, in_flight=None).rate)
        for load in loads.values():
            load.close()
    table = Table("three steps of 1 kB, all at once", "workflows/s, median", "of each round")
    for name, each in rates.items():
        table.add_row(name, f"{median(each):,.0f}", ", ".join(f"{rate:,.0f}" for rate in each))
    console.print(table)
    ratio = median(rates["encrypted"]) / median(rates["plain"])
    console.print(f"encrypted / plain: {ratio:.2f}; {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")


def starts(cipher: Cipher) -> Callable[[str], Command]:
    """Starts as a client sends them."""
    return lambda id: sealed(start_command(Letters, id, any_letter()), cipher)  # noqa: A006 - the wire's own word


if __name__ == "__main__":
    run(main)
