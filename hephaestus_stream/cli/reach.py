"""Asks whether a broker answers, before anything else: the clients themselves are more patient than a user."""

from __future__ import annotations

import asyncio

from hephaestus_stream.errors import BrokerUnreachableError
from hephaestus_stream.runtime.stream.reachability import check_reachable
from hephaestus_stream.settings import Settings


def require_broker(settings: Settings) -> None:
    """Returns when a broker answers.

    Raises:
        BrokerUnreachableError: None did within 5 s.
        BrokerRefusedError: One refuses the credentials, or speaks another protocol.
        SettingsError: A raw option of the connection is wrong.
    """
    try:
        asyncio.run(check_reachable(settings.connection))
    except BrokerUnreachableError as error:
        raise BrokerUnreachableError(
            f"no Kafka broker answers at {settings.bootstrap}: name another with --bootstrap or HEPHAESTUS_BOOTSTRAP, "
            "check `-X security.protocol=…`, or start one here with `hephaestus kafka up`"
        ) from error
