from __future__ import annotations

from collections.abc import Generator

import pytest

from hephaestus_stream.wire.connection import Connection
from tests.client.responder import Responder, responding


@pytest.fixture
def responder(connection: Connection) -> Generator[Responder]:
    """Stands in for the workers of a namespace of its own."""
    with responding(connection) as responder:
        yield responder
