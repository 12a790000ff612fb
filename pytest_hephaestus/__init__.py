"""The pytest plugin of hephaestus_stream: the fixture `simulator`, and the path of each run under a failed test.

It stands beside the package, since pytest imports it in every project of an environment: importing the package would
cost those a tenth of a second that do not use it.
"""

from __future__ import annotations

import sys
from collections.abc import Generator
from types import ModuleType
from typing import TYPE_CHECKING, cast

import pytest

if TYPE_CHECKING:  # the cost, as above
    from collections.abc import Iterator
    from typing import Protocol

    from hephaestus_stream.testing import Simulator

    class _Used(Protocol):
        def forget_all(self) -> None: ...
        def sections(self) -> Iterator[tuple[str, str]]: ...


@pytest.fixture
def simulator() -> Simulator:
    """A simulator of the test's own."""
    from hephaestus_stream.testing import Simulator  # noqa: PLC0415 - the cost, as above

    return Simulator()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Forgets what former tests have used."""
    used = _used()
    if used is not None:
        used.forget_all()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Adds to the report of a failure what the simulators of the test know."""
    report = yield
    used = _used()
    if used is not None and report.failed:
        try:
            report.sections.extend(used.sections())
        except Exception as error:  # noqa: BLE001 - the failure itself must be told
            report.sections.append(("hephaestus", f"the runs cannot be drawn: {error!r}"))
    return report


def _used() -> _Used | None:
    """The simulators in use; None where no test has imported any."""
    module: ModuleType | None = sys.modules.get("hephaestus_stream.testing.used")
    return cast("_Used | None", module)
