"""Where keys come from, and that no message ever quotes one."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path

import pytest

from hephaestus_stream import Keyring, SettingsError
from hephaestus_stream.settings import load_settings

A, B = base64.b64encode(bytes(range(32))).decode(), base64.b64encode(bytes(range(32, 64))).decode()


class Vault:
    """A user's own provider."""

    current = "mine"

    def key(self, id: str) -> bytes | None:  # noqa: A002 - the protocol's word
        return bytes(32) if id == "mine" else None


VAULT = Vault()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder, and an environment without settings."""
    for variable in list(os.environ):
        if variable.startswith("HEPHAESTUS_"):
            monkeypatch.delenv(variable)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_without_keys_nothing_is_encrypted() -> None:
    assert load_settings().keys() is None
    assert not load_settings().cipher().is_on


def test_keys_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEPHAESTUS_ENCRYPTION_KEYS", json.dumps({"2026-01": A, "2026-07": B}))
    monkeypatch.setenv("HEPHAESTUS_ENCRYPTION_KEY_ID", "2026-07")
    keys = load_settings().keys()
    assert keys is not None
    assert (keys.current, keys.key("2026-01"), keys.key("2025")) == ("2026-07", bytes(range(32)), None)


def test_keys_come_from_a_settings_file_and_from_a_file_that_it_names(folder: Path) -> None:
    (folder / "hephaestus.toml").write_text(f'encryption_keys_file = "secret.json"\n[encryption_keys]\n2026-07 = "{B}"')
    (folder / "secret.json").write_text(json.dumps({"2026-01": A}))
    keys = load_settings(encryption_key_id="2026-01").keys()
    assert keys is not None
    assert (keys.current, keys.key("2026-07")) == ("2026-01", bytes(range(32, 64)))


@pytest.mark.parametrize("name", ["VAULT", "Vault"])
def test_a_user_brings_a_provider_of_their_own(name: str) -> None:
    keys = load_settings(encryption_provider=f"{__name__}:{name}").keys()
    assert isinstance(keys, Vault)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("nowhere.at_all:keys", "cannot be imported: ModuleNotFoundError"),
        (f"{__name__}:nothing", "cannot be imported: AttributeError"),
        (__name__, "cannot be imported"),
        (f"{__name__}:A", "is no KeyProvider"),
    ],
)
def test_what_is_no_provider_is_refused(name: str, told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        load_settings(encryption_provider=name).keys()


@pytest.mark.parametrize(
    ("keys", "current", "told"),
    [
        ({"a": "c2hvcnQ="}, None, "the key 'a' has 5 bytes and must have 32"),
        ({"a": f"!{A}"}, None, "the key 'a' is no base64"),
        ({A: A}, None, "an id of a key has up to 100 letters"),
        (
            {"a": A, "b": B},
            None,
            r"which of them encrypts: set encryption_key_id \(HEPHAESTUS_ENCRYPTION_KEY_ID\) to a or b",
        ),
        ({"a": A, "b": B}, "c", "encryption_key_id is 'c', which is the id of no key here: set encryption_key_id"),
        ({"a": A, "b": B}, B, "encryption_key_id is set to the id of no key here: set encryption_key_id"),
        ({}, "a", "there is no key at all"),
    ],
)
def test_wrong_keys_are_refused_and_never_quoted(keys: dict[str, str], current: str | None, told: str) -> None:
    with pytest.raises(SettingsError, match=told) as refused:
        load_settings(encryption_keys=keys, encryption_key_id=current).keys()
    assert A not in str(refused.value)
    assert B not in str(refused.value)


def test_keys_in_the_environment_that_are_no_json_are_refused_unquoted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEPHAESTUS_ENCRYPTION_KEYS", A)
    with pytest.raises(SettingsError, match=r"encryption_keys in the environment .* is no JSON object") as refused:
        load_settings()
    assert A not in str(refused.value)


@pytest.mark.parametrize("content", [None, A, '["a"]', '{"a": 1}'])
def test_a_file_of_keys_that_cannot_be_read_is_refused_unquoted(folder: Path, content: str | None) -> None:
    if content is not None:
        (folder / "secret").write_text(content)
    with pytest.raises(SettingsError, match="encryption_keys_file") as refused:
        load_settings(encryption_keys_file=folder / "secret").keys()
    assert A not in str(refused.value)


def test_a_file_of_keys_that_everybody_may_read_is_warned_of_once(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name, mode in (("private", 0o640), ("public", 0o644)):
        (folder / name).write_text(json.dumps({"2026-01": A}))
        (folder / name).chmod(mode)
        for _ in range(2):
            load_settings(encryption_keys_file=folder / name).keys()
    [warning] = caplog.messages
    assert warning.startswith(f"{folder / 'public'} holds secrets, and everybody here may read it (mode 644)")


@pytest.mark.parametrize(
    "beside", [{"encryption_keys": {"a": A}}, {"encryption_keys_file": "keys.json"}, {"encryption_key_id": "a"}]
)
def test_keys_beside_a_provider_are_refused(beside: dict[str, object]) -> None:
    [name] = beside
    with pytest.raises(SettingsError, match=f"encryption_provider gives all keys, and {name} beside it"):
        load_settings(encryption_provider=f"{__name__}:VAULT", **beside).keys()


def test_it_is_told_which_key_encrypts_and_which_others_are_read() -> None:
    assert str(load_settings(encryption_keys={"a": A}).cipher()) == "payloads are encrypted under a"
    several = load_settings(encryption_keys={"a": A, "b": B}, encryption_key_id="b").cipher()
    assert str(several) == "payloads are encrypted under b; also reads a"
    own = load_settings(encryption_provider=f"{__name__}:VAULT").cipher()
    assert str(own) == "payloads are encrypted under mine; Vault gives the keys"


def test_who_requires_encryption_needs_keys() -> None:
    with pytest.raises(SettingsError, match="encryption_required is set, and there are no keys"):
        load_settings(encryption_required=True).cipher()


def test_keys_are_never_shown() -> None:
    settings = load_settings(encryption_keys={"a": A})
    assert A not in repr(settings)
    assert repr(settings.keys()) == "<Keyring of a; current is a>"
    assert "bytes" not in repr(vars(Keyring({"a": bytes(32)}))["current"])
    with pytest.raises(SettingsError) as refused:
        load_settings(encryption_keys={"a": [A]})
    assert A not in str(refused.value)
