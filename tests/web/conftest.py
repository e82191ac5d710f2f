"""Sites for the tests of what a client sees: one for each kind of source, and servers that answer as a test says."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.servers.ceph import Ceph
from tests.servers.fleet_host import FleetHost, Received
from tests.servers.moto_s3 import S3Gateway, S3Server
from tests.servers.scripted_origin import ScriptedOrigin

from .site import ROUTES, Route, Scripted, Upstream

SECRET = "fleet-secret-12345"

OriginFactory = Callable[[Callable[[Received], bytes]], ScriptedOrigin]


@pytest.fixture(params=ROUTES)
def route(request: pytest.FixtureRequest) -> Route:
    """Each route in turn."""
    name: Route = request.param
    return name


@pytest.fixture(params=["moto", "ceph", "fleet"])
def upstream(request: pytest.FixtureRequest) -> Upstream:
    """A site on each kind of source in turn: a quick S3 store, a real one, and a fleet host."""
    site: Upstream = request.getfixturevalue(f"{request.param}_site")
    site.reset()
    return site


@pytest.fixture
def watched(upstream: Upstream) -> Iterator[Upstream]:
    """A site on each kind of source in turn, with a relay of its own.

    Applications of earlier tests keep their pools, and so connections to the common relay, until they are collected.
    """
    site = Upstream(upstream.kind, upstream.source)
    yield site
    site.relay.stop()


@pytest.fixture
def fleet(fleet_site: Upstream) -> Upstream:
    """A site on a fleet host."""
    fleet_site.reset()
    return fleet_site


@pytest.fixture(scope="session", params=["storage", "fleet"])
def scripted(request: pytest.FixtureRequest) -> Iterator[Scripted]:
    """A site on each kind of source in turn, which answers as a test says."""
    site = Scripted(request.param)
    yield site
    site.origin.stop()


@pytest.fixture
def origin() -> Iterator[OriginFactory]:
    """A factory of scripted origins, each on its own port."""
    origins: list[ScriptedOrigin] = []

    def start(answer: Callable[[Received], bytes]) -> ScriptedOrigin:
        origins.append(ScriptedOrigin(answer))
        return origins[-1]

    yield start
    for started in origins:
        started.stop()


@pytest.fixture(scope="session")
def moto_site(moto_s3: S3Server) -> Iterator[Upstream]:
    """A site on moto's server; making a site's client costs more than a test."""
    site = Upstream("moto", moto_s3.new_bucket())
    yield site
    site.stop()


@pytest.fixture(scope="session")
def ceph_site(ceph: Ceph) -> Iterator[Upstream]:
    """A site on Ceph's gateway."""
    site = Upstream("ceph", ceph.new_bucket())
    yield site
    site.stop()


@pytest.fixture(scope="session")
def seaweedfs_site(seaweedfs: S3Gateway) -> Iterator[Upstream]:
    """A site on SeaweedFS."""
    site = Upstream("seaweedfs", seaweedfs.new_bucket())
    yield site
    site.stop()


@pytest.fixture(scope="session")
def rclone_site(rclone: S3Gateway) -> Iterator[Upstream]:
    """A site on rclone's server, which answers a range with 200 and Content-Range."""
    site = Upstream("rclone", rclone.new_bucket())
    yield site
    site.stop()


@pytest.fixture(scope="session")
def fleet_site() -> Iterator[Upstream]:
    """A site on a fleet host that asks for a secret."""
    site = Upstream("fleet", FleetHost(secret=SECRET))
    yield site
    site.stop()
