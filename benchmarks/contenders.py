"""What is compared: nginx as the limit, the library in its ways, what people write without it, and its peers.

Each starts in front of a store and plays ``1kb``, ``1mb`` and ``200mb``. Peers that are not installed raise ``Absent``.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from .servers import LOOPBACK, Absent, Server, find_program, free_port, start, start_nginx
from .stores import BUCKET, Store

Maker = Callable[[Store, Path], Server]  # of a server in front of a store, with a directory for its files
WORKERS = 2
_OFFLOAD = """
location = /_protected/ { internal; set $target $signed_target; set $part $upstream_http_x_storage_range;
  proxy_pass %s://store$target; proxy_http_version 1.1; proxy_pass_request_headers off; proxy_set_header Range $part;
  proxy_set_header Host %s; proxy_set_header Connection ""; proxy_max_temp_file_size 0; %s %s }
"""
# Connections to the store are kept, as an `upstream` of the endpoint's name does where the endpoint has no port.
_SIGNED = r"""
map $upstream_http_x_storage_url $signed_target { "~^https?://[^/]+(.*)$" $1; }
upstream store { server %s; keepalive 32; }
"""
_LARGE_BUFFERS = "proxy_buffers 8 64k; proxy_buffer_size 64k;"
_S3_PROXY = """
const AWS = require("aws-sdk"), express = require("express"), [,, port, endpoint, key, secret, bucket] = process.argv;
const app = express();
// No maxSockets: it does not free the upstream of a client who left, and would stand still with them all taken.
const { Agent } = require(endpoint.startsWith("https:") ? "https" : "http");
AWS.config.update({ httpOptions: { agent: new Agent({ keepAlive: true }) } });
const options = { bucket, endpoint, s3ForcePathStyle: true, accessKeyId: key, secretAccessKey: secret };
app.use("/play", require("s3-proxy")({ ...options, region: "us-east-1" }));
app.listen(Number(port), "127.0.0.1");
"""


def gunicorn(name: str, store: Store, directory: Path, *, threads: int = 4, worker_class: str = "gthread") -> Server:
    """An application of :mod:`benchmarks.hosts` under gunicorn with two workers."""
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "--bind", f"{LOOPBACK}:{port}", "--workers", str(WORKERS)]
    command += ["--worker-class", worker_class, "--threads", str(threads), "--worker-connections", "6000"]
    command += ["--keep-alive", "30", "--timeout", "120", "--backlog", "8192"]
    # Else all connections of a load often are at one worker, and the same code differs by a factor of two.
    command += ["--reuse-port", f"benchmarks.hosts:{name}()"]
    return start(command, port, directory / "gunicorn.log", _environment(store))


def nginx(store: Store, directory: Path) -> Server:
    """Nginx in front of the store: the limit of what a proxy can do."""
    body = (
        f"location /play/ {{ rewrite ^/play/(.*)$ /{BUCKET}/$1.wav break; proxy_pass {_scheme(store)}://store;"
        ' proxy_http_version 1.1; proxy_set_header Connection ""; '
        f"{_LARGE_BUFFERS} proxy_max_temp_file_size 0; {_verified(store)} }}"
    )
    return start_nginx(
        directory / "proxy", body, f"access_log off; upstream store {{ server {store.address}; keepalive 32; }}"
    )


def offload(store: Store, directory: Path, name: str = "offload", buffers: str = _LARGE_BUFFERS) -> Server:
    """The library behind an nginx that fetches the bytes; both count."""
    host = gunicorn(name, store, directory)
    body = 'location /play/ { proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection ""; }'
    app = host.origin.removeprefix("http://")
    upstreams = f"upstream app {{ server {app}; keepalive 32; }} {_SIGNED % store.address}"
    body += _OFFLOAD % (_scheme(store), store.address, buffers, _verified(store))
    server = start_nginx(directory / name, body, f"access_log off; {upstreams}")
    server.companions.append(host)
    return server


def rclone(store: Store, directory: Path) -> Server:
    """``rclone serve http`` on the bucket."""
    port = free_port()
    remote = f":s3,provider=Ceph,endpoint='{store.origin}',env_auth:{BUCKET}"
    command = [find_program("rclone"), "serve", "http", remote, "--addr", f"{LOOPBACK}:{port}", "--read-only"]
    command += ["--config", os.devnull, "--log-level", "ERROR"]
    if store.certificate:
        command += ["--ca-cert", str(store.certificate)]
    return replace(start(command, port, directory / "rclone.log", _environment(store)), path="/{}.wav")


def s3_proxy(store: Store, directory: Path) -> Server:
    """The npm package ``s3-proxy`` in an Express application; ``NODE_PATH`` tells where it is installed."""
    node, port = find_program("node"), free_port()
    look = [node, "-e", "require('s3-proxy'), require('express')"]
    if subprocess.run(look, capture_output=True, check=False).returncode != 0:  # noqa: S603
        raise Absent("npm's s3-proxy and express (NODE_PATH)")
    script = directory / "s3-proxy.js"
    script.write_text(_S3_PROXY)
    command = [node, str(script), str(port), store.origin, store.access_key, store.secret_key, BUCKET]
    return replace(start(command, port, directory / "s3-proxy.log", _environment(store)), path="/play/{}.wav")


def mlflow(store: Store, directory: Path) -> Server:
    """MLflow's artifact proxy with two workers."""
    program, port, database = find_program("mlflow"), free_port(), f"sqlite:///{directory}/mlflow.db"
    # Its workers would all make the database at once.
    subprocess.run([program, "db", "upgrade", database], capture_output=True, check=True)  # noqa: S603
    command = [program, "server", "--host", LOOPBACK, "--port", str(port), "--workers", str(WORKERS)]
    command += ["--backend-store-uri", database, "--artifacts-destination", f"s3://{BUCKET}"]
    environment = _environment(store) | {"MLFLOW_S3_ENDPOINT_URL": store.origin}
    server = start(command, port, directory / "mlflow.log", environment)
    server = replace(server, path="/api/2.0/mlflow-artifacts/artifacts/{}.wav")
    # It listens long before its workers answer.
    retries = ["--retry", "60", "--retry-delay", "1", "--retry-all-errors", "--max-time", "5"]
    answer = [find_program("curl"), "-sS", "-f", "-o", os.devnull, *retries, server.url("1kb")]
    subprocess.run(answer, capture_output=True, check=True)  # noqa: S603
    return server


