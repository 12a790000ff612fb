"""Where settings come from: the environment, and a file in the current folder or above it."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, cast

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource
from pydantic_settings import SettingsError as UnreadableError

from hephaestus_stream.errors import SettingsError

PREFIX: Final = "HEPHAESTUS_"
# They belong to the tests, and may stand in the environment of a program that the tests start.
_OF_THE_TESTS: Final = frozenset({"HEPHAESTUS_TEST_BOOTSTRAP", "HEPHAESTUS_PROFILE"})
# It belongs to the command line: a failure shows its traceback.
_OF_THE_COMMAND_LINE: Final = frozenset({"HEPHAESTUS_DEBUG"})
_SECRET: Final = frozenset({"kafka", "encryption_keys"})
_PATHS: Final = ("data", "encryption_keys_file")


class EnvironmentSource(EnvSettingsSource):
    """Variables `HEPHAESTUS_...`; a misspelt one is refused, since it would be without effect in silence."""

    def __call__(self) -> dict[str, Any]:
        """The settings that the environment has."""
        for variable in sorted(os.environ):
            name = variable.upper()
            if not name.startswith(PREFIX) or name in _OF_THE_TESTS | _OF_THE_COMMAND_LINE:
                continue
            if name.removeprefix(PREFIX).lower() not in self.settings_cls.model_fields:
                raise SettingsError(_unknown_variable(variable, self.settings_cls.model_fields))
        try:
            return super().__call__()
        except UnreadableError as error:
            # Only these are no plain text; their content is not shown, it may hold a password.
            name = "encryption_keys" if '"encryption_keys"' in str(error) else "kafka"
            example = '{"2026-01": "BASE64"}' if name == "encryption_keys" else '{"security.protocol": "SSL"}'
            raise SettingsError(
                f"{name} in the environment ({PREFIX}{name.upper()}) is no JSON object: write {example} or the like"
            ) from None


class FileSource(PydanticBaseSettingsSource):
    """The file nearest to the current folder; the folder's own `hephaestus.toml` counts before its `pyproject.toml`."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002 - the base class asks for it
        """One setting, as the base class asks for it."""
        return self().get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        """The settings that the file has."""
        found = settings_file()
        if found is None:
            return {}
        for name in found.content:
            if name not in self.settings_cls.model_fields:
                raise SettingsError(unknown(name, self.settings_cls, source=found.name))
        content = dict(found.content)
        for name in _PATHS:
            if isinstance(content.get(name), str):
                # Whatever folder below it a program is started in, it is the same data.
                content[name] = found.path.parent / cast("str", content[name])
        return content


@dataclass(frozen=True, slots=True)
class SettingsFile:
    """A file with settings.

    Attributes:
        path: Where it is.
        table: The table in it that holds them; empty where it holds nothing else.
        content: The settings.
    """

    path: Path
    table: str
    content: Mapping[str, object]

    @property
    def name(self) -> str:
        """As errors name it."""
        return f"[{self.table}] of {self.path}" if self.table else str(self.path)


def settings_file() -> SettingsFile | None:
    """The settings file of the first folder that has one, from the current folder upwards.

    Raises:
        SettingsError: A file cannot be read.
    """
    here = Path.cwd()
    for folder in (here, *here.parents):
        own = folder / "hephaestus.toml"
        if own.is_file():
            return SettingsFile(own, "", _toml(own))
        project = folder / "pyproject.toml"
        if project.is_file():
            tools = _toml(project).get("tool")
            content = cast("dict[str, object]", tools).get("hephaestus") if isinstance(tools, dict) else None
            if isinstance(content, dict):
                return SettingsFile(project, "tool.hephaestus", cast("dict[str, object]", content))
    return None


def origin_of(name: str, settings: type[BaseSettings]) -> str:
    """The source that a setting came from, which is not an argument, as errors name it."""
    variables = {variable.upper(): variable for variable in os.environ}
    variable = variables.get(f"{PREFIX}{name}".upper())
    if variable is not None:
        return f"the environment ({variable})"
    found = settings_file()
    return found.name if found is not None and name in found.content else f"the defaults of {settings.__name__}"


def unknown(name: str, settings: type[BaseSettings], *, source: str) -> str:
    """The sentence that refuses a name."""
    return f"{name} in {source} is no setting: {_nearest(name, settings.model_fields)}"


def is_shown(name: str) -> bool:
    """Whether an error may quote the value of a setting."""
    return name not in _SECRET


def _unknown_variable(variable: str, names: Iterable[str]) -> str:
    return f"{variable} in the environment is no setting: {_nearest(variable, [PREFIX + n.upper() for n in names])}"


def _nearest(name: str, names: Iterable[str]) -> str:
    near = get_close_matches(name, names, n=1)
    return f"did you mean {near[0]}?" if near else f"remove it, or write one of {', '.join(names)}"


def _toml(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}") from None
