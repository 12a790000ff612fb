"""What is wrong with a document, said in one line that a publisher can act on."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Final

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

_SHOWN_PROBLEMS: Final = 3
_SHOWN_NAME: Final = 60
_SHOWN_OF_PAYLOAD: Final = 5
_SHOWN_PROBLEM: Final = 300


def problems_of(error: ValidationError, model: type[BaseModel]) -> str:
    """The first problems in one line: the field, what is wrong, the way out; never what stood in the field."""
    details = error.errors(include_url=False, include_context=False, include_input=False)
    return _listed([_problem(detail, model) for detail in details[:_SHOWN_PROBLEMS]], of=len(details))


def payload_problems(error: ValidationError) -> str:
    """What a user's model says against a payload, in one line: the first fields and what is wrong; both are cut."""
    details = error.errors(include_url=False, include_context=False, include_input=False)
    shown = [
        f"{_clip('.'.join(map(str, each['loc'])), most=_SHOWN_NAME) or 'it'}: {_clip(each['msg'], most=_SHOWN_PROBLEM)}"
        for each in details[:_SHOWN_OF_PAYLOAD]
    ]
    return _listed(shown, of=len(details))


def _listed(shown: list[str], *, of: int) -> str:
    more = of - len(shown)
    return "; ".join(shown) + (f"; and {more} more" if more else "")


def _problem(detail: ErrorDetails, model: type[BaseModel]) -> str:
    path = ".".join(str(part) for part in detail["loc"])
    # Names come from outside as well: escaped, so that they cannot forge a line of a log, and cut.
    name = ascii(path if len(path) <= _SHOWN_NAME else f"{path[:_SHOWN_NAME]}...") if path else "it"
    match detail["type"]:
        case "missing":
            return f"{name} is missing: add it"
        case "extra_forbidden":
            return f"{name} is unknown: {_nearest(path, model)}"
        case _:
            return f"{name}: {detail['msg'].removeprefix('Value error, ')}"


def _nearest(name: str, model: type[BaseModel]) -> str:
    known = [field.alias or name for name, field in model.model_fields.items()]
    near = get_close_matches(name[:_SHOWN_NAME], known, n=1)
    return f"did you mean {near[0]!r}?" if near else "remove it"


def _clip(text: str, *, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}…"
