"""`hephaestus decrypt`: records of any topic, with their payloads plain."""

from __future__ import annotations

import sys
from typing import Annotated

import msgspec
from cyclopts import Parameter

from hephaestus_stream.encryption.record import opened
from hephaestus_stream.errors import SettingsError, UsageError
from hephaestus_stream.settings import load_settings


def decrypt(record: Annotated[str, Parameter(allow_leading_hyphen=True)] = "-", /) -> None:
    """Shows records plain.

    Args:
        record: One record as JSON; `-` reads one a line from standard input.
    """
    cipher = load_settings().cipher(holder="this command")
    if not cipher.is_on:
        raise SettingsError("there are no keys to decrypt with: set encryption_keys_file, or encryption_provider")
    for number, line in enumerate(sys.stdin if record == "-" else [record], 1):
        if not line.strip():
            continue
        try:
            document = msgspec.json.decode(line, type=dict[str, object])
        except msgspec.MsgspecError as error:
            raise UsageError(f"line {number} is no JSON object ({error}): give the value of a record") from None
        sys.stdout.write(msgspec.json.encode(opened(document, cipher)).decode() + "\n")
