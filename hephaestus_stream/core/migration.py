"""A run moves to another version of its workflow, where it could have come to be as it is."""

from __future__ import annotations

from collections.abc import Iterator

from hephaestus_stream.core import progress
from hephaestus_stream.core.answer import Accepted, Refused
from hephaestus_stream.core.decision import StopStep
from hephaestus_stream.core.input import Migrate
from hephaestus_stream.core.join import Verdict, is_taken, judge
from hephaestus_stream.core.journal import Journal
from hephaestus_stream.core.state import ACTIVE, NodeState
from hephaestus_stream.core.step import is_step

_SHOWN = 5


def migrate(journal: Journal, what: Migrate, *, key: str) -> None:
    """The run goes on in the version of the journal's definition, or is refused with all that stands against it.

    A step that is being executed is stopped, and begins its next attempt in the new version; waits and retries keep
    their due times.
    """
    definition = journal.definition
    target = f"version {definition.version} of {definition.name}"
    if not journal.is_live:
        journal.answer = Refused("ended", f"{key} has ended; only a live run moves to another version")
        return
    if journal.version == definition.version:
        journal.answer = Accepted("existing")
        return
    dead: dict[str, NodeState] = {}
    obstacles = [] if what.problem is None else [what.problem]
    obstacles += _obstacles(journal, dead)
    if obstacles:
        more = f"; and {len(obstacles) - _SHOWN} more" if len(obstacles) > _SHOWN else ""
        message = (
            f"{key} cannot go on in {target}: {'; '.join(obstacles[:_SHOWN])}{more}. "
            "Up to where the run has come, the graphs must agree"
        )
        _refuse(journal, what, Refused("incompatible_version", message))
        return
    journal.answer = Accepted("applied", f"from version {journal.version} to {definition.version}")
    journal.record("migrated", details={"command": what.command, "from": journal.version, "to": definition.version})
    journal.version = definition.version
    _take_over(journal, dead)


def _take_over(journal: Journal, dead: dict[str, NodeState]) -> None:
    for node, state in dead.items():
        journal.put(node, state)
        journal.record("node_dead", node)
    progress.drop_early(
        journal, lambda early: early.node in dead or not _takes(journal, early.node, early.reported.event)
    )
    for node, state in list(journal.nodes.items()):
        if state.status != "dead" and node in journal.definition.nodes:
            journal.update(node, entered_from=_entered_from(journal, node, state))
        if state.status == "running":
            journal.effects.append(StopStep(node, state.attempt))
            progress.attempt(journal, node, number=state.attempt + 1)


def _entered_from(journal: Journal, node: str, state: NodeState) -> str | None:
    """Where an exit was entered from, on which its view depends; a node may be one in one version only."""
    if node not in journal.graph.exits:
        return None
    taken = [edge.source for edge in journal.graph.incoming[node] if is_taken(edge, journal.nodes)]
    return state.entered_from if state.entered_from in taken else next(iter(taken), None)


def _obstacles(journal: Journal, dead: dict[str, NodeState]) -> Iterator[str]:
    """Why the run cannot have come to its state by the definition's graph.

    Args:
        journal: The run, with the definition that it is to have.
        dead: Filled with the nodes that the former version did not have, and that can no longer be reached.
    """
    graph = journal.graph
    for node, active in journal.nodes.items():
        if active.status in ACTIVE and not is_step(journal.definition.nodes.get(node)):
            yield f"'{node}' is {active.status}, and there is no such step"
    nodes = dict(journal.nodes)
    for node in graph.order:
        state = journal.nodes.get(node)
        verdict = Verdict.START if node == graph.start else judge(graph, nodes, node)
        if state is None:
            if verdict is Verdict.START:
                yield f"'{node}' would have been started before"
            elif verdict is Verdict.DEAD:
                nodes[node] = dead[node] = NodeState("dead", settled_at=journal.now)
        elif state.status == "dead":
            if verdict is not Verdict.DEAD:
                yield f"'{node}' can no longer be reached, and there it could"
        elif verdict is not Verdict.START:
            yield f"'{node}' is {state.status}, and could not have been started yet"
        else:
            yield from _strange_outcomes(journal, node, state)


def _strange_outcomes(journal: Journal, node: str, state: NodeState) -> Iterator[str]:
    """The outcomes of a node that the definition does not know."""
    events = journal.definition.events.get(node, {})
    if state.status == "waiting" and state.due_at is None and not any(event.external for event in events.values()):
        yield f"'{node}' is waiting, and no event from outside could end that"
    for reported in (state.reported, state.otherwise):
        if reported is not None and reported.event not in events:
            yield f"'{node}' has no event '{reported.event}'"
    if state.reported is not None:
        labels = journal.definition.labels.get((node, state.reported.event))
        if state.label is None and labels is not None:
            yield f"{node}.{state.reported.event} is routed, and no label was chosen"
        elif state.label is not None and state.label not in (labels or ()):
            yield f"{node}.{state.reported.event} has no label '{state.label}'"


def _takes(journal: Journal, node: str, event: str) -> bool:
    declared = journal.definition.events.get(node, {}).get(event)
    return declared is not None and declared.external


def _refuse(journal: Journal, what: Migrate, refused: Refused) -> None:
    journal.answer = refused
    journal.refuse("migration_refused", command=what.command, reason=refused.reason, message=refused.message)
