"""nginx in front, with the configuration of the how-to; and what a cache does to ranges without it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import requests
from urllib3.exceptions import HTTPError

from tests.servers import free_port, wait_until
from tests.servers.nginx import NginxFactory
from tests.servers.wsgi import WsgiServer

from .site import PUBLIC, Site, ask

PAGE = Path(__file__).parents[2] / "docs/nginx.md"
CACHE = "proxy_cache_path {directory} keys_zone=all:1m; proxy_cache all; proxy_cache_valid 200 1m;\n"


def configuration(app: WsgiServer, port: int) -> str:
    """The how-to's server block, for this application and port."""
    block = re.search(r"```nginx\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert block is not None
    upstream = f"upstream app {{ server {app.url.removeprefix('http://')}; }}\n"
    return upstream + block[1].replace("127.0.0.1:8080", f"127.0.0.1:{port}")


@pytest.mark.parametrize("cache_elsewhere", [False, True])
@pytest.mark.parametrize("source", ["storage", "fleet"])
def test_playback_through_nginx_is_as_without_it(
    nginx: NginxFactory, gthread: WsgiServer, site: Site, source: str, cache_elsewhere: bool, tmp_path: Path
) -> None:
    port = free_port()
    cache = CACHE.format(directory=tmp_path / "cache") if cache_elsewhere else ""
    nginx(cache + configuration(gthread, port), port)
    link, data = f"http://127.0.0.1:{port}{PUBLIC}/{source}.ogg", site.recordings["ogg"]
    for _ in range(2):  # a cache would answer the second time
        whole = ask(link)
        assert (whole.status_code, whole.content) == (200, data)
        part = ask(link, Range="bytes=1000-1999")
        assert (part.status_code, part.content) == (206, data[1000:2000])
        assert part.headers["Content-Range"] == f"bytes 1000-1999/{len(data)}"
        assert ask(link, Range="bytes=-7").content == data[-7:]
        assert ask(link, Range=f"bytes={len(data)}-").status_code == 416
        assert ask(link, **{"If-None-Match": whole.headers["ETag"]}).status_code == 304
        head = ask(link, "HEAD")
        assert head.headers["Content-Length"] == str(len(data))
    ours = ("Cache-Control", "Content-Type", "Content-Security-Policy", "X-Robots-Tag", "Accept-Ranges", "ETag")
    direct = ask(f"{gthread.url}{PUBLIC}/{source}.ogg")
    assert [whole.headers.get(name) for name in ours] == [direct.headers.get(name) for name in ours]


def test_a_cache_that_is_on_for_these_routes_breaks_ranges(
    nginx: NginxFactory, gthread: WsgiServer, tmp_path: Path
) -> None:
    port = free_port()
    cached = configuration(gthread, port).replace("proxy_cache off;", "").replace("proxy_buffering off;", "")
    nginx(CACHE.format(directory=tmp_path / "cache") + cached, port)
    reply = ask(f"http://127.0.0.1:{port}{PUBLIC}/storage.ogg", Range="bytes=1000-1999")
    assert reply.status_code == 200, "the how-to says why proxy_cache must be off"


def test_a_sync_worker_of_gunicorn_is_killed_in_the_middle_of_a_stream(
    request: pytest.FixtureRequest, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GUNICORN_CMD_ARGS", "--timeout 1")
    server = WsgiServer(request, "gunicorn sync", site.source, tmp_path)
    server.start()
    try:
        with requests.get(f"{server.url}{PUBLIC}/storage.wav", stream=True, timeout=30) as reply:
            reply.raw.read(65536)  # and no more: the worker is held until gunicorn loses its patience
            wait_until(lambda: "WORKER TIMEOUT" in server.log.read_text(), "the worker's end")
            with pytest.raises((HTTPError, OSError)):
                while reply.raw.read(1_000_000):
                    pass
    finally:
        server.kill()
