"""The fan-out rule again, written differently: what is unavoidable is found by cutting nodes out of the graph."""

from __future__ import annotations

from itertools import combinations

from hephaestus_stream.core.rule import Rule
from tests.properties.blueprint import Blueprint


class CutModel:
    """Asks a sound blueprint, one without cycles and dead ends, what its fan-outs do."""

    def __init__(self, plan: Blueprint) -> None:
        self.plan = plan
        self.behind = {name: plan.behind(name) | {name} for name in (*plan.steps, *plan.endings)}
        self.onward: dict[str, list[str]] = {name: [] for name in self.behind}
        for source, _, target in plan.arrows():
            self.onward[source].append(target)
        self.exits = {
            name for name, reached in self.behind.items() if all(plan.endings.get(end, True) for end in reached)
        }

    def refusals(self) -> set[Rule]:
        """The rules about fan-outs that the blueprint breaks."""
        found: set[Rule] = set()
        for source in self.plan.steps:
            for branches in self.plan.ways_of(source).values():
                if len(branches) > 1 and source in self.exits:
                    found.add(Rule.FANOUT_IN_EXIT)
                elif len(branches) > 1:
                    found |= self._refusals_of(branches)
        return found

    def _refusals_of(self, branches: tuple[str, ...]) -> set[Rule]:
        ordinary = [branch for branch in branches if branch not in self.exits]
        found: set[Rule] = set() if len(ordinary) == len(branches) else {Rule.BRANCH_IS_EXIT}
        for one, other in combinations(ordinary, 2):
            point = self.meeting_point(one, other)
            if point is None:
                found.add(Rule.NO_MEETING)
            elif any(self._is_before(node, point) for node in self.behind[one] & self.behind[other]):
                found.add(Rule.PARTIAL_MEETING)
        return found

    def meeting_point(self, one: str, other: str) -> str | None:
        """The nearest node without which neither of two comes to an ordinary ending."""
        common = [node for node in self.behind[one] & self.behind[other] if self._needs(one, node, other)]
        return next((node for node in common if not any(self._is_before(nearer, node) for nearer in common)), None)

    def _needs(self, one: str, node: str, other: str) -> bool:
        return not (self._comes_to_an_end(one, without=node) or self._comes_to_an_end(other, without=node))

    def _is_before(self, node: str, other: str) -> bool:
        return node != other and other in self.behind[node]

    def _comes_to_an_end(self, start: str, *, without: str) -> bool:
        seen = {without}
        frontier = [start]
        while frontier:
            node = frontier.pop()
            if node not in seen and self.plan.endings.get(node) is False:
                return True
            if node not in seen:
                frontier += self.onward[node]
            seen.add(node)
        return False