def _environment(store: Store) -> dict[str, str]:
    trusted = str(store.certificate)
    certificates = {"AWS_CA_BUNDLE": trusted, "NODE_EXTRA_CA_CERTS": trusted} if store.certificate else {}
    return {
        **certificates,
        "BENCH_S3": store.origin,
        "AWS_ACCESS_KEY_ID": store.access_key,
        "AWS_SECRET_ACCESS_KEY": store.secret_key,
        "AWS_DEFAULT_REGION": "us-east-1",
    }


def _scheme(store: Store) -> str:
    return "https" if store.certificate else "http"


def _verified(store: Store) -> str:
    """What nginx needs to verify the store's certificate, as the other contenders do."""
    if store.certificate is None:
        return ""
    return f"proxy_ssl_verify on; proxy_ssl_trusted_certificate {store.certificate}; proxy_ssl_name {LOOPBACK};"


def _host(name: str) -> Maker:
    return lambda store, directory: gunicorn(name, store, directory)


OURS: dict[str, Maker] = {
    "nginx": nginx,
    "library": _host("library"),
    "library_anew": _host("library_anew"),
    "offload": offload,
    "offload_anew": lambda store, directory: offload(store, directory, "offload_anew"),
    "bare": _host("bare"),
    "naive": _host("naive"),
    "parts": _host("parts"),
    "memory": _host("memory"),
}
PEERS: dict[str, Maker] = {"rclone": rclone, "s3_proxy": s3_proxy, "mlflow": mlflow}
