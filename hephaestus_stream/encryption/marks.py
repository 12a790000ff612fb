"""The keys that the payloads of a run are under, as its record names them: without one of them a worker lets it be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from hephaestus_stream.core.input import Input, Release, Resume, Start, StepEmitted, StepSuspended
from hephaestus_stream.core.state import Reported, State
from hephaestus_stream.encryption.cipher import Cipher
from hephaestus_stream.encryption.envelope import key_of

MOST_MARKS: Final = 8
"""Of a run, beyond which each further one looks for those that no payload needs any more."""


def marked(state: State, what: Input, *, cipher: Cipher) -> State:
    """The run with the keys among its own that the payloads of an input are under.

    Args:
        state: The run after the input.
        what: The input.
        cipher: Knows the marks of keys.
    """
    ids = dict.fromkeys(id for payload in _brought(what) if (id := key_of(payload)) is not None)  # noqa: A001 - the wire's own word
    new = [mark for mark in map(cipher.mark, ids) if mark not in state.keys]
    if not new:
        return state
    keys = (*state.keys, *new)
    if len(keys) > MOST_MARKS:
        used = {key_of(payload) for payload in _kept(state)}
        # As many may remain as there are payloads, each of which names its key at greater length.
        keys = tuple(mark for mark in keys if mark.partition("/")[0] in used)
    return msgspec.structs.replace(state, keys=keys)


def _brought(what: Input) -> Iterator[bytes]:
    match what:
        case Start():
            yield what.input
        case Resume(reported=reported) | StepEmitted(reported=reported):
            yield from _payloads([reported])
        case Release():
            yield from _payloads([what.resume.reported])
        case StepSuspended():
            yield from _payloads([what.otherwise])
        case _:
            pass  # brings none


def _kept(state: State) -> Iterator[bytes]:
    yield state.input
    for node in state.nodes.values():
        yield from _payloads([node.reported, node.otherwise])
    yield from _payloads(event.reported for event in state.early)
    yield from _payloads(event.reported for event in state.parked)


def _payloads(reported: Iterable[Reported | None]) -> Iterator[bytes]:
    for each in reported:
        if each is not None:
            yield from (payload for payload in (each.payload, each.metadata) if payload is not None)
