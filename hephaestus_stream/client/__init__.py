"""The clients: start, resume and cancel runs, and wait for their ends, from any program.

They know the wire and nothing of the worker: neither Faust nor RocksDB is imported.
"""

from hephaestus_stream.client.asynchronous import AsyncClient
from hephaestus_stream.client.blocking import Client
from hephaestus_stream.client.completion import Completion
from hephaestus_stream.client.run import Published, Receipt, Run

__all__ = ["AsyncClient", "Client", "Completion", "Published", "Receipt", "Run"]
