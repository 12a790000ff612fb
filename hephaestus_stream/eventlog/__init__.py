"""Event logs of real processes, replayed as commands: how a module declares one, and who publishes it."""

from hephaestus_stream.eventlog.log import EventLog
from hephaestus_stream.eventlog.row import Row

__all__ = ["EventLog", "Row"]
