from __future__ import annotations

import pytest

from hephaestus_stream.wire.request import resume_command, start_command
from tests.integration.checker import Topics, check_everything
from tests.integration.workers import Publisher, Workers
from workflows.order import Order, OrderFlow, Review


@pytest.mark.parity(12)
def test_orders_go_their_whole_way_through_the_topics(workers: Workers, publisher: Publisher, topics: Topics) -> None:
    worker = workers.started(module="workflows.order")
    cards = {"plain": "valid", "flaky": "flaky", "declined": "declined"}
    starts = {
        name: start_command(OrderFlow, name, Order(sku="chair", quantity=2, customer="ada", card=card))
        for name, card in cards.items()
    }
    publisher.send(starts.values())
    events = [resume_command(OrderFlow, name, OrderFlow.review.received, Review(stars=5)) for name in cards]

    # Early: the parcel is not even packed. So it is kept, and taken when the node waits.
    publisher.send(events)
    workers.until(lambda: len(topics.records("completions")) == len(cards), of=[worker])

    assert worker.stop() == 0
    histories = check_everything(topics, runs={start.id for start in starts.values()})
    ended = {document["key"]: document["ended_at"] for document in topics.documents("completions")}
    assert ended == {"orderid::plain": "done", "orderid::flaky": "done", "orderid::declined": "declined"}
    attempts = [event["attempt"] for event in histories[starts["flaky"].id] if event["type"] == "step_started"]
    assert 2 in attempts
    assert len(topics.documents("replies")) == 6
