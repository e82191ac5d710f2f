"""Sites for the tests of what a client sees: one for each kind of source, and servers that answer as a test says."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.servers.moto_s3 import S3Server
from tests.servers.origin import Origin

from .site import ROUTES, Route, Scripted, Upstream

SECRET = "fleet-secret-12345"


@pytest.fixture(params=ROUTES)
def route(request: pytest.FixtureRequest) -> Route:
    """Each route in turn."""
    name: Route = request.param
    return name


@pytest.fixture(params=["moto", "ceph", "fleet"])
def upstream(request: pytest.FixtureRequest, site_on: Callable[[str], Upstream]) -> Upstream:
    """A site on each kind of source in turn: a quick S3 store, a real one, and a fleet host."""
    return site_on(request.param)


@pytest.fixture
def watched(upstream: Upstream) -> Iterator[Upstream]:
    """A site on each kind of source in turn, with a relay of its own.

    Applications of earlier tests keep their pools, and so connections to the common relay, until they are collected.
    """
    site = Upstream(upstream.kind, upstream.source)
    yield site
    site.relay.stop()


@pytest.fixture
def fleet(site_on: Callable[[str], Upstream]) -> Upstream:
    """A site on a fleet host that asks for a secret."""
    return site_on("fleet")


@pytest.fixture(scope="session", params=["storage", "fleet"])
def scripted(request: pytest.FixtureRequest) -> Iterator[Scripted]:
    """A site on each kind of source in turn, which answers as a test says."""
    site = Scripted(request.param)
    yield site
    site.origin.stop()


@pytest.fixture(scope="session")
def site_on(request: pytest.FixtureRequest) -> Iterator[Callable[[str], Upstream]]:
    """Finds the site on a kind of source; each is made once: making its client costs more than a test."""
    made: dict[str, Upstream] = {}

    def find(kind: str) -> Upstream:
        if kind not in made and kind == "fleet":
            made[kind] = Upstream(kind, Origin(secret=SECRET))
        elif kind not in made:
            store: S3Server = request.getfixturevalue("moto_s3" if kind == "moto" else kind)
            made[kind] = Upstream(kind, store.new_bucket())
        made[kind].reset()
        return made[kind]

    yield find
    for site in made.values():
        site.stop()
