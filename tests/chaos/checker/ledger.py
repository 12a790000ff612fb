"""The check of the ledger: what the sender heard is what the topics tell, and what must end has ended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from tests.chaos.checker.commands import first_seen
from tests.chaos.checker.evidence import Evidence
from tests.chaos.checker.findings import Findings


class Sent(msgspec.Struct):
    """A command as its sender remembers it.

    Attributes:
        key: The business key.
        id: The command's id.
        type: Its type.
        times: How often it was handed over.
        confirmed: Whether somebody confirmed that it is in the topic: the broker, or the engine by its answer.
        answer: What the sender was told, as the wire has it.
        endings: Of a start, how the run may end, as `status ended_at`; empty for in any way.
        seconds: How long the answer took.
    """

    key: str
    id: str
    type: str
    times: int = 1
    confirmed: bool = False
    answer: dict[str, Any] | None = None
    endings: tuple[str, ...] = ()
    seconds: float | None = None


def check_ledger(evidence: Evidence, sent: Sequence[Sent], findings: Findings) -> None:
    """What was confirmed is there, what was answered was answered so, and runs ended as they may."""
    there = findings.check("what was confirmed to the sender is in the topics")
    told = findings.check("the answer that the sender got is the one in the topic")
    ended = findings.check("a run ended as its steps were told to")
    first = first_seen(evidence)
    for each in sent:
        if each.confirmed:
            there.judge((each.key, each.id) in first, f"{each} is not in the topic of commands")
        if each.answer is not None:
            answers = evidence.answers.get(each.id, [])
            heard = (each.answer["accepted"], each.answer["effect"], each.answer["reason"], each.answer["run"])
            told.judge(heard in {answer.content[:4] for answer in answers}, f"{each} is not among {answers}")
            if each.type == "start" and each.answer["effect"] == "applied":
                there.judge(each.id in evidence.histories, f"{each} was accepted and has no history")
    for each in sent:
        model = evidence.models.get(each.id) if each.type == "start" else None
        if model is not None and model.status not in {None, "cancelled"} and each.endings:
            how = f"{model.status} {model.ended_at or evidence.histories[each.id][-1].event.node}"
            ended.judge(how in each.endings, f"{each.id} of {each.key} ended {how}, it may {each.endings}")
