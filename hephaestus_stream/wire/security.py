"""How a connection proves who it is and whom it talks to: one set of options that all Kafka libraries of ours obey.

librdkafka has more options than the other library of a worker, aiokafka. What both understand is translated; the rest
is refused, since an option that only half of a worker obeys would be worse than none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Final

from hephaestus_stream.errors import SettingsError
from hephaestus_stream.wire.secret_file import warn_if_public

MECHANISMS: Final = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
_PROTOCOLS: Final = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
_FAMILIES: Final = ("ssl.", "sasl.", "security.", "enable.ssl.", "enable.sasl.")
_OF_SASL: Final = frozenset({"sasl.mechanism", "sasl.mechanisms", "sasl.username", "sasl.password"})
_OF_SSL: Final = frozenset(
    {
        "ssl.ca.location",
        "ssl.ca.pem",
        "ssl.certificate.location",
        "ssl.key.location",
        "ssl.key.password",
        "ssl.endpoint.identification.algorithm",
        "enable.ssl.certificate.verification",
    }
)
_KNOWN: Final = _OF_SASL | _OF_SSL | {"security.protocol"}
# A password that is not on the command line and not in the environment: its own file, as secrets are mounted.
_FROM_FILES: Final = ("sasl.password", "ssl.key.password")

# Above this likeness nothing else can be meant: ssl.crl.location is no misspelt ssl.ca.location.
_MISSPELT: Final = 0.93

_PEM: Final = "write it to a file of its own and name that with {}"
_STORE: Final = "convert it to PEM files and name them with ssl.certificate.location and ssl.key.location"
_TRUST: Final = "convert it to a PEM file and name it with ssl.ca.location"
_USER: Final = "write sasl.username, and sasl.password or sasl.password.file"
_INSTEAD: Final[Mapping[str, str]] = {
    "ssl.certificate.pem": _PEM.format("ssl.certificate.location"),
    "ssl.key.pem": _PEM.format("ssl.key.location"),
    "ssl.keystore.": _STORE,
    "ssl.truststore.": _TRUST,
    "sasl.jaas.config": _USER,
    "sasl.kerberos.": f"use one of the mechanisms {', '.join(MECHANISMS)}, or TLS with a client certificate",
    "sasl.oauthbearer.": f"use one of the mechanisms {', '.join(MECHANISMS)}, or TLS with a client certificate",
    "enable.sasl.oauthbearer.": f"use one of the mechanisms {', '.join(MECHANISMS)}",
}


@dataclass(frozen=True, slots=True)
class Security:
    """What the options of a connection say about security, checked.

    Attributes:
        protocol: `PLAINTEXT`, `SSL`, `SASL_PLAINTEXT` or `SASL_SSL`.
        mechanism: How the password is shown; None without one.
        username: Who the connection is; None without a password.
        password: The password.
        authorities: The file or folder of the authorities that are trusted; None for those of the system.
        authorities_pem: The same as text.
        certificate: The file of the client's certificate; None without one.
        key: The file of its key.
        key_password: The password of that file.
        checks_certificate: Whether the broker's certificate must come from a trusted authority.
        checks_name: Whether it must name the broker's host.
    """

    protocol: str = "PLAINTEXT"
    mechanism: str | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    authorities: Path | None = None
    authorities_pem: str | None = field(default=None, repr=False)
    certificate: Path | None = None
    key: Path | None = None
    key_password: str | None = field(default=None, repr=False)
    checks_certificate: bool = True
    checks_name: bool = True

    @property
    def encrypts(self) -> bool:
        """Whether the connection is TLS."""
        return self.protocol in {"SSL", "SASL_SSL"}

    @property
    def identity(self) -> str:
        """Who the brokers take this connection for, as errors name it."""
        if self.username is not None:
            return f"the user '{self.username}'"
        return "the client certificate" if self.certificate is not None else "a client without a name"


def resolved(options: Mapping[str, str]) -> Mapping[str, str]:
    """The options with the content of files in place of `sasl.password.file` and `ssl.key.password.file`.

    Raises:
        SettingsError: A file cannot be read, or the password is given twice.
    """
    plain = dict(options)
    for name in _FROM_FILES:
        path = plain.pop(f"{name}.file", None)
        if path is None:
            continue
        if name in plain:
            raise SettingsError(f"the options {name} and {name}.file exclude each other: leave one of them out")
        plain[name] = _secret(name, Path(path))
    return MappingProxyType(plain)


def security_of(options: Mapping[str, str]) -> Security:
    """What resolved options say.

    Raises:
        SettingsError: An option is unknown, contradicts another, is missing, or is none that all our libraries obey;
            all problems are told, a line each, and none of them shows a password.
    """
    problems = list(_problems(options))
    if problems:
        raise SettingsError("\n".join(problems))
    protocol = _protocol(options)
    encrypts, has_password = protocol.endswith("SSL"), protocol.startswith("SASL")
    verifies = options.get("enable.ssl.certificate.verification", "true").lower() == "true"
    names = options.get("ssl.endpoint.identification.algorithm", "https").lower() == "https"
    return Security(
        protocol=protocol,
        mechanism=_mechanism(options) if has_password else None,
        username=options.get("sasl.username"),
        password=options.get("sasl.password"),
        authorities=_path(options, "ssl.ca.location"),
        authorities_pem=options.get("ssl.ca.pem"),
        certificate=_path(options, "ssl.certificate.location"),
        key=_path(options, "ssl.key.location"),
        key_password=options.get("ssl.key.password"),
        checks_certificate=encrypts and verifies,
        checks_name=encrypts and verifies and names,
    )


def _problems(options: Mapping[str, str]) -> Iterator[str]:
    for name in options:
        if name.startswith(_FAMILIES) and name not in _KNOWN:
            yield f"option {name} is none that both Kafka libraries of a worker obey: {_instead_of(name)}"
    protocol = _protocol(options)
    if protocol not in _PROTOCOLS:
        yield f"option security.protocol={protocol!r} is unknown; use plaintext, ssl, sasl_plaintext or sasl_ssl"
        return
    yield from _unused(options, protocol)
    if protocol.startswith("SASL"):
        yield from _sasl_problems(options)
    if protocol.endswith("SSL"):
        yield from _ssl_problems(options)


def _unused(options: Mapping[str, str], protocol: str) -> Iterator[str]:
    """Options that would be without effect in silence: somebody forgot the protocol."""
    has_password, encrypts = protocol.startswith("SASL"), protocol.endswith("SSL")
    for name in sorted(options.keys() & _OF_SASL if not has_password else ()):
        wanted = "SASL_SSL" if encrypts or options.keys() & _OF_SSL else "SASL_SSL or SASL_PLAINTEXT"
        yield f"option {name} is without effect, as security.protocol is {protocol}: write security.protocol={wanted}"
    for name in sorted(options.keys() & _OF_SSL if not encrypts else ()):
        wanted = "SASL_SSL" if has_password or options.keys() & _OF_SASL else "SSL"
        yield f"option {name} is without effect, as security.protocol is {protocol}: write security.protocol={wanted}"


def _sasl_problems(options: Mapping[str, str]) -> Iterator[str]:
    mechanism, names = _mechanism(options), " or ".join((", ".join(MECHANISMS[:-1]), MECHANISMS[-1]))
    if not mechanism:
        yield f"option sasl.mechanism is missing, which SASL needs; use {names}"
    elif mechanism not in MECHANISMS:
        yield f"option sasl.mechanism={mechanism!r} is not supported; use {names}"
        return  # whoever means it has no password
    if len({options[name].upper() for name in ("sasl.mechanism", "sasl.mechanisms") if name in options}) > 1:
        yield "the options sasl.mechanism and sasl.mechanisms, which mean the same, differ: leave one of them out"
    if not options.get("sasl.username"):
        yield "option sasl.username is missing, which SASL needs"
    if not options.get("sasl.password"):
        yield "option sasl.password is missing, which SASL needs; write it, or as sasl.password.file the file with it"


def _ssl_problems(options: Mapping[str, str]) -> Iterator[str]:
    if ("ssl.certificate.location" in options) != ("ssl.key.location" in options):
        yield "the options ssl.certificate.location and ssl.key.location need each other: write both, or none"
    elif "ssl.key.password" in options and "ssl.key.location" not in options:
        yield "option ssl.key.password is without effect, as there is no ssl.key.location: write it, or leave both out"
    if "ssl.ca.location" in options and "ssl.ca.pem" in options:
        yield "the options ssl.ca.location and ssl.ca.pem exclude each other: leave one of them out"
    for name in ("ssl.ca.location", "ssl.certificate.location", "ssl.key.location"):
        if name in options and not Path(options[name]).exists():
            yield f"option {name}={options[name]!r} names no file"
    for name, allowed in (
        ("ssl.endpoint.identification.algorithm", ("https", "none")),
        ("enable.ssl.certificate.verification", ("true", "false")),
    ):
        if options.get(name, allowed[0]).lower() not in allowed:
            yield f"option {name}={options[name]!r} is unknown; use {' or '.join(allowed)}"


def _protocol(options: Mapping[str, str]) -> str:
    return options.get("security.protocol", "plaintext").upper()


def _mechanism(options: Mapping[str, str]) -> str:
    return options.get("sasl.mechanism", options.get("sasl.mechanisms", "")).upper()


def _path(options: Mapping[str, str], name: str) -> Path | None:
    return Path(options[name]) if name in options else None


def _instead_of(name: str) -> str:
    found = next((way_out for start, way_out in _INSTEAD.items() if name.startswith(start)), None)
    near = get_close_matches(name, [*_KNOWN, *(f"{secret}.file" for secret in _FROM_FILES)], n=1, cutoff=_MISSPELT)
    if found is None and near:
        return f"did you mean {near[0]}?"
    return found or f"leave it out, or write one of {', '.join(sorted(_KNOWN))}"


def _secret(name: str, path: Path) -> str:
    try:
        # Editors and `echo` end a file with a line break, which no password has.
        secret = path.read_text(encoding="utf-8").rstrip("\r\n")
        warn_if_public(path)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise SettingsError(f"option {name}.file: {path} cannot be read: {reason}") from None
    if not secret:
        raise SettingsError(f"option {name}.file: {path} is empty")
    return secret
