"""The Flask hosts that are measured: the library, and what people write without it.

gunicorn loads ``benchmarks.hosts:NAME()``; ``BENCH_S3`` names the store, AWS's
variables have the credentials.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import count, repeat
from typing import Any

import boto3
from botocore.config import Config
from flask import Flask, Response
from flask_jwt_extended import JWTManager
from urllib3 import PoolManager

from cxb_recordings import register
from cxb_recordings.sources.tls import client_context

from .stores import BUCKET, SIZES


class _Calls:
    """Every token is its own key: what a repository costs is not measured."""

    def __init__(self, folders: Iterator[str]) -> None:
        self._folders = folders

    def find_by_session_id(self, session_id: str) -> dict[str, Any]:
        return {"session_id": session_id, "recording_key": f"{next(self._folders)}{session_id}.wav"}

    find_by_access_token = find_by_session_id


def _same_again() -> _Calls:
    return _Calls(repeat(""))


def _new_each_time() -> _Calls:
    """The store has every recording in every numbered folder."""
    return _Calls(map("{}/".format, count()))


def _client() -> Any:
    return boto3.client(
        "s3",
        endpoint_url=os.environ["BENCH_S3"],
        config=Config(s3={"addressing_style": "path"}, max_pool_connections=100),
    )


def _library(calls: _Calls, **options: Any) -> Flask:
    app = Flask(__name__)
    app.config["JWT_SECRET_KEY"] = "for measurements only, thirty-two bytes and more"
    JWTManager(app)
    minio = {
        "endpoint": os.environ["BENCH_S3"],
        "access_key": os.environ["AWS_ACCESS_KEY_ID"],
        "secret_key": os.environ["AWS_SECRET_ACCESS_KEY"],
        "bucket": BUCKET,
    }
    options["ca_bundle"] = os.environ.get("AWS_CA_BUNDLE")  # the variable is boto3's; the library itself reads none
    register(app, lambda: {"minio": minio}, calls, public_url_prefix="/play", **options).warm_up()
    return app


def library() -> Flask:
    """The library, with its defaults."""
    return _library(_same_again())


def library_anew() -> Flask:
    """The same for recordings that nobody asked for before: each request is signed."""
    return _library(_new_each_time())


def fixed_chunks() -> Flask:
    """The library with chunks of 8 KB throughout."""
    return _library(_same_again(), max_chunk_size=8192)


def offload() -> Flask:
    """The library that lets nginx fetch the bytes."""
    return _library(_same_again(), offload="/_protected/")


def offload_anew() -> Flask:
    """The same for recordings that nobody asked for before: storage is asked for each."""
    return _library(_new_each_time(), offload="/_protected/")


def naive() -> Flask:
    """What everyone writes: a client for each request, 8 KB chunks, no length."""
    app = Flask(__name__)

    @app.get("/play/<token>")
    def play(token: str) -> Response:
        body = _client().get_object(Bucket=BUCKET, Key=f"{token}.wav")["Body"]
        return Response(body.iter_chunks(8192), mimetype="audio/wav")

    return app


def bare() -> Flask:
    """A cached client and the library's own chunks, with nothing around them: no range, no resume, no second source."""
    app = Flask(__name__)
    client = _client()

    @app.get("/play/<token>")
    def play(token: str) -> Response:
        reply = client.get_object(Bucket=BUCKET, Key=f"{token}.wav")
        raw = reply["Body"]._raw_stream

        def chunks() -> Iterator[bytes]:
            size = 8192
            while chunk := raw.read1(size):
                yield chunk
                if len(chunk) == size:
                    size = min(size * 2, 262144)

        headers = {"Content-Length": str(reply["ContentLength"])}
        return Response(chunks(), mimetype="audio/wav", headers=headers, direct_passthrough=True)

    return app


def parts() -> Flask:
    """Flask, urllib3 and the library's sockets, with nothing around them: the least that a host of these parts costs.

    No signature, no range, no resume, no second source, no answer for a store that fails.
    """
    app = Flask(__name__)
    origin, bundle = os.environ["BENCH_S3"], os.environ.get("AWS_CA_BUNDLE")
    pool = PoolManager(maxsize=100, ssl_context=client_context(bundle) if bundle else None)

    @app.get("/play/<token>")
    def play(token: str) -> Response:
        raw = pool.request("GET", f"{origin}/{BUCKET}/{token}.wav", preload_content=False, decode_content=False)

        def chunks() -> Iterator[bytes]:
            while chunk := raw.read1(262144):
                yield chunk

        headers = {"Content-Length": raw.headers["Content-Length"]}
        reply = Response(chunks(), mimetype="audio/wav", headers=headers, direct_passthrough=True)
        reply.call_on_close(raw.release_conn)
        return reply

    return app


def memory() -> Flask:
    """A Flask route that answers from memory: what a request costs without any recording."""
    app = Flask(__name__)

    @app.get("/play/<token>")
    def play(token: str) -> Response:
        return Response(bytes(SIZES[token]), mimetype="audio/wav")

    return app
