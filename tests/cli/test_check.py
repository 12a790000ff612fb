"""`hephaestus check`."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.command_line import CommandLine

MISTAKES = """\
from hephaestus_stream import Done, Event, Instance, Outcome, Step, Workflow


class Weigh(Step[object]):
    light = Event()
    heavy = Event()

    async def execute(self, instance, config, context):
        return self.light()


class ParcelFlow(Workflow[object], key="parcel"):
    weigh = Weigh()
    lonely = Weigh()
    done = Done()

    start = weigh
    transitions = (weigh.light.to(done), lonely.light.to(done), lonely.heavy.to(done))


class LetterFlow(Workflow[object]):
    weigh = Weigh()
    again = Weigh()
    done = Done()

    start = weigh
    transitions = (weigh.light.to(again), weigh.heavy.to(done), again.light.to(weigh), again.heavy.to(done))
"""


def test_a_sound_module_has_no_problems(hephaestus: CommandLine) -> None:
    said = hephaestus("check", "flows")
    assert (said.code, said.err) == (0, "")
    assert "no problems in GreetingFlow 3" in said.out


def test_four_mistakes_in_two_classes_are_told_at_once_with_their_lines(hephaestus: CommandLine) -> None:
    (hephaestus.folder / "post.py").write_text(MISTAKES)
    said = hephaestus("check", "post")
    assert said.code == 1
    assert [line.split(": ", 2)[0] for line in said.out.splitlines() if ": error: " in line] == [
        "post.py:13",
        "post.py:14",
        "post.py:21",
        "post.py:27",
    ]
    assert "post.py:13: error: weigh.heavy leads nowhere" in said.out
    assert "add weigh.heavy.to(...) to transitions" in said.out
    assert said.out.splitlines()[-1] == "4 problems"


def test_a_program_gets_the_problems_as_json(hephaestus: CommandLine) -> None:
    (hephaestus.folder / "post.py").write_text(MISTAKES)
    said = hephaestus("check", "post", "--output", "json")
    assert said.code == 1
    problems = json.loads(said.out)["problems"]
    assert [problem["line"] for problem in problems] == [13, 14, 21, 27]
    assert {Path(problem["file"]).name for problem in problems} == {"post.py"}
    assert all(problem["remedy"] for problem in problems)


def test_a_module_that_fails_does_not_hide_the_problems_of_the_others(hephaestus: CommandLine) -> None:
    package = hephaestus.folder / "shop"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "a_typo.py").write_text("x = 1\ny = zz\n")
    (package / "b_syntax.py").write_text("def f(:\n")
    (package / "c_post.py").write_text(MISTAKES)
    said = hephaestus("check", "shop")
    assert said.code == 1
    assert "shop/a_typo.py:2: error: NameError: name 'zz' is not defined" in said.out
    assert "shop/b_syntax.py:1: error: SyntaxError" in said.out
    assert said.out.splitlines()[-1] == "6 problems"


def test_two_classes_of_one_name_and_version_are_a_problem(hephaestus: CommandLine) -> None:
    flows = (hephaestus.folder / "flows.py").read_text()
    package = hephaestus.folder / "twins"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "one.py").write_text(flows)
    (package / "two.py").write_text(flows)
    said = hephaestus("check", "twins")
    assert said.code == 1
    assert "twins/two.py:23: error: " in said.out
    assert "version 3 of GreetingFlow" in said.out


def test_a_module_that_is_not_there_names_the_nearest(hephaestus: CommandLine) -> None:
    said = hephaestus("check", "flow")
    assert said.code == 1
    assert "there is no module 'flow'" in said.err
    assert "did you mean flows?" in said.err


def test_the_workflows_of_the_project_have_no_problems() -> None:
    said = CommandLine(Path(__file__).parents[2])("check", "workflows")
    assert said.code == 0
    assert "OrderFlow" in said.out
