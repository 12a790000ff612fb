"""What the demo makes of the engine's refusals."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from hephaestus_stream.cli.demonstration.play import require_accepted_or_late
from hephaestus_stream.errors import CommandRefusedError
from hephaestus_stream.wire.command import CancelCommand, Command, ResumeCommand, StartCommand
from hephaestus_stream.wire.output import Reply

START = StartCommand(id="1", workflow="F", key="f::a", input=None)
RESUME = ResumeCommand(id="2", workflow="F", key="f::a", node="n", event="received")
CANCEL = CancelCommand(id="3", workflow="F", key="f::a")


@pytest.mark.parametrize("reason", ["settled", "ended"])
@pytest.mark.parametrize("command", [RESUME, CANCEL])
def test_an_answer_that_a_timer_was_faster_than_does_not_end_the_demo(command: Command, reason: str) -> None:
    require_accepted_or_late(command, refusal(command, reason))


@pytest.mark.parametrize(("command", "reason"), [(START, "ended"), (RESUME, "unknown_node"), (CANCEL, "not_found")])
def test_any_other_refusal_ends_the_demo(command: Command, reason: str) -> None:
    with pytest.raises(CommandRefusedError):
        require_accepted_or_late(command, refusal(command, reason))


def refusal(command: Command, reason: str) -> Reply:
    at = datetime(2026, 11, 23, tzinfo=UTC)
    return Reply(id=command.id, key=command.key, accepted=False, reason=reason, partition=0, at=at)
