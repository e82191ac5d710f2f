"""Certificates for servers on loopback that nobody trusts but who is told to."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

# nginx looks for an address among the names, Python among the addresses.
LOOPBACK = (x509.IPAddress(IPv4Address("127.0.0.1")), x509.DNSName("127.0.0.1"))


def make_certificate(path: Path, names: Sequence[x509.GeneralName] = LOOPBACK, common_name: str = "a test") -> Path:
    """Write a certificate for 127.0.0.1, or for other `names`, that signs itself, and its key, into one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)])
    now = datetime.now(timezone.utc)
    builder = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM) + private)
    return path


def server_context(certificate: Path) -> ssl.SSLContext:
    """What a server with that certificate wraps its connections in."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """See :func:`make_certificate`."""
    return make_certificate(tmp_path_factory.mktemp("tls") / "certificate.pem")


@pytest.fixture(scope="session")
def tls(certificate: Path) -> ssl.SSLContext:
    """See :func:`server_context`."""
    return server_context(certificate)
