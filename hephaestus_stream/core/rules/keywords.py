"""Rules about the class statement: its keywords and names."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Final, cast, get_args

import msgspec

from hephaestus_stream.core.definition import Draft, Reuse, Scope
from hephaestus_stream.core.retry import RetryPolicy
from hephaestus_stream.core.rules.problem import problem
from hephaestus_stream.errors import Problem

RESERVED = frozenset({"start", "transitions", "definition"})
"""Attributes of a workflow class that no node may take the name of."""

_STORED_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,99}")
_NODE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,99}")
_MAX_VERSION = 2**31 - 1
_LONGEST_RETENTION: Final = timedelta(days=36_525)
"""A hundred years: the end of a run and its retention must add up to a date."""


def check(draft: Draft) -> Iterator[Problem]:
    """A missing or bad key, name, version, scope, reuse, retention, tag or metadata; a bad name of a node."""
    for what, remedy in (*_identity_problems(draft), *_keyword_problems(draft)):
        yield problem(what, draft.location, remedy)
    for name in draft.shadowed:
        yield problem(f"{name} is a reserved name", draft.location, "call the attribute something else")
    for name, node in draft.nodes.items():
        if name in RESERVED:
            yield problem(f"{name} is a reserved name", node.location, "call the node something else")
        elif not _NODE_NAME.fullmatch(name):
            yield problem(
                f"{name} is no name for a node",
                node.location,
                "begin with a letter, go on with letters, digits and _, 100 characters at most: it is stored",
            )


def _identity_problems(draft: Draft) -> Iterator[tuple[str, str]]:
    written = f"class {draft.class_name}(Workflow[...], key=...)"
    if draft.key is None:
        yield f"{draft.class_name} has no key", f"name its business key: {written}"
    elif not _is_stored_name(draft.key):
        yield f"key {draft.key!r} is no prefix for business keys", "use letters, digits, _, - and ., as key='orderid'"
    if not _is_stored_name(draft.name):
        yield f"name {draft.name!r} is no stored name", "use letters, digits, _, - and ., 100 characters at most"
    if not _is_version(draft.version):
        yield f"version {draft.version!r} is no version", "use a whole number from 1"


def _keyword_problems(draft: Draft) -> Iterator[tuple[str, str]]:
    if draft.scope not in get_args(Scope):
        yield f"scope {draft.scope!r} is unknown", f"choose one of {', '.join(get_args(Scope))}"
    if draft.reuse not in get_args(Reuse):
        yield f"reuse {draft.reuse!r} is unknown", f"choose one of {', '.join(get_args(Reuse))}"
    if not _is_retention(draft.retention):
        yield f"retention {draft.retention!r} cannot be kept", "give a timedelta above zero, of a hundred years at most"
    if not all(isinstance(tag, str) and tag.isprintable() and tag for tag in _as_objects(draft.tags)):
        yield f"tags {draft.tags!r} are no tags", "give a tuple of printable strings: tags=('sales',)"
    if not _is_policy(draft.retry):
        yield f"retry {draft.retry!r} is no retry policy", "give a RetryPolicy(...), or leave it out"
    if not _is_json(draft.metadata):
        yield (
            f"metadata of {draft.class_name} is not JSON",
            "use a dict of strings, numbers of 64 bits, booleans, lists and dicts",
        )


def _as_objects(values: object) -> tuple[object, ...]:
    return tuple(cast("list[object]", values)) if isinstance(values, tuple | list) else (None,)


def _is_stored_name(name: object) -> bool:
    return isinstance(name, str) and _STORED_NAME.fullmatch(name) is not None


def _is_policy(policy: object) -> bool:
    return isinstance(policy, RetryPolicy | None)


def _is_version(version: object) -> bool:
    return isinstance(version, int) and not isinstance(version, bool) and 1 <= version <= _MAX_VERSION


def _is_retention(value: object) -> bool:
    return isinstance(value, timedelta) and timedelta(0) < value <= _LONGEST_RETENTION


def _is_json(value: object) -> bool:
    if not isinstance(value, dict):
        return False
    try:
        msgspec.msgpack.encode(value)  # as the record of a run keeps it: whole numbers have 64 bits
        return bool(json.loads(json.dumps(value, allow_nan=False)) == value)
    except (TypeError, ValueError, OverflowError, RecursionError):
        return False
