"""Metrics and audit, as the how-tos have them: in one process, over gunicorn's workers, and in a real database."""

from __future__ import annotations

import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics
from pymongo import MongoClient

from cxb_recordings import InMemoryCallRepository, register, signals
from cxb_recordings.metrics import RecordingMetrics
from tests.servers import free_port
from tests.servers.gunicorn import GunicornFactory
from tests.servers.mongod import Mongod
from tests.servers.origin import OriginFactory
from tests.web.site import admin_headers, host_app

DOCS = Path(__file__).parents[1] / "docs"
DATA = bytes(range(256)) * 40
CALLS = [{"session_id": "s-1", "recording_key": "a.wav", "recording_access_token": "token"}]
PUBLIC = "/api/v1/public/recordings"


def python_blocks(page: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(), re.DOTALL)


def test_each_metric_says_what_happened(make_origin: OriginFactory) -> None:
    app, registry = host_app(), CollectorRegistry()
    down, up = f"http://127.0.0.1:{free_port()}", make_origin({"a.wav": DATA})
    service = register(app, lambda: {"cxbcore_fleet": [down, up.url]}, InMemoryCallRepository(CALLS))
    RecordingMetrics(registry).watch(service, "main")
    client = app.test_client()
    assert client.get(f"{PUBLIC}/token", headers={"Range": "bytes=0-99"}, buffered=True).status_code == 206
    assert client.get(f"{PUBLIC}/token", buffered=True).status_code == 200
    assert client.head(f"{PUBLIC}/token").status_code == 200
    assert client.get(f"{PUBLIC}/unknown").status_code == 404
    assert client.get("/api/v1/recordings/s-1").status_code == 401
    main = {"registration": "main"}

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(f"cxb_recordings_{name}", main | labels)

    public = {"route": "public", "source": up.url}
    assert value("requests_total", **public, status="206") == 1
    assert value("requests_total", **public, status="200") == 2
    assert value("requests_total", route="public", source="", status="404") == 1
    assert value("requests_total", route="admin", source="", status="401") == 1
    assert value("bytes_total", **public) == 100 + len(DATA)
    assert value("streams_total", end="complete") == 2
    assert value("streams_in_progress") == 0
    assert value("source_up", source=down) == 0
    assert value("source_failures_total", source=down) == 1
    assert value("first_byte_seconds_count", source=up.url) == 2
    assert value("duration_seconds_count", route="public") == 2
    assert b"token" not in generate_latest(registry)


def test_counted_ends_failures_and_times_name_a_playback_in_openmetrics(make_origin: OriginFactory) -> None:
    app, registry = host_app(), CollectorRegistry()
    fleet = [make_origin({}, fault="500").url, make_origin({"a.wav": DATA}).url]
    service = register(app, lambda: {"cxbcore_fleet": fleet}, InMemoryCallRepository(CALLS))
    RecordingMetrics(registry).watch(service)
    ids: set[str] = set()

    def hear(_: object, event: signals.RecordingServed) -> None:
        ids.add(event.playback_id)

    with signals.recording_served.connected_to(hear, service):
        assert app.test_client().get(f"{PUBLIC}/token", buffered=True).status_code == 200

    lines = openmetrics.generate_latest(registry).decode().splitlines()  # type: ignore[no-untyped-call]
    named = {line.partition("{")[0]: re.findall('# {playback_id="(.*?)"}', line) for line in lines if " # {" in line}
    assert named == {
        f"cxb_recordings_{name}": [*ids]
        for name in ("streams_total", "source_failures_total", "first_byte_seconds_bucket", "duration_seconds_bucket")
    }


