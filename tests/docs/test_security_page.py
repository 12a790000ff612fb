"""docs/security.md: its commands give the rights that are needed, and its table of options is that of the code."""

from __future__ import annotations

import contextlib
import re
import shlex
from itertools import pairwise, product
from pathlib import Path

import pytest

from hephaestus_stream.errors import SettingsError
from hephaestus_stream.settings import load_settings
from hephaestus_stream.wire.connection import Connection
from hephaestus_stream.wire.rights import client_rights, worker_rights

PAGE = (Path(__file__).parents[2] / "docs" / "security.md").read_text()
KINDS = ("topic", "group", "transactional-id")


def given() -> dict[str, set[str]]:
    """What the commands of the page give to each user, as rights name themselves."""
    rights: dict[str, set[str]] = {}
    for command in PAGE.replace("\\\n", " ").splitlines():
        if command.startswith("kafka-acls.sh"):
            words = shlex.split(command)
            pairs = list(pairwise(words))
            user = next(value for name, value in pairs if name == "--allow-principal").removeprefix("User:")
            star = "*" if ("--resource-pattern-type", "prefixed") in pairs else ""
            operations = [value for name, value in pairs if name == "--operation"]
            things = [f"{name[2:]} {value}{star}" for name, value in pairs if name[2:] in KINDS]
            rights.setdefault(user, set()).update(f"{what} on {thing}" for what, thing in product(operations, things))
    return rights


def test_the_commands_give_exactly_what_worker_and_client_need() -> None:
    assert given()["worker"] == {str(right) for right in worker_rights("hephaestus")}
    assert given()["client"] == {str(right) for right in client_rights("hephaestus")}


def test_the_table_of_options_has_all_that_are_obeyed_and_no_others() -> None:
    rows = re.findall(r"^\| (`[^|]+`) \|", PAGE.partition("## Secrets")[0], flags=re.MULTILINE)
    told = {name for row in rows for name in re.findall(r"`([a-z.]+)`", row)}
    with pytest.raises(SettingsError) as refused:
        Connection("kafka:9092", options={"ssl.unknown": "x"})
    obeyed = str(refused.value).partition("write one of ")[2].splitlines()[0].split(", ")
    assert told == {*obeyed, "sasl.password.file", "ssl.key.password.file"}


def test_the_settings_of_the_page_can_be_read(tmp_path: Path) -> None:
    for name in ("password", "ca.crt", "worker.crt", "worker.key"):
        (tmp_path / name).write_text("a secret")
    examples = re.findall(r"```toml\n(.*?)```", PAGE, flags=re.DOTALL)
    for example in examples:
        here = re.sub(r'"/(?:run/secrets|etc/kafka)/(?:[a-z]+-)?', f'"{tmp_path}/', example)
        (tmp_path / "hephaestus.toml").write_text(here)
        with contextlib.chdir(tmp_path):
            assert load_settings().connection.security.encrypts
    assert len(examples) == 2
