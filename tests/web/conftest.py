"""Sites for the tests of what a client sees: one for each kind of source, and servers that answer as a test says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.servers.ceph import Ceph
from tests.servers.moto_s3 import Bucket, S3Gateway, S3Server
from tests.servers.origin import Origin

from .site import ROUTES, Route, Scripted, Upstream

SECRET = "fleet-secret-12345"


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


@contextmanager
def _site(kind: str, source: Bucket | Origin) -> Iterator[Upstream]:
    """A site on one source; making a site's client costs more than a test."""
    site = Upstream(kind, source)
    yield site
    site.stop()


@pytest.fixture(scope="session")
def moto_site(moto_s3: S3Server) -> Iterator[Upstream]:
    """A site on moto's server."""
    with _site("moto", moto_s3.new_bucket()) as site:
        yield site


@pytest.fixture(scope="session")
def ceph_site(ceph: Ceph) -> Iterator[Upstream]:
    """A site on Ceph's gateway."""
    with _site("ceph", ceph.new_bucket()) as site:
        yield site


@pytest.fixture(scope="session")
def seaweedfs_site(seaweedfs: S3Gateway) -> Iterator[Upstream]:
    """A site on SeaweedFS."""
    with _site("seaweedfs", seaweedfs.new_bucket()) as site:
        yield site


@pytest.fixture(scope="session")
def rclone_site(rclone: S3Gateway) -> Iterator[Upstream]:
    """A site on rclone's server, which answers a range with 200 and Content-Range."""
    with _site("rclone", rclone.new_bucket()) as site:
        yield site


@pytest.fixture(scope="session")
def fleet_site() -> Iterator[Upstream]:
    """A site on a fleet host that asks for a secret."""
    with _site("fleet", Origin(secret=SECRET)) as site:
        yield site
