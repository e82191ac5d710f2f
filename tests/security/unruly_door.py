"""The door between opening and closing: what is done at an unruly host, and that nothing stays held after it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any
from unittest import mock

from flask import Flask
from hypothesis import strategies as st
from werkzeug.test import create_environ

from tests.web import unruly_host

header_text = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\0"), max_size=40)
header_values = header_text | st.sampled_from(
    ["bytes=0-0", "bytes=-5", "bytes=0-", "bytes=99999999-", "bytes=0-" + "9" * 5000, "bytes=0-1,2-3", "bytes=-0"]
    + ["*", '"a"', 'W/"a"', '"a", "b"', '"', "Wed, 01 May 2024 10:00:00 GMT", "Wed, 01 May 99999 10:00:00 GMT"]
    + ["Bearer x", "Bearer a.b.c", "Basic eDp5", "Bearer " + "." * 300]
)
# What Flask and Werkzeug decode, each when it is looked at.
parts = st.dictionaries(
    st.sampled_from(
        ["QUERY_STRING", "PATH_INFO", "SCRIPT_NAME", "SERVER_NAME", "SERVER_PROTOCOL", "REMOTE_ADDR", "CONTENT_LENGTH"]
        + ["HTTP_RANGE", "HTTP_IF_RANGE", "HTTP_IF_NONE_MATCH", "HTTP_COOKIE", "HTTP_USER_AGENT", "HTTP_REFERER"]
        + ["HTTP_HOST", "HTTP_AUTHORIZATION", "HTTP_X_FORWARDED_FOR", "HTTP_X_RECORDING_OFFLOAD", "wsgi.url_scheme"]
    ),
    header_values | st.sampled_from(["\xff\xfe", "download=1&\xff", "%ff%fe=%", "\x80" * 3000]),
    max_size=2,
)
# Not those whose generators raise when they are dropped, which Python only writes to stderr; Flask 3.0's own
# `stream_with_context` is one, where another trick keeps it beyond its request. And not the middlewares that don't
# close, as WSGI asks: an exception of another trick may keep their frames, and in these what they drop.
# ``test_leaks`` has them.
_ALONE = {"none", "a context around it", *unruly_host.RAISE_WHEN_DROPPED}
tricks = [name for name in unruly_host.TRICKS if name not in _ALONE and "a middleware" not in name]
plays = st.tuples(
    st.sampled_from([unruly_host.PUBLIC, unruly_host.ADMIN, unruly_host.OWN]),
    st.sampled_from(["GET", "GET", "GET", "HEAD"]),
    st.lists(st.sampled_from(tricks), max_size=3, unique=True),
    parts,
    st.booleans(),
    st.sampled_from(["reads it", "takes the first chunk", "closes it", "drops it"]),
)
Play = tuple[str, str, list[str], dict[str, str], bool, str]


def play_at(host: Flask, play: Play) -> None:
    """Play, as a server does, and fail where something stays held."""
    path, method, tricks, changes, propagates, leaving = play
    host.testing, host.logger.disabled = propagates, True
    client = host.test_client()
    environ = create_environ(path, method=method, headers={"X-Trick": "|".join(tricks)}) | changes
    statuses: list[Any] = []

    def start_response(status: str, *_: Any) -> Callable[[bytes], object]:
        statuses.append(status)
        return statuses.append

    # A test's log keeps its records, and they the frames of an exception, with all that these refer to.
    unkept = mock.patch.object(logging.getLogger("cxb_recordings.signals"), "disabled", new=True)
    try:
        # As a server does it; the test client trips over some parts itself.
        with unkept:
            body: Any = host(environ, start_response)
        try:
            if leaving == "reads it":
                b"".join(body)
            elif leaving == "takes the first chunk":
                next(iter(body), b"")
        finally:
            # WSGI asks for a close; without it, an exception that is kept somewhere would keep what was dropped.
            if (leaving != "drops it" or tricks) and hasattr(body, "close"):
                body.close()
            del body
        assert tricks or statuses[-1] < "500"
    except (Exception, SystemExit):  # what is raised is the tricks' affair
        if not tricks:
            raise
    assert client.get("/held", buffered=True).json == unruly_host.NOTHING_HELD
    assert client.get(unruly_host.PUBLIC, buffered=True).data == unruly_host.DATA
