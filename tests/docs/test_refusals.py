"""The page about what is refused has what is really said, each mistake made again."""

from __future__ import annotations

import re

from tests.docs.pages import page, rows
from tests.docs.refused import refused_steps, refused_together, refused_workflows

_PYDANTIC = ": Unable to generate"
"""From here on the message is pydantic's."""


def test_the_page_has_each_rule_with_its_message_and_its_way_out() -> None:
    said = [(what, remedy.partition(_PYDANTIC)[0]) for what, remedy in refused_workflows()]
    assert [(what.strip("`"), remedy.strip("`")) for what, remedy in rows(page("docs/refusals.md"))] == said


def test_the_page_has_each_message_about_steps() -> None:
    shown = re.findall(r"^- `(.*)`$", page("docs/refusals.md"), re.MULTILINE)
    assert shown == refused_steps()


def test_the_problems_of_the_sample_are_told_together_and_in_these_words() -> None:
    line = re.compile(r":\d+\)")
    for name in ("docs/workflows.md", "README.md"):
        assert line.sub(":1)", refused_together()) in line.sub(":1)", page(name))
