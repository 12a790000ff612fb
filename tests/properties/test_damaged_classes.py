"""A valid class statement that was spoilt in a known way is refused, and by the rule about that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings

from hephaestus_stream import (
    Context,
    Done,
    Event,
    Instance,
    NodeEvent,
    Outcome,
    Step,
    Workflow,
    WorkflowDefinitionError,
)
from hephaestus_stream.core.node import Node
from hephaestus_stream.core.rule import Rule
from tests.properties.blueprint import Blueprint, blueprint
from tests.properties.flows import Plan, Work, build, nodes_of, transition, written
from tests.properties.regions import Region, rich_regions


class Counting(Step[int]):
    """Reads what no workflow here is started with."""

    e0 = Event()

    async def execute(self, instance: Instance, config: None, context: Context[int]) -> Outcome:
        raise NotImplementedError


def by_nothing(_: Context[Plan]):  # type: ignore[no-untyped-def]  # noqa: ANN201  # the mistake
    raise NotImplementedError


@dataclass
class ClassBody:
    """What stands in a class statement."""

    plan: Blueprint
    nodes: dict[str, Node]
    table: tuple[object, ...] | list[object] | None
    start: object
    keywords: dict[str, object] = field(default_factory=dict[str, object])

    @classmethod
    def of(cls, plan: Blueprint) -> ClassBody:
        nodes = nodes_of(plan)
        table = tuple(transition(nodes, row) for row in plan.rows)
        return cls(plan, nodes, table, nodes[plan.start], {"key": "random"})

    def write(self) -> type[Workflow[Any]]:
        named = {"start": self.start, "transitions": self.table}
        return written(self.nodes, {name: value for name, value in named.items() if value is not None}, self.keywords)

    def lengthen(self, *rows: object) -> None:
        assert isinstance(self.table, tuple)
        self.table = (*self.table, *rows)

    def put_ahead(self, step: Step[Any, Any], event: NodeEvent[None]) -> None:
        """Lets the workflow begin with another step, which leads to the former first one."""
        former = self.start
        assert isinstance(former, Node)
        self.nodes["ahead"] = self.start = step
        self.lengthen(event.to(former))


def leave_out_the_key(body: ClassBody) -> None:
    del body.keywords["key"]


def leave_out_the_start(body: ClassBody) -> None:
    body.start = None


def leave_out_the_table(body: ClassBody) -> None:
    body.table = None


def start_at_no_node(body: ClassBody) -> None:
    body.start = "opening"


def start_at_a_node_without_a_name(body: ClassBody) -> None:
    unnamed = Work(("e0",))
    body.start = unnamed


def write_the_table_as_a_list(body: ClassBody) -> None:
    assert isinstance(body.table, tuple)
    body.table = [*body.table]


def leave_a_row_unfinished(body: ClassBody) -> None:
    body.lengthen(Work(("e0",)).e0)


def give_a_node_two_names(body: ClassBody) -> None:
    body.nodes["twin"] = body.nodes["opening"]


def share_a_step(body: ClassBody) -> None:
    """Another class of the same nodes was made before."""
    body.write()


def begin_with_a_step_of_another_input(body: ClassBody) -> None:
    step = Counting()
    body.put_ahead(step, step.e0)


def begin_with_a_route_without_labels(body: ClassBody) -> None:
    step = Work(("e0",))
    former = body.start
    assert isinstance(former, Node)
    body.nodes["ahead"] = body.start = step
    route: Any = step.e0.route(by_nothing)
    body.lengthen(route.to({"l0": former}))


def lead_to_a_node_of_nobody(body: ClassBody) -> None:
    step = Work(("e0", "e1"))
    former = body.start
    assert isinstance(former, Node)
    body.nodes["ahead"] = body.start = step
    body.lengthen(step.e0.to(former), step.e1.to(Done()))


def lead_to_a_name(body: ClassBody) -> None:
    step = Work(("e0", "e1"))
    former = body.start
    assert isinstance(former, Node)
    body.nodes["ahead"] = body.start = step
    target: Any = "done"
    body.lengthen(step.e0.to(former), step.e1.to(target))


def name_a_node_with_an_underscore(body: ClassBody) -> None:
    body.nodes["_opening"] = body.nodes.pop("opening")


def keyword(name: str, value: object) -> Callable[[ClassBody], None]:
    def spoil(body: ClassBody) -> None:
        body.keywords[name] = value

    spoil.__name__ = f"{name}_is_{value}"
    return spoil


MISTAKES: dict[Callable[[ClassBody], None], Rule] = {
    leave_out_the_key: Rule.MISSING_KEY,
    leave_out_the_start: Rule.MISSING_START,
    leave_out_the_table: Rule.MISSING_TRANSITIONS,
    start_at_no_node: Rule.BAD_START,
    start_at_a_node_without_a_name: Rule.UNNAMED_START,
    write_the_table_as_a_list: Rule.BAD_TRANSITIONS,
    leave_a_row_unfinished: Rule.UNFINISHED_ROW,
    give_a_node_two_names: Rule.SAME_NODE,
    share_a_step: Rule.SHARED_NODE,
    begin_with_a_step_of_another_input: Rule.OTHER_INPUT,
    begin_with_a_route_without_labels: Rule.UNLABELLED_ROUTE,
    lead_to_a_node_of_nobody: Rule.FOREIGN_NODE,
    lead_to_a_name: Rule.BAD_TARGET,
    name_a_node_with_an_underscore: Rule.BAD_NODE_NAME,
    keyword("key", "a::b"): Rule.BAD_KEY,
    keyword("name", "Order Flow"): Rule.BAD_NAME,
    keyword("version", 0): Rule.BAD_VERSION,
    keyword("scope", "galaxy"): Rule.BAD_SCOPE,
    keyword("reuse", "sometimes"): Rule.BAD_REUSE,
    keyword("retention", timedelta(0)): Rule.BAD_RETENTION,
    keyword("tags", "sales"): Rule.BAD_TAGS,
    keyword("retry", 5): Rule.BAD_RETRY,
    keyword("metadata", {"at": timedelta}): Rule.BAD_METADATA,
}


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.__name__)
@settings(max_examples=settings().max_examples // 6)
@given(region=rich_regions())
def test_a_class_spoilt_in_one_way_is_refused_by_the_rule_about_that(
    mistake: Callable[[ClassBody], None], region: Region
) -> None:
    plan = blueprint(region)
    build(plan)  # it is a valid one
    body = ClassBody.of(plan)
    mistake(body)

    with pytest.raises(WorkflowDefinitionError) as refusal:
        body.write()

    rules = {problem.rule for problem in refusal.value.problems}
    assert rules == {MISTAKES[mistake]}


@settings(max_examples=settings().max_examples // 6)
@given(rich_regions(), rich_regions())
def test_a_workflow_is_not_inherited_from(region: Region, other: Region) -> None:
    parent = build(blueprint(region))
    body = ClassBody.of(blueprint(other))

    with pytest.raises(WorkflowDefinitionError) as refusal:
        type("Child", (parent,), {**body.nodes, "start": body.start, "transitions": body.table}, key="random")

    assert {problem.rule for problem in refusal.value.problems} == {Rule.INHERITED_WORKFLOW}
