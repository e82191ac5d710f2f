"""Odd bytes in every part of a request that Flask decodes: no 500, and nothing is held."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from cxb_recordings import InMemoryCallRepository, register
from cxb_recordings.pytest_plugin import HoldInMemory
from cxb_recordings.testing import InMemorySource

from .site import PREFIXES, host_app, serving
from .unruly_host import DATA, KEY, NOTHING_HELD, PUBLIC, make_app

ODD = "\xff\xfe%ff%"  # as WSGI hands on the bytes FF FE, and escapes that are none of UTF-8
HEADERS = (
    *("RANGE", "IF_RANGE", "IF_MATCH", "IF_NONE_MATCH", "IF_MODIFIED_SINCE", "IF_UNMODIFIED_SINCE"),
    *("COOKIE", "AUTHORIZATION", "USER_AGENT", "REFERER", "ACCEPT", "X_FORWARDED_FOR", "X_RECORDING_OFFLOAD"),
)
PARTS = (
    *("QUERY_STRING", "SCRIPT_NAME", "SERVER_NAME"),
    *("REMOTE_ADDR", "CONTENT_TYPE", "CONTENT_LENGTH", "wsgi.url_scheme"),
)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("part", [*PARTS, *(f"HTTP_{header}" for header in HEADERS)])
def test_odd_bytes_in_a_part_of_the_request_neither_fail_nor_hold_anything(part: str, method: str) -> None:
    client = make_app().test_client()
    for value in (ODD, f"bytes=0-{ODD}", f"download=1&{ODD}", "", "\x80" * 5000):
        reply = client.open(PUBLIC, method=method, environ_overrides={part: value}, buffered=True)
        assert reply.status_code in (200, 206, 304, 400, 412, 416)
        assert client.get("/held").json == NOTHING_HELD


@pytest.mark.parametrize(
    ("query", "attachment"),
    [
        (f"download=1&{ODD}", True),
        (f"{ODD}&download=1", True),
        ("download=%31", True),
        ("", False),
        ("download=0", False),
        ("download=", False),
        ("x=1", False),
        (f"download=1{ODD}", False),
        ("download=&download=1", False),
        ("download", False),
        (f"{ODD}download=1", False),
    ],
)
def test_download_is_found_in_any_query(query: str, attachment: bool) -> None:
    reply = make_app().test_client().get(PUBLIC, environ_overrides={"QUERY_STRING": query}, buffered=True)

    assert (reply.status_code, reply.data) == (200, DATA)
    assert reply.headers["Content-Disposition"].startswith("attachment" if attachment else "inline")


def test_odd_paths_are_404_also_with_an_odd_query() -> None:
    client = make_app().test_client()
    for path in (f"{PUBLIC}\xff", f"{PREFIXES['public']}/\xff", f"/{PUBLIC}", "/\xff", f"{PUBLIC}/"):
        overrides = {"PATH_INFO": path, "QUERY_STRING": ODD}
        assert client.get("/", environ_overrides=overrides, buffered=True).status_code in (200, 308, 404)
    assert client.get("/held").json == NOTHING_HELD


def test_raw_bytes_in_the_request_line_of_a_real_server_play_the_recording() -> None:
    with serving(make_app()) as address:
        for _ in range(2):
            with socket.create_connection(address, timeout=30) as connection:
                line = f"GET {PUBLIC}?\xff\xfe HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
                connection.sendall(line.encode("latin-1"))
                answer = b"".join(iter(lambda: connection.recv(65536), b""))
            assert answer.startswith(b"HTTP/1.1 200 ")
            assert answer.endswith(b"\r\n\r\n" + DATA)


def test_a_token_that_is_looked_for_in_an_odd_query_is_401(recordings_in_memory: HoldInMemory) -> None:
    app = host_app(JWT_TOKEN_LOCATION=["query_string"])
    calls: Any = InMemoryCallRepository([{"session_id": "s-1", "recording_key": KEY}])
    register(app, dict, calls)
    recordings_in_memory(app, InMemorySource({KEY: DATA}))

    reply = app.test_client().get(f"{PREFIXES['admin']}/s-1", environ_overrides={"QUERY_STRING": ODD})

    assert reply.status_code == 401
