"""What the options of a connection say about security, and which are refused because not every library obeys them."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest

from hephaestus_stream.errors import SettingsError
from hephaestus_stream.wire.connection import Connection

PASSWORD = "hush-hush"  # noqa: S105 - nobody's
USER = {"sasl.mechanism": "PLAIN", "sasl.username": "ada", "sasl.password": PASSWORD}


def connection(options: dict[str, str]) -> Connection:
    return Connection("kafka:9092", options=options)


def refusal(options: dict[str, str]) -> str:
    with pytest.raises(SettingsError) as refused:
        connection(options)
    return str(refused.value)


def test_without_options_nothing_is_encrypted_and_nobody_is_named() -> None:
    security = connection({}).security
    assert (security.protocol, security.encrypts, security.mechanism) == ("PLAINTEXT", False, None)


def test_a_password_may_come_from_a_file_whose_last_line_break_is_none_of_it(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text(f"{PASSWORD}\n")
    options = {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN", "sasl.username": "ada"}
    found = connection({**options, "sasl.password.file": str(secret)})
    assert found.security.password == PASSWORD
    assert found.librdkafka()["sasl.password"] == PASSWORD
    assert "sasl.password.file" not in found.librdkafka()


def test_a_password_that_everybody_may_read_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    secret = tmp_path / "password"
    secret.write_text(PASSWORD)
    secret.chmod(0o644)
    options = {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN", "sasl.username": "ada"}
    connection({**options, "sasl.password.file": str(secret)})
    assert "everybody here may read it (mode 644)" in caplog.text
    assert PASSWORD not in caplog.text


def test_a_file_that_is_missing_or_empty_is_named(tmp_path: Path) -> None:
    options = {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN", "sasl.username": "ada"}
    assert "cannot be read: No such file" in refusal({**options, "sasl.password.file": str(tmp_path / "gone")})
    (tmp_path / "empty").write_text("\n")
    assert "is empty" in refusal({**options, "sasl.password.file": str(tmp_path / "empty")})
    both = {**options, "sasl.password": PASSWORD, "sasl.password.file": str(tmp_path / "empty")}
    assert "exclude each other" in refusal(both)


@pytest.mark.parametrize(
    ("option", "way_out"),
    [
        ("ssl.keystore.location", "ssl.certificate.location"),
        ("ssl.truststore.location", "ssl.ca.location"),
        ("ssl.key.pem", "ssl.key.location"),
        ("ssl.certificate.pem", "ssl.certificate.location"),
        ("sasl.jaas.config", "sasl.username"),
        ("sasl.kerberos.service.name", "SCRAM-SHA-512"),
        ("sasl.oauthbearer.config", "SCRAM-SHA-512"),
        ("ssl.crl.location", "leave it out"),
        ("ssl.cipher.suites", "leave it out"),
    ],
)
def test_an_option_that_only_one_library_obeys_is_refused_with_the_way_out(option: str, way_out: str) -> None:
    said = refusal({"security.protocol": "SSL", option: PASSWORD})
    assert option in said
    assert way_out in said
    assert PASSWORD not in said


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"security.protocol": "tls"}, "security.protocol='TLS' is unknown"),
        (USER, "sasl.password is without effect, as security.protocol is PLAINTEXT"),
        ({"ssl.ca.location": "/"}, "ssl.ca.location is without effect, as security.protocol is PLAINTEXT"),
        ({**USER, "security.protocol": "SSL"}, "sasl.username is without effect, as security.protocol is SSL"),
        ({**USER, "security.protocol": "SASL_SSL", "sasl.mechanism": "GSSAPI"}, "sasl.mechanism='GSSAPI'"),
        ({**USER, "security.protocol": "SASL_SSL", "sasl.mechanism": "OAUTHBEARER"}, "sasl.mechanism='OAUTHBEARER'"),
        ({"security.protocol": "SASL_SSL", "sasl.username": "ada"}, "sasl.mechanism is missing"),
        ({"security.protocol": "SASL_SSL", "sasl.username": "ada"}, "sasl.password is missing"),
        ({"security.protocol": "SASL_SSL", "sasl.mechanism": "PLAIN"}, "sasl.username is missing"),
        ({**USER, "security.protocol": "SASL_SSL", "sasl.mechanisms": "SCRAM-SHA-256"}, "differ"),
        ({"security.protocol": "SSL", "ssl.certificate.location": "/"}, "need each other"),
        ({"security.protocol": "SSL", "ssl.key.password": PASSWORD}, "there is no ssl.key.location"),
        ({"security.protocl": "SSL"}, "did you mean security.protocol?"),
        ({"security.protocol": "SASL_SSL", "sasl.pasword.file": "pw"}, "did you mean sasl.password.file?"),
        ({"security.protocol": "SSL", "ssl.ca.location": "/no/such"}, "'/no/such' names no file"),
        ({"security.protocol": "SSL", "enable.ssl.certificate.verification": "no"}, "use true or false"),
        ({"security.protocol": "SSL", "ssl.endpoint.identification.algorithm": "off"}, "use https or none"),
    ],
)
def test_an_option_that_cannot_be_meant_is_refused(options: dict[str, str], said: str) -> None:
    assert said in refusal(options)
    assert PASSWORD not in refusal(options)


def test_a_mechanism_that_is_not_supported_is_the_only_problem_told() -> None:
    said = refusal({"security.protocol": "SASL_SSL", "sasl.mechanism": "GSSAPI"})
    assert len(said.splitlines()) == 1


def test_all_problems_are_told_at_once() -> None:
    said = refusal({"security.protocol": "SASL_SSL", "ssl.keystore.location": "x", "ssl.crl.location": "y"})
    assert len(said.splitlines()) == 5


def test_no_password_is_shown_by_what_holds_it() -> None:
    found = connection({**USER, "security.protocol": "SASL_PLAINTEXT"})
    assert PASSWORD not in f"{found!r} {found} {found.security!r}"
    assert asdict(found.security)["password"] == PASSWORD
