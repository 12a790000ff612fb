"""The workflows that a worker has."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Any

from hephaestus_stream.core.answer import Refused
from hephaestus_stream.core.definition import Definition
from hephaestus_stream.core.workflow import Workflow
from hephaestus_stream.errors import HephaestusError


class DuplicateWorkflowError(HephaestusError):
    """Two classes have the same stored name and version."""


class Catalog:
    """Workflows by stored name and version; each worker has its own set, there is no global one.

    Args:
        workflows: The classes; of each name the highest version is the current one whose class does not say
            `current=False`.

    Raises:
        DuplicateWorkflowError: Two different classes have the same name and version.
    """

    def __init__(self, workflows: Iterable[type[Workflow[Any]]]) -> None:
        self._by_name: dict[str, dict[int, Definition]] = defaultdict(dict)
        for workflow in workflows:
            self._add(workflow.definition)

    def _add(self, definition: Definition) -> None:
        versions = self._by_name[definition.name]
        twin = versions.get(definition.version)
        if twin is not None and twin is not definition:
            raise DuplicateWorkflowError(
                f"{definition.class_name} ({definition.location}) and {twin.class_name} ({twin.location}) are both "
                f"version {definition.version} of {definition.name}; give one another version= or name="
            )
        versions[definition.version] = definition

    def __iter__(self) -> Iterator[Definition]:
        for versions in self._by_name.values():
            yield from versions.values()

    def get(self, name: str, version: int) -> Definition | None:
        """The workflow of this name and version, if the worker has it."""
        return self._by_name.get(name, {}).get(version)

    def knows(self, name: str) -> bool:
        """Whether the worker has any version of a workflow."""
        return name in self._by_name

    def unknown(self, name: str) -> Refused:
        """Why a name is none of the worker's workflows."""
        near = get_close_matches(name, list(self._by_name), n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"it has {', '.join(sorted(self._by_name)) or 'none'}"
        return Refused("unknown_workflow", f"this worker has no workflow '{name}'; {hint}")

    def why_parked(self, name: str, version: int) -> str | None:
        """Why a run stands still whose workflow the worker lacks, and how it goes on; None where it has it."""
        if self.get(name, version) is not None:
            return None
        known = ", ".join(map(str, sorted(self._by_name.get(name, {}))))
        if not known:
            return (
                f"parked: this worker does not have {name}; it goes on when a worker that has version {version} takes "
                "over"
            )
        return (
            f"parked: this worker has {name} in version {known}, and not in version {version}; it goes on when a "
            "worker that has that version takes over, or when it is migrated to one that is here"
        )

    def find(self, name: str, version: int | None) -> Definition | Refused:
        """The workflow of this name, in the version named or in the current one."""
        versions = self._by_name.get(name)
        if not versions:
            return self.unknown(name)
        known = ", ".join(map(str, sorted(versions)))
        if version is None:
            current = [number for number, each in versions.items() if each.current]
            if current:
                return versions[max(current)]
            message = f"this worker has {name} in version {known}, none of them current; name the version"
            return Refused("unknown_version", message)
        found = versions.get(version)
        if found is None:
            message = (
                f"this worker has {name} in version {known}, not in {version}; start one that is there, or give the "
                f"workers version {version} before the clients"
            )
            return Refused("unknown_version", message)
        return found
