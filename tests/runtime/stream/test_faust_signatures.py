"""A Faust that differs from the one that was read stops the worker at import."""

from __future__ import annotations

from importlib.metadata import version

import pytest

from hephaestus_stream.errors import UnsupportedFaustError
from hephaestus_stream.runtime.stream.faust_signatures import assert_names, assert_signatures


def seek(partition: int, offset: int = 0, *, wait: bool = True) -> None:
    """A function as a library has it; the test looks at its parameters only."""
    assert partition or offset or wait


def test_the_expected_parameters_are_accepted_whatever_their_types() -> None:
    assert_signatures([(seek, "(partition, offset=0, *, wait=True)")])


def test_other_parameters_are_refused_with_the_installed_versions_and_every_difference() -> None:
    with pytest.raises(UnsupportedFaustError) as refused:
        assert_signatures([(seek, "(partition)"), (seek, "(partition, offset)")])
    message = str(refused.value)
    assert f"faust-streaming {version('faust-streaming')} with aiokafka {version('aiokafka')}" in message
    assert message.count("seek(partition, offset=0, *, wait=True)") == 2


class Fetcher:
    """A class as a library has it; the test looks at the names that it uses only."""

    def __init__(self) -> None:
        self._records = len("")


def test_private_names_that_a_library_uses_are_accepted_and_others_told() -> None:
    assert_names([(Fetcher.__init__, ["_records", "len"])])
    with pytest.raises(UnsupportedFaustError, match=r"Fetcher.__init__ does not use _waiting"):
        assert_names([(Fetcher.__init__, ["_records", "_waiting"])])
