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
from pymongo.collection import Collection
from pymongo.errors import PyMongoError
from werkzeug.serving import make_server

from cxb_recordings import InMemorySettingsProvider, RepositoryUnavailable

from . import demonstration, embedded, environment
from .calls import Calls, MemoryCalls, MongoCalls
from .host import HostOptions, create_app
from .plugs import LOOPBACK, Plug
from .storage import StorageRefused

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
        listener = socket.create_server((LOOPBACK, options.port))
    except (OSError, OverflowError) as error:
        reason = error.strerror if isinstance(error, OSError) else "there is no such port"
        parser.error(f"--port {options.port}: {reason}; --port 0 takes any free one")
    base = f"http://{LOOPBACK}:{listener.getsockname()[1]}"

    made = None
    if options.seed or not is_real:
        _step("making audio: from five seconds to an hour")
        made = demonstration.make_recordings(on_fleet=fleet is None)
    plugs: dict[str, Plug] = {}
    storage = storage or _embedded_storage(plugs)
    fleet = fleet or _embedded_fleet(made, plugs)
    try:
        for doing in demonstration.upload(made, storage) if made else ():
            _step(doing)
        calls = _calls(collection, made)
    except StorageRefused as error:
        parser.exit(1, f"CXB_MINIO_ENDPOINT: {error}\n")
    except (PyMongoError, RepositoryUnavailable) as error:
        parser.exit(1, f"CXB_MONGODB_URI: {error}\n")
    crm_url, crm_key = embedded.start_crm()
    _step(f"CRM at {crm_url}")
    secret, password = secrets.token_hex(16), secrets.token_hex(8)
    host_options = HostOptions(base, password, secret, crm_url, crm_key, plugs)
    app = create_app(InMemorySettingsProvider({"minio": storage, "cxbcore_fleet": fleet}), calls, host_options)
    for recording in made.all() if made else ():
        app.extensions["example_crm"].push(recording.session_id)
    server = make_server(LOOPBACK, 0, app, threaded=True, fd=listener.fileno())
    _step("serving\n")
    print(f"Dashboard:  {base}/   user admin, password {password}")
    print(f"CRM:        {crm_url}/\n")
    for line in demonstration.curl_commands(app.extensions["cxb_recordings"], base, password, secret, made):
        print(line)
    print("\nCtrl+C stops everything.", flush=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    server.serve_forever()  # returns at Ctrl+C
    print("stopped")


def _embedded_storage(plugs: dict[str, Plug]) -> dict[str, str]:
    storage, plug = embedded.start_storage()
    plugs[plug.url] = plug
    _step(f"S3 server at {plug.url}")
    return storage


def _embedded_fleet(made: demonstration.Recordings | None, plugs: dict[str, Plug]) -> list[dict[str, str]]:
    fleet = []
    for place in (demonstration.FLEET_1, demonstration.FLEET_2):
        host, plug = embedded.start_fleet_host(made.on(place) if made else {})
        plugs[plug.url] = plug
        fleet.append(host)
        _step(f"{place.lower()} at {plug.url}")
    return fleet


def _calls(collection: Collection[dict[str, Any]] | None, made: demonstration.Recordings | None) -> Calls:
    documents = [*(recording.call() for recording in made.all()), made.later] if made else []
    if collection is None:
        return MemoryCalls(documents)
    calls = MongoCalls(collection)
    if documents:
        _step(f"storing {len(documents)} calls")
        calls.ensure_indexes()
    with pymongo.timeout(10):
        for call in documents:
            collection.update_one({"session_id": call["session_id"]}, {"$set": call}, upsert=True)
    return calls


def _step(text: str) -> None:
    print(f"[{time.monotonic() - _started:4.1f} s] {text}", flush=True)


if __name__ == "__main__":
    main()
