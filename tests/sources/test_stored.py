"""What is remembered of recordings that nginx fetches by itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, partial
from urllib.parse import parse_qs, urlsplit

import pytest

from cxb_recordings.errors import RecordingMissing, SourceUnavailable
from cxb_recordings.playback.byte_range import RangeRequest
from cxb_recordings.playback.pace import Pace
from cxb_recordings.playback.source import OpenedRecording
from cxb_recordings.search import Offloaded
from cxb_recordings.sources.storage.client import ObjectStorage
from cxb_recordings.sources.storage.presigning import presign_get_object
from cxb_recordings.sources.storage.settings import StorageSettings
from cxb_recordings.sources.stored import REMEMBERED_RECORDINGS, REMEMBERED_SECONDS, StoredRecordings
from cxb_recordings.sources.transport import Transport
from cxb_recordings.testing import InMemorySource
from tests.servers.origin import ScriptedOrigin

STORAGE = StorageSettings("https://s3.example", "us-east-1", "recordings", "key", "the-secret-key")


@cache
def signer(storage: StorageSettings = STORAGE) -> Callable[[str, int], str]:
    return partial(presign_get_object, storage)


pace = Pace(10, lambda: 0.0, 1.0)


@dataclass
class Storage(InMemorySource):
    asked: list[str] = field(default_factory=list)

    def open(self, key: str, wanted: RangeRequest | None = None, *, unless_etag: str | None = None) -> OpenedRecording:
        self.asked.append(key)
        return super().open(key, wanted, unless_etag=unless_etag)


@dataclass
class Desk:
    """The recordings that are remembered, the storage behind, and a clock that moves when a test moves it."""

    now: float = 0.0

    def __post_init__(self) -> None:
        self.source = Storage({"a.wav": b"0123456789"})
        self.stored = StoredRecordings(lambda: self.now)

    def find(self, key: str = "a.wav", storage: StorageSettings = STORAGE) -> tuple[int | None, str]:
        found = self.stored.find(self.source, signer(storage), key, pace)
        return found.info.length, found.signed_url


def test_storage_is_asked_once_in_half_a_minute() -> None:
    desk = Desk()
    first = desk.find()
    desk.now += REMEMBERED_SECONDS - 1
    assert desk.find() == first
    assert desk.source.asked == ["a.wav"]

    desk.source.recordings["a.wav"] = b"other"
    desk.now += 1
    assert desk.find()[0] == 5
    assert desk.source.asked == ["a.wav"] * 2


def test_the_signed_url_outlives_what_is_remembered_by_as_long_again() -> None:
    query = parse_qs(urlsplit(Desk().find()[1]).query)
    assert int(query["X-Amz-Expires"][0]) >= 2 * REMEMBERED_SECONDS


def test_an_absence_is_not_remembered() -> None:
    desk = Desk()
    with pytest.raises(RecordingMissing):
        desk.find("b.wav")
    desk.source.recordings["b.wav"] = b"new"
    assert desk.find("b.wav")[0] == 3


def test_an_empty_recording_is_found_too() -> None:
    desk = Desk()
    desk.source.recordings["empty.wav"] = b""
    assert desk.find("empty.wav")[0] == 0


@pytest.mark.parametrize("length", [b"1", b"10", b"100"])
def test_a_head_that_is_cut_off_within_a_length_is_not_remembered(length: bytes) -> None:
    cut = b"HTTP/1.1 206 X\r\nContent-Length: 1\r\nContent-Range: bytes 0-0/" + length
    with ScriptedOrigin([cut], closes=True) as server:
        storage = StorageSettings(server.url, "us-east-1", "recordings", "key", "secret")
        source = ObjectStorage(storage, Transport(5, 5))
        with pytest.raises(SourceUnavailable):
            StoredRecordings(lambda: 0.0).find(source, source.signed_url, "a.wav", pace)


def test_other_settings_are_another_recording() -> None:
    desk = Desk()
    other = StorageSettings("https://s3.example", "us-east-1", "other", "key", "secret")
    assert desk.find()[1].startswith("https://s3.example/recordings/a.wav?")
    assert desk.find(storage=other)[1].startswith("https://s3.example/other/a.wav?")
    assert len(desk.source.asked) == 2


def test_no_more_than_so_many_are_remembered() -> None:
    desk = Desk()
    for number in range(REMEMBERED_RECORDINGS + 1):
        desk.source.recordings[f"{number}.wav"] = b""
        desk.find(f"{number}.wav")
    desk.find(f"{REMEMBERED_RECORDINGS}.wav")
    desk.find("0.wav")
    assert [desk.source.asked.count(f"{number}.wav") for number in (0, REMEMBERED_RECORDINGS)] == [2, 1]


def test_no_signed_url_is_in_a_repr() -> None:
    desk = Desk()
    found = desk.stored.find(desk.source, signer(), "a.wav", pace)
    assert "X-Amz" in found.signed_url
    assert "X-Amz" not in repr(found) + repr(Offloaded(found.signed_url))
