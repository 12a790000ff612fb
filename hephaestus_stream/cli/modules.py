"""Finds the workflows that a user names: a module or package taken whole, or one class in it."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType

from typing_extensions import TypeIs

from hephaestus_stream.cli.user_code import story_of
from hephaestus_stream.core.workflow import Workflow
from hephaestus_stream.errors import HephaestusError, WorkflowNotFoundError
from hephaestus_stream.wire.request import AnyWorkflow


def load_workflows(*names: str) -> tuple[AnyWorkflow, ...]:
    """The workflows of modules; of a package with all its modules.

    A class that a module has imported counts as the module's own, so that one module can list what a worker runs.

    Raises:
        WorkflowNotFoundError: A module cannot be found or imported, or has no workflow.
        WorkflowDefinitionError: A workflow in it is wrong.
    """
    return tuple(dict.fromkeys(workflow for name in names for workflow in _workflows_of(name)))


def _workflows_of(name: str) -> dict[AnyWorkflow, None]:
    found = {workflow: None for module in load_modules(name) for workflow in workflows_in(module)}
    if not found:
        raise WorkflowNotFoundError(
            f"the module {name} has no workflow: define a class that derives from Workflow[...] in it, or import one"
        )
    return found


def load_workflow(reference: str) -> AnyWorkflow:
    """The workflow of a reference such as `workflows.order:OrderFlow`.

    The class may also stand in a module of the package that is named.

    Raises:
        WorkflowNotFoundError: The module cannot be found or imported, or has no such class.
        WorkflowDefinitionError: A workflow in it is wrong.
    """
    name, separator, class_name = reference.partition(":")
    if not separator or not class_name:
        raise WorkflowNotFoundError(
            f"'{reference}' names no workflow: write module:Class, as workflows.order:OrderFlow"
        )
    module = import_module(name)
    named: object = getattr(module, class_name, None)
    if is_workflow(named):
        return named
    by_name = {workflow.__name__: workflow for workflow in load_workflows(name)}
    if class_name in by_name:
        return by_name[class_name]
    near = get_close_matches(class_name, by_name, n=1)
    hint = f"did you mean {name}:{near[0]}?" if near else f"it has {', '.join(sorted(by_name))}"
    raise WorkflowNotFoundError(f"the module {name} has no workflow '{class_name}'; {hint}")


def load_modules(name: str) -> Iterator[ModuleType]:
    """Imports a module, and where it is a package all of its modules, one after the other.

    Raises:
        WorkflowNotFoundError: A module cannot be found or imported.
    """
    module = import_module(name)
    yield module
    for submodule in submodules_of(module):
        yield from load_modules(submodule)


def submodules_of(module: ModuleType) -> list[str]:
    """The full names of a package's own modules, without what `python -m` would run; none for a plain module."""
    found = pkgutil.iter_modules(getattr(module, "__path__", ()))
    return sorted(f"{module.__name__}.{entry.name}" for entry in found if entry.name != "__main__")


def workflows_in(module: ModuleType) -> Iterator[AnyWorkflow]:
    """The sound workflows among a module's names."""
    return (value for value in vars(module).values() if is_workflow(value))


def is_workflow(value: object) -> TypeIs[AnyWorkflow]:
    """Whether something is a workflow class with a graph."""
    return isinstance(value, type) and issubclass(value, Workflow) and "definition" in value.__dict__


def import_module(name: str) -> ModuleType:
    """Imports a module with the current folder on the import path, as `python -m` has it.

    Raises:
        WorkflowNotFoundError: It cannot be found, or its code fails; then the message names the user's own lines.
    """
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    if not all(part.isidentifier() for part in name.split(".")):
        raise _no_module_name(name)
    try:
        return importlib.import_module(name)
    except HephaestusError:
        raise
    except ModuleNotFoundError as error:
        if error.name is not None and f"{name}.".startswith(f"{error.name}."):
            raise _not_found(missing=error.name) from None
        raise WorkflowNotFoundError(story_of(error, doing=f"importing {name}")) from error
    except Exception as error:
        raise WorkflowNotFoundError(story_of(error, doing=f"importing {name}")) from error
    except SystemExit as error:  # a script without the `if __name__ == "__main__"`
        raise WorkflowNotFoundError(story_of(error, doing=f"importing {name}")) from error


def _no_module_name(name: str) -> WorkflowNotFoundError:
    if "/" in name:
        dotted = name.removesuffix(".py").strip("./").replace("/", ".")
        return WorkflowNotFoundError(f"'{name}' is a path; name the module as Python imports it: {dotted}")
    return WorkflowNotFoundError(f"'{name}' is no name of a module; write it as Python imports it: workflows.order")


def _not_found(*, missing: str) -> WorkflowNotFoundError:
    if missing.endswith(".py"):
        return WorkflowNotFoundError(f"'{missing}' is a file; name the module: {missing.removesuffix('.py')}")
    parent, _, last = missing.rpartition(".")
    paths = list(getattr(sys.modules.get(parent), "__path__", ())) if parent else [str(Path.cwd())]
    siblings = [entry.name for entry in pkgutil.iter_modules(paths)]
    near = get_close_matches(last, siblings, n=1)
    place = f"the package {parent}" if parent else f"{Path.cwd()} and the installed packages"
    hint = f"did you mean {f'{parent}.{near[0]}' if parent else near[0]}?" if near else "is this the right folder?"
    return WorkflowNotFoundError(f"there is no module '{missing}' in {place}; {hint}")
