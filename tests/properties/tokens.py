"""The join rule again, written differently: no edge is taken or dead here, coloured tokens move through the graph.

A run begins with one token. A fan-out gives each of its branches a token of a colour of its own, beside the colours
that it came with. A node waits as long as anything active could still reach it; then it unites the tokens that it
holds and starts, unless a colour is missing: that of a branch which leads to it and whose token left for an exit.
When all colours of a fan-out are together, they fade. Only reachability is asked for: no meeting points, no paths.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.properties.blueprint import Blueprint

Word = tuple[str, str | None]
Colour = tuple[str, Word, str]


@dataclass
class Board:
    """Where the tokens are.

    Attributes:
        colours: Of the nodes that have started.
        held: Tokens in front of nodes that have not.
        active: Steps that have started and not ended.
        starved: Nodes that hold tokens, but will never hold what they need.
        ending: The ending that was reached first.
    """

    colours: dict[str, frozenset[Colour]] = field(default_factory=dict[str, frozenset[Colour]])
    held: dict[str, frozenset[Colour]] = field(default_factory=dict[str, frozenset[Colour]])
    active: set[str] = field(default_factory=set[str])
    starved: set[str] = field(default_factory=set[str])
    ending: str | None = None


class TokenModel:
    """Plays a blueprint with tokens."""

    def __init__(self, plan: Blueprint) -> None:
        self.plan = plan
        self.names = [*plan.steps, *plan.endings]
        self.behind = {name: plan.behind(name) for name in self.names}
        self.ways = {name: plan.ways_of(name) for name in plan.steps}
        self.exits = {
            name for name in self.names if all(plan.endings.get(end, True) for end in {name, *self.behind[name]})
        }

    def played(self, completed: Sequence[tuple[str, Word]]) -> Board:
        """The board after these steps ended with these words, in that order."""
        board = Board()
        self._start(board, self.plan.start, frozenset())
        for node, word in completed:
            board.active.remove(node)
            targets = self.ways[node][word]
            for target in targets:
                fresh = {(node, word, target)} if len(targets) > 1 else set[Colour]()
                self._hand_over(board, target, board.colours[node] | fresh)
            self._unite(board)
        return board

    def dead(self, board: Board) -> set[str]:
        """The nodes that nothing active can reach any more."""
        possible = set(board.active).union(*(self.behind[node] for node in board.active))
        return set(self.names) - possible - set(board.colours)

    def _hand_over(self, board: Board, target: str, token: frozenset[Colour]) -> None:
        if target not in self.exits:
            board.held[target] = board.held.get(target, frozenset()) | token
        elif target not in board.colours:  # an exit waits for nobody
            self._start(board, target, token)

    def _unite(self, board: Board) -> None:
        while ready := [node for node in board.held if not self._can_be_reached(board, node)]:
            node = ready[0]
            token = board.held.pop(node)
            if self._is_whole(node, token):
                self._start(board, node, self._faded(token))
            else:
                board.starved.add(node)

    def _can_be_reached(self, board: Board, node: str) -> bool:
        return any(node in self.behind[other] for other in {*board.active, *board.held} - {node})

    def _is_whole(self, node: str, token: frozenset[Colour]) -> bool:
        opened = {(source, word) for source, word, _ in token}
        return all(
            (source, word, branch) in token
            for source, word in opened
            for branch in self.ways[source][word]
            if branch == node or node in self.behind[branch]
        )

    def _faded(self, token: frozenset[Colour]) -> frozenset[Colour]:
        return frozenset(
            (source, word, branch)
            for source, word, branch in token
            if any((source, word, other) not in token for other in self.ways[source][word])
        )

    def _start(self, board: Board, node: str, token: frozenset[Colour]) -> None:
        board.colours[node] = token
        if node not in self.plan.endings:
            board.active.add(node)
        elif board.ending is None:
            board.ending = node
