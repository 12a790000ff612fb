"""The page about telemetry names what is told, and nothing else."""

from __future__ import annotations

import json
import re

import pytest

from hephaestus_stream.cycle.intake import FORWARDED
from hephaestus_stream.telemetry import names
from hephaestus_stream.telemetry.names import METRICS, SPANS
from hephaestus_stream.wire.headers import REPLAY, REPLY_PARTITION, TRACEPARENT, TRACESTATE
from tests.docs.pages import blocks, page, rows, section

PAGE = page("docs/telemetry.md")


def words(cell: str) -> tuple[str, ...]:
    return tuple(re.findall(r"`([^`]+)`", cell))


@pytest.mark.parity(21)
def test_the_page_has_each_span_with_its_kind_and_attributes() -> None:
    table = list(rows(section(PAGE, "### Spans")))
    told = [words(attributes) if attributes != "the same" else words(table[0][2]) for _, _, attributes, _ in table]

    assert [(name.strip("`").split()[0], kind) for name, kind, *_ in table] == [
        (each.verb, each.kind) for each in SPANS
    ]
    assert told == [each.attributes for each in SPANS]


@pytest.mark.parity(21)
def test_the_page_has_each_metric_as_it_is_made() -> None:
    table = rows(section(PAGE, "## Metrics"))

    assert [
        (name.strip("`"), kind, unit.strip("`"), words(attributes), what)
        for name, kind, unit, attributes, what in table
    ] == [(each.name, each.kind, each.unit, each.attributes, each.description) for each in METRICS]


def test_the_page_explains_each_attribute_and_no_other() -> None:
    explained = [name.strip("`") for name, _ in rows(section(PAGE, "## Attributes"))]

    used = {attribute for span in SPANS for attribute in span.attributes}
    used |= {attribute for metric in METRICS for attribute in metric.attributes}
    assert set(explained) == used
    assert len(explained) == len(set(explained))


def test_no_metric_is_told_apart_by_what_one_run_has() -> None:
    assert [each.name for each in METRICS if {names.KEY, names.RUN, names.MESSAGE} & set(each.attributes)] == []


def test_the_line_of_the_log_is_json() -> None:
    [line] = blocks(PAGE, "json")
    assert json.loads(line.text)["node"] == "charge"


def test_the_page_about_the_wire_names_each_header_of_a_command() -> None:
    told = [word for name, *_ in rows(section(page("docs/wire.md"), "### Headers")) for word in words(name)]
    assert sorted(told) == sorted([REPLY_PARTITION, TRACEPARENT, TRACESTATE, FORWARDED, REPLAY])
