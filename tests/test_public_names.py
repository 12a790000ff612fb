"""What `hephaestus_stream` itself offers."""

from __future__ import annotations

import subprocess
import sys

import hephaestus_stream
from hephaestus_stream import errors

# Users meet them; those of the worker's insides end the worker, and nobody catches them.
CAUGHT = (
    "AccessDeniedError",
    "BrokerRefusedError",
    "BrokerUnreachableError",
    "ClientBusyError",
    "ClientClosedError",
    "CommandError",
    "InvalidKeyError",
    "NotEndedError",
    "PayloadUnreadableError",
    "SettingsError",
    "StepDefinitionError",
    "StepTimeoutError",
    "TopicMismatchError",
)


def test_what_a_program_catches_is_offered() -> None:
    for name in CAUGHT:
        assert getattr(hephaestus_stream, name) is getattr(errors, name)
        assert name in hephaestus_stream.__all__


def test_every_name_that_is_offered_is_there_and_is_listed() -> None:
    assert [name for name in hephaestus_stream.__all__ if not hasattr(hephaestus_stream, name)] == []
    assert set(hephaestus_stream.__all__) <= set(dir(hephaestus_stream))
    assert {"Connection", "Emitted", "Published"} <= set(hephaestus_stream.__all__)


def test_kafkas_library_is_loaded_only_with_the_client() -> None:
    code = "import sys, hephaestus_stream as h; dir(h); print('confluent_kafka' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "False\n"
