"""Each source of recordings with its server, for the contract suite; and keys that are hard to carry."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import pytest

from cxb_recordings.playback.source import RecordingSource
from cxb_recordings.settings import read_settings
from cxb_recordings.sources.fleet import FleetHost, FleetHostSettings, make_session
from cxb_recordings.sources.storage.client import ObjectStorage
from cxb_recordings.sources.transport import Transport
from cxb_recordings.testing import InMemorySource
from tests.servers import free_port
from tests.servers.moto_s3 import Bucket, S3Gateway

KEYS = [
    *("plain.wav", "2024/05/01/nested.wav", "with space.wav", " space at both ends ", "100%.wav", "%2e%2e"),
    *("a/%2e%2e/b", "a%2Fb", "%00", "a+b", "a#b", "a?b=c&d", "?versionId=1", 'it\'s "quoted"', "<a>&[b]{c}|^`"),
    *("semi;colon:at@comma,equal=dollar$bang!star*(parentheses)", "~tilde_under-score.dot", "..."),
    *(".hidden/..almost/x..", "ü", "u\u0308 is not ü", "日本語/録音.wav", "\U0001f600.wav"),
    *("a\u00a0b\u2028c", "k" * 200),
]

FLEET_SECRET = "the-secret-of-a-fleet-host"


@dataclass
class Subject:
    """A source, how a recording gets into it, and its server.

    Attributes:
        gone: a context in which its server is gone; None for memory, which has none.
        pools: urllib3's pools below it, of which there must be one; None likewise.
        secrets: what must never be shown.
        hides_total: whether its 416 has no Content-Range, and so tells no length.
        refused_ranges: those, by their names in the suite, that it answers as if they were none, each with the reason.
    """

    source: RecordingSource
    put: Callable[[str, bytes], Any]
    gone: Callable[[], AbstractContextManager[Any]] | None = None
    pools: Callable[[], list[Any]] | None = None
    secrets: tuple[str, ...] = ()
    hides_total: bool = False
    refused_ranges: dict[str, str] = field(default_factory=dict)

    def pool(self) -> Any:
        """urllib3's only pool."""
        assert self.pools
        [pool] = self.pools()
        return pool

    def idle(self) -> int:
        """How many open connections wait for reuse; fails where one was taken out and not brought back."""
        slots = list(self.pool().pool.queue)
        assert len(slots) == 100
        return sum(connection is not None and connection.is_connected for connection in slots)


def memory(_request: pytest.FixtureRequest) -> Subject:
    source = InMemorySource(media_type="audio/wav")
    return Subject(source, source.recordings.__setitem__)


def storage(bucket: Bucket, **changes: object) -> ObjectStorage:
    settings = read_settings({"minio": bucket.settings(**changes)}).require_storage()
    return ObjectStorage(settings, Transport(5, 30))


def moto(request: pytest.FixtureRequest) -> Subject:
    bucket: Bucket = request.getfixturevalue("moto_bucket")
    source = storage(bucket)
    subject = Subject(source, bucket.put, None, lambda: [source._pool], (bucket.server.secret_key,), True)

    @contextmanager
    def gone() -> Iterator[None]:  # moto's server lives in this process and serves other tests
        subject.source = storage(bucket, endpoint=f"http://127.0.0.1:{free_port()}")
        yield

    subject.gone = gone
    return subject


def ceph(request: pytest.FixtureRequest) -> Subject:
    return _judge(request.getfixturevalue("ceph"), hides_total=True)


def seaweedfs(request: pytest.FixtureRequest) -> Subject:
    return _judge(request.getfixturevalue("seaweedfs"))


def rclone(request: pytest.FixtureRequest) -> Subject:
    subject = _judge(request.getfixturevalue("rclone"), hides_total=True)
    for length in ("that is too long", "as long as can be"):
        subject.refused_ranges[f"a suffix {length}"] = "416 where a suffix is longer than the recording"
    return subject


def _judge(store: S3Gateway, *, hides_total: bool = False) -> Subject:
    bucket = store.new_bucket()
    source = storage(bucket)
    secrets = (store.access_key, store.secret_key)
    return Subject(source, bucket.put, store.gateway.killed, lambda: [source._pool], secrets, hides_total)


def fleet(request: pytest.FixtureRequest) -> Subject:
    host = request.getfixturevalue("make_origin")(secret=FLEET_SECRET, base="/core")
    session = make_session()
    request.addfinalizer(session.close)
    settings = FleetHostSettings(host.url, FLEET_SECRET)
    source = FleetHost(session, settings, Transport(5, 30))
    manager = session.get_adapter("http://").poolmanager  # type: ignore[attr-defined]

    def pools() -> list[Any]:
        return [manager.pools[key] for key in manager.pools.keys()]  # noqa: SIM118 - not a dict

    return Subject(source, host.recordings.__setitem__, lambda: nullcontext(host.refuse()), pools, (FLEET_SECRET,))
