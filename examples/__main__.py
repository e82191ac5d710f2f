"""Starts the demonstration: ``python -m examples``. Each service is embedded unless a variable names a real one."""

from __future__ import annotations

import argparse
import logging
import secrets
import signal
import socket
import time
from typing import Any

import pymongo
from botocore.exceptions import BotoCoreError, ClientError
from pymongo.collection import Collection
from pymongo.errors import PyMongoError
from werkzeug.serving import make_server

from cxb_recordings import (
    CallRepository,
    InMemoryCallRepository,
    InMemorySettingsProvider,
    MongoCallRepository,
    RepositoryUnavailable,
)

from . import demonstration, embedded, environment
from .host import create_app

_started = time.monotonic()


def main() -> None:
    """Start everything, show what to try, and serve until Ctrl+C."""
    parser = argparse.ArgumentParser(prog="python -m examples", description="A host application to try.")
    parser.add_argument("--port", type=int, default=8000, help="of the host application; 0: any free one")
    parser.add_argument("--seed", action="store_true", help="store the demonstration's calls in real services too")
    options = parser.parse_args()
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("cxb_recordings").setLevel(logging.INFO)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # its access log would show the links' tokens
    try:
        storage, fleet, collection = environment.storage(), environment.fleet(), environment.calls()
    except (ValueError, PyMongoError) as error:
        parser.error(str(error))
    is_real = any(part is not None for part in (storage, fleet, collection))
    if is_real and not options.seed and collection is None:
        parser.error(
            "with a real service but without CXB_MONGODB_URI there are no calls but the demonstration's: --seed"
        )
    try:
        listener = socket.create_server((embedded.LOOPBACK, options.port))
    except (OSError, OverflowError) as error:
        reason = error.strerror if isinstance(error, OSError) else "there is no such port"
        parser.error(f"--port {options.port}: {reason}; --port 0 takes any free one")

    stored, fleet_only = _make(on_fleet=fleet is None) if options.seed or not is_real else ([], None)
    if storage is None:
        storage = embedded.start_storage()
        _step(f"S3 server at {storage['endpoint']}")
    if fleet is None:
        fleet = [embedded.start_fleet_host({fleet_only.key: fleet_only.body} if fleet_only else {})]
        _step(f"fleet host at {fleet[0]['url']}")
    calls = [recording.call() for recording in (*stored, fleet_only) if recording]
    try:
        for doing in demonstration.upload(stored, storage):
            _step(doing)
        call_repo = _repository(collection, calls)
    except (BotoCoreError, ClientError) as error:
        parser.exit(1, f"CXB_MINIO_ENDPOINT: {error}\n")
    except (PyMongoError, RepositoryUnavailable) as error:
        parser.exit(1, f"CXB_MONGODB_URI: {error}\n")
    password = secrets.token_hex(8)
    settings = InMemorySettingsProvider({"minio": storage, "cxbcore_fleet": fleet})
    app = create_app(settings, call_repo, admin_password=password)
    server = make_server(embedded.LOOPBACK, 0, app, threaded=True, fd=listener.fileno())
    base = f"http://{embedded.LOOPBACK}:{listener.getsockname()[1]}"
    _step(f"host application at {base}\n")
    for line in demonstration.curl_commands(app.extensions["cxb_recordings"], base, password, stored, fleet_only):
        print(line)
    print("\nCtrl+C stops everything.", flush=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    server.serve_forever()  # returns at Ctrl+C
    print("stopped")


def _make(*, on_fleet: bool) -> tuple[list[demonstration.Recording], demonstration.Recording | None]:
    _step("making audio: from five seconds to an hour")
    stored, fleet_only = demonstration.make_recordings()
    return stored, fleet_only if on_fleet else None


def _repository(collection: Collection[dict[str, Any]] | None, calls: list[dict[str, Any]]) -> CallRepository:
    if collection is None:
        return InMemoryCallRepository(calls)
    repository = MongoCallRepository(collection)
    if calls:
        repository.ensure_indexes()
    with pymongo.timeout(10):
        for call in calls:
            _step(f"storing call {call['session_id']}")
            collection.update_one({"session_id": call["session_id"]}, {"$set": call}, upsert=True)
    return repository


def _step(text: str) -> None:
    print(f"[{time.monotonic() - _started:4.1f} s] {text}", flush=True)


if __name__ == "__main__":
    main()
