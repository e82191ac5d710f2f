"""The public address: what a listener gets through all proxies, compared with what the application itself answers.

The application is asked in this process, by the same request. So no rule about replies is here a second time: only what
a proxy in between did to one.
"""

from __future__ import annotations

import http.client
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from http.client import HTTPException
from queue import Empty, SimpleQueue
from urllib.parse import SplitResult

from flask import Flask, request

from ..calls.tokens import mint_recording_access_token
from ..endpoints import origin_of, split_base_url
from ..errors import SourceUnavailable
from ..findings import Check, Finding, Status, what
from ..options import REFUSED_HEADER, Options
from ..sources.failures import transport_failure
from ..sources.reach import unreachable
from .probes import PROBE_SECONDS, STEP_SECONDS

_ASKED = {"Range": "bytes=0-0", "Accept-Encoding": "gzip", "User-Agent": "cxb_recordings"}
# What servers and proxies say for themselves.
_THEIR_OWN = frozenset(("connection", "date", "keep-alive", "server", "transfer-encoding", "vary", "via"))
_OLDER = 1.1  # seconds, after which a cached reply has an Age above 0
_CACHES = ("age", "cache-status", "cf-cache-status", "x-cache", "x-cache-status", "x-proxy-cache")


@dataclass(frozen=True, slots=True)
class _Reply:
    """The head of a reply, with names in lower case."""

    status: int
    headers: Mapping[str, str]

    def get(self, name: str) -> str:
        return self.headers.get(name, "")

    @property
    def is_cached(self) -> bool:
        """Whether a cache says that it had the reply; one that says nothing is not seen."""
        age = self.get("age")
        return any("hit" in self.get(name).lower() for name in _CACHES) or (age.isdigit() and int(age[:9]) > 0)

    @property
    def passed_a_cache(self) -> bool:
        return any(map(self.get, _CACHES))

    @property
    def leads_to(self) -> str:
        """Of a redirect, scheme and host: a path may hold the token."""
        return origin_of(self.get("location")) or "another path"


@dataclass(frozen=True, slots=True)
class _Compared:
    """A reply through the public address, and the application's own to the same request."""

    public: _Reply
    own: _Reply
    options: Options

    @property
    def differing(self) -> str:
        """The names of the application's headers that do not arrive as they are."""
        missing = [name for name in self.own.headers if name not in _THEIR_OWN and name not in self.public.headers]
        changed = [
            name
            for name, value in self.own.headers.items()
            if name not in _THEIR_OWN and self.public.headers.get(name, value) != value
        ]
        told = [f"{verb} {', '.join(names)}" for verb, names in (("drops", missing), ("changes", changed)) if names]
        return " and ".join(told)


@dataclass(frozen=True, slots=True)
class _Rule:
    """What a proxy may do to a reply: how it is seen, and what to do; texts are formats of the two replies."""

    of: Check
    applies: Callable[[_Compared], object]
    seen: str
    remedy: str
    status: Status = "failure"


_LOCATION = "give nginx the location of docs/offload.md, under the name that `offload` has in register()"
_REPLY, _HEADERS = Check.PUBLIC_REPLY, Check.PUBLIC_HEADERS

# In this order; a reply that is another one altogether says nothing about its headers.
_RULES = (
    _Rule(
        _REPLY,
        lambda both: both.public.get("x-accel-redirect"),
        "X-Accel-Redirect reaches the client, and a signed URL with it: no nginx takes it",
        _LOCATION,
    ),
    _Rule(
        _REPLY,
        lambda both: 300 <= both.public.status < 400 and both.public.status != both.own.status,
        "status {public.status}: it redirects to {public.leads_to}",
        "give links, and --url, the address that it leads to: some players lose the range with a redirect",
    ),
    _Rule(
        _REPLY,
        lambda both: both.public.status == 429 != both.own.status,
        "status 429: a rate limit answers, so that nothing else is known",
        "ask again later, or exempt this machine",
    ),
    _Rule(
        _REPLY,
        lambda both: both.public.status in (502, 503, 504) and both.own.status not in (502, 503, 504),
        "status {public.status}: the proxy does not reach the application, which answers {own.status} itself",
        "look at the proxy's own log, and whether the application runs",
    ),
    _Rule(
        _REPLY,
        lambda both: both.options.offload and both.own.status == 206 and both.public.status not in (200, 206),
        "status {public.status} where the application answers {own.status}: nginx has no location {options.offload}",
        _LOCATION,
    ),
    _Rule(
        _REPLY,
        lambda both: both.own.status not in (200, 206) and both.public.status == both.own.status != 404,
        "status {own.status}: the application itself answers so",
        "run `flask recordings doctor` without --url, and trace the link",
    ),
    _Rule(
        _REPLY,
        lambda both: both.own.status == 206 and both.public.status == 200,
        "status 200 to a range: a proxy drops Range, so that players can't seek",
        "let the proxy pass Range and If-Range on, and not cache",
    ),
    _Rule(
        _REPLY,
        lambda both: both.public.status != both.own.status,
        "status {public.status} where the application answers {own.status}: another server, path or login is there",
        "look at the proxy's routes: all below the public prefix must reach this application, without a login",
    ),
    _Rule(
        _REPLY,
        lambda both: both.public.get("content-encoding") and not both.own.get("content-encoding"),
        "a proxy compresses the reply: ranges of it are ranges of other bytes",
        "switch compression off for the public prefix (gzip off)",
    ),
    _Rule(
        _REPLY,
        lambda both: both.public.is_cached,
        "a cache answers: a link that is revoked goes on playing",
        "switch the cache off for the public prefix: its replies are private, no-cache",
    ),
    _Rule(
        _HEADERS,
        lambda both: both.differing,
        "a proxy {differing}",
        "let the proxy pass the application's headers on as they are",
        "warning",
    ),
)


