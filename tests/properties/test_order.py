"""No order of independent events changes the end.

Independent are the outcomes, timers and events from outside of nodes that run beside each other, as long as none of
these leaves for an interrupting ending or fails for good: that is a race, and who wins it decides what the others came
to. What happens to one and the same node has its order: it waits before its timer is due.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Literal, get_args

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from hephaestus_stream.core.definition import Definition
from hephaestus_stream.core.input import Resume, StepEmitted, StepFailed, StepSuspended
from hephaestus_stream.core.state import Error, Reported
from hephaestus_stream.cycle.results import RecordedResults
from tests.properties.driver import Driver, Word
from tests.properties.flows import workflow
from tests.properties.regions import EXITS, Leave, Region, all_places, decisions, regions, words_of

Fate = Literal["ends", "is retried", "is sent for", "times out", "is sent for at any time"]


class Interleaved(Driver):
    """A run whose nodes each have a fate, told in pieces: between two of them anything may happen to others.

    Attributes:
        seen: What each node saw of the results before it when it started.
    """

    def __init__(self, definition: Definition, words: Mapping[str, Word], fates: Mapping[str, Fate]) -> None:
        self.seen: dict[str, dict[str, bytes | None]] = {}
        self._fates: dict[str, Fate] = {
            node: self._possible(definition, words[node][0], node, fates) for node in definition.events
        }
        self._going: dict[str, Iterator[None]] = {}
        self._unsent = {node for node, fate in self._fates.items() if fate == "is sent for at any time"}
        super().__init__(definition, words)

    def interleave(self, data: st.DataObject) -> None:
        """Goes on with any node, or sends what may be sent at any time, until the run has ended."""
        self._look()
        while self.state.is_live:
            can_go_on = [("goes on", node) for node in sorted(self.active) if not self._only_waits(node)]
            can_be_sent = [("is sent for", node) for node in sorted(self._unsent)]
            what, node = data.draw(st.sampled_from(can_go_on + can_be_sent))
            if what == "goes on":
                next(self._going.setdefault(node, self._fate_of(node)), None)
            else:
                self._unsent.remove(node)
                self.tell(Resume("command", node, self._reported(node)))
            self._look()

    @staticmethod
    def _possible(definition: Definition, event: str, node: str, fates: Mapping[str, Fate]) -> Fate:
        fate = fates.get(node, "ends")
        external = definition.events[node][event].external
        return "ends" if fate in {"is sent for", "is sent for at any time"} and not external else fate

    def _only_waits(self, node: str) -> bool:
        return node in self._unsent and self.state.nodes[node].status == "waiting"

    def _fate_of(self, node: str) -> Iterator[None]:
        match self._fates[node]:
            case "ends":
                self.tell(StepEmitted(node, 1, self._reported(node)))
            case "is retried":
                self.tell(StepFailed(node, 1, Error("OSError", "down")))
                yield
                self.fire(node)
                yield
                self.tell(StepEmitted(node, 2, self._reported(node)))
            case "is sent for":
                self.tell(StepSuspended(node, 1))
                yield
                self.tell(Resume("command", node, self._reported(node)))
            case "times out":
                self.tell(StepSuspended(node, 1, timedelta(hours=1), otherwise=self._reported(node)))
                yield
                self.fire(node)
            case "is sent for at any time":
                self.tell(StepSuspended(node, 1))

    def _reported(self, node: str) -> Reported:
        return Reported(self.words[node][0], node.encode())

    def _look(self) -> None:
        for node, state in self.state.nodes.items():
            if state.attempt and node not in self.seen:
                results = RecordedResults(self.definition, self.state, node)
                self.seen[node] = {
                    before: reported.payload
                    for before in results.visible()
                    if (reported := self.state.nodes[before].reported) is not None
                }


@pytest.mark.parity(9)
@given(regions(), st.data())
def test_no_order_of_independent_events_changes_the_end(region: Region, data: st.DataObject) -> None:
    words = words_of(region, independent(region, data.draw(decisions(region))))
    fates = {place.name: data.draw(st.sampled_from(get_args(Fate))) for place in all_places(region)}
    definition = workflow(region)
    one, other = (Interleaved(definition, words, fates) for _ in range(2))
    one.interleave(data)
    other.interleave(data)

    event("in one order" if [*map(str, one.log)] == [*map(str, other.log)] else "in two orders")
    assert (one.state.status, one.state.ended_at) == (other.state.status, other.state.ended_at)
    assert one.state.ended_at not in EXITS
    for kind in ("completed", "dead"):
        assert in_status(one, kind) == in_status(other, kind)
    assert results(one) == results(other)
    assert one.seen == other.seen
    assert one.state.payload_bytes == other.state.payload_bytes


def independent(region: Region, decided: dict[str, int]) -> dict[str, int]:
    """The same decisions, but nobody leaves for an interrupting ending: the first choice of a node never does."""
    return {
        place.name: 0 if isinstance(place.choices[decided[place.name]], Leave) else decided[place.name]
        for place in all_places(region)
    }


def in_status(driver: Driver, status: str) -> set[str]:
    return {name for name, node in driver.state.nodes.items() if node.status == status}


def results(driver: Driver) -> dict[str, tuple[Reported | None, str | None]]:
    return {name: (node.reported, node.label) for name, node in driver.state.nodes.items()}
