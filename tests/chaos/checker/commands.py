"""The checks of commands: each is answered as one, and has the one effect that its answer tells."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from typing import Final

from tests.chaos.checker.documents import Answer, Command, Seen, Told
from tests.chaos.checker.evidence import Evidence
from tests.chaos.checker.findings import Findings

_MANY_REFUSALS: Final = 100
_REFUSED_BY_RUN: Final = frozenset(
    {"settled", "unknown_node", "unknown_event", "not_external", "invalid_payload", "early_events_full", "too_large"}
)
_DONE: Final = {
    "retry": "retried",
    "pause": "paused",
    "continue": "continued",
    "skip": "skipped",
    "terminate": "cancelled",
}
Effect = tuple[str, str]  # the type of the event, and the run


def first_seen(evidence: Evidence) -> dict[tuple[str, str], Seen]:
    """Where each command stands for the first time, by key and id."""
    first: dict[tuple[str, str], Seen] = {}
    for seen in evidence.commands:
        first.setdefault((seen.command.key, seen.command.id), seen)
    return first


def check_answers(evidence: Evidence, findings: Findings) -> None:
    """All answers to one command say the same, and there are no more of them than it was asked for."""
    same = findings.check("all answers to a command say the same")
    place = findings.check("an answer names the place where its command stands first")
    number = findings.check("a command is answered once for each time that it asked")
    first = first_seen(evidence)
    asked: dict[str, int] = defaultdict(int)
    for seen in evidence.commands:
        asked[seen.command.id] += seen.asks
    for command, answers in evidence.answers.items():
        contents = {answer.content for answer in answers}
        same.judge(len(contents) == 1, f"{command} was answered {contents}")
        fresh = sum(not answer.duplicate for answer in answers)
        within = len(answers) <= asked[command] and fresh <= 1
        number.judge(
            within, f"{command} asked {asked[command]} times, was answered {len(answers)} times, {fresh} afresh"
        )
        for answer in answers:
            seen_first = first.get((answer.key or "", command))
            if seen_first is not None:
                expected = (seen_first.partition, seen_first.offset)
                said = (answer.partition, answer.position)
                place.judge(said == expected, f"{seen_first.command} stands at {expected}, its answer says {said}")


def check_answered(evidence: Evidence, findings: Findings) -> None:
    """Nothing that was sent is left without an answer, after it was asked for again."""
    answered = findings.check("every command has an answer")
    for seen in first_seen(evidence).values():
        answered.judge(seen.command.id in evidence.answers, f"{seen.command} has none")


def check_effects(evidence: Evidence, findings: Findings) -> None:
    """Accepted is applied once, refused is not applied, and nothing is applied that nobody sent."""
    once = findings.check("an accepted command has one effect, a refused one none")
    sent = findings.check("every effect is that of a command")
    effects = _effects(evidence)
    first = first_seen(evidence)
    for (key, id), seen in first.items():  # noqa: A001 - the wire's own word
        answers = evidence.answers.get(id)
        if not answers:
            continue
        found = [(told.event.type, told.event.run) for told in effects.pop((key, id), [])]
        problem = _problem(seen.command, answers[0], found, evidence)
        once.judge(problem is None, f"{seen.command}, answered {answers[0].content}: {problem}")
    for (key, id), told in effects.items():  # noqa: A001 - as above
        unanswered = (key, id) in first
        sent.judge(unanswered, f"nobody sent {id} for {key}, and there is {told[0].event}")
    sent.examined += len(first)


def check_order(evidence: Evidence, findings: Findings) -> None:
    """The commands of a key take effect in the order of the topic."""
    order = findings.check("the commands of a key take effect in their order")
    first = first_seen(evidence)
    by_key: dict[str, list[tuple[int, int, str]]] = defaultdict(list)
    for (key, id), told in _effects(evidence).items():  # noqa: A001 - the wire's own word
        seen = first.get((key, id))
        if seen is not None:
            by_key[key] += [(each.offset, seen.offset, str(each.event)) for each in told if _is_taking(each)]
    for key, effects in by_key.items():
        effects.sort()
        for (_, former, _), (_, latter, event) in pairwise(effects):
            order.judge(former <= latter, f"{key}: {event}, the effect of the command at {latter}, follows {former}")


def check_refusals(evidence: Evidence, findings: Findings) -> None:
    """A refusal is true: where it says that a run has ended, or that there is none, it is so."""
    true = findings.check("a refusal is true")
    starts: dict[tuple[str, str], list[tuple[int, str]]] = defaultdict(list)
    last_effect = _last_effects(evidence)
    for seen in first_seen(evidence).values():
        if seen.command.type == "start" and seen.command.id in evidence.histories:
            starts[seen.command.workflow, seen.command.key].append((seen.offset, seen.command.id))
    for seen in first_seen(evidence).values():
        command, answers = seen.command, evidence.answers.get(seen.command.id)
        if command.type == "start" or not answers or answers[0].reason not in {"ended", "not_found"}:
            continue
        runs = [
            run
            for offset, run in starts[command.workflow, command.key]
            if offset < seen.offset and command.run in {None, run}
        ]
        if answers[0].reason == "not_found":
            true.judge(not runs, f"{command} was told not_found, and there were {runs}")
        else:
            over = [
                run
                for run in runs
                if (evidence.models[run].status and last_effect.get(run, -1) < seen.offset)
                or any(told.event.type == "retried" for told in evidence.histories[run])  # it may have been over then
            ]
            true.judge(bool(runs) and over == runs, f"{command} was told that {runs} had ended; ended are {over}")


def _problem(command: Command, answer: Answer, found: list[Effect], evidence: Evidence) -> str | None:
    """What is wrong with the effects of a command, given its answer."""
    expected = _expected(command, answer)
    if command.type == "skip" and len(found) > 1:
        # Of a failed run, which goes on by it.
        found = [effect for effect in found if effect[0] != "retried"]
    if command.on_conflict == "terminate_existing" and answer.effect == "applied":
        # The run that it replaces ends by the same command.
        found = [effect for effect in found if effect[0] != "cancelled" or effect[1] == command.id]
    if answer.effect == "kept":
        took = [effect for effect in found if effect[0] in {"resumed", "event_dropped"}]
        model = evidence.models.get(answer.run or "")
        is_kept = model is not None and any(kept.command == command.id for kept in model.kept)
        if len(took) > 1 or (not took and not is_kept):
            return f"it was kept, and then {took}"
        found = [effect for effect in found if effect not in took]
    if expected and expected[0][0] in {"start_refused", "event_refused"} and not found:
        history = evidence.histories.get(answer.run or "", [])
        if sum(told.event.type.endswith("_refused") for told in history) >= _MANY_REFUSALS:
            return None
    return None if found == expected else f"its effects are {found} and should be {expected}"


def _expected(command: Command, answer: Answer) -> list[Effect]:
    run = answer.run or ""
    match command.type, answer.effect, answer.reason:
        case "start", "applied", _:
            return [("started", command.id)]
        case "start", None, "already_running":
            return [("start_refused", run)]
        case "resume", "applied", _:
            return [("resumed", run)]
        case "resume", "kept", _:
            return [("event_kept", run)]
        case "resume", None, reason if reason in _REFUSED_BY_RUN and answer.run is not None:
            return [("event_refused", run)]
        case "cancel", "applied", _:
            return [("cancelled", run)]
        case "migrate", "applied", _:
            return [("migrated", run)]
        case "retry" | "pause" | "continue" | "skip" | "terminate", "applied", _:
            return [(_DONE[command.type], run)]
        case _:
            return []


def _effects(evidence: Evidence) -> dict[tuple[str, str], list[Told]]:
    """The events that tell of a command, by key and command."""
    effects: dict[tuple[str, str], list[Told]] = defaultdict(list)
    for history in evidence.histories.values():
        for told in history:
            command = told.event.command
            if command is not None:
                effects[told.event.key, command].append(told)
    return effects


def _is_taking(told: Told) -> bool:
    """Whether an event stands where its command was taken in; what was kept takes effect later."""
    return told.event.type != "event_dropped" and not told.event.details.get("early")


def _last_effects(evidence: Evidence) -> dict[str, int]:
    """The offset of the last command that did something to a run."""
    first = first_seen(evidence)
    last: dict[str, int] = {}
    for (key, id), told in _effects(evidence).items():  # noqa: A001 - the wire's own word
        seen = first.get((key, id))
        for each in told:
            if seen is not None and _is_taking(each):
                last[each.event.run] = max(last.get(each.event.run, -1), seen.offset)
    return last
