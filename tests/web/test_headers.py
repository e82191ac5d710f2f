"""The headers of 200, 206 and 304: the table of headers, on every kind of source."""

from __future__ import annotations

import pytest

from cxb_recordings import stream_recording_key
from tests.servers.origin import OriginFactory, ScriptedOrigin

from .site import KEY, Route, Site, Upstream

DATA = bytes(range(256)) * 40
GUARDS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; media-src 'self'; sandbox allow-same-origin",
    "Referrer-Policy": "no-referrer",
}
WITHOUT_A_PLAYER = "default-src 'none'; sandbox"
BY_ROUTE = {
    "public": {"Cross-Origin-Resource-Policy": "cross-origin", "X-Robots-Tag": "noindex, nofollow"},
    "admin": {"Cross-Origin-Resource-Policy": "same-site"},
}
OF_200 = {
    *GUARDS,
    "Accept-Ranges",
    "Cache-Control",
    "Content-Disposition",
    "Content-Length",
    "Content-Type",
    "Cross-Origin-Resource-Policy",
    "ETag",
    "Last-Modified",
}


@pytest.fixture
def stored(upstream: Upstream) -> Upstream:
    """A site on each kind of source in turn, which has DATA under KEY."""
    upstream.store(DATA)
    return upstream


def test_only_the_headers_of_the_table_are_sent(stored: Upstream, route: Route) -> None:
    expected = OF_200 | BY_ROUTE[route].keys()

    for method, headers, more in (
        ("GET", {}, set()),
        ("HEAD", {}, set()),
        ("GET", {"Range": "bytes=0-1"}, {"Content-Range"}),
    ):
        sent = stored.ask(method, headers, route=route).headers
        assert sorted(name for name, _ in sent) == sorted(expected | more)


def test_the_validator_the_type_and_the_length_agree_in_head_200_206_and_304(stored: Upstream, route: Route) -> None:
    head, whole = stored.ask("HEAD", route=route), stored.ask(route=route)
    part = stored.ask(headers={"Range": "bytes=-1"}, route=route)
    unmodified = stored.ask(headers={"If-None-Match": whole.headers["ETag"]}, route=route)

    assert [reply.status_code for reply in (head, whole, part, unmodified)] == [200, 200, 206, 304]
    assert len({reply.headers["ETag"] for reply in (head, whole, part, unmodified)}) == 1
    assert len({reply.headers["Last-Modified"] for reply in (head, whole, part)}) == 1
    assert len({reply.headers["Content-Type"] for reply in (head, whole, part)}) == 1
    assert len({reply.headers["Content-Disposition"] for reply in (head, whole, part)}) == 1
    assert head.headers["Content-Length"] == whole.headers["Content-Length"] == "10240"
    assert part.headers["Content-Range"].rpartition("/")[2] == "10240"
    assert head.headers["Accept-Ranges"] == whole.headers["Accept-Ranges"] == part.headers["Accept-Ranges"] == "bytes"


@pytest.mark.parametrize("media_type", ["text/html", "audio/wav"])
def test_a_304_keeps_the_policy_of_its_200_whatever_type_it_comes_with(media_type: str) -> None:
    of_200 = b'HTTP/1.1 200 X\r\nContent-Length: 4\r\nETag: "1"\r\nContent-Type: audio/wav\r\n\r\nRIFF'
    of_304 = f'HTTP/1.1 304 X\r\nETag: "1"\r\nContent-Type: {media_type}\r\n\r\n'.encode()
    with ScriptedOrigin([of_200, of_304]) as host:
        site = Site({"cxbcore_fleet": [host.url]})
        whole = site.ask(key="call")
        unmodified = site.ask(headers={"If-None-Match": '"1"'}, key="call")

    assert (whole.status_code, unmodified.status_code) == (200, 304)
    assert whole.headers["Content-Security-Policy"] == GUARDS["Content-Security-Policy"]
    assert "Content-Security-Policy" not in unmodified.headers


def test_the_etag_changes_with_the_file(stored: Upstream) -> None:
    before = stored.ask("HEAD").headers["ETag"]
    stored.store(DATA[::-1])

    assert stored.ask("HEAD").headers["ETag"] != before
    assert stored.ask(headers={"If-None-Match": before}).data == DATA[::-1]
    reply = stored.ask(headers={"Range": "bytes=0-4", "If-Range": before})
    assert (reply.status_code, reply.data) == (200, DATA[::-1])


def test_the_502_of_an_http_1_0_request_gives_back_its_stream(make_origin: OriginFactory) -> None:
    host = make_origin({KEY: DATA}, fault="no length")
    site = Site({"cxbcore_fleet": [host.url]}, max_streams=1)

    assert [site.ask(http="HTTP/1.0").status_code for _ in range(2)] == [502, 502]
    assert site.ask().data == DATA


def test_a_view_of_the_hosts_own_sends_the_same(stored: Site) -> None:
    with stored.app.test_request_context("/", headers={"Range": "bytes=5-9"}):
        reply = stream_recording_key("2024/05/call 1.wav")
        with reply:
            assert (reply.status_code, b"".join(reply.response)) == (206, DATA[5:10])  # type: ignore[arg-type]
        assert reply.headers["Cross-Origin-Resource-Policy"] == "same-site"
        assert reply.headers["Content-Range"] == "bytes 5-9/10240"
