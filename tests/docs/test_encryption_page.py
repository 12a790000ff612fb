"""The pages about encryption say what is done: the settings, the bytes on the wire, the numbers."""

from __future__ import annotations

import base64
import json
import re

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hephaestus_stream import Keyring
from hephaestus_stream.encryption import Cipher
from hephaestus_stream.encryption.run import start_place
from hephaestus_stream.settings import Settings
from hephaestus_stream.wire.command import StartCommand, decode_command
from tests.docs.pages import blocks, page, rows, run, section

WIRE = page("docs/wire.md")
ENVELOPES = section(WIRE, "## Encrypted payloads")
PAGE = page("docs/encryption.md")


def first_command() -> StartCommand:
    [example, *_] = blocks(WIRE, "json commands")
    command = decode_command(example.text.encode())
    assert isinstance(command, StartCommand)
    return command


def example() -> tuple[str, bytes, bytes, bytes]:
    """The envelope of the page, and what it says of it: the payload, the key and the nonce."""
    [envelope] = blocks(ENVELOPES, "text")
    [plain] = re.findall(r"is the input `(.*)` of", ENVELOPES)
    [key] = re.findall(r"^`(.*)`, with the nonce", ENVELOPES, re.MULTILINE)
    [nonce] = re.findall(r"with the nonce `(.*)`", ENVELOPES)
    return envelope.text, plain.encode(), base64.b64decode(key), bytes.fromhex(nonce)


def test_the_envelope_of_the_page_is_read_as_the_input_of_its_first_command() -> None:
    text, plain, key, _ = example()
    command = first_command()
    stored = json.dumps(json.loads(text), separators=(",", ":")).encode()
    assert Cipher(Keyring({"2026-01": key})).open(stored, start_place(command)) == plain
    assert json.loads(plain) == command.input


def test_who_follows_the_page_in_any_language_comes_to_its_envelope() -> None:
    text, plain, key, nonce = example()
    command = first_command()
    lines = ["hephaestus-1", "input", "2026-01", command.workflow, command.key, command.id, ""]
    sealed = AESGCM(key).encrypt(nonce, plain, "\n".join(lines).encode())
    assert json.loads(text) == {"$encrypted": {"key": "2026-01", "data": base64.b64encode(nonce + sealed).decode()}}


def test_the_page_has_each_setting_and_no_other() -> None:
    said = {cells[0].strip("`") for cells in rows(section(PAGE, "## Switch it on"))}
    assert said == {name for name in Settings.model_fields if name.startswith("encryption_")}


def test_the_provider_of_the_page_is_one() -> None:
    provider = run(PAGE, name="docs/encryption.md").keys()
    assert Cipher(provider).is_on
