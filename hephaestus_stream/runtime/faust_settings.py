"""The settings of Faust that follow from a connection, whose options have librdkafka's names."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from datetime import timedelta

from faust.auth import SASLCredentials, SSLCredentials
from yarl import URL

from hephaestus_stream.errors import SettingsError
from hephaestus_stream.wire.connection import Connection

# A member learns of a rebalance with its next heartbeat, so this is how long a hand-over waits for the others.
HEARTBEAT = timedelta(milliseconds=500)

REQUEST_TIMEOUT = timedelta(seconds=40)
COMMIT_INTERVAL = timedelta(seconds=5)

Credentials = SASLCredentials | SSLCredentials


def settings(connection: Connection, *, session_timeout: timedelta) -> dict[str, object]:
    """Everything that Faust is told about Kafka, by Faust's names."""
    session = _milliseconds(connection, "session.timeout.ms", session_timeout)
    heartbeat = _milliseconds(connection, "heartbeat.interval.ms", min(HEARTBEAT, session / 3))
    return {
        # Faust would take what is not set here from environment variables such as APP_VERSION, and change the group.
        "env": {},
        "broker": brokers(connection),
        "broker_credentials": credentials(connection),
        "broker_session_timeout": session.total_seconds(),
        "broker_heartbeat_interval": heartbeat.total_seconds(),
        "broker_request_timeout": max(REQUEST_TIMEOUT, session).total_seconds(),
        "broker_commit_interval": COMMIT_INTERVAL.total_seconds(),
        # The shard knows its position. A reader that resets by itself would skip commands or read them again.
        "consumer_auto_offset_reset": "none",
        "web_enabled": False,
        # All topics are made and checked by the runtime before.
        "topic_allow_declare": False,
        "topic_disable_leader": True,
    }


def brokers(connection: Connection) -> list[URL]:
    """The bootstrap addresses as Faust wants them."""
    addresses = (address.strip() for address in connection.bootstrap.split(","))
    return [URL(f"kafka://{address.rpartition('://')[2]}") for address in addresses if address]


def credentials(connection: Connection) -> Credentials | None:
    """What Faust shows to the brokers, by `security.protocol`; None for plain text without a password.

    Raises:
        SettingsError: The protocol or the SASL mechanism is none that Faust's transport can speak.
    """
    options = connection.options
    protocol = options.get("security.protocol", "plaintext").upper()
    match protocol:
        case "PLAINTEXT":
            return None
        case "SSL":
            return SSLCredentials(context=_ssl_context(options))
        case "SASL_PLAINTEXT" | "SASL_SSL":
            return _sasl(options, ssl_context=_ssl_context(options) if protocol == "SASL_SSL" else None)
        case _:
            raise SettingsError(
                f"option security.protocol={protocol!r} is unknown; use plaintext, ssl, sasl_plaintext or sasl_ssl"
            )


def _sasl(options: Mapping[str, str], ssl_context: ssl.SSLContext | None) -> SASLCredentials:
    mechanism = options.get("sasl.mechanism", options.get("sasl.mechanisms", "PLAIN")).upper()
    if mechanism not in {"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"}:
        raise SettingsError(
            f"option sasl.mechanism={mechanism!r} is not supported; use PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512"
        )
    return SASLCredentials(
        username=options.get("sasl.username"),
        password=options.get("sasl.password"),
        ssl_context=ssl_context,
        mechanism=mechanism,
    )


def _ssl_context(options: Mapping[str, str]) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=options.get("ssl.ca.location"))
    certificate = options.get("ssl.certificate.location")
    if certificate is not None:
        context.load_cert_chain(certificate, options.get("ssl.key.location"), options.get("ssl.key.password"))
    return context


def _milliseconds(connection: Connection, option: str, default: timedelta) -> timedelta:
    text = connection.options.get(option)
    if text is None:
        return default
    try:
        return timedelta(milliseconds=int(text))
    except ValueError as error:
        raise SettingsError(f"option {option}={text!r} is not a whole number of milliseconds") from error
