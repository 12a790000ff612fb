"""Records that are odd as records, whatever their commands are."""

from __future__ import annotations

from hephaestus_stream.wire.command import encode_command
from hephaestus_stream.wire.connection import Connection
from hephaestus_stream.wire.partition import partition_for
from hephaestus_stream.wire.request import cancel_command
from tests.integration import raw_records
from tests.integration.checker import Topics, check_answers
from tests.integration.flows import Held
from tests.integration.raw_records import Header
from tests.integration.workers import PARTITIONS, Workers

ASKS: Header = (b"reply_partition", b"0")
ODD: dict[str, list[Header]] = {
    "a name that is no text": [(b"\xff\xfe", b"x")],
    "an empty name": [(b"", b"")],
    "no value": [(b"own", None), (b"reply_partition", None), (b"traceparent", None)],
    "garbage in the trace": [(b"traceparent", b"\x00" * 55), (b"tracestate", b"\xff")],
    "a NUL in a name": [(b"a\x00b", b"\x00")],
    "a long name": [(b"x" * 10_000, b"y" * 10_000)],
    "many": [(b"%d" % number, b"") for number in range(1_000)],
    "one name twice": [(b"reply_partition", b"x"), (b"reply_partition", b"-1")],
}
# Four bytes a character: the worker's own records could not hold it.
HUGE: list[Header] = [("😀".encode() * 254_000, b"")]


def test_odd_headers_cost_nobody_anything(workers: Workers, connection: Connection, topics: Topics) -> None:
    worker = workers.started()
    commands = {name: cancel_command(Held, f"{number}") for number, name in enumerate((*ODD, "huge"))}
    expected = {command.id: "not_found" for command in commands.values()}
    expected[commands["huge"].id] = "too_large"

    for name, command in commands.items():
        right = partition_for(command.key.encode(), PARTITIONS)
        # Every second one has to be sent on, with its headers.
        partition = (right + 1) % PARTITIONS if len(name) % 2 or name == "huge" else right
        record = (b"\xff", encode_command(command), [*ODD.get(name, HUGE), ASKS])
        raw_records.publish(connection, record, partition=partition)

    workers.until(lambda: len(check_answers(topics)) == len(expected), of=[worker])
    assert {name: answer["reason"] for name, answer in check_answers(topics).items()} == expected
    assert worker.stop() == 0
