"""Reads over TLS take what has arrived and no more, and lose nothing before an end or an error; whom TLS trusts."""

from __future__ import annotations

import importlib
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from cxb_recordings.errors import SourceUnavailable
from cxb_recordings.playback.source import RecordingSource
from cxb_recordings.sources.tls import RECORD, client_context
from tests.servers import missing
from tests.servers.tls_peer import TlsPeer, Wire

DATA = bytes(range(256)) * 200  # three whole records and a part of one: less than what the kernel takes at once
LARGE = 262144
ENDS: dict[str, Callable[[Wire], None]] = {
    "close_notify": Wire.close_notify,
    "ragged EOF": Wire.ragged_eof,
    "RST": Wire.reset,
}


@pytest.fixture(params=["standard library", "gevent"], autouse=True)
def implementation(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What ``ssl`` is in a process: Python's, or what gevent puts into its place."""
    if request.param == "gevent":
        monkeypatch.setattr("cxb_recordings.sources.tls.ssl", gevent_ssl(request))


def gevent_ssl(request: pytest.FixtureRequest) -> ModuleType:
    try:
        return importlib.import_module("gevent.ssl")
    except ImportError:
        missing(request, "gevent (extra ci)")
        raise


@pytest.fixture(params=[ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def version(request: pytest.FixtureRequest) -> ssl.TLSVersion:
    chosen: ssl.TLSVersion = request.param
    return chosen


@pytest.fixture
def connect(certificate: Path, version: ssl.TLSVersion) -> Iterator[Callable[..., tuple[TlsPeer, ssl.SSLSocket]]]:
    """Connects to a peer with a script; returns both."""
    opened: list[tuple[TlsPeer, ssl.SSLSocket]] = []

    def make(script: Callable[[Wire], None], timeout: float | None = 5) -> tuple[TlsPeer, ssl.SSLSocket]:
        peer = TlsPeer(certificate, script, waits_for_request=False, version=version).__enter__()
        plain = socket.create_connection(("127.0.0.1", peer.port), timeout=5)
        plain.settimeout(timeout)
        client = client_context(str(certificate)).wrap_socket(plain, server_hostname="127.0.0.1")
        opened.append((peer, client))
        return opened[-1]

    yield make
    for peer, client in opened:
        client.close()
        peer.__exit__()


def receive(client: ssl.SSLSocket, size: int = LARGE) -> bytes:
    buffer = bytearray(size)
    return bytes(buffer[: client.recv_into(buffer)])


def test_a_large_read_takes_all_records_that_have_arrived(
    connect: Callable[..., tuple[TlsPeer, ssl.SSLSocket]],
) -> None:
    peer, client = connect(lambda wire: wire.send(wire.records(DATA)))
    peer.await_arrival()

    assert receive(client) == DATA


@pytest.mark.parametrize("size", [1, 1000, 8192, RECORD])
def test_a_read_of_one_record_or_less_stays_one_read(
    size: int, connect: Callable[..., tuple[TlsPeer, ssl.SSLSocket]], monkeypatch: pytest.MonkeyPatch
) -> None:
    peer, client = connect(lambda wire: wire.send(wire.records(DATA)))
    peer.await_arrival()
    monkeypatch.setattr(type(client), "settimeout", None)

    assert receive(client, size) == DATA[:size]


@pytest.mark.parametrize("sizes", [[RECORD + 1], [20_000, 30_000, LARGE], [8192, LARGE], [RECORD, 17_000, LARGE]])
def test_reads_of_any_sizes_join_to_what_was_sent(
    sizes: list[int], connect: Callable[..., tuple[TlsPeer, ssl.SSLSocket]]
) -> None:
    peer, client = connect(lambda wire: wire.send(wire.records(DATA)))
    peer.await_arrival()

    received = b""
    for size in sizes:
        buffer = bytearray(b"\xee" * (size + 100))
        count = client.recv_into(buffer, size)
        assert 0 < count <= size
        assert buffer[count:] == b"\xee" * (size + 100 - count), "nothing is written behind what is reported"
        received += buffer[:count]
    assert received == DATA[: sum(sizes)]


@pytest.mark.parametrize("timeout", [5, None], ids=["with a timeout", "blocking"])
def test_a_pause_of_the_sender_holds_nothing_back_and_the_next_read_waits(
    timeout: float | None, connect: Callable[..., tuple[TlsPeer, ssl.SSLSocket]]
) -> None:
    def script(wire: Wire) -> None:
        wire.send(wire.records(DATA))
        wire.wait()
        wire.send(wire.records(b"the rest"))

    peer, client = connect(script, timeout)
    peer.await_arrival()

    assert receive(client) == DATA
    assert client.gettimeout() == timeout
    peer.go_on()
    assert receive(client) == b"the rest"


@pytest.mark.parametrize("missing_bytes", [1, 10, 900, RECORD])
def test_whole_records_are_handed_out_before_one_that_is_cut_off(
    missing_bytes: int, connect: Callable[..., tuple[TlsPeer, ssl.SSLSocket]]
) -> None:
    def script(wire: Wire) -> None:
        raw = wire.records(DATA)
        wire.send(raw[:-missing_bytes])
        wire.wait()
        wire.send(raw[-missing_bytes:])

    peer, client = connect(script)
    peer.await_arrival()

    first = receive(client)
    assert first == DATA[: 2 * RECORD if missing_bytes > 3000 else 3 * RECORD]
    peer.go_on()
    peer.await_arrival()
    assert first + receive(client) == DATA


@pytest.mark.parametrize("end", ENDS)
def test_bytes_before_an_end_are_handed_out_and_the_next_read_reports_it(
    end: str, connect: Callable[..., tuple[TlsPeer, ssl.SSLSocket]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def script(wire: Wire) -> None:
        wire.send(wire.records(DATA))
        ENDS[end](wire)

    def ended(client: ssl.SSLSocket) -> str:
        try:
            assert receive(client) == b""
        except OSError as exc:
            return type(exc).__name__
        return "end"

    peer, client = connect(script)
    peer.await_arrival()
    peer.await_arrival()

    assert receive(client) == DATA
    assert client.gettimeout() == 5
    seen = ended(client)
    assert receive(client, 100) == b"", "an end stays one"
    # Python's own sockets are the judge: before 3.11.9 and 3.12.3 they take a reset for an end.
    peer, pythons_own = connect(script)
    own: Any = type(pythons_own).__mro__[2]
    monkeypatch.setattr(type(pythons_own), "recv_into", own.recv_into)
    assert b"".join(receive(pythons_own, RECORD) for _ in range(4)) == DATA
    peer.await_arrival()
    peer.await_arrival()
    assert seen == ended(pythons_own)
    assert seen in {"RST": ("end", "ConnectionResetError")}.get(end, ("end",))


def test_a_forged_record_is_an_error_behind_the_genuine_ones(
    connect: Callable[..., tuple[TlsPeer, ssl.SSLSocket]],
) -> None:
    def script(wire: Wire) -> None:
        raw = wire.records(DATA)
        wire.send(raw[:-100] + bytes([raw[-100] ^ 1]) + raw[-99:])

    peer, client = connect(script)
    peer.await_arrival()

    assert receive(client) == DATA[: 3 * RECORD]
    with pytest.raises(ssl.SSLError):
        receive(client)


def test_a_stall_behind_bytes_is_a_timeout_of_the_next_read(
    connect: Callable[..., tuple[TlsPeer, ssl.SSLSocket]],
) -> None:
    def script(wire: Wire) -> None:
        wire.send(wire.records(DATA) + wire.records(DATA)[:500])
        wire.stall()

    peer, client = connect(script, 0.2)
    peer.await_arrival()

    assert receive(client) == DATA
    with pytest.raises(TimeoutError):
        receive(client)
    assert client.gettimeout() == 0.2


@pytest.fixture
def source(ask_either: Callable[..., RecordingSource]) -> Callable[[str, str | None], RecordingSource]:
    return partial(ask_either, read_timeout=0.5)


def head(*lines: str) -> bytes:
    return "\r\n".join(["HTTP/1.1 200 OK", "Content-Type: audio/wav", *lines, "", ""]).encode()


def chunked(data: bytes, size: int) -> bytes:
    parts = [data[start : start + size] for start in range(0, len(data), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)


def reads_of(
    body_source: RecordingSource, peer: TlsPeer, arrivals: int
) -> tuple[list[bytes], SourceUnavailable | None]:
    """The reads of a recording as a stream makes them, each of all that has arrived, and how they ended."""
    reads: list[bytes] = []
    with closing(body_source.open("k").body) as body:
        for _ in range(arrivals):
            peer.await_arrival()
        try:
            while chunk := body.read(LARGE if reads else 8192):
                reads.append(chunk)
        except SourceUnavailable as exc:
            return reads, exc
    return reads, None


def test_a_recording_comes_in_large_reads_after_a_small_first_one(
    source: Callable[[str, str | None], RecordingSource], certificate: Path
) -> None:
    length = f"Content-Length: {len(DATA)}"
    with TlsPeer(certificate, lambda wire: wire.send(wire.records(head(length) + DATA))) as peer:
        reads, failure = reads_of(source(peer.url, str(certificate)), peer, 1)

    assert (b"".join(reads), failure) == (DATA, None)
    assert len(reads) == 2
    assert len(reads[0]) <= 8192


@pytest.mark.parametrize("size", [1, 100, 7_000, 30_000, len(DATA)])
def test_chunks_are_taken_apart_whatever_records_they_came_in(
    size: int, source: Callable[[str, str | None], RecordingSource], certificate: Path
) -> None:
    data = DATA[:5000] if size < 1000 else DATA  # many chunks would not go into the kernel's buffers at once
    answer = head("Transfer-Encoding: chunked") + chunked(data, size) + b"0\r\n\r\n"
    with TlsPeer(certificate, lambda wire: wire.send(wire.records(answer))) as peer:
        reads, failure = reads_of(source(peer.url, str(certificate)), peer, 1)

    assert (b"".join(reads), failure) == (data, None)


@pytest.mark.parametrize("end", [*ENDS, "stall"])
@pytest.mark.parametrize("framing", ["Content-Length", "chunked", "no length"])
def test_a_body_that_breaks_gives_all_that_had_arrived_and_then_the_error(
    framing: str, end: str, source: Callable[[str, str | None], RecordingSource], certificate: Path
) -> None:
    answers = {
        "Content-Length": head(f"Content-Length: {len(DATA) + 1}") + DATA,
        "chunked": head("Transfer-Encoding: chunked") + chunked(DATA + b"x", len(DATA) + 1)[: -len(b"x\r\n")],
        "no length": head("Connection: close") + DATA,
    }

    def script(wire: Wire) -> None:
        wire.send(wire.records(answers[framing]))
        (ENDS | {"stall": Wire.stall})[end](wire)

    with TlsPeer(certificate, script) as peer:
        reads, failure = reads_of(source(peer.url, str(certificate)), peer, 1 if end == "stall" else 2)

    assert b"".join(reads) == DATA
    assert failure is not None
    assert ("ReadTimeout" in failure.reason) is (end == "stall")
