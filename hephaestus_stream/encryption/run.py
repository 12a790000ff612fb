"""Where the payloads of a run stand."""

from __future__ import annotations

from hephaestus_stream.core.state import State
from hephaestus_stream.encryption.envelope import Place
from hephaestus_stream.wire.command import StartCommand


def start_place(command: StartCommand) -> Place:
    """Of a start payload, in its command as in its run."""
    return Place("input", command.workflow, command.key, command.id)


def input_place(state: State) -> Place:
    """Of the start payload of a run; the run is named by its command."""
    return Place("input", state.workflow, state.key, state.run)


def event_place(workflow: str, key: str, *, command: str, event: str) -> Place:
    """Of the payload of a resume command; whoever sends it may know neither run nor node."""
    return Place("payload", workflow, key, command, event)


def result_place(state: State, node: str) -> Place:
    """Of a node's payload, whether it has ended with it, will if nothing comes, or has not come so far."""
    return Place("result", state.workflow, state.key, state.run, node)


def metadata_place(state: State, node: str) -> Place:
    """Of the metadata of a node's outcome."""
    return Place("metadata", state.workflow, state.key, state.run, node)


def error_place(state: State, node: str) -> Place:
    """Of the text of an exception in a node's attempt."""
    return Place("error", state.workflow, state.key, state.run, node)
