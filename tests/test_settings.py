"""Where settings come from, and how wrong ones are refused."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest

from hephaestus_stream.errors import SettingsError
from hephaestus_stream.settings import load_settings


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder, and an environment without settings."""
    for variable in list(os.environ):
        if variable.startswith("HEPHAESTUS_"):
            monkeypatch.delenv(variable)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_without_any_source_the_defaults_count() -> None:
    settings = load_settings()
    assert settings.bootstrap == "localhost:9092"
    assert settings.namespace == "hephaestus"
    assert settings.partitions is None
    assert settings.command_retention == timedelta(days=7)


def test_an_argument_beats_the_environment_which_beats_the_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "hephaestus.toml").write_text('namespace = "file"\nbootstrap = "file:1"\nconcurrency = 7')
    monkeypatch.setenv("HEPHAESTUS_NAMESPACE", "environment")
    monkeypatch.setenv("HEPHAESTUS_BOOTSTRAP", "environment:1")
    settings = load_settings(namespace="argument")
    assert (settings.namespace, settings.bootstrap, settings.concurrency) == ("argument", "environment:1", 7)


def test_the_nearest_folder_with_a_file_counts_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "hephaestus.toml").write_text("concurrency = 7\nthreads = 3")
    below = folder / "shop" / "orders"
    below.mkdir(parents=True)
    (folder / "shop" / "pyproject.toml").write_text("[tool.hephaestus]\nconcurrency = 8")
    (below / "pyproject.toml").write_text('[project]\nname = "orders"')  # says nothing about the engine
    monkeypatch.chdir(below)
    settings = load_settings()
    assert (settings.concurrency, settings.threads) == (8, 32)


def test_a_data_folder_in_a_file_is_meant_from_that_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "hephaestus.toml").write_text('data = "state"')
    (folder / "below").mkdir()
    monkeypatch.chdir(folder / "below")
    assert load_settings().data == folder / "state"


def test_durations_are_seconds_or_iso_8601(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "hephaestus.toml").write_text('grace = 30\ncommand_retention = "P14D"')
    monkeypatch.setenv("HEPHAESTUS_SESSION_TIMEOUT", "6.5")
    settings = load_settings()
    assert settings.grace == timedelta(seconds=30)
    assert settings.command_retention == timedelta(days=14)
    assert settings.session_timeout == timedelta(seconds=6.5)


def test_an_answer_is_kept_for_a_year_at_most() -> None:
    assert load_settings(command_retention=timedelta(days=365)).command_retention == timedelta(days=365)
    with pytest.raises(SettingsError, match=r"command_retention in the arguments: .*: answers are kept for 365 days"):
        load_settings(command_retention=timedelta(days=366))


def test_options_of_librdkafka_reach_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEPHAESTUS_KAFKA", '{"security.protocol": "SSL", "socket.timeout.ms": 1000}')
    connection = load_settings(bootstrap="there:1", namespace="mine").connection
    assert (connection.bootstrap, connection.namespace) == ("there:1", "mine")
    assert dict(connection.options) == {"security.protocol": "SSL", "socket.timeout.ms": "1000"}


def test_options_with_dots_need_no_quotes_in_toml(folder: Path) -> None:
    (folder / "hephaestus.toml").write_text(
        '[kafka]\nsecurity.protocol = "SSL"\n"client.id" = "me"\nsocket.keepalive.enable = true'
    )
    assert load_settings().kafka == {
        "security.protocol": "SSL",
        "client.id": "me",
        "socket.keepalive.enable": "true",
    }


def test_passwords_are_never_shown(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    user = {"security.protocol": "SASL_SSL", "sasl.mechanism": "PLAIN", "sasl.username": "ada"}
    settings = load_settings(kafka={**user, "sasl.password": "hush"})
    assert "hush" not in f"{settings!r} {settings} {settings.connection!r} {settings.model_dump()}"
    with pytest.raises(SettingsError) as wrong:
        load_settings(kafka={"sasl.password": ["hush"]})
    assert "hush" not in str(wrong.value)
    monkeypatch.setenv("HEPHAESTUS_KAFKA", "sasl.password=hush")
    with pytest.raises(SettingsError, match=r"HEPHAESTUS_KAFKA.* is no JSON object") as unread:
        load_settings()
    assert "hush" not in str(unread.value)
    assert folder.exists()


@pytest.mark.parametrize("file", ["hephaestus.toml", "pyproject.toml"])
def test_an_unknown_key_in_a_file_is_refused_with_the_nearest_name(folder: Path, file: str) -> None:
    table = "[tool.hephaestus]\n" if file == "pyproject.toml" else ""
    (folder / file).write_text(f"{table}concurency = 5")
    with pytest.raises(SettingsError) as refused:
        load_settings()
    assert str(folder / file) in str(refused.value)
    assert "did you mean concurrency?" in str(refused.value)


def test_an_unknown_variable_is_refused_with_the_nearest_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEPHAESTUS_NAMESPCE", "x")
    with pytest.raises(SettingsError) as refused:
        load_settings()
    assert str(refused.value) == (
        "HEPHAESTUS_NAMESPCE in the environment is no setting: did you mean HEPHAESTUS_NAMESPACE?"
    )


def test_variables_of_the_tests_are_let_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEPHAESTUS_TEST_BOOTSTRAP", "there:1")
    monkeypatch.setenv("HEPHAESTUS_PROFILE", "thorough")
    assert load_settings().bootstrap == "localhost:9092"


def test_an_unknown_argument_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(SettingsError, match=r"bootstrop in the arguments is no setting: did you mean bootstrap\?"):
        load_settings(bootstrop="there:1")


def test_a_bad_value_is_one_line_that_names_its_source(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "hephaestus.toml").write_text("threads = 0")
    monkeypatch.setenv("HEPHAESTUS_CONCURRENCY", "many")
    with pytest.raises(SettingsError) as refused:
        load_settings(bootstrap="nowhere")
    lines = str(refused.value).splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("bootstrap in the arguments: 'nowhere' is no address")
    assert lines[1].startswith("concurrency in the environment (HEPHAESTUS_CONCURRENCY): 'many' will not do: ")
    assert lines[2].startswith(f"threads in {folder / 'hephaestus.toml'}: 0 will not do: ")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("namespace", "with space"),
        ("namespace", ""),
        ("partitions", 0),
        ("replication_factor", 0),
        ("replication_factor", -2),
        ("session_timeout", 0),
        ("grace", -1),
        ("log_level", "LOUD"),
        ("bootstrap", "a:1,,b:2"),
    ],
)
def test_a_value_that_cannot_work_is_refused(name: str, value: object) -> None:
    with pytest.raises(SettingsError, match=f"^{name} in the arguments: "):
        load_settings(**{name: value})


def test_the_log_level_may_be_written_small() -> None:
    assert load_settings(log_level="debug").log_level == "DEBUG"


def test_a_file_that_is_no_toml_is_refused(folder: Path) -> None:
    (folder / "hephaestus.toml").write_text("concurrency 5")
    with pytest.raises(SettingsError, match=r"hephaestus\.toml cannot be read"):
        load_settings()
