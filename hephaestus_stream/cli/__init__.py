"""The command line: `hephaestus`."""

from hephaestus_stream.cli.app import main

__all__ = ["main"]
