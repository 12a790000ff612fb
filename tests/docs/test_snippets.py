"""The Python in the documentation runs, its own tests pass, and its drawings are what is drawn."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import timedelta
from itertools import zip_longest
from types import ModuleType
from typing import Any, cast

import pytest

from hephaestus_stream import Workflow
from hephaestus_stream.core import limits
from hephaestus_stream.drawing import plain
from hephaestus_stream.testing import Simulator
from tests.docs.pages import ROOT, blocks, page, rows, run, section

PAGES = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").glob("*.md"))
README_SECTIONS = ("## A workflow", "## Test it")


async def run_tests_of(module: ModuleType) -> list[str]:
    """Runs what pytest would find in a page; returns the names."""
    tests = [name for name in vars(module) if name.startswith("test_")]
    for name in tests:
        test = cast("Callable[..., object]", getattr(module, name))
        fixtures = {each: Simulator() for each in inspect.signature(test).parameters if each == "simulator"}
        result = test(**fixtures)
        if inspect.isawaitable(result):
            await result
    return tests


@pytest.mark.parametrize("name", PAGES)
async def test_the_snippets_of_a_page_run_from_top_to_bottom_and_their_tests_pass(name: str) -> None:
    await run_tests_of(run(page(name), name=name))


async def test_the_workflow_of_the_readme_passes_the_test_of_the_readme() -> None:
    readme = page("README.md")
    sections = "\n".join(section(readme, heading) for heading in README_SECTIONS)
    assert await run_tests_of(run(sections, name="README.md")) == ["test_nobody_pays"]


async def test_the_page_about_workflows_shows_how_they_are_tested() -> None:
    assert len(await run_tests_of(run(page("docs/workflows.md"), name="docs/workflows.md"))) == 3


async def test_the_page_about_testing_tests_a_subscription_of_thirty_days() -> None:
    module = run(page("docs/testing.md"), name="docs/testing.md")
    assert len(await run_tests_of(module)) == 7
    simulator = Simulator()
    simulator.stub(module.SubscriptionFlow.fee, module.PAID)
    shown = await simulator.skip(
        await simulator.start(module.SubscriptionFlow, "ada", module.READER), timedelta(days=30)
    )
    [drawing] = [block.text for block in blocks(page("docs/testing.md"), "text")]
    assert drawing == f"{shown}\n"


def drawn(workflow: type[Workflow[Any]]) -> list[str]:
    return [line.rstrip() for line in plain(workflow.definition).splitlines() if line.strip()]


def test_the_two_drawings_stand_side_by_side_as_they_are_drawn() -> None:
    text = page("docs/workflows.md")
    module = run(text, name="docs/workflows.md")
    [shown] = [block.text.splitlines() for block in blocks(text, "text")]
    left, right = drawn(module.Packing), drawn(module.Delivery)
    gap = len(shown[0]) - len(right[0])
    together = [(one.ljust(gap) + other).rstrip() for one, other in zip_longest(left, right, fillvalue="")]
    assert shown == together


def test_the_limits_in_the_page_are_the_limits_in_the_code() -> None:
    bounds = {cells[0]: cells[1] for cells in rows(section(page("docs/workflows.md"), "## Limits"))}
    said = [
        bounds["start payload, results, metadata of outcomes and early events of one run together"],
        bounds["early events that a run keeps"],
        bounds["refused events that a run's history tells"],
        bounds["workers lost promptly and in a row during one attempt"],
        bounds["workers lost during one attempt, in all"],
        bounds["live runs of one key"],
        bounds["ended runs that a key remembers"],
    ]
    known = [
        f"{limits.MAX_PAYLOAD_BYTES:,} bytes of JSON",
        f"{limits.MAX_EARLY_EVENTS}",
        f"{limits.MAX_REFUSALS}",
        f"{limits.MAX_PROMPT_LOSSES}",
        f"{limits.MAX_RESTARTS}",
        f"{limits.MAX_LIVE_RUNS:,}",
        f"{limits.MAX_ENDED_RUNS}",
    ]
    assert said == known


def test_the_table_of_class_keywords_has_each_keyword_once() -> None:
    # `Workflow.__init_subclass__` without its binding, so that its keywords can be read.
    parameters = inspect.signature(Workflow.__init_subclass__).parameters.values()
    keywords = [each.name for each in parameters if each.kind is each.KEYWORD_ONLY]
    table = section(page("docs/workflows.md"), "## Class keywords").partition("\n\n| `scope`")[0]
    assert sorted(cells[0].strip("`") for cells in rows(table + "\n")) == sorted(keywords)
