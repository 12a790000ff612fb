"""What is sealed for a place can be opened there, with its key, unchanged, and not otherwise."""

from __future__ import annotations

import base64
import json
import logging
import subprocess
import sys
from collections.abc import Mapping

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from hephaestus_stream import Keyring, PayloadUnreadableError
from hephaestus_stream.encryption import NO_KEYS, Cipher
from hephaestus_stream.encryption.envelope import Place

A, B = bytes(range(32)), bytes(range(32, 64))
PLACE = Place("result", "OrderFlow", "orderid::abc123", "run-1", "charge")
PAYLOAD = b'{"reference":"p-1"}'

texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)
places = st.builds(
    Place, st.sampled_from(["input", "payload", "result", "metadata"]), texts, texts, texts, st.just("") | texts
)
values: st.SearchStrategy[JsonValue] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=10,
)


def cipher(keys: Mapping[str, bytes] | None = None, *, current: str | None = None) -> Cipher:
    return Cipher(Keyring(keys or {"a": A}, current=current))


@given(values, places)
def test_what_is_sealed_is_opened_as_it_was(value: JsonValue, place: Place) -> None:
    plain = json.dumps(value).encode()
    sealed = cipher().seal(plain, place)
    assert cipher().open(sealed, place) == plain
    assert len(plain) < len(PAYLOAD) or plain not in sealed  # a short one may be there by chance


@given(places, places)
def test_what_is_sealed_for_one_place_opens_at_no_other(place: Place, other: Place) -> None:
    if place != other:
        with pytest.raises(PayloadUnreadableError, match="moved here from somewhere else"):
            cipher().open(cipher().seal(PAYLOAD, place), other)


ELSEWHERE = (
    PLACE._replace(purpose="metadata"),
    PLACE._replace(workflow="another"),
    PLACE._replace(key="another"),
    PLACE._replace(id="another"),
    PLACE._replace(name="another"),
)


@pytest.mark.parametrize("elsewhere", ELSEWHERE, ids=Place._fields)
def test_each_part_of_a_place_counts(elsewhere: Place) -> None:
    with pytest.raises(PayloadUnreadableError):
        cipher().open(cipher().seal(PAYLOAD, PLACE), elsewhere)


@given(st.integers(0, 2**16), st.integers(1, 255))
def test_no_changed_byte_passes(position: int, change: int) -> None:
    envelope = json.loads(cipher().seal(PAYLOAD, PLACE))
    data = bytearray(base64.b64decode(envelope["$encrypted"]["data"]))
    data[position % len(data)] ^= change
    envelope["$encrypted"]["data"] = base64.b64encode(data).decode()
    with pytest.raises(PayloadUnreadableError, match=r"the result of charge in orderid::abc123 .* it was changed"):
        cipher().open(json.dumps(envelope, separators=(",", ":")).encode(), PLACE)


def test_equal_payloads_are_sealed_differently() -> None:
    assert cipher().seal(PAYLOAD, PLACE) != cipher().seal(PAYLOAD, PLACE)


def test_null_stays_null_and_what_is_plain_is_read_as_it_is() -> None:
    assert cipher().seal(b"null", PLACE) == b"null"
    assert cipher().open(PAYLOAD, PLACE) == PAYLOAD
    assert NO_KEYS.seal(PAYLOAD, PLACE) == PAYLOAD


def test_an_unknown_key_is_named() -> None:
    sealed = cipher({"2026-01": A}).seal(PAYLOAD, PLACE)
    with pytest.raises(PayloadUnreadableError, match="with the key '2026-01', which the worker lacks") as told:
        cipher({"2026-07": A}).open(sealed, PLACE)
    assert told.value.key == "2026-01"
    with pytest.raises(PayloadUnreadableError, match="'2026-01', and the worker has no keys"):
        NO_KEYS.open(sealed, PLACE)


def test_other_bytes_under_the_id_of_a_key_open_nothing() -> None:
    with pytest.raises(PayloadUnreadableError, match="or the key of that id is another one there"):
        cipher({"a": B}).open(cipher({"a": A}).seal(PAYLOAD, PLACE), PLACE)


def test_a_retired_key_is_for_reading_only() -> None:
    old, new = cipher({"a": A}), cipher({"a": A, "b": B}, current="b")
    assert new.open(old.seal(PAYLOAD, PLACE), PLACE) == PAYLOAD
    assert json.loads(new.seal(PAYLOAD, PLACE))["$encrypted"]["key"] == "b"


