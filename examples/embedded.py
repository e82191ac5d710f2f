"""The services that the library needs, inside this process: an S3 store and a fleet host, both on loopback.

For demonstrations only: moto's S3 server accepts any signature.
"""

from __future__ import annotations

import hmac
import io
import secrets
import threading
from collections.abc import Mapping

from flask import Flask, Response, abort, request, send_file
from moto.server import ThreadedMotoServer
from werkzeug.serving import make_server

LOOPBACK = "127.0.0.1"


def start_storage() -> dict[str, str]:
    """Start an S3 server; returns the ``minio`` section of the system settings."""
    server = ThreadedMotoServer(ip_address=LOOPBACK, port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    return {
        "endpoint": f"http://{host}:{port}",
        "access_key": secrets.token_hex(10),
        "secret_key": secrets.token_hex(20),
        "bucket": "recordings",
    }


def start_fleet_host(recordings: Mapping[str, bytes]) -> dict[str, str]:
    """Start a fleet host that has `recordings`; returns its entry in ``cxbcore_fleet``."""
    secret = secrets.token_hex(20)
    app = Flask("fleet_host")

    @app.get("/recordings/<path:key>")
    def recording(key: str) -> Response:
        if not hmac.compare_digest(request.headers.get("X-CXBCore-Secret", "").encode(), secret.encode()):
            abort(403)
        if key not in recordings:
            abort(404)
        return send_file(io.BytesIO(recordings[key]), mimetype="audio/wav", conditional=True)

    server = make_server(LOOPBACK, 0, app, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return {"url": f"http://{LOOPBACK}:{server.port}", "secret": secret}
