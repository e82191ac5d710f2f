"""Connections over TLS that hold more than was asked for, or that break before the head: as those without TLS."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from cxb_recordings.errors import SourceUnavailable
from cxb_recordings.playback.byte_range import RangeRequest
from cxb_recordings.playback.source import RecordingSource
from tests.servers.origin import ScriptedOrigin
from tests.servers.replies import reply
from tests.servers.tls_peer import TlsPeer, Wire

from . import read

BODIES = {
    "a length": lambda data: reply(200, {}, data),
    "a range": lambda data: reply(206, {"Content-Range": f"bytes 0-{len(data) - 1}/{len(data)}"}, data),
    "chunks": lambda data: (
        b"HTTP/1.1 206 X\r\nTransfer-Encoding: chunked\r\nContent-Range: bytes 0-%d/%d\r\n\r\n%x\r\n%s\r\n0\r\n\r\n"
        % (len(data) - 1, len(data), len(data), data)
    ),
}


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("size", [10, 9_000, 16_000, 40_000])
def test_nobody_hears_what_came_behind_a_body_in_the_same_record(
    size: int, body: str, certificate: Path, tls: ssl.SSLContext, ask_either: Callable[..., RecordingSource]
) -> None:
    forged = reply(200, {}, b"of bob, forged")
    scripts = [[BODIES[body](b"b" * size) + forged, reply(200, {}, b"of eve")], [reply(200, {}, b"of eve")] * 9]
    with ScriptedOrigin(*scripts, tls=tls) as server:
        source = ask_either(server.url, str(certificate))
        opened = source.open("bob", None if body == "a length" else RangeRequest(0, None))

        assert read(opened) == b"b" * size
        assert read(source.open("eve")) == b"of eve"


def sends_a_damaged_record(wire: Wire) -> None:
    damaged = bytearray(wire.records(b"HTTP/1.1 200 X\r\n"))
    damaged[-1] ^= 1
    wire.send(bytes(damaged))
    wire.stall()


@pytest.mark.parametrize("breaks", [Wire.ragged_eof, Wire.close_notify, Wire.reset, sends_a_damaged_record])
def test_a_connection_that_breaks_before_the_head_is_tried_twice_and_may_be_retried(
    breaks: Callable[[Wire], None], certificate: Path, ask_either: Callable[..., RecordingSource]
) -> None:
    heads = []

    def script(wire: Wire) -> None:
        heads.append(wire.head)
        breaks(wire)

    with TlsPeer(certificate, script) as peer, pytest.raises(SourceUnavailable) as failure:
        ask_either(peer.url, str(certificate)).open("k")

    assert (failure.value.is_transient, failure.value.responded, len(heads)) == (True, False, 2)
    assert ": " in failure.value.reason, "the log names what happened"


def test_a_connection_that_ends_within_the_handshake_is_tried_twice_and_may_be_retried(
    certificate: Path, ask_either: Callable[..., RecordingSource]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def hang_up_twice() -> None:
            for _ in range(2):
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65536)
                    connection.shutdown(socket.SHUT_WR)
                    connection.recv(65536)

        thread = threading.Thread(target=hang_up_twice, daemon=True)
        thread.start()
        with pytest.raises(SourceUnavailable) as failure:
            ask_either(f"https://127.0.0.1:{listener.getsockname()[1]}", str(certificate)).open("k")
        thread.join(5)

    assert (failure.value.is_transient, thread.is_alive()) == (True, False)
