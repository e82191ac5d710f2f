"""Download and media tools, and Python's file-like HTTP clients: what they get is the file, however they ask for it."""

from __future__ import annotations

import hashlib
import random
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.servers import find_program, missing, wait_until

from .site import PUBLIC, SECONDS, SOURCES, Site

from_each_source = pytest.mark.parametrize("source", SOURCES)
in_each_format = pytest.mark.parametrize(
    ("source", "ending"), [("storage", "wav"), ("fleet", "mp3"), ("storage", "ogg"), ("fleet", "m4a")]
)


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@from_each_source
def test_aria2_puts_the_file_together_from_eight_connections(
    request: pytest.FixtureRequest, links: str, site: Site, source: str, tmp_path: Path
) -> None:
    aria2 = find_program(request, "aria2c", "aria2")
    checksum = f"--checksum=sha-256={hashlib.sha256(site.recordings['wav']).hexdigest()}"
    before = len(site.requests(f"{PUBLIC}/{source}.wav"))

    options = [
        "--no-conf",
        "-q",
        "-x8",
        "-s8",
        "-k1M",
        "--max-tries=1",
        "--max-download-limit=8M",  # else the first connection may have all of it before another one is answered
        checksum,
        "-d",
        str(tmp_path),
        "-o",
        "call.wav",
    ]
    run(aria2, *options, f"{links}/{source}.wav")

    assert (tmp_path / "call.wav").read_bytes() == site.recordings["wav"]
    seen = site.requests(f"{PUBLIC}/{source}.wav")[before:]
    assert len([entry for entry in seen if entry["status"] == 206]) > 1  # how many, aria2 decides by its speed


@from_each_source
def test_curl_resumes_a_download_twice(
    request: pytest.FixtureRequest, links: str, site: Site, source: str, tmp_path: Path
) -> None:
    curl = find_program(request, "curl", "curl")
    data, part = site.recordings["wav"], tmp_path / "part"
    part.write_bytes(b"")
    command = [curl, "-q", "-fsS", "--max-time", "60", "-C", "-", "-o", str(part), f"{links}/{source}.wav"]
    # Its limit is kept by pauses behind bursts of a hundred buffers, which are of the limit's size below 100 KB.
    slowly = [*command, "--limit-rate", "16K"]
    for _ in range(2):
        reached = part.stat().st_size
        with subprocess.Popen(slowly) as interrupted:
            wait_until(lambda reached=reached: part.stat().st_size > reached + 100_000, "some more of the file")  # type: ignore[misc]
            interrupted.kill()
        assert 0 < part.stat().st_size < len(data)

    run(*command)

    assert part.read_bytes() == data


@in_each_format
def test_ffmpeg_seeks_to_the_same_frames_as_in_the_local_file(
    request: pytest.FixtureRequest, links: str, site: Site, source: str, ending: str, tmp_path: Path
) -> None:
    ffmpeg = find_program(request, "ffmpeg", "ffmpeg")
    local = tmp_path / f"call.{ending}"
    local.write_bytes(site.recordings[ending])

    def frames(url: str) -> list[str]:
        seek = [ffmpeg, "-v", "error", "-nostdin", "-ss", str(0.9 * SECONDS[ending]), "-i", url, "-t", "2"]
        return run(*seek, "-f", "framemd5", "-").splitlines()

    expected = frames(str(local))
    assert len(expected) > 10
    assert frames(f"{links}/{source}.{ending}") == expected


@in_each_format
def test_ffprobe_finds_the_duration(request: pytest.FixtureRequest, links: str, source: str, ending: str) -> None:
    ffprobe = find_program(request, "ffprobe", "ffmpeg")

    shown = run(
        ffprobe, "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", f"{links}/{source}.{ending}"
    )

    assert float(shown) == pytest.approx(SECONDS[ending], abs=1)


def seek_at_random(file: Any, data: bytes) -> None:
    positions = random.Random(3)
    for _ in range(12):
        start = positions.randrange(len(data))
        file.seek(start)
        assert file.tell() == start
        assert file.read(5000) == data[start : start + 5000]
    file.seek(-100, 2)
    assert file.read() == data[-100:]


@from_each_source
def test_fsspec_reads_at_random_positions(request: pytest.FixtureRequest, links: str, site: Site, source: str) -> None:
    try:
        import aiohttp  # noqa: F401 - what fsspec[http] speaks HTTP with
        import fsspec
    except ImportError:
        missing(request, "fsspec[http] (extra ci)")
    filesystem = fsspec.filesystem("http", skip_instance_cache=True, block_size=20_000)
    with filesystem.open(f"{links}/{source}.wav") as file:
        assert file.size == len(site.recordings["wav"])
        seek_at_random(file, site.recordings["wav"])


@from_each_source
def test_smart_open_reads_at_random_positions(
    request: pytest.FixtureRequest, links: str, site: Site, source: str
) -> None:
    try:
        import smart_open
    except ImportError:
        missing(request, "smart_open[http] (extra ci)")
    with smart_open.open(f"{links}/{source}.mp3", "rb", compression="disable") as file:
        seek_at_random(file, site.recordings["mp3"])


_REPLIES = {
    200: {},
    206: {"Range": "bytes=10-99"},
    304: {"If-None-Match": "*"},
    404: {},
    412: {"If-Match": '"another"'},
    416: {"Range": "bytes=999999999-"},
}


@from_each_source
@pytest.mark.parametrize("status", _REPLIES)
def test_httplint_calls_nothing_bad(request: pytest.FixtureRequest, links: str, source: str, status: int) -> None:
    try:
        from httplint import HttpResponseLinter
        from httplint.note import levels
    except ImportError:
        missing(request, "httplint (extra ci)")
    curl = find_program(request, "curl", "curl")
    key = f"{source}.ogg" if status != 404 else "absent.wav"
    headers = [part for name, value in _REPLIES[status].items() for part in ("-H", f"{name}: {value}")]
    reply = subprocess.run([curl, "-q", "-si", "--max-time", "20", *headers, f"{links}/{key}"], stdout=subprocess.PIPE)
    head, _, body = reply.stdout.partition(b"\r\n\r\n")
    status_line, *fields = head.split(b"\r\n")
    version, code, phrase = status_line.split(b" ", 2)
    assert int(code) == status

    linter = HttpResponseLinter()
    linter.process_response_topline(version.partition(b"/")[2], code, phrase)
    linter.process_headers([(name, value.strip()) for name, _, value in (field.partition(b":") for field in fields)])
    linter.feed_content(body)
    linter.finish_content(True)

    assert [note.summary for note in linter.notes if note.level == levels.BAD] == []
