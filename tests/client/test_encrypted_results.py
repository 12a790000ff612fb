"""The results of an encrypted run, for a client that has its keys and for one that has not."""

from __future__ import annotations

import logging

import msgspec
import pytest

from hephaestus_stream import Keyring, PayloadUnreadableError
from hephaestus_stream.client.completion import Completion
from hephaestus_stream.encryption import NO_KEYS, Cipher
from hephaestus_stream.encryption.envelope import Place, is_envelope
from hephaestus_stream.wire.output import CompletionRecord
from workflows.order import OrderFlow, Review

KEYS = Cipher(Keyring({"2026-01": bytes(32)}))


def ended(cipher: Cipher, *, stars_of: str = "run-1") -> Completion:
    """A run with a result, which was encrypted for the run that is named."""
    stars = KEYS.seal(b'{"stars":5}', Place("result", "OrderFlow", "orderid::a", stars_of, "review"))
    record = {
        "schema": 1, "workflow": "OrderFlow", "version": 2, "key": "orderid::a", "run": "run-1", "sequence": 9,
        "at": "2026-01-01T00:00:00Z", "status": "completed", "ended_at": "done", "started_at": "2026-01-01T00:00:00Z",
        "results": {"review": msgspec.Raw(stars), "validate": None},
    }  # fmt: skip
    return Completion.of(CompletionRecord.from_bytes(msgspec.json.encode(record)), cipher=cipher)


def test_a_client_with_the_keys_reads_results_as_if_they_were_plain() -> None:
    completion = ended(KEYS)
    assert completion.results == {"review": {"stars": 5}, "validate": None}
    assert completion.result(OrderFlow.review.received) == Review(stars=5)


@pytest.mark.parametrize(("cipher", "stars_of"), [(NO_KEYS, "run-1"), (KEYS, "run-2")], ids=["no keys", "moved"])
def test_a_client_learns_the_end_of_a_run_whose_results_it_cannot_read(
    cipher: Cipher, stars_of: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    completion = ended(cipher, stars_of=stars_of)
    assert completion.status == "completed"
    assert is_envelope(completion.results["review"])
    assert ("the result of review in orderid::a (run-1)" in caplog.text) == cipher.is_on
    with pytest.raises(PayloadUnreadableError, match="this client cannot decrypt it; give it the keys"):
        completion.result(OrderFlow.review.received)
