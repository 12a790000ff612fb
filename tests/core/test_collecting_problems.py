"""All wrong classes at once, for `hephaestus check`."""

from __future__ import annotations

import pytest

from hephaestus_stream import Done, Workflow, WorkflowDefinitionError
from hephaestus_stream.core.workflow import collecting_problems


@pytest.mark.parity(1)
def test_problems_are_collected_over_several_classes() -> None:
    with collecting_problems() as errors:

        class FirstFlow(Workflow[object], key="first"):
            done = Done()

        class SecondFlow(Workflow[object], key="second"):
            done = Done()

    assert [error.workflow for error in errors] == [FirstFlow.__name__, SecondFlow.__name__]
    assert all(error.problems for error in errors)
    assert "definition" not in vars(FirstFlow)


def test_after_the_block_a_wrong_class_is_refused_again() -> None:
    with collecting_problems():
        pass
    with pytest.raises(WorkflowDefinitionError):

        class ThirdFlow(Workflow[object], key="third"):  # pyright: ignore[reportUnusedClass]  # never comes into being
            done = Done()
