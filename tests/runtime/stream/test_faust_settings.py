"""What Faust is told about a connection whose options have librdkafka's names."""

from __future__ import annotations

import ssl
from datetime import timedelta
from pathlib import Path

import pytest
from faust.auth import SASLCredentials, SSLCredentials
from faust.types.auth import AuthProtocol, SASLMechanism

from hephaestus_stream.errors import SettingsError
from hephaestus_stream.runtime.stream.faust_settings import brokers, credentials, settings
from hephaestus_stream.wire.connection import Connection
from tests.security.certificates import Authority


def connection(**options: str) -> Connection:
    return Connection("one:9092, two:9093", options={name.replace("_", "."): value for name, value in options.items()})


def test_every_bootstrap_address_becomes_a_broker_of_faust() -> None:
    assert [str(url) for url in brokers(connection())] == ["kafka://one:9092", "kafka://two:9093"]


def test_the_options_of_the_connection_win_over_the_default_session_timeout() -> None:
    own = settings(
        connection(session_timeout_ms="45000", heartbeat_interval_ms="3000"), session_timeout=timedelta(seconds=10)
    )
    assert (own["broker_session_timeout"], own["broker_heartbeat_interval"]) == (45.0, 3.0)
    default = settings(connection(), session_timeout=timedelta(seconds=10))
    assert (default["broker_session_timeout"], default["broker_heartbeat_interval"]) == (10.0, 0.5)


def test_faust_takes_nothing_from_the_environment_and_resets_no_offset() -> None:
    own = settings(connection(), session_timeout=timedelta(seconds=10))
    assert own["env"] == {}
    assert own["consumer_auto_offset_reset"] == "none"


def test_without_a_security_protocol_nothing_is_shown_to_the_brokers() -> None:
    assert credentials(connection()) is None


def test_a_user_with_a_password_is_shown_by_sasl_with_or_without_encryption() -> None:
    user = {"sasl_mechanism": "SCRAM-SHA-512", "sasl_username": "smith", "sasl_password": "anvil"}
    plain = credentials(connection(security_protocol="sasl_plaintext", **user))
    assert isinstance(plain, SASLCredentials)
    assert (plain.protocol, plain.mechanism) == (AuthProtocol.SASL_PLAINTEXT, SASLMechanism.SCRAM_SHA_512)
    assert (plain.username, plain.password) == ("smith", "anvil")
    encrypted = credentials(connection(security_protocol="SASL_SSL", **user))
    assert isinstance(encrypted, SASLCredentials)
    assert encrypted.protocol is AuthProtocol.SASL_SSL


def test_encryption_alone_uses_a_context_that_checks_the_brokers_name() -> None:
    shown = credentials(connection(security_protocol="ssl"))
    assert isinstance(shown, SSLCredentials)
    assert shown.context.check_hostname


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"session_timeout_ms": "ten"}, "session.timeout.ms='ten'"),
    ],
)
def test_an_option_that_faust_cannot_follow_is_named(options: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        settings(connection(**options), session_timeout=timedelta(seconds=10))


def test_what_is_not_verified_by_one_library_is_not_by_the_other() -> None:
    unnamed = credentials(connection(security_protocol="ssl", ssl_endpoint_identification_algorithm="none"))
    assert isinstance(unnamed, SSLCredentials)
    assert (unnamed.context.check_hostname, unnamed.context.verify_mode) == (False, ssl.CERT_REQUIRED)
    blind = credentials(connection(security_protocol="ssl", enable_ssl_certificate_verification="false"))
    assert isinstance(blind, SSLCredentials)
    assert (blind.context.check_hostname, blind.context.verify_mode) == (False, ssl.CERT_NONE)


def test_only_the_given_authority_is_trusted(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "authority")
    by_file = credentials(connection(security_protocol="ssl", ssl_ca_location=str(authority.certificate)))
    by_text = credentials(connection(security_protocol="ssl", ssl_ca_pem=authority.certificate.read_text()))
    for shown in (by_file, by_text):
        assert isinstance(shown, SSLCredentials)
        (trusted,) = shown.context.get_ca_certs()
        assert "'authority'" in str(trusted["subject"])


def test_a_key_whose_password_is_wrong_is_named_and_nobody_is_asked_for_another(tmp_path: Path) -> None:
    identity = Authority(tmp_path, "authority").identity("robot", password="open-sesame")  # noqa: S106 - nobody's
    for password in ({}, {"ssl_key_password": "wrong-one"}):
        refused = connection(
            security_protocol="ssl",
            ssl_certificate_location=str(identity.certificate),
            ssl_key_location=str(identity.key),
            **password,
        )
        with pytest.raises(SettingsError, match=r"ssl\.key\.password") as wrong:
            credentials(refused)
        assert "wrong-one" not in str(wrong.value)
