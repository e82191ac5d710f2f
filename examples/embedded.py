"""The services that the example needs, inside this process and on loopback: an S3 store, fleet hosts, a CRM.

For demonstrations only: moto's S3 server accepts any signature.
"""

from __future__ import annotations

import hmac
import io
import os
import secrets
import threading
from collections.abc import Mapping

from flask import Flask, Response, abort, request, send_file
from moto.server import ThreadedMotoServer
from werkzeug.serving import make_server

from .crm import create_crm
from .plugs import LOOPBACK, Plug


def start_storage() -> tuple[dict[str, str], Plug]:
    """Start an S3 server; returns the ``minio`` section of the system settings, and the plug in front of it."""
    os.environ.pop("AWS_PROFILE", None)  # moto's own error replies would need it to exist
    server = ThreadedMotoServer(ip_address=LOOPBACK, port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    plug = Plug(port)
    return {
        "endpoint": plug.url,
        "access_key": secrets.token_hex(10),
        "secret_key": secrets.token_hex(20),
        "bucket": "recordings",
    }, plug


def start_fleet_host(recordings: Mapping[str, bytes]) -> tuple[dict[str, str], Plug]:
    """Start a fleet host that has `recordings`; returns its entry in ``cxbcore_fleet``, and the plug in front of it."""
    secret = secrets.token_hex(20)
    app = Flask("fleet_host")

    @app.get("/recordings/<path:key>")
    def recording(key: str) -> Response:
        if not hmac.compare_digest(request.headers.get("X-CXBCore-Secret", "").encode(), secret.encode()):
            abort(403)
        if key not in recordings:
            abort(404)
        return send_file(io.BytesIO(recordings[key]), mimetype="audio/wav", conditional=True)

    plug = Plug(_serve(app))
    return {"url": plug.url, "secret": secret}, plug


def start_crm() -> tuple[str, str]:
    """Start the CRM; returns its URL and the key of its interface."""
    key = secrets.token_hex(20)
    return f"http://{LOOPBACK}:{_serve(create_crm(key))}", key


def _serve(app: Flask) -> int:
    server = make_server(LOOPBACK, 0, app, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.port
