"""Fleet hosts, the machines that took the calls, as a kind of source: settings, client, and checks.

They are asked over their one HTTP route, ``GET {base}/recordings/{key}`` with ``X-CXBCore-Secret``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from http.cookiejar import DefaultCookiePolicy
from typing import NoReturn
from urllib.parse import quote

import requests
from urllib3 import BaseHTTPResponse
from urllib3.exceptions import ProtocolError

from ..endpoints import split_base_url
from ..errors import NotARecording, RecordingMissing, SourceUnavailable
from ..fields import Fault, Field, Outline, Scalar, Setting, not_read, outline, read_secret, scalar, type_name, unknown
from ..findings import Check, Finding
from .http_source import HttpSource
from .kind import Make, Section, SourceKind
from .reach import unreachable, wrong_scheme
from .reply import status_failure
from .strict_http import StrictAdapter
from .tls import TlsAdapter
from .transport import Transport

POOL_SIZE = 100  # connections kept for reuse for each host
POOLED_HOSTS = 64

_HOST_FIELDS = (
    Field("url", ("baseurl", "uri", "host", "hostname", "address", "endpoint")),
    Field("secret", ("cxbcoresecret", "xcxbcoresecret", "cxbcoresecretkey", "secretkey")),
)


@dataclass(frozen=True, slots=True)
class FleetHostSettings:
    """A fleet host.

    Attributes:
        base_url: without a trailing slash.
        secret: sent as X-CXBCore-Secret; None where there is none.
    """

    base_url: str
    secret: str | None = field(default=None, repr=False)

    @property
    def is_plain(self) -> bool:
        """Whether secret and recordings travel unencrypted."""
        return self.base_url.startswith("http://")


def make_session(ca_bundle: str | None = None) -> requests.Session:
    """One pooled session for all fleet hosts, which ignores proxy settings, netrc, cookies and redirects.

    Args:
        ca_bundle: path of the certificates to trust instead of the usual ones.
    """
    session = _Session()
    session.trust_env = False  # netrc and proxy variables would replace credentials; drops REQUESTS_CA_BUNDLE too
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    adapter = StrictAdapter(pool_connections=POOLED_HOSTS, pool_maxsize=POOL_SIZE, max_retries=0)
    session.mount("http://", adapter)
    session.mount("https://", TlsAdapter(ca_bundle, pool_connections=POOLED_HOSTS, pool_maxsize=POOL_SIZE))
    session.headers.clear()
    session.headers.update({"Accept-Encoding": "identity", "User-Agent": "cxb_recordings"})
    return session


class FleetHost(HttpSource):
    """One fleet host as a source of recordings."""

    def __init__(self, session: requests.Session, host: FleetHostSettings, transport: Transport) -> None:
        """Ask one host; `session`, from :func:`make_session`, is shared by all."""
        self.name = host.base_url
        self._session = session
        self._base_url = host.base_url
        self._secret = {"X-CXBCore-Secret": host.secret} if host.secret else {}
        self._timeout = (transport.connect_timeout, transport.read_timeout)
        self.is_refused = transport.require_https and host.is_plain

    def send(self, method: str, key: str, headers: Mapping[str, str]) -> BaseHTTPResponse:
        """See :meth:`HttpSource.send`."""
        if self.is_refused:
            raise SourceUnavailable("plain http, and require_https_fleet is set")
        segments = key.split("/")
        if "" in segments or "\\" in key:
            # Servers fold // and turn \ into /: the file that answered would not be the one that was asked for.
            raise RecordingMissing("no fleet host can have such a key")
        # Each segment is quoted by itself; requests decodes only escapes of unreserved characters, and none is made.
        url = f"{self._base_url}/recordings/{'/'.join(quote(segment, safe='') for segment in segments)}"
        sent = {**self._secret, **headers}
        try:
            response = self._session.request(
                method, url, headers=sent, timeout=self._timeout, allow_redirects=False, stream=True
            )
            raw: BaseHTTPResponse = response.raw
            return raw
        except requests.ConnectionError as exc:
            failure = exc.args[0] if exc.args else None
            if not isinstance(failure, ProtocolError):
                raise
        raise failure  # urllib3's own, as from storage: a connection that had gone stale is known by it

    def refuse(self, response: BaseHTTPResponse) -> NoReturn:
        """See :meth:`HttpSource.refuse`."""
        if response.status == 404:
            raise RecordingMissing("the fleet host has no such recording")
        raise status_failure(response.status, response.headers)


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """None: a redirect would take X-CXBCore-Secret along, and requests reads and decodes the body of one."""


_Entry = Outline | Scalar


@dataclass(frozen=True, slots=True)
class _FleetOutline:
    hosts: Scalar | tuple[_Entry, ...] = field(repr=False)
    secret: Scalar = field(repr=False)


class FleetKind(SourceKind[FleetHostSettings, FleetHost]):
    """Fleet hosts, in order."""

    fields = (
        Field("cxbcore_fleet", ("cxbcorefleets", "cxbcorefleethosts", "cxbcorehosts")),
        Field("cxbcore_secret", ("cxbcoresecrets", "cxbcoresecretkey", "xcxbcoresecret")),
    )
    found = Check.FLEET_HOST
    impostor = "look whether the URL leads to a CXB Core: something else answers there"

    def outline(self, document: Mapping[object, object]) -> _FleetOutline:
        """See :meth:`SourceKind.outline`."""
        fleet = document.get("cxbcore_fleet")
        secret = scalar(document.get("cxbcore_secret"))
        if not isinstance(fleet, (list, tuple)):
            return _FleetOutline(scalar(fleet), secret)
        return _FleetOutline(tuple(outline(entry, _HOST_FIELDS) for entry in fleet), secret)

    def read(self, outline: _FleetOutline) -> Section[FleetHostSettings]:
        """See :meth:`SourceKind.read`."""
        faults: list[Fault] = []
        secret = read_secret(outline.secret, "cxbcore_secret", faults)
        entries = outline.hosts if isinstance(outline.hosts, tuple) else ()
        if outline.hosts is not None and not isinstance(outline.hosts, tuple):
            faults.append(Fault("cxbcore_fleet", f"a list is needed, not {type_name(outline.hosts)}"))
        hosts: list[FleetHostSettings] = []
        misnamed: list[Fault] = []
        for number, entry in enumerate(entries):
            name = f"cxbcore_fleet[{number}]"
            host = _read_host(entry, name, secret, faults)
            hosts += [host] if host else []
            misnamed += not_read(entry.misnamed, f"{name}.") if isinstance(entry, Outline) else ()
        plain = ", ".join(host.base_url for host in hosts if host.is_plain)
        warnings = (f"fleet hosts over plain http: {plain}; their secret can be read on the way",) if plain else ()
        return Section(self, tuple(hosts), tuple(faults), tuple(misnamed), warnings)

    def connect(self, transport: Transport) -> Make[FleetHostSettings, FleetHost]:
        """See :meth:`SourceKind.connect`."""
        session = make_session(transport.ca_bundle)
        return lambda host: FleetHost(session, host, transport)

    def check(self, settings: FleetHostSettings, source: FleetHost) -> Iterator[Finding]:
        """See :meth:`SourceKind.check`."""
        yield self.check_answer(settings, source)
        if settings.is_plain and not source.is_refused:
            seen = "plain http: the secret and the recordings can be read on the way"
            remedy = "give the host a certificate, and an https:// URL here"
            yield Finding("warning", Check.PLAIN_HTTP, seen, remedy, subject=source.name)
        if settings.secret is None:
            remedy = "set cxbcore_secret, or this host's secret"
            yield Finding("warning", Check.FLEET_SECRET, "no secret is sent", remedy, subject=source.name)

    def check_answer(self, settings: FleetHostSettings, source: FleetHost) -> Finding:
        """See :meth:`SourceKind.check_answer`."""
        finding = super().check_answer(settings, source)
        accepts = finding.status == "ok" and settings.secret is not None
        return replace(finding, seen=f"{finding.seen}, and accepts the secret") if accepts else finding

    def explain(self, settings: FleetHostSettings, source: FleetHost, key: str, exc: SourceUnavailable) -> Finding:  # noqa: ARG002
        """See :meth:`SourceKind.explain`."""
        if not exc.responded:
            return unreachable(self.found, source.name, settings.base_url, exc)
        seen, remedy = self._refusal(settings, exc)
        return Finding("failure", self.found, seen, remedy, http_status=exc.status, subject=source.name)

    def _refusal(self, settings: FleetHostSettings, exc: SourceUnavailable) -> tuple[str, str]:
        """What a reply that is no recording means, and what to do."""
        if isinstance(exc, NotARecording):
            return f"what answers is {exc.reason}", self.impostor
        if exc.status is None:
            return exc.reason, "give the host an https:// URL, or unset require_https_fleet"
        if exc.status in (401, 403):
            is_sent = settings.secret is not None
            meaning = "the X-CXBCore-Secret is refused" if is_sent else "it wants a secret, and none is configured"
            return f"status {exc.status}: {meaning}", "set cxbcore_secret, or this host's own secret, to the host's"
        if exc.status == 400 and (wrong := wrong_scheme(settings.base_url)):
            return wrong
        if 300 <= exc.status < 400:
            remedy = "put the URL that it leads to into cxbcore_fleet: redirects are not followed"
            return f"{exc.reason}: it redirects", remedy
        return exc.reason, "look at the host's own log"

    def describe(self, document: Mapping[object, object]) -> Iterator[Setting]:
        """See :meth:`SourceKind.describe`; a malformed URL is not shown."""
        entries = self.outline(document).hosts
        for number, entry in enumerate(entries if isinstance(entries, tuple) else ()):
            host = _read_host(entry, "", None, [])
            url = host.base_url if host else None
            yield Setting(f"cxbcore_fleet[{number}]", "given", url)
            if isinstance(entry, Outline) and entry.values[1] not in (None, ""):
                yield Setting(f"cxbcore_fleet[{number}].secret", "given")
        told = super().describe(document)
        yield from (each for each in told if each.field != "cxbcore_fleet" or not isinstance(entries, tuple))

    def unknown(self, document: Mapping[object, object]) -> list[str]:
        """See :meth:`SourceKind.unknown`."""
        hosts = document.get("cxbcore_fleet")
        entries = enumerate(hosts) if isinstance(hosts, (list, tuple)) else ()
        return [name for number, entry in entries for name in unknown(entry, _HOST_FIELDS, f"cxbcore_fleet[{number}].")]

    def check_absence(self, section: Section[FleetHostSettings]) -> Iterator[Finding]:
        """See :meth:`SourceKind.check_absence`."""
        if not section.faults:
            yield Finding("ok", Check.FLEET, "no fleet host: storage is the only source")


def _read_host(entry: _Entry, name: str, secret: str | None, faults: list[Fault]) -> FleetHostSettings | None:
    """The host of an entry, with its own secret or else the fleet's `secret`; None where there are faults."""
    before = len(faults)
    url, own_secret, name_of_url = entry, None, name
    if isinstance(entry, Outline):
        url, name_of_url = entry.values[0], f"{name}.url"
        own_secret = read_secret(entry.values[1], f"{name}.secret", faults)
    try:
        parts = split_base_url(url)
    except ValueError as exc:
        faults.append(Fault(name_of_url, str(exc)))
    return FleetHostSettings(parts.geturl(), own_secret or secret) if len(faults) == before else None


FLEET = FleetKind()
