"""JSON that a user gives: as it is, from a file, or from standard input."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TypeAlias, cast

from pydantic import JsonValue

from hephaestus_stream.errors import UsageError

Payload: TypeAlias = JsonValue


def read_payload(argument: str, *, option: str) -> Payload:
    """The JSON of an option's argument: `@FILE` reads a file, `-` reads standard input.

    Raises:
        UsageError: The file cannot be read, or the text is no JSON; the message points at the place.
    """
    text, source = _text(argument, option=option)
    try:
        return cast("Payload", json.loads(text, parse_constant=_refuse_constant))
    except ValueError as error:
        raise UsageError(f"{source} is no JSON: {error}\n{_excerpt(text, error)}") from None
    except RecursionError:
        raise UsageError(f"{source} is nested too deeply: send less, or a text") from None


def _text(argument: str, *, option: str) -> tuple[str, str]:
    if argument == "-":
        return sys.stdin.read(), "standard input"
    if not argument.startswith("@"):
        return argument, option
    file = Path(argument[1:])
    try:
        return file.read_text(), str(file)
    except OSError as error:
        raise UsageError(f"{option} {argument}: {file} cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise UsageError(f"{option} {argument}: {file} is no text in UTF-8") from None


def _refuse_constant(word: str) -> None:
    raise ValueError(f"{word} is no number of JSON; send null or a text")


def _excerpt(text: str, error: ValueError) -> str:
    """The line that is wrong, with a mark under the place."""
    if not isinstance(error, json.JSONDecodeError):
        return 'write it in single quotes, with double quotes inside: --input \'{"sku": "chair"}\''
    line = (text.splitlines() or [""])[error.lineno - 1 : error.lineno]
    return f"    {''.join(line)}\n    {' ' * (error.colno - 1)}^"
