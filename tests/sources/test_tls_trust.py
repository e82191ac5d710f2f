"""Whom TLS trusts, for storage and for fleet hosts, and that no file gets its session keys."""

from __future__ import annotations

import ipaddress
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from cryptography import x509

from cxb_recordings.errors import SourceUnavailable
from cxb_recordings.playback.source import RecordingSource
from cxb_recordings.sources.fleet import FleetHost, FleetHostSettings, make_session
from cxb_recordings.sources.transport import Transport
from tests.servers.tls import make_certificate
from tests.servers.tls_peer import TlsPeer, Wire

from .test_tls import gevent_ssl, head, implementation, source

__all__ = ["implementation", "source"]  # fixtures


def answer(wire: Wire) -> None:
    wire.send(wire.records(head("Content-Length: 4") + b"data"))


@pytest.mark.parametrize("trusted", ["the usual authorities", "another one"])
def test_a_certificate_of_an_authority_that_is_not_trusted_is_refused(
    trusted: str, source: Callable[[str, str | None], RecordingSource], certificate: Path, tmp_path: Path
) -> None:
    other = make_certificate(tmp_path / "own.pem")
    with TlsPeer(certificate, answer) as peer, pytest.raises(SourceUnavailable, match="SSLError"):
        source(peer.url, None if trusted == "the usual authorities" else str(other)).open("k")


@pytest.mark.parametrize(
    ("names", "common_name"),
    [
        ([x509.DNSName("elsewhere.invalid")], "a test"),
        ([x509.IPAddress(ipaddress.ip_address("127.0.0.2"))], "127.0.0.1"),
        ([], "127.0.0.1"),
    ],
    ids=["a name", "an address", "the common name alone"],
)
def test_a_trusted_certificate_of_another_host_is_refused(
    names: list[x509.GeneralName],
    common_name: str,
    source: Callable[[str, str | None], RecordingSource],
    tmp_path: Path,
) -> None:
    certificate = make_certificate(tmp_path / "own.pem", names, common_name)
    with TlsPeer(certificate, answer) as peer, pytest.raises(SourceUnavailable, match="SSLError"):
        source(peer.url, str(certificate)).open("k")


def test_a_session_that_is_told_not_to_verify_verifies(certificate: Path) -> None:
    session = make_session()
    session.verify = False
    with TlsPeer(certificate, answer) as peer, pytest.raises(SourceUnavailable, match="SSLError"):
        FleetHost(session, FleetHostSettings(peer.url), Transport(5, 5)).open("k")


def test_session_keys_go_to_no_file(
    source: Callable[[str, str | None], RecordingSource],
    certificate: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    with TlsPeer(certificate, answer) as peer, closing(source(peer.url, str(certificate)).open("k").body) as body:
        assert body.read(100) == b"data"

    assert not (tmp_path / "keys").exists()


def test_certificates_are_loaded_once_and_not_for_each_connection(
    source: Callable[[str, str | None], RecordingSource], certificate: Path, tmp_path: Path
) -> None:
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(certificate.read_bytes())
    with TlsPeer(certificate, answer) as peer:
        asked = source(peer.url, str(bundle))
        asked.open("k").body.close()
        bundle.unlink()
        asked.open("k").body.close()


def test_a_process_that_gevent_patched_gets_gevents_sockets(request: pytest.FixtureRequest) -> None:
    gevent_ssl(request)
    program = (
        "from gevent import monkey; monkey.patch_all()\n"
        "import gevent.ssl\n"
        "from cxb_recordings.sources.tls import client_context\n"
        "assert issubclass(client_context().sslsocket_class, gevent.ssl.SSLSocket)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
