"""An authority of our own, and the certificates that it gives to a broker and to a client."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Identity:
    """Files in PEM: a certificate, its key, and both in one for Java."""

    certificate: Path
    key: Path
    both: Path


class Authority:
    """Signs certificates; its own is in the file `certificate`."""

    def __init__(self, folder: Path, name: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named(name)
        constraints = x509.BasicConstraints(ca=True, path_length=None)
        signed = _unsigned(self._name, self._name, self._key).add_extension(constraints, critical=True)
        self.certificate = folder / f"{name}.crt"
        self.certificate.write_bytes(_pem(signed.sign(self._key, hashes.SHA256())))

    def identity(self, name: str, *, hosts: bool = False, password: str | None = None) -> Identity:
        """A certificate for this name; with `hosts` it is one for a server on this machine."""
        key = ec.generate_private_key(ec.SECP256R1())
        unsigned = _unsigned(_named(name), self._name, key)
        if hosts:
            local = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
            unsigned = unsigned.add_extension(x509.SubjectAlternativeName(local), critical=False)
        signed = _pem(unsigned.sign(self._key, hashes.SHA256()))
        place = self._folder / name
        identity = Identity(place.with_suffix(".crt"), place.with_suffix(".key"), place.with_suffix(".pem"))
        identity.certificate.write_bytes(signed)
        identity.key.write_bytes(_key_pem(key, password))
        identity.both.write_bytes(_key_pem(key, None) + signed)
        return identity


def _unsigned(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
    )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey, password: str | None) -> bytes:
    secrecy = (
        serialization.NoEncryption() if password is None else serialization.BestAvailableEncryption(password.encode())
    )
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, secrecy)