def test_which_keys_are_missing_is_told_by_id_and_by_what_they_are() -> None:
    marks = [cipher({"a": A}).mark("a"), cipher({"b": B}).mark("b")]
    assert cipher({"a": A, "b": B}, current="a").missing(marks) is None
    assert cipher({"a": A}).missing(marks) == "b"
    assert cipher({"a": B, "b": B}, current="a").missing(marks) == "a"
    assert NO_KEYS.missing(marks) == "a"
    assert NO_KEYS.missing(["a"]) == NO_KEYS.mark("a") == "a"
    assert cipher({"a": A}).missing(["a"]) is None


@pytest.mark.parametrize("cipher", [NO_KEYS, cipher()], ids=["plain", "sealed"])
def test_a_payload_that_looks_like_an_envelope_is_refused(cipher: Cipher) -> None:
    with pytest.raises(ValueError, match="stands for encrypted payloads only"):
        cipher.seal(b'{"$encrypted":{"mine":1}}', PLACE)


@pytest.mark.parametrize(
    "envelope",
    [
        b'{"$encrypted":1}',
        b'{"$encrypted":{"key":"a"}}',
        b'{"$encrypted":{"key":"a","data":"no base64"}}',
        b'{"$encrypted":{"key":"a","data":"AAAA"}}',
        b'{"$encrypted":{"key":"a","data":"AAAA","more":1}}',
        b'{"$encrypted":{"key":"a","data":"AAAA"},"more":1}',
        b'{"$encrypted":{"key":"a","data":"AAAA"},"' + b"m" * 10_000 + b'":1}',
        b'{"$encrypted":{"key":"a\\nb","data":"' + base64.b64encode(bytes(40)) + b'"}}',
    ],
)
def test_a_broken_envelope_is_told_as_such(envelope: bytes) -> None:
    with pytest.raises(PayloadUnreadableError, match=r"is no envelope of an encrypted payload|is cut off") as told:
        cipher().open(envelope, PLACE)
    assert len(str(told.value)) < 400


def test_another_implementation_reads_what_is_written_and_writes_what_is_read() -> None:
    associated = b"hephaestus-1\nresult\na\nOrderFlow\norderid::abc123\nrun-1\ncharge"
    data = base64.b64decode(json.loads(cipher().seal(PAYLOAD, PLACE))["$encrypted"]["data"])
    assert AESGCM(A).decrypt(data[:12], data[12:], associated) == PAYLOAD

    theirs = bytes(12) + AESGCM(A).encrypt(bytes(12), PAYLOAD, associated)
    envelope = {"$encrypted": {"data": base64.b64encode(theirs).decode(), "key": "a"}}
    assert cipher().open(json.dumps(envelope, separators=(",", ":")).encode(), PLACE) == PAYLOAD


class Wayward:
    """A provider that loses its keys."""

    def __init__(self) -> None:
        self.current = "a"
        self.works = True

    def key(self, id: str) -> bytes | None:  # noqa: A002 - the protocol's word
        if not self.works:
            raise ConnectionError("the key service is away")
        return A if id == "a" else None


def test_a_provider_that_fails_costs_what_it_knew_nothing() -> None:
    provider = Wayward()
    sealing = Cipher(provider)
    provider.works = False
    sealed = sealing.seal(PAYLOAD, PLACE)
    assert sealing.open(sealed, PLACE) == PAYLOAD
    provider.current = "b"
    assert json.loads(sealing.seal(PAYLOAD, PLACE))["$encrypted"]["key"] == "a"
    with pytest.raises(PayloadUnreadableError, match="the provider of keys fails on 'c': ConnectionError"):
        sealing.open(sealed.replace(b'"key":"a"', b'"key":"c"'), PLACE)


def test_a_provider_that_fails_is_told_once_and_not_for_each_payload(caplog: pytest.LogCaptureFixture) -> None:
    provider = Wayward()
    sealing = Cipher(provider)
    provider.current, provider.works = "c", False
    for _ in range(100):
        sealing.seal(PAYLOAD, PLACE)
    provider.works = True
    for _ in range(100):
        sealing.seal(PAYLOAD, PLACE)
    assert [record.levelname for record in caplog.records] == ["ERROR"]

    provider.current = "a"
    with caplog.at_level(logging.INFO):
        sealing.seal(PAYLOAD, PLACE)
    assert caplog.messages[-1] == "the provider of keys gives the current key again"


def test_without_keys_the_library_is_not_even_loaded() -> None:
    code = "import sys, hephaestus_stream.cli.app, hephaestus_stream.client; print('cryptography' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "False\n"
