"""The settings of Faust that follow from a connection, whose options have librdkafka's names."""

from __future__ import annotations

import ssl
from datetime import timedelta

from faust.auth import SASLCredentials, SSLCredentials
from yarl import URL

from hephaestus_stream.errors import SettingsError
from hephaestus_stream.wire.connection import Connection
from hephaestus_stream.wire.security import Security

# A member learns of a rebalance with its next heartbeat, so this is how long a hand-over waits for the others.
HEARTBEAT = timedelta(milliseconds=500)

REQUEST_TIMEOUT = timedelta(seconds=40)
COMMIT_INTERVAL = timedelta(seconds=5)
METADATA_AGE = timedelta(seconds=5)

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
        # Only by this the group learns of a topic that was deleted and came back: until then nobody reads it.
        "consumer_metadata_max_age_ms": METADATA_AGE // timedelta(milliseconds=1),
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
    """What Faust shows to the brokers; None for plain text without a password.

    Raises:
        SettingsError: A certificate or key cannot be used.
    """
    security = connection.security
    context = _ssl_context(security) if security.encrypts else None
    if security.mechanism is not None:
        return SASLCredentials(
            username=security.username,
            password=security.password,
            ssl_context=context,
            mechanism=security.mechanism,
        )
    return SSLCredentials(context=context) if context is not None else None


def _ssl_context(security: Security) -> ssl.SSLContext:
    context = _trusting(security)
    context.check_hostname = security.checks_name
    if not security.checks_certificate:
        context.verify_mode = ssl.CERT_NONE
    if security.certificate is not None:
        try:
            # Without a password Python would ask the terminal for one.
            context.load_cert_chain(security.certificate, security.key, password=security.key_password or "")
        except (OSError, ssl.SSLError) as error:
            raise SettingsError(
                f"the certificate {security.certificate} with the key {security.key} cannot be used "
                f"({_reason(error)}): are both PEM files, do they belong together, and is ssl.key.password right?"
            ) from None
    return context


def _trusting(security: Security) -> ssl.SSLContext:
    """A context that trusts the given authorities only, as librdkafka does, or else those of the system."""
    place = security.authorities
    is_folder = place is not None and place.is_dir()
    try:
        return ssl.create_default_context(
            cafile=None if place is None or is_folder else place,
            capath=place if is_folder else None,
            cadata=security.authorities_pem,
        )
    except (OSError, ssl.SSLError) as error:
        named = f"ssl.ca.location={str(place)!r}" if place is not None else "ssl.ca.pem"
        raise SettingsError(f"option {named} holds no certificates in PEM ({_reason(error)})") from None


def _reason(error: OSError) -> str:
    return error.reason if isinstance(error, ssl.SSLError) and error.reason else error.strerror or type(error).__name__


def _milliseconds(connection: Connection, option: str, default: timedelta) -> timedelta:
    text = connection.options.get(option)
    if text is None:
        return default
    try:
        return timedelta(milliseconds=int(text))
    except ValueError as error:
        raise SettingsError(f"option {option}={text!r} is not a whole number of milliseconds") from error
