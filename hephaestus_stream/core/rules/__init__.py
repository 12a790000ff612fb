"""What class creation refuses: each module holds the rules about one thing, `check` applies them all."""

from __future__ import annotations

from collections.abc import Iterator

from hephaestus_stream.core.definition import Draft
from hephaestus_stream.core.rules import fanouts, keywords, routes, shape, steps, typing, wiring
from hephaestus_stream.errors import Problem

_RULES = (keywords.check, wiring.check, typing.check, steps.check, routes.check, shape.check, fanouts.check)


def check(draft: Draft) -> tuple[Problem, ...]:
    """All that is wrong with a class: the problems in the order of the rules, then of the source."""
    return tuple(_all_problems(draft))


def _all_problems(draft: Draft) -> Iterator[Problem]:
    for rule in _RULES:
        yield from rule(draft)
