"""Two instances behind nginx, as the page on containers has them: one is killed in the middle, the player goes on."""

from __future__ import annotations

import os
import re
import signal
from typing import Any

import pytest
import requests
from urllib3.exceptions import HTTPError

from tests.servers import free_port
from tests.servers.gunicorn import PROJECT, Gunicorn, GunicornFactory
from tests.servers.nginx import NginxFactory

from .callroom import DEADLINE
from .site import PUBLIC, Site, ask

# Each says who it is, and sends a part at 13 MB/s: faster, all of it is in the kernel's buffers before the kill.
SAYS_WHO = """

@app.after_request
def say_who(response):
    import os
    response.headers["X-Instance"] = os.environ["INSTANCE"]
    if response.status_code == 206:
        response.response = paced(response.response)
    return response


def paced(body):
    import time
    for chunk in body:
        yield chunk
        time.sleep(len(chunk) / 13_000_000)
"""


def block(page: str, start: str) -> str:
    """The page's code block of nginx that begins so."""
    found = re.search(rf"```nginx\n({start}.*?)```", (PROJECT / "docs" / page).read_text(), re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture
def instances(gunicorn: GunicornFactory, site: Site) -> dict[str, Gunicorn]:
    arguments = ("--worker-class", "gthread", "--threads", "8")
    source = site.source + SAYS_WHO
    return {name: gunicorn(source, *arguments, environment={"INSTANCE": name}) for name in ("app-1", "app-2")}


@pytest.fixture
def front(nginx: NginxFactory, instances: dict[str, Gunicorn]) -> str:
    """nginx with the pages' blocks; its URL."""
    port = free_port()
    upstream = block("containers.md", "upstream")
    for name, instance in instances.items():
        upstream = upstream.replace(f"{name}:8000", instance.url.removeprefix("http://"))
    more = block("containers.md", "proxy_connect_timeout")
    server = block("nginx.md", "server").replace("127.0.0.1:8080", f"127.0.0.1:{port}")
    server = server.replace("proxy_cache off;", f"proxy_cache off;\n{more}")
    player = "location = /player { proxy_pass http://app; }"
    nginx(upstream + server.replace("location /api/v1/", f"{player}\nlocation /api/v1/"), port)
    return f"http://127.0.0.1:{port}"


def kill(instance: Gunicorn) -> None:
    os.killpg(instance.process.pid, signal.SIGKILL)
    instance.process.wait(timeout=10)


def test_a_client_goes_on_by_a_range_where_its_instance_was_killed(
    front: str, instances: dict[str, Gunicorn], site: Site
) -> None:
    data, received, seen = site.recordings["wav"], b"", list[tuple[int, str]]()
    tag = ask(f"{front}{PUBLIC}/storage.wav", "HEAD").headers["ETag"]
    while len(received) < len(data):
        assert len(seen) < 5, seen
        headers = {"Range": f"bytes={len(received)}-", "If-Range": tag, "Accept-Encoding": "identity"}
        with requests.get(f"{front}{PUBLIC}/storage.wav", headers=headers, stream=True, timeout=20) as reply:
            name = reply.headers["X-Instance"]
            seen.append((reply.status_code, name))
            try:
                while chunk := reply.raw.read(100_000):
                    received += chunk
                    if len(seen) == 1 and len(received) > 500_000 and instances[name].process.poll() is None:
                        kill(instances[name])
            except (HTTPError, OSError):
                continue

    assert received == data
    assert [status for status, _ in seen] == [206, 206]
    assert {name for _, name in seen} == {"app-1", "app-2"}


def test_a_browser_plays_on_where_its_instance_was_killed(
    browser: Any, front: str, instances: dict[str, Gunicorn]
) -> None:
    page = browser.new_page()
    served: list[str] = []
    page.on("response", lambda reply: served.append(reply.headers.get("x-instance", "")) if PUBLIC in reply.url else 0)
    page.goto(f"{front}/player?src={PUBLIC}/storage.wav")
    audio = page.locator("audio")
    audio.evaluate("audio => audio.play()")
    page.wait_for_function("document.querySelector('audio').currentTime > 0.2", timeout=DEADLINE)

    kill(instances[served[-1]])
    audio.evaluate("audio => { audio.currentTime = 590 }")

    page.wait_for_function("document.querySelector('audio').currentTime > 590.2", timeout=DEADLINE)
    assert audio.evaluate("audio => audio.error") is None
    assert set(served) == {"app-1", "app-2"}
    page.close()
