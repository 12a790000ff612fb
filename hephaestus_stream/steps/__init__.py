"""Built-in steps, written with the public API only."""

from hephaestus_stream.steps.debug import Debug
from hephaestus_stream.steps.ending import Done, Failed
from hephaestus_stream.steps.wait import Wait
from hephaestus_stream.steps.wait_for_event import WaitForEvent

__all__ = ["Debug", "Done", "Failed", "Wait", "WaitForEvent"]
