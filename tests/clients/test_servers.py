"""The same list of requests under each WSGI server: status, the headers that the library sets, and the body."""

from __future__ import annotations

import pytest

from tests.servers.wsgi import COMMANDS, WsgiServer

from .site import PUBLIC, SOURCES, Site, ask

_OURS = (
    *("Content-Length", "Content-Type", "Content-Disposition", "Content-Range", "Accept-Ranges", "Cache-Control"),
    *("X-Content-Type-Options", "Content-Security-Policy", "Referrer-Policy"),
    *("X-Robots-Tag", "Cross-Origin-Resource-Policy"),
)
_REQUESTS: tuple[tuple[str, str, dict[str, str], int], ...] = (
    ("GET", "", {}, 200),
    ("HEAD", "", {}, 200),
    ("HEAD", "", {"Range": "bytes=0-9"}, 200),
    ("GET", "?download=1", {}, 200),
    ("GET", "", {"Range": "bytes=10-99"}, 206),
    ("GET", "", {"Range": "bytes=-500"}, 206),
    ("GET", "", {"Range": "bytes=0-1,5-6"}, 200),
    ("GET", "", {"Range": "bytes=999999999-"}, 416),
    ("GET", "", {"If-None-Match": "*"}, 304),
    ("GET", "", {"If-Match": '"another"'}, 412),
)


def _body(method: str, headers: dict[str, str], status: int, data: bytes) -> bytes | None:
    """What must come back; None where it is a problem document."""
    if method == "HEAD" or status == 304:
        return b""
    if status == 206:
        return data[10:100] if headers["Range"] == "bytes=10-99" else data[-500:]
    return data if status == 200 else None


@pytest.mark.parametrize("name", COMMANDS)
def test_every_server_gives_the_same_answers(
    request: pytest.FixtureRequest, site: Site, links: str, name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    server = WsgiServer(request, name, site.source, tmp_path_factory.mktemp("server"))
    try:
        server.start()
        for source in SOURCES:
            for method, query, headers, status in _REQUESTS:
                url = f"/{source}.ogg{query}"
                reply, expected = ask(server.url + PUBLIC + url, method, **headers), ask(links + url, method, **headers)
                assert reply.status_code == status
                ours = [reply.headers.get(header) for header in (*_OURS, "ETag", "Last-Modified")]
                assert ours == [expected.headers.get(header) for header in (*_OURS, "ETag", "Last-Modified")]
                body = _body(method, headers, status, site.recordings["ogg"])
                assert reply.content == (expected.content if body is None else body)
    finally:
        server.kill()
