"""The test kit for hosts: what is held in memory, how it fails, and that it leaves an app as it was."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from flask import Flask

from cxb_recordings import InMemoryCallRepository, register, signals
from cxb_recordings.errors import SourceUnavailable, StreamBroken
from cxb_recordings.pytest_plugin import HoldInMemory
from cxb_recordings.testing import InMemorySource, hold_in_memory

PROJECT = Path(__file__).parents[1]
DATA = bytes(range(256)) * 1000
KEY = "a.wav"
LINK = "/api/v1/public/recordings/token"
CALLS = [{"session_id": "s", "recording_key": KEY, "recording_access_token": "token"}]


@pytest.fixture
def app() -> Flask:
    app = Flask("host")
    register(app, dict, InMemoryCallRepository(CALLS), require_admin=lambda view: view)
    return app


def test_the_examples_of_the_page_pass_in_a_pytest_of_their_own(tmp_path: Path) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```$", (PROJECT / "docs/testing.md").read_text(), re.MULTILINE | re.DOTALL)
    (tmp_path / "test_host.py").write_text("\n\n".join(blocks))

    command = [sys.executable, "-W", "error", "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_host.py"]
    environment = {"PYTHONPATH": str(PROJECT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=100)

    assert f"{sum(block.count('def test_') for block in blocks)} passed" in done.stdout, done.stdout + done.stderr


def test_the_kit_needs_no_pytest() -> None:
    code = "import sys; sys.modules['pytest'] = None; import cxb_recordings.testing"

    subprocess.run([sys.executable, "-c", code], cwd=PROJECT, check=True, timeout=60)


def test_players_can_seek_and_know_what_they_have(app: Flask, recordings_in_memory: HoldInMemory) -> None:
    held = recordings_in_memory(app)
    held.source.recordings[KEY] = DATA
    client = app.test_client()

    whole = client.get(LINK)
    assert (whole.status_code, whole.data, whole.mimetype) == (200, DATA, "audio/wav")
    again = client.get(LINK, headers={"If-None-Match": whole.headers["ETag"]})
    assert again.status_code == 304
    assert client.get(LINK, headers={"Range": "bytes=-5"}).data == DATA[-5:]
    assert client.get(LINK, headers={"Range": f"bytes={len(DATA)}-"}).status_code == 416
    held.source.recordings[KEY] = DATA[1:]
    assert client.get(LINK).headers["ETag"] != whole.headers["ETag"]


def test_a_source_that_goes_down_breaks_what_it_is_sending(app: Flask, recordings_in_memory: HoldInMemory) -> None:
    held = recordings_in_memory(app)
    held.source.recordings[KEY] = DATA
    reply = app.test_client().get(LINK)
    started = time.monotonic()

    held.source.is_down = True

    with pytest.raises(StreamBroken):
        reply.get_data()
    assert time.monotonic() - started < 10, "there are no pauses between attempts"
    [served] = held.heard(signals.RecordingServed)
    assert (served.broken, served.complete) == (True, False)
    assert {type(event) for event in held.events} >= {signals.RecordingStarted, signals.SourceFailed}
    held.source.is_down = False
    assert app.test_client().get(LINK).data == DATA


def test_afterwards_the_app_is_as_it_was(app: Flask) -> None:
    service = app.extensions["cxb_recordings"]
    before = dict(vars(service))

    with pytest.raises(RuntimeError), hold_in_memory(app) as held:
        raise RuntimeError("by the test")

    assert vars(service) == before
    assert app.test_client().get(LINK).status_code == 404
    assert held.events == []


def test_a_source_that_one_test_took_down_is_new_to_the_next(app: Flask) -> None:
    def kinds(*, is_down: bool) -> list[type]:
        with hold_in_memory(app, InMemorySource({KEY: DATA}, is_down=is_down)) as held:
            app.test_client().get(LINK)
        return [type(event) for event in held.events if isinstance(event, signals.SourcePutAside | signals.SourceBack)]

    assert kinds(is_down=True) == kinds(is_down=True) == [signals.SourcePutAside]
    assert kinds(is_down=False) == []


def test_what_nginx_would_fetch_in_one_test_is_new_to_the_next() -> None:
    storage = {"endpoint": "http://127.0.0.1:1", "access_key": "a", "secret_key": "s", "bucket": "recordings"}
    app = Flask("host")
    calls = InMemoryCallRepository(CALLS)
    register(app, lambda: {"minio": storage}, calls, require_admin=lambda view: view, offload="/_recordings/")

    for data in (b"abc", b"abcdef"):
        with hold_in_memory(app, InMemorySource({KEY: data}, "storage")) as held:
            reply = app.test_client().get(LINK, headers={"Range": "bytes=-2"})
        assert reply.headers["X-Storage-Range"] == f"bytes={len(data) - 2}-{len(data) - 1}"
        assert len(held.heard(signals.RecordingOffloaded)) == 1


def test_sources_with_one_name_are_refused_with_the_remedy(app: Flask) -> None:
    twins = InMemorySource(), InMemorySource({KEY: DATA})

    with pytest.raises(ValueError, match=r"'memory'.*InMemorySource.name="), hold_in_memory(app, *twins):
        pass


def test_each_opening_that_fails_raises_an_error_of_its_own() -> None:
    source = InMemorySource({KEY: DATA}, breaks=[0, 0])
    source.failure = SourceUnavailable("busy", status=503)
    errors = []
    for is_down in (False, True, False, True):
        source.is_down = is_down
        with pytest.raises(SourceUnavailable) as caught:
            source.open(KEY)
        errors.append(caught.value)

    assert len({id(error) for error in [*errors, source.failure]}) == 5
    assert {(error.reason, error.responded, error.status) for error in errors} == {("busy", True, 503)}
    assert source.failure.__traceback__ is None


def test_a_source_that_is_down_uses_up_no_break() -> None:
    source = InMemorySource({KEY: DATA}, is_down=True, breaks=[50_000])
    with pytest.raises(SourceUnavailable):
        source.open(KEY)

    source.is_down = False

    assert source.open(KEY).body.read(len(DATA)) == DATA[:50_000]


def test_each_registration_is_held_by_its_name(app: Flask, recordings_in_memory: HoldInMemory) -> None:
    prefixes = {"admin_url_prefix": "/b", "public_url_prefix": "/public/b"}
    register(app, dict, InMemoryCallRepository(CALLS), require_admin=lambda view: view, name="b", **prefixes)  # type: ignore[arg-type]
    one = recordings_in_memory(app, InMemorySource({KEY: b"one"}))
    two = recordings_in_memory(app, InMemorySource({KEY: b"two"}), name="b")

    assert (app.test_client().get(LINK).data, app.test_client().get("/public/b/token").data) == (b"one", b"two")
    assert len(one.heard(signals.RecordingServed)) == len(two.heard(signals.RecordingServed)) == 1


@pytest.mark.parametrize("name", ["cxb_recordings", "other"])
def test_an_app_without_the_registration_is_told_what_to_do(name: str) -> None:
    with pytest.raises(ValueError, match=f"register.*name='{name}'"), hold_in_memory(Flask("host"), name=name):
        pass


def test_threads_may_play_at_once(app: Flask, recordings_in_memory: HoldInMemory) -> None:
    held = recordings_in_memory(app)
    held.source.recordings[KEY] = DATA
    held.source.breaks = [9000, 10_000, 11_000, 12_000]
    received = []
    threads = [threading.Thread(target=lambda: received.append(app.test_client().get(LINK).data)) for _ in range(4)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert received == [DATA] * 4
