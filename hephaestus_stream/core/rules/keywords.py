"""Rules about the class statement: its keywords and names."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from datetime import timedelta
from difflib import get_close_matches
from typing import NamedTuple, cast, get_args

import msgspec

from hephaestus_stream.core.definition import Draft, Reuse, Scope
from hephaestus_stream.core.limits import LONGEST_RETENTION
from hephaestus_stream.core.location import Location
from hephaestus_stream.core.problem import problem
from hephaestus_stream.core.retry import RetryPolicy
from hephaestus_stream.core.rule import Rule
from hephaestus_stream.errors import Problem

RESERVED = frozenset({"start", "transitions", "definition"})
"""Attributes of a workflow class that no node may take the name of."""

KEYWORDS = ("key", "scope", "name", "version", "current", "tags", "metadata", "retry", "reuse", "retention")
"""The keywords of a class statement."""

_STORED_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,99}")
_NODE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,99}")
_MAX_VERSION = 2**31 - 1


class _Wrong(NamedTuple):
    rule: Rule
    what: str
    remedy: str


def check(draft: Draft) -> Iterator[Problem]:
    """An unknown or bad keyword of the class statement, a missing key, a bad name of a node."""
    for wrong in (*_unknown_keywords(draft), *_identity_problems(draft), *_keyword_problems(draft)):
        yield problem(wrong.rule, draft.location, what=wrong.what, remedy=wrong.remedy)
    for name in draft.shadowed:
        yield _reserved(name, draft.location, remedy="call the attribute something else")
    for name, node in draft.nodes.items():
        if name in RESERVED:
            yield _reserved(name, node.location, remedy="call the node something else")
        elif not _NODE_NAME.fullmatch(name):
            yield problem(
                Rule.BAD_NODE_NAME,
                node.location,
                what=f"{name} is no name for a node",
                remedy="begin with a letter, go on with letters, digits and _, 100 characters at most: it is stored",
            )


def _reserved(name: str, location: Location, *, remedy: str) -> Problem:
    return problem(Rule.RESERVED_NAME, location, what=f"{name} is a reserved name", remedy=remedy)


def _unknown_keywords(draft: Draft) -> Iterator[_Wrong]:
    for keyword in draft.unknown:
        yield _Wrong(Rule.UNKNOWN_KEYWORD, f"{keyword} is no keyword of a workflow", _choice(keyword, KEYWORDS))


def _identity_problems(draft: Draft) -> Iterator[_Wrong]:
    key = "use letters, digits, _, - and ., 100 characters at most, the first a letter: key='orderid'"
    if draft.key is None:
        written = f"class {draft.class_name}(Workflow[...], key='orderid')"
        yield _Wrong(Rule.MISSING_KEY, f"{draft.class_name} has no key", f"name its business key: {written}")
    elif not _is_stored_name(draft.key):
        yield _Wrong(Rule.BAD_KEY, f"key {draft.key!r} is no prefix for business keys", key)
    if not _is_stored_name(draft.name):
        name = "use letters, digits, _, - and ., 100 characters at most, the first a letter: name='OrderFlow'"
        yield _Wrong(Rule.BAD_NAME, f"name {draft.name!r} is no stored name", name)
    if not _is_version(draft.version):
        yield _Wrong(Rule.BAD_VERSION, f"version {draft.version!r} is no version", "use a whole number from 1")


def _keyword_problems(draft: Draft) -> Iterator[_Wrong]:
    if draft.scope not in get_args(Scope):
        yield _Wrong(Rule.BAD_SCOPE, f"scope {draft.scope!r} is unknown", _choice(draft.scope, get_args(Scope)))
    if not isinstance(cast("object", draft.current), bool):
        current = "write current=False, or leave it out"
        yield _Wrong(Rule.BAD_CURRENT, f"current {draft.current!r} is neither True nor False", current)
    if draft.reuse not in get_args(Reuse):
        yield _Wrong(Rule.BAD_REUSE, f"reuse {draft.reuse!r} is unknown", _choice(draft.reuse, get_args(Reuse)))
    if not _is_retention(draft.retention):
        retention = "give a timedelta above zero, of a hundred years at most, as timedelta(days=30)"
        yield _Wrong(Rule.BAD_RETENTION, f"retention {draft.retention!r} cannot be kept", retention)
    if not all(isinstance(tag, str) and tag.isprintable() and tag for tag in _as_objects(draft.tags)):
        tags = "give a tuple of printable strings: tags=('sales',)"
        yield _Wrong(Rule.BAD_TAGS, f"tags {draft.tags!r} are no tags", tags)
    if not _is_policy(draft.retry):
        retry = "give a RetryPolicy(...), or leave it out"
        yield _Wrong(Rule.BAD_RETRY, f"retry {draft.retry!r} is no retry policy", retry)
    if not _is_json(draft.metadata):
        metadata = "use a dict with strings as keys, and of strings, numbers of 64 bits, booleans, lists and dicts"
        yield _Wrong(Rule.BAD_METADATA, _part_that_is_not_json(draft), metadata)


def _choice(given: object, known: Sequence[str]) -> str:
    near = get_close_matches(str(given), known, n=1)
    return f"did you mean {near[0]!r}? It is one of {', '.join(known)}" if near else f"choose one of {', '.join(known)}"


def _part_that_is_not_json(draft: Draft) -> str:
    metadata = cast("object", draft.metadata)
    entries = cast("dict[object, object]", metadata) if isinstance(metadata, dict) else {}
    for name, value in entries.items():
        if not _is_json({name: value}):
            return f"metadata of {draft.class_name} is not JSON at {name!r}"
    return f"metadata of {draft.class_name} is not JSON"


def _as_objects(values: object) -> tuple[object, ...]:
    return tuple(cast("list[object]", values)) if isinstance(values, tuple | list) else (None,)


def _is_stored_name(name: object) -> bool:
    return isinstance(name, str) and _STORED_NAME.fullmatch(name) is not None


def _is_policy(policy: object) -> bool:
    return isinstance(policy, RetryPolicy | None)


def _is_version(version: object) -> bool:
    return isinstance(version, int) and not isinstance(version, bool) and 1 <= version <= _MAX_VERSION


def _is_retention(value: object) -> bool:
    return value is None or (isinstance(value, timedelta) and timedelta(0) < value <= LONGEST_RETENTION)


def _is_json(value: object) -> bool:
    if not isinstance(value, dict):
        return False
    try:
        msgspec.msgpack.encode(value)  # as the record of a run keeps it: whole numbers have 64 bits
        return bool(json.loads(json.dumps(value, allow_nan=False)) == value)
    except (TypeError, ValueError, OverflowError, RecursionError):
        return False
