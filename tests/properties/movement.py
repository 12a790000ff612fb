"""A run that moves to another version, and a fresh run of that version brought to the same place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy, deepcopy

import msgspec
from hypothesis import strategies as st

from hephaestus_stream.core.answer import Answer, Refused
from hephaestus_stream.core.decision import Decision
from hephaestus_stream.core.definition import Definition
from hephaestus_stream.core.engine import apply
from hephaestus_stream.core.input import Chosen, Input, Migrate, Start, StepEmitted
from hephaestus_stream.core.join import is_taken
from hephaestus_stream.core.state import ACTIVE, NodeState, Reported, State
from hephaestus_stream.core.visible import visible_nodes
from tests.properties.driver import BEGIN, Word
from tests.properties.histories import History
from tests.properties.ledger import Ledger

small = st.sampled_from((0, 1, 7))


class MovingLedger(Ledger):
    """Books of a run that may have results of nodes that its version has no longer."""

    def check(self, definition: Definition, state: State) -> None:
        gone = {name: node for name, node in state.nodes.items() if name not in definition.nodes}
        assert not {node.status for node in gone.values()} & ACTIVE, "what is active is a node of the run's version"
        size = sum(node.reported.size for node in gone.values() if node.reported is not None)
        known = {name: node for name, node in state.nodes.items() if name not in gone}
        self.results = [result for result in self.results if result.node not in gone]
        self._settled = {name: node for name, node in self._settled.items() if name not in gone}
        super().check(definition, msgspec.structs.replace(state, nodes=known, payload_bytes=state.payload_bytes - size))

    def moved(self, state: State) -> None:
        """A settled node may have become an exit, or be one no longer; nothing else of it changes by a move."""
        self._settled = {
            name: msgspec.structs.replace(node, entered_from=state.nodes[name].entered_from)
            for name, node in self._settled.items()
        }


class Movement(History):
    """A run that does not fail too soon to be moved, and that is compared with a fresh one from its move on."""

    def __init__(self, definition: Definition, draw: st.DataObject) -> None:
        self._is_moved = False
        super().__init__(definition, first_words(definition), draw)
        self._books = MovingLedger()
        self._books.follow(self.log[0][0], self.decisions[0])
        self.ledger = self._books

    def go_on(self, *, most: int) -> Movement:
        """Lets up to so many things happen, but for one that ends the run; the run as it is then."""
        run = self
        for _ in range(self._draw.draw(st.integers(1, most), label="inputs")):
            later = run.fork()
            later.happen()
            if not later.state.is_live:
                break
            run = later
        return run

    def happen(self) -> None:
        """One thing happens that a run may well outlive."""
        actions: list[Callable[[], None]] = [
            *[self.emit] * 6,
            *[self.suspend] * 5,
            self.fail,
            *[self.let_a_timer_fire] * 2,
            *[self.send] * 3,
            self.be_recovered,
            self.say_something_stale,
        ]
        self._draw.draw(st.sampled_from(actions), label="what happens")()

    def fork(self) -> Movement:
        """The same run once more, whose future is another."""
        other = copy(self)
        other.decisions, other.log, other.completed = [*self.decisions], [*self.log], [*self.completed]
        other._attempts = [*self._attempts]
        other.ledger = other._books = deepcopy(self._books)
        return other

    def move(self, definition: Definition) -> Answer:
        """Asks for another version; the run has it from then on, unless it is refused."""
        former, self.definition = self.definition, definition
        answer = self._apply(Migrate("move")).answer
        assert answer is not None
        if isinstance(answer, Refused):
            self.definition = former
        else:
            self._is_moved = True
            self.words = first_words(definition)
            self._books.moved(self.state)
            check_early(definition, self.state)
            check_place(definition, self.state)
        self.ledger.check(self.definition, self.state)
        return answer

    def tell(self, what: Input) -> Decision:
        reached = self.state.nodes.keys() if self.decisions else set[str]()
        decision = super().tell(what)
        if self._is_moved and self.state.is_live:
            check_early(self.definition, self.state)
            if self.state.nodes.keys() != reached:
                check_place(self.definition, self.state)
        return decision

    def _reported(self, node: str) -> Reported:
        event = self._draw.draw(st.sampled_from(sorted(self.definition.events[node])), label="event")
        return Reported(event, b"x" * self._draw.draw(small, label="payload"))


def first_words(definition: Definition) -> dict[str, Word]:
    """What each node says when nobody chooses."""
    return {name: (next(iter(events)), None) for name, events in definition.events.items() if events}


def check_early(definition: Definition, state: State) -> None:
    """Only what a node may still take is kept for it."""
    for early in state.early:
        reached = state.nodes.get(early.node)
        assert reached is None or reached.status in ACTIVE, "no early event stays with a settled node"
        assert definition.events[early.node][early.reported.event].external


def check_place(definition: Definition, state: State) -> None:
    """A live run is where a fresh one of its version comes by the same outcomes, and its nodes see the same."""
    graph = definition.graph
    nodes = {name: node for name, node in state.nodes.items() if name in definition.nodes}
    fresh = fresh_run(definition, nodes)
    assert fresh.is_live
    assert nodes.keys() == fresh.nodes.keys()
    for name, node in nodes.items():
        assert (node.status in ACTIVE) == (fresh.nodes[name].status in ACTIVE)
        assert (node.status == "dead") == (fresh.nodes[name].status == "dead")
    exits = {name for name in graph.exits & nodes.keys() if name != graph.start and nodes[name].status != "dead"}
    for name in exits:
        taken = {edge.source for edge in graph.incoming[name] if is_taken(edge, nodes)}
        assert nodes[name].entered_from in taken, f"{name} was entered from where its version leads to it"
    # Of two nodes that lead to an exit, either may have been the first.
    entered = {
        name: msgspec.structs.replace(node, entered_from=nodes[name].entered_from) if name in exits else node
        for name, node in fresh.nodes.items()
    }
    for name, node in nodes.items():
        if node.status in ACTIVE:
            assert set(visible_nodes(graph, state.nodes, name)) == set(visible_nodes(graph, entered, name))


def fresh_run(definition: Definition, nodes: Mapping[str, NodeState]) -> State:
    """A new run of a version that is told what these nodes ended with, in the order in which they did."""
    state = apply(definition, None, Start("random::1", "fresh", b"null"), now=BEGIN).state
    left = sorted((node.settled_at or BEGIN, name) for name, node in nodes.items() if node.status == "completed")
    while ready := [each for each in left if each[1] in state.nodes]:
        left.remove(ready[0])
        name = ready[0][1]
        outcome = nodes[name].reported
        assert outcome is not None
        state = apply(definition, state, StepEmitted(name, 1, outcome), now=BEGIN).state
        if state.nodes[name].status == "choosing":
            state = apply(definition, state, Chosen(name, nodes[name].label or "none"), now=BEGIN).state
    assert left == [], "what is completed can be reached"
    return state