def test_two_registrations_share_a_registry_under_their_names_and_a_second_set_is_an_error() -> None:
    app, registry = host_app(), CollectorRegistry()
    metrics = RecordingMetrics(registry)
    for name in ("one", "two"):
        admin, public = f"/{name}/admin", f"/{name}/public"
        calls = InMemoryCallRepository()
        service = register(app, dict, calls, name=name, admin_url_prefix=admin, public_url_prefix=public)
        metrics.watch(service, name)
    app.test_client().get("/two/public/unknown")
    labels = {"route": "public", "status": "404", "source": ""}
    counts = [
        registry.get_sample_value("cxb_recordings_requests_total", {"registration": name} | labels)
        for name in ("one", "two")
    ]
    assert counts == [None, 1]
    with pytest.raises(ValueError, match="Duplicated"):
        RecordingMetrics(registry)


@pytest.mark.full
def test_the_workers_of_gunicorn_are_added_up_as_the_how_to_says(
    make_origin: OriginFactory, gunicorn: GunicornFactory, tmp_path: Path
) -> None:
    first, collected, child_exit = python_blocks("metrics.md")
    fleet = [make_origin({"a.wav": DATA}).url]
    source = (
        "from flask import Flask\nfrom flask_jwt_extended import JWTManager\napp = Flask('host')\n"
        "app.config['JWT_SECRET_KEY'] = 'for this test only, thirty-two bytes and more'\nJWTManager(app)\n"
        + first.replace("lambda: {}", f"lambda: {{'cxbcore_fleet': {fleet}}}").replace(
            "InMemoryCallRepository()", f"InMemoryCallRepository({CALLS})"
        )
        + collected
    )
    (tmp_path / "files").mkdir()
    configuration = tmp_path / "gunicorn.conf.py"
    configuration.write_text(f"from prometheus_client import multiprocess\n{child_exit}")
    server = gunicorn(
        source,
        *("--workers", "2", "--threads", "4", "--config", str(configuration)),
        environment={"PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "files")},
    )
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: requests.get(f"{server.url}{PUBLIC}/token", timeout=10).content, range(40)))
    text = requests.get(f"{server.url}/metrics-of-all-workers", timeout=10).text
    [line] = [line for line in text.splitlines() if line.startswith("cxb_recordings_requests_total")]
    assert line.endswith(" 40.0")
    assert re.search(r'^cxb_recordings_streams_in_progress\{registration="cxb_recordings"\} 0\.0$', text, re.MULTILINE)


def test_the_audit_how_to_writes_one_document_for_a_playback_of_many_ranges(
    make_origin: OriginFactory, mongod: Mongod, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MONGODB_URI", mongod.uri)
    app = host_app()
    names: dict[str, Any] = {"app": app}
    [block] = python_blocks("audit.md")
    fleet = [make_origin({"a.wav": DATA}).url]
    block = block.replace("lambda: {}", f"lambda: {{'cxbcore_fleet': {fleet}}}")
    block = block.replace('"platform"', f'"audit{os.getpid()}"')
    exec(block.replace("InMemoryCallRepository()", f"InMemoryCallRepository({CALLS})"), names)
    admin = admin_headers(app)
    client = app.test_client()
    for number in range(5):
        assert client.get(f"{PUBLIC}/token", headers={"Range": f"bytes={number}-99"}, buffered=True).status_code == 206
        assert client.get("/api/v1/recordings/s-1", headers=admin, buffered=True).status_code == 200
    try:
        written = {entry["route"]: entry for entry in names["audit"].find()}
        quarters = {str(entry["_id"]["quarter"]) for entry in written.values()}
        assert names["audit"].count_documents({}) == 2 * len(quarters)
        assert written["admin"]["_id"]["listener"] == "anna"
        assert written["public"]["_id"]["listener"].startswith("link ")
        assert all(len(set(entry["playbacks"])) == entry["requests"] for entry in written.values())
        if len(quarters) == 1:
            assert written["public"]["requests"] == 5
            assert written["public"]["bytes"] == sum(100 - number for number in range(5))
            assert written["admin"]["bytes"] == 5 * len(DATA)
    finally:
        database = names["audit"].database
        client_of_database: MongoClient[Any] = database.client
        client_of_database.drop_database(database.name)
        client_of_database.close()
