"""`hephaestus decrypt`: what stands encrypted in a topic, for whoever has the keys."""

from __future__ import annotations

import base64
import json

from hephaestus_stream import Keyring
from hephaestus_stream.encryption import Cipher
from hephaestus_stream.encryption.envelope import Place
from tests.cli.command_line import CommandLine

KEY = bytes(range(32))


def record(*, key: str = "orderid::a") -> str:
    """A step's result, encrypted for `orderid::a`."""
    place = Place("result", "OrderFlow", "orderid::a", "run-1", "charge")
    result = json.loads(Cipher(Keyring({"2026-01": KEY})).seal(b'{"reference":"p-1"}', place))
    return json.dumps({"workflow": "OrderFlow", "key": key, "run": "run-1", "node": "charge", "result": result})


def give_keys(hephaestus: CommandLine, key_id: str) -> None:
    (hephaestus.folder / "hephaestus.toml").write_text('encryption_keys_file = "keys.json"')
    (hephaestus.folder / "keys.json").write_text(json.dumps({key_id: base64.b64encode(KEY).decode()}))


def test_records_are_shown_plain_line_by_line(hephaestus: CommandLine) -> None:
    give_keys(hephaestus, "2026-01")
    plain = '{"key":"orderid::a","node":null}'
    said = hephaestus("decrypt", text=f"{record()}\n\n{plain}\n")
    assert (said.code, said.err) == (0, "")
    first, second = map(json.loads, said.out.splitlines())
    assert (first["result"], second) == ({"reference": "p-1"}, json.loads(plain))
    assert json.loads(hephaestus("decrypt", record()).out) == first


def test_what_cannot_be_shown_is_told_in_a_line(hephaestus: CommandLine) -> None:
    assert "there are no keys to decrypt with" in hephaestus("decrypt", record()).err
    give_keys(hephaestus, "2026-07")
    assert "encrypted with the key '2026-01', which this command lacks" in hephaestus("decrypt", record()).err
    give_keys(hephaestus, "2026-01")
    moved = hephaestus("decrypt", record(key="orderid::b"))
    assert "it was changed or moved here from somewhere else" in moved.err
    assert "line 1 is no JSON object" in hephaestus("decrypt", "[]").err
    assert "Traceback" not in moved.err
