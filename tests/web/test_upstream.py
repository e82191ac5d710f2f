"""What a source is asked for a client's request: how often, with which headers, over which connections."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from tests.servers import wait_until
from tests.servers.origin import OriginFactory

from .site import KEY, Site, Upstream

DATA = bytes(range(256)) * 40
KEEPING = pytest.mark.parametrize("upstream", ["ceph", "fleet"], indirect=True)  # moto's server closes each connection
LONG = bytes(range(256)) * 16384  # 4 MB: more than sockets hold on the way


@pytest.fixture
def stored(upstream: Upstream) -> Upstream:
    """A site on each kind of source in turn, which has DATA under KEY."""
    upstream.store(DATA)
    upstream.ask("HEAD")
    upstream.requests.clear()
    return upstream


def asked(site: Upstream) -> list[tuple[str, str | None]]:
    """Method and Range of each request that the source was sent, which are then forgotten."""
    sent = [(request.method, request.headers["Range"]) for request in site.requests]
    site.requests.clear()
    return sent


@pytest.mark.parametrize("upstream", ["moto", "ceph", "seaweedfs", "rclone", "fleet"], indirect=True)
def test_one_upstream_request_answers_get_a_range_head_304_and_412(stored: Upstream) -> None:
    tag = stored.ask("HEAD").headers["ETag"]
    asked(stored)

    for method, headers, status, upstream_request in [
        ("GET", {}, 200, ("GET", None)),
        ("GET", {"Range": "bytes=5-9"}, 206, ("GET", "bytes=5-9")),
        ("GET", {"Range": "bytes=5-"}, 206, ("GET", "bytes=5-")),
        ("GET", {"Range": "bytes=-5"}, 206, ("GET", "bytes=-5")),
        ("GET", {"Range": "bytes=5-9", "If-Range": tag}, 206, ("GET", "bytes=5-9")),
        ("GET", {"Range": "bytes=-0"}, 416, ("HEAD", None)),
        ("HEAD", {}, 200, ("HEAD", None)),
        ("HEAD", {"Range": "bytes=5-9"}, 200, ("HEAD", None)),
        ("HEAD", {"If-None-Match": tag}, 304, ("HEAD", None)),
        ("GET", {"If-None-Match": tag}, 304, ("GET", None)),
        ("GET", {"If-None-Match": f"W/{tag}"}, 304, ("GET", None)),
        ("GET", {"If-None-Match": "*"}, 304, ("GET", None)),
        ("GET", {"If-None-Match": tag, "Range": "bytes=5-9"}, 304, ("GET", "bytes=5-9")),
        ("GET", {"If-Match": '"x"'}, 412, ("GET", None)),
        ("GET", {"If-Match": '"x"', "Range": "bytes=5-9"}, 412, ("GET", "bytes=5-9")),
    ]:
        assert stored.ask(method, headers).status_code == status, headers
        assert asked(stored) == [upstream_request], (method, headers)


def test_a_mismatching_if_range_costs_one_request_more(stored: Upstream) -> None:
    assert stored.ask(headers={"Range": "bytes=5-9", "If-Range": '"x"'}).data == DATA

    assert asked(stored) == [("GET", "bytes=5-9"), ("GET", None)]


@pytest.mark.parametrize("upstream", ["moto", "ceph", "seaweedfs", "rclone", "fleet"], indirect=True)
def test_a_416_costs_one_request_more_where_the_source_tells_no_total(stored: Upstream) -> None:
    assert stored.ask(headers={"Range": "bytes=99999-"}).headers["Content-Range"] == "bytes */10240"

    ranged = ("GET", "bytes=99999-")
    assert asked(stored) == ([ranged] if stored.kind in ("fleet", "seaweedfs") else [ranged, ("HEAD", None)])


def test_a_clients_own_headers_do_not_go_upstream(stored: Upstream) -> None:
    own = {
        "Accept": "audio/wav",
        "Accept-Encoding": "gzip",
        "Cookie": "a=b",
        "Forwarded": "for=1.2.3.4",
        "User-Agent": "player",
        "X-Amz-Date": "x",
        "X-CXBCore-Secret": "guess",
    }
    assert stored.ask(headers={**own, **stored.admin}, route="admin").data == DATA

    [sent] = stored.requests
    assert {sent.headers[name] for name in own} & set(own.values()) == set()
    assert stored.admin["Authorization"] not in sent.headers.values()


def test_each_host_gets_its_own_secret_and_one_without_gets_none(make_origin: OriginFactory) -> None:
    hosts = [make_origin(secret="own-secret"), make_origin(), make_origin({KEY: DATA})]
    entries = [*hosts[0].fleet()["cxbcore_fleet"], hosts[1].url, {"url": hosts[2].url, "secret": ""}]

    assert Site({"cxbcore_fleet": entries, "cxbcore_secret": "common-secret"}).ask().data == DATA
    assert [host.requests[0].headers["X-CXBCore-Secret"] for host in hosts] == [
        "own-secret",
        "common-secret",
        "common-secret",
    ]
    assert Site({"cxbcore_fleet": [hosts[2].url]}).ask().data == DATA
    assert hosts[2].requests[-1].headers["X-CXBCore-Secret"] is None


@pytest.mark.parametrize("upstream", ["ceph", "seaweedfs"], indirect=True)  # moto's server folds the slashes
@pytest.mark.parametrize("key", ["a//b.wav", "/a.wav", "a\\b.wav"])
def test_storage_has_keys_that_no_path_has(upstream: Upstream, key: str) -> None:
    upstream.store(DATA, key)

    assert upstream.ask(key=key).data == DATA


def test_an_upstream_is_freed_on_every_exit(watched: Upstream) -> None:
    watched.store(LONG)
    path = watched.path()

    for method, headers in (
        ("HEAD", {}),
        ("GET", {"If-None-Match": "*"}),
        ("GET", {"If-Match": '"x"'}),
        ("GET", {"Range": "bytes=99999999-"}),
        ("GET", {"Range": "bytes=5-", "If-Range": '"x"'}),
    ):
        watched.client.open(path, method=method, headers=headers).close()
        wait_until(lambda: watched.relay.open_connections <= 1, "the connection's end")

    with watched.client.get(path) as started:
        next(started.iter_encoded())
    wait_until(lambda: watched.relay.open_connections <= 1, "the connection's end after a client left")
    assert watched.ask().data == LONG


@KEEPING
def test_no_more_upstream_connections_are_in_use_than_requests_are_in_progress(watched: Upstream) -> None:
    watched.store(LONG)
    path = watched.path()
    with ExitStack() as playing:
        for listeners in range(1, 4):
            reply = playing.enter_context(watched.app.test_client().get(path))
            next(reply.iter_encoded())
            for method, headers, status in (
                ("HEAD", {}, 200),
                ("GET", {"Range": "bytes=5-9"}, 206),
                ("GET", {"Range": "bytes=5-9", "If-Range": '"x"'}, 200),
                ("GET", {"Range": "bytes=99999999-"}, 416),
                ("GET", {"If-None-Match": "*"}, 304),
                ("GET", {"If-Match": '"x"'}, 412),
            ):
                with watched.client.open(path, method=method, headers=headers) as other:
                    assert other.status_code == status
                # One beside the listeners' own: that of the request that has just ended, pooled or about to close.
                wait_until(
                    lambda: watched.relay.open_connections <= listeners + 1,  # noqa: B023 - asked here only
                    f"the end of what {method} {headers} used",
                )
            assert watched.relay.open_connections >= listeners
    wait_until(lambda: watched.relay.open_connections <= 1, "the end of the listeners' connections")


@pytest.mark.full
@KEEPING
def test_after_400_mixed_requests_no_upstream_connection_is_open_beyond_the_pool(watched: Upstream) -> None:
    watched.store(DATA)
    tag = watched.ask("HEAD").headers["ETag"]
    listeners = 4
    mix: list[tuple[str, dict[str, str], int]] = [
        ("GET", {}, 200),
        ("GET", {"Range": "bytes=100-9000"}, 206),
        ("GET", {"Range": "bytes=-1"}, 206),
        ("GET", {"Range": "bytes=99999-"}, 416),
        ("GET", {"Range": "bytes=5-9", "If-Range": '"x"'}, 200),
        ("GET", {"If-None-Match": tag}, 304),
        ("GET", {"If-None-Match": "*", "Range": "bytes=0-99"}, 304),
        ("GET", {"If-Match": '"x"'}, 412),
        ("HEAD", {}, 200),
    ]
    rng = random.Random(1)
    before = watched.relay.accepted

    def listen(kind: tuple[str, dict[str, str], int]) -> None:
        method, headers, status = kind
        with watched.app.test_client().open(watched.path(), method=method, headers=headers) as reply:
            assert reply.status_code == status, kind
            if rng.random() < 0.8:  # the others leave before the first byte
                assert len(reply.data) == int(reply.headers.get("Content-Length", 0)) or method == "HEAD"

    with ThreadPoolExecutor(listeners) as threads:
        list(threads.map(listen, rng.choices(mix, k=400)))

    wait_until(lambda: watched.relay.open_connections <= listeners, "the end of the connections that are not pooled")
    assert watched.relay.accepted - before < 400, "connections are used again after a body that was read whole"
    assert watched.ask().data == DATA


@KEEPING
def test_a_host_that_is_asked_again_is_asked_over_the_same_connection(stored: Upstream) -> None:
    assert stored.ask().data == DATA
    before = stored.relay.accepted

    for _ in range(5):
        assert stored.ask().data == DATA
        assert stored.ask(headers={"Range": "bytes=5-9"}).data == DATA[5:10]

    assert stored.relay.accepted == before
