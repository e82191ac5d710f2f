"""A kind of source is added by one new file, ``directory``, and one line in ``kinds.KINDS``."""

from __future__ import annotations

from pathlib import Path

import pytest

from cxb_recordings import signals
from cxb_recordings.playback.conditions import PlaybackRequest
from cxb_recordings.service import RecordingService
from cxb_recordings.settings import read_settings
from cxb_recordings.sources.kinds import KINDS
from tests.commands import AUDIO, KEY, doctor, trace
from tests.servers.conversation import Fault
from tests.servers.origin import OriginFactory

from .directory import DIRECTORY


@pytest.fixture(autouse=True)
def _the_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cxb_recordings.settings.KINDS", (DIRECTORY, *KINDS))


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    file = tmp_path / "recordings" / KEY
    file.parent.mkdir(parents=True)
    file.write_bytes(AUDIO)
    return tmp_path / "recordings"


def play(service: RecordingService, wanted: str = "bytes=0-") -> tuple[str, bytes]:
    playback = service.open(KEY, PlaybackRequest.from_headers("GET", {"Range": wanted}))
    assert playback.stream is not None
    return playback.source, b"".join(playback.stream)


def test_it_plays_and_where_it_is_away_another_source_does(directory: Path, make_origin: OriginFactory) -> None:
    host = make_origin({KEY: AUDIO})
    service = RecordingService(lambda: host.fleet() | {"recordings_directory": str(directory)})
    aside: list[str] = []

    def put_aside(_: object, event: signals.SourcePutAside) -> None:
        aside.append(event.source)

    assert play(service, "bytes=5-9") == ("directory", AUDIO[5:10])
    directory.rename(directory.with_name("away"))
    with signals.source_put_aside.connected_to(put_aside, service):
        assert [play(service) for _ in range(2)] == [(host.url, AUDIO)] * 2
    assert aside == ["directory"]


def test_a_stream_that_breaks_goes_on_from_it(
    directory: Path, make_origin: OriginFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cxb_recordings.settings.KINDS", (*KINDS, DIRECTORY))
    host = make_origin({KEY: AUDIO}, [Fault("reset", 12_000)], "500")
    settings = host.fleet() | {"recordings_directory": str(directory)}
    service = RecordingService(lambda: settings)
    resumed: list[str] = []

    def resume(_: object, event: signals.StreamResumed) -> None:
        resumed.append(event.source)

    with signals.stream_resumed.connected_to(resume, service):
        assert play(service) == (host.url, AUDIO)
    assert resumed == ["directory"]


def test_doctor_and_trace_report_it(directory: Path) -> None:
    settings = {"recordings_directory": str(directory)}

    assert doctor(settings).of("directory")["seen"] == "answers 404 for a key that can't exist"
    traced = trace(settings)
    assert traced.of("directory")["length"] == len(AUDIO)
    assert traced.of("recording")["seen"] == "it plays, from directory"

    away = {"recordings_directory": f"{directory}/away"}
    for report in (doctor(away), trace(away)):
        assert (report.exit_code, report.of("directory")["status"]) == (1, "failure")
        assert report.of("directory")["seen"] == "the directory is not there"


def test_its_settings_are_read_and_their_faults_and_misspellings_named() -> None:
    assert [str(fault) for fault in read_settings({"recordings_directory": 7}).faults] == [
        "recordings_directory: an absolute path is needed"
    ]
    [misnamed] = read_settings({"recordings_dirctory": "/srv"}).misnamed
    assert misnamed.problem == "it is not read; recordings_directory is the field's name"
    assert "recordings_directory" in doctor({"recordings_directory": "x"}).first["check"]
