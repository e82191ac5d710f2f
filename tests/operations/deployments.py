"""How the faults of an operator's day are made, each for real. The tables of them are in ``faults``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jwt
from pymongo import MongoClient

from cxb_recordings import MongoCallRepository
from tests.servers import free_port
from tests.servers.replies import reply, s3_error
from tests.servers.tls import make_certificate, server_context

from .stage import CALL, KEY, SECRETS, Case, Stage

PAGE = b"<!doctype html><title>Console</title>"
HTML = {"Content-Type": "text/html"}
WEB_PAGE = reply(200, HTML, PAGE)
UPLOADED_PAGE = reply(200, HTML | {"x-amz-request-id": "4442587FB7D0A2F9"}, PAGE)
NOBODY = "https://storage.invalid"
LATER = format_datetime(datetime.now(timezone.utc) + timedelta(minutes=20), usegmt=True)


Make = Callable[[Stage], Case]  # builds the deployment that has a fault, and says which command is run


def stored(*rules: tuple[str, bytes], **changes: Any) -> Make:
    """A doctor's case: a store with `rules`, as the only source."""
    return lambda stage: Case({"minio": stage.store(*rules, **changes)})


def refused(status: int, code: str, *rest: Any) -> Make:
    """A doctor's case: a store that refuses everything."""
    return stored(("", s3_error(status, code, *rest)))


def temporary(code: str) -> Make:
    """A doctor's case: a store that refuses temporary credentials."""
    return stored(("", s3_error(400, code)), session_token=SECRETS["session"])


def hosted(**options: Any) -> Make:
    """A doctor's case: a fleet host, as the only source."""
    return lambda stage: Case({"cxbcore_fleet": [stage.host(**options)], "cxbcore_secret": SECRETS["fleet"]})


def traced(*rules: tuple[str, bytes], arguments: tuple[str, ...] = ("--session-id", "s-1"), **call: object) -> Any:
    """A trace's case: a store with `rules`, and a call with changes."""
    return lambda stage: Case({"minio": stage.store(*rules)}, ("trace", *arguments), (CALL | call,))


def https_required(stage: Stage) -> Case:
    return replace(hosted()(stage), options={"require_https_fleet": True})


def port_of_nobody(stage: Stage) -> Case:
    port = free_port()
    stage.shown[f"127.0.0.1:{port}"] = "127.0.0.1:9000"
    return Case({"minio": stage.store(endpoint=f"http://127.0.0.1:{port}")})


def over_tls(stage: Stage, *names: Any, endpoint: str = "https", trusted: bool = True) -> Case:
    path: Path = stage.fixture("tmp_path") / "server.pem"
    certificate = make_certificate(path, *names)
    store = stage.store(tls=server_context(certificate))
    store["endpoint"] = store["endpoint"].replace("https://", f"{endpoint}://")
    return Case({"minio": store}, options={"ca_bundle": certificate} if trusted else {})


def without_tls(stage: Stage) -> Case:
    store = stage.store()
    return Case({"minio": store | {"endpoint": store["endpoint"].replace("http://", "https://")}})


def behind_nginx(stage: Stage) -> str:
    """The URL, with http, of a real nginx that speaks https on that port: it answers 400 to plain HTTP."""
    path, port = make_certificate(stage.fixture("tmp_path") / "nginx.pem"), free_port()
    tls = f"ssl_certificate {path}; ssl_certificate_key {path};"
    stage.fixture("nginx")(f"server {{ listen 127.0.0.1:{port} ssl; {tls} return 404; }}", port)
    stage.shown[f"127.0.0.1:{port}"] = "127.0.0.1:9000"
    return f"http://127.0.0.1:{port}"


def silent(stage: Stage) -> Case:
    origin = stage.server(None, "127.0.0.1:9000", fault="stall")
    return Case(origin.storage())


class AnyCall:
    def find_by_session_id(self, session_id: str) -> dict[str, object]:
        return CALL

    find_by_access_token = find_by_session_id


class Raising:
    def find_by_session_id(self, session_id: str) -> None:
        raise LookupError(SECRETS["jwt"])

    find_by_access_token = find_by_session_id


def token_of(**claims: Any) -> str:
    """An administrator's access token, signed by the app's key or by another `key` and `algorithm`."""
    now = int(datetime.now(timezone.utc).timestamp())
    key, algorithm = claims.pop("key", SECRETS["jwt"]), claims.pop("algorithm", "HS256")
    payload = {"sub": "anna", "type": "access", "fresh": False, "jti": "1", "iat": now, "nbf": now, "exp": now + 600}
    return jwt.encode(payload | {"role": "admin"} | claims, key, algorithm=algorithm)


def judged(token: Callable[[], str], **config: object) -> Make:
    """``doctor --jwt -`` with a token on standard input, where all else is well."""
    return lambda stage: Case(stage.healthy(), ("doctor", "--jwt", "-"), config=config, stdin=f"{token()}\n")


def configured(**config: object) -> Make:
    """A doctor's case: another configuration of the app, where all else is well."""
    return lambda stage: Case(stage.healthy(), config=config)


def rekeyed(**config: object) -> Make:
    """A doctor's case: a host with playback URLs, whose configuration changes after ``register``."""
    keys, options = {"SECRET_KEY": "k" * 32}, {"playback_url_prefix": "/play"}
    return lambda stage: Case(
        stage.healthy(), config=keys, options=options, setup=lambda app: app.config.update(config)
    )


def without_key_in(call: dict[str, object], *arguments: str) -> Make:
    """A trace's case: a call that is as it is here."""
    return lambda stage: Case(stage.healthy(), ("trace", *(arguments or ("--session-id", "s-1"))), (call,))


def closed(*arguments: str, **fields: object) -> Make:
    """A trace's case: a call in MongoDB whose link has `fields`."""

    def make(stage: Stage) -> Case:
        collection = stage.fixture("mongo_collection")
        collection.insert_one(CALL | fields)
        return Case({"minio": stage.store()}, ("trace", *arguments), MongoCallRepository(collection))

    return make


def unindexed(stage: Stage) -> Case:
    collection = stage.fixture("mongo_collection")
    collection.insert_one(dict(CALL))
    return Case(stage.healthy(), calls=MongoCallRepository(collection))


def mongo_away(stage: Stage) -> Case:
    client: MongoClient[dict[str, Any]] = MongoClient(f"mongodb://127.0.0.1:{free_port()}/")
    stage.stack.enter_context(client)
    return Case(stage.healthy(), calls=MongoCallRepository(client["tests"]["calls"], timeout=0.5))


DENIED, NO_KEY = s3_error(403, "AccessDenied"), s3_error(404, "NoSuchKey")
SKEWED = s3_error(403, "RequestTimeTooSkewed", "", {"Date": LATER})
ELSEWHERE = {"x-amz-bucket-region": "fra1"}
HTTPS_ONLY = reply(301, {"Location": "https://127.0.0.1/?X-Amz-Signature=5f3a"})
ARCHIVED = s3_error(403, "InvalidObjectState")
OBJECT = f"GET /recordings/{KEY}"
OTHER = f"{KEY[:-4]}.WAV"
YESTERDAY = datetime.now(timezone.utc).replace(microsecond=0) - timedelta(days=1)
SIGNED = f"https://recordings.nyc3.digitaloceanspaces.com/{quote(KEY)}?X-Amz-Expires=60&X-Amz-Signature=5f3a"
