"""Breaks below HTTP: TLS that fails or is cut off, and names that don't resolve."""

from __future__ import annotations

import random
import socket
import ssl
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.servers.faulty_conversation import Fault, Kind
from tests.servers.faulty_origin import FaultyOrigin, FaultyOriginFactory

from .playing import KEY, OPTIONS, Player, judge, system_settings

DATA = random.Random(5).randbytes(300_000)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 that signs itself, and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "faulty origin")])
    now = datetime.now(timezone.utc)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    path.write_bytes(built.public_bytes(serialization.Encoding.PEM) + private)
    return path


@pytest.fixture
def tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def line(kind: str, first: FaultyOrigin, *others: FaultyOrigin) -> dict[str, object]:
    return system_settings(first, others) if kind == "storage" else system_settings(None, [first, *others])


@pytest.mark.parametrize("fault", ["reset", "fin", "stall"])
@pytest.mark.parametrize("kind", ["storage", "fleet host"])
def test_a_playback_goes_on_when_its_tls_connection_breaks(
    faulty_origin: FaultyOriginFactory, certificate: Path, tls: ssl.SSLContext, kind: str, fault: Kind
) -> None:
    origin = faulty_origin({KEY: DATA}, [Fault(fault, 100_000), Fault(fault, 50_000)], tls=tls)
    player = Player(replace(OPTIONS, ca_bundle=str(certificate)))

    assert judge(player.play(line(kind, origin)), DATA) == "whole"
    assert len(origin.requests) == 3


@pytest.mark.parametrize("kind", ["storage", "fleet host"])
def test_a_source_with_a_certificate_that_nobody_trusts_is_passed_over(
    faulty_origin: FaultyOriginFactory, tls: ssl.SSLContext, kind: str
) -> None:
    untrusted = faulty_origin({KEY: b"of a stranger"}, tls=tls)

    heard = Player().play(line(kind, untrusted, faulty_origin({KEY: DATA})))

    assert judge(heard, DATA) == "whole"
    assert untrusted.requests == []


@pytest.mark.parametrize("kind", ["storage", "fleet host"])
def test_a_source_that_speaks_no_tls_where_it_should_is_passed_over(
    faulty_origin: FaultyOriginFactory, kind: str
) -> None:
    plain = faulty_origin({KEY: b"in the clear"})
    plain.url = plain.url.replace("http:", "https:")

    # The origin waits for the end of a request that never comes: the handshake has connect_timeout.
    heard = Player(replace(OPTIONS, connect_timeout=0.5)).play(line(kind, plain, faulty_origin({KEY: DATA})))

    assert judge(heard, DATA) == "whole"


@pytest.mark.parametrize("kind", ["storage", "fleet host"])
@pytest.mark.parametrize("when", ["at the first opening", "in the middle"])
def test_a_playback_outlives_the_name_of_its_source(
    faulty_origin: FaultyOriginFactory, monkeypatch: pytest.MonkeyPatch, kind: str, when: str
) -> None:
    named = faulty_origin({KEY: DATA}, [Fault("reset", 100_000)])
    named.url = named.url.replace("127.0.0.1", "origin.invalid")
    lookups: list[str] = []
    genuine = socket.getaddrinfo

    def getaddrinfo(host: Any, *arguments: Any, **keywords: Any) -> Any:
        if host == "origin.invalid":
            lookups.append(host)
            if when == "at the first opening" or len(lookups) > 1:
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
            host = "127.0.0.1"
        return genuine(host, *arguments, **keywords)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)

    heard = Player().play(line(kind, named, faulty_origin({KEY: DATA})))

    assert judge(heard, DATA) == "whole"
    assert len(named.requests) == (1 if when == "in the middle" else 0)
    assert len(lookups) >= 1