def check_public(app: Flask, options: Options, url: str, token: str | None) -> Iterator[Finding]:
    """Ask through the public address for the first byte of a recording, and compare.

    Args:
        app: the host's application.
        options: of the registration.
        url: the public address, without the prefix of the public route.
        token: of a public link that plays; None asks for one that no call has. It is sent to this address only: no
            redirect is followed.
    """
    try:
        parts = split_base_url(url)
    except ValueError as exc:
        yield Finding("failure", Check.PUBLIC_ADDRESS, f"--url: {exc}", "such as https://calls.example.com")
        return
    path = f"{options.public_url_prefix}/{token or mint_recording_access_token()}"
    try:
        public = _ask_in_time(parts, path)
        if public.passed_a_cache and not public.is_cached:  # it may have the reply from now on
            time.sleep(_OLDER)
            public = _ask_in_time(parts, path)
    except SourceUnavailable as exc:
        found = unreachable(Check.PUBLIC_ADDRESS, "", parts.geturl(), exc)
        remedy = "renew the certificate, or correct the name" if "certificate" in found.seen else found.remedy
        yield replace(found, remedy=remedy)
        return
    yield Finding("ok", Check.PUBLIC_ADDRESS, f"{parts.geturl()} answers")
    if parts.scheme == "http":
        seen = f"{parts.geturl()}: plain http: tokens and recordings can be read on the way"
        yield Finding("warning", Check.PUBLIC_SCHEME, seen, "give it a certificate, and redirect http to https")
    local = path.removeprefix(app.config["APPLICATION_ROOT"].rstrip("/"))
    try:
        own, _ = _ask_itself(app, local, parts, {REFUSED_HEADER: "refused"})
        passed_on = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": parts.netloc}
        _, knows_https = _ask_itself(app, local, parts._replace(scheme="http"), passed_on)
    except Exception as exc:  # noqa: BLE001 - the host's own hooks may raise anything
        remedy = "look at the hooks of the application"
        yield Finding("failure", _REPLY, f"the application itself raised {what(exc)}", remedy)
        return
    yield from _compare(_Compared(public, own, options), has_token=token is not None)
    if parts.scheme == "https" and not knows_https:
        seen = "X-Forwarded-Proto is not taken: links by url_for begin with http, unless the WSGI server takes it"
        yield Finding("warning", Check.PUBLIC_SCHEME, seen, "wrap app.wsgi_app in ProxyFix: docs/behind-a-proxy.md")


def _compare(both: _Compared, *, has_token: bool) -> Iterator[Finding]:
    rule = next((rule for rule in _RULES if rule.applies(both)), None)
    if rule is not None:
        facts = {"public": both.public, "own": both.own, "options": both.options, "differing": both.differing}
        yield Finding(rule.status, rule.of, rule.seen.format(**facts), rule.remedy)
    elif has_token and both.own.status == 404:
        remedy = "trace the link: `flask recordings trace --token -`"
        yield Finding("failure", _REPLY, "status 404: the application itself finds no such recording", remedy)
    else:
        yield Finding("ok", _REPLY, f"status {both.public.status}, as the application itself answers")


def _ask_in_time(parts: SplitResult, path: str) -> _Reply:
    """See :func:`_ask`; a head that trickles knows no timeout, so its thread is given up."""
    answers: SimpleQueue[_Reply | SourceUnavailable] = SimpleQueue()

    def ask() -> None:
        try:
            answers.put(_ask(parts, path))
        except SourceUnavailable as exc:
            answers.put(exc)

    threading.Thread(target=ask, daemon=True).start()
    try:
        answer = answers.get(timeout=PROBE_SECONDS)
    except Empty:
        raise SourceUnavailable(f"no whole head within {PROBE_SECONDS:g} s", responded=False) from TimeoutError()
    if isinstance(answer, SourceUnavailable):
        raise answer
    return answer


def _ask(parts: SplitResult, path: str) -> _Reply:
    """The reply of the public address, by a connection of its own that verifies TLS and follows nothing."""
    place = (parts.hostname or "", parts.port)
    connection = http.client.HTTPConnection(*place, timeout=STEP_SECONDS)
    if parts.scheme == "https":
        context = ssl.create_default_context()
        connection = http.client.HTTPSConnection(*place, timeout=STEP_SECONDS, context=context)
    try:
        connection.request("GET", parts.path + path, headers=_ASKED)
        response = connection.getresponse()
        return _Reply(response.status, _joined(response.getheaders()))
    except (OSError, HTTPException) as exc:
        raise SourceUnavailable(transport_failure(exc), responded=False) from exc
    finally:
        connection.close()


def _ask_itself(app: Flask, path: str, at: SplitResult, headers: Mapping[str, str]) -> tuple[_Reply, bool]:
    """The application's own reply to a request at an address, and whether it took that for one by https."""
    with app.test_client() as client:
        response = client.get(path, base_url=f"{at.scheme}://{at.netloc}", headers={**_ASKED, **headers})
        is_secure = request.is_secure
        response.close()
    return _Reply(response.status_code, _joined(response.headers.items())), is_secure


def _joined(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    joined: dict[str, str] = {}
    for name, value in headers:
        joined[name.lower()] = f"{joined[name.lower()]}, {value}" if name.lower() in joined else value
    return joined
