"""What the worker does when its credentials are doubted; those of a real broker are in `tests/security`."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from hephaestus_stream.errors import SettingsError
from hephaestus_stream.runtime.stream import credentials
from hephaestus_stream.runtime.stream.credentials import CredentialsWatch
from hephaestus_stream.wire.connection import Connection


@pytest.fixture
def connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Connection:
    """One whose certificate was written anew, and badly."""
    monkeypatch.setattr(credentials, "_AGAIN_SECONDS", 0)
    certificate = tmp_path / "ca.pem"
    certificate.write_text("nothing of the kind")
    return Connection("127.0.0.1:9", options={"security.protocol": "SSL", "ssl.ca.location": str(certificate)})


async def test_a_certificate_that_is_none_any_more_ends_the_worker_as_a_refusal_does(connection: Connection) -> None:
    failed: list[BaseException] = []
    watch = CredentialsWatch(connection, failed.append)

    watch.doubt()
    await watch.watch()

    [failure] = failed
    assert isinstance(failure, SettingsError)
    assert "ssl.ca.location" in str(failure)


def test_a_client_that_is_refused_after_the_end_of_the_worker_disturbs_nobody(connection: Connection) -> None:
    async def made() -> CredentialsWatch:
        return CredentialsWatch(connection, lambda _: None)

    asyncio.run(made()).doubt()
