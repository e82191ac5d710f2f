"""Fleet hosts: the machines that took the calls, asked over their one HTTP route.

``GET {base}/recordings/{key}`` with ``X-CXBCore-Secret``. In which order hosts are asked is not decided here.
"""

from __future__ import annotations

from dataclasses import replace
from http.cookiejar import DefaultCookiePolicy
from urllib.parse import quote

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError, ProtocolError

from ..errors import RangeNotSatisfiable, RecordingMissing, SourceUnavailable
from ..playback.byte_range import RangeRequest
from ..playback.source import ContentInfo, OpenedRecording
from ..settings import FleetHostSettings
from .reply import UpstreamBody, believe, refuse, require_final, why
from .tls import TlsAdapter

POOL_SIZE = 100  # connections kept for reuse for each host
POOLED_HOSTS = 64


def make_session(ca_bundle: str | None = None) -> requests.Session:
    """One pooled session for all fleet hosts, deaf to proxies, netrc and cookies.

    Args:
        ca_bundle: path of the certificates to trust instead of the usual ones.
    """
    session = requests.Session()
    session.trust_env = False  # netrc and proxy variables would replace credentials; drops REQUESTS_CA_BUNDLE too
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    adapter = HTTPAdapter(pool_connections=POOLED_HOSTS, pool_maxsize=POOL_SIZE, max_retries=0)
    session.mount("http://", adapter)
    session.mount("https://", TlsAdapter(ca_bundle, pool_connections=POOLED_HOSTS, pool_maxsize=POOL_SIZE))
    session.headers.clear()
    session.headers.update({"Accept-Encoding": "identity", "User-Agent": "cxb_recordings"})
    return session


class FleetHost:
    """One fleet host as a source of recordings."""

    def __init__(
        self,
        session: requests.Session,
        host: FleetHostSettings,
        *,
        connect_timeout: float,
        read_timeout: float,
        require_https: bool = False,
    ) -> None:
        """Ask one host.

        Args:
            session: from :func:`make_session`; shared by all hosts.
            host: its base URL and secret.
            connect_timeout: seconds for each attempt to connect.
            read_timeout: seconds without a byte.
            require_https: a host with plain http counts as failed, without being asked.
        """
        self.name = host.base_url
        self._session = session
        self._base_url = host.base_url
        self._secret = {"X-CXBCore-Secret": host.secret} if host.secret else {}
        self._timeout = (connect_timeout, read_timeout)
        self._refused = require_https and not host.base_url.startswith("https://")

    def open(self, key: str, wanted: RangeRequest | None = None, *, unless_etag: str | None = None) -> OpenedRecording:
        """See :meth:`cxb_recordings.playback.source.RecordingSource.open`.

        Only with a length can a client tell a broken transfer from a finished one, so a reply that tells none is
        asked again with ``bytes=0-``, whose Content-Range does.
        """
        opened = self._get(key, wanted, unless_etag)
        if opened.info.length is not None or wanted is not None:
            return opened
        opened.body.close()
        try:
            counted = self._get(key, RangeRequest(0, None), None)
        except RangeNotSatisfiable as exc:
            if exc.length:
                raise SourceUnavailable("416 to a range that the recording has") from exc
            again = self._get(key, None, None)  # no byte, so no range; the body is sent without a length again
            # A 416 that tells no length proves nothing: the length stays unknown.
            return OpenedRecording(replace(again.info, length=exc.length), None, again.body, self)
        return OpenedRecording(counted.info, None, counted.body, self)

    def describe(self, key: str) -> ContentInfo:
        """See :meth:`cxb_recordings.playback.source.RecordingSource.describe`.

        A host without HEAD (405, 501, or 200 without a length) is asked for its first byte instead.
        """
        response = self._send("HEAD", key, {})
        UpstreamBody(response.raw).discard()
        if response.status_code == 200:
            info, _ = believe(200, response.headers, None, None)
            if info.length is not None:
                return info
        elif response.status_code not in (405, 501):
            refuse(response.status_code)
        try:
            opened = self._get(key, RangeRequest(0, 0), None)
        except RangeNotSatisfiable:
            opened = self.open(key)  # an empty recording has no first byte
        opened.body.close()
        return opened.info

    def _get(self, key: str, wanted: RangeRequest | None, unless_etag: str | None) -> OpenedRecording:
        headers = {}
        if wanted is not None:
            headers["Range"] = str(wanted)
        if unless_etag is not None:
            headers["If-None-Match"] = f'"{unless_etag}"'
        response = self._send("GET", key, headers)
        body = UpstreamBody(response.raw)
        try:
            info, span = believe(response.status_code, response.headers, wanted, unless_etag)
        except BaseException:
            body.discard()
            raise
        return OpenedRecording(info, span, body, self)

    def _send(self, method: str, key: str, headers: dict[str, str]) -> requests.Response:
        """Send one request; the response's body is open."""
        if self._refused:
            raise SourceUnavailable("plain http, and require_https_fleet is set")
        segments = key.split("/")
        if "" in segments or "\\" in key:
            # Servers fold // and turn \ into /: the file that answered would not be the one that was asked for.
            raise RecordingMissing("no fleet host can have such a key")
        # Each segment is quoted by itself; requests decodes only escapes of unreserved characters, and none is made.
        url = f"{self._base_url}/recordings/{'/'.join(quote(segment, safe='') for segment in segments)}"
        try:
            response = self._request(method, url, headers)
        except (requests.RequestException, HTTPError, OSError, ValueError) as exc:
            raise SourceUnavailable(why(exc), responded=False) from exc
        require_final(response.raw)
        if response.status_code == 404:
            UpstreamBody(response.raw).discard()
            raise RecordingMissing("the fleet host has no such recording")
        return response

    def _request(self, method: str, url: str, headers: dict[str, str]) -> requests.Response:
        def send() -> requests.Response:
            return self._session.request(
                method,
                url,
                headers={**self._secret, **headers},
                timeout=self._timeout,
                # Measured on requests 2.34: a redirect takes X-CXBCore-Secret along to another host.
                allow_redirects=False,
                stream=True,
            )

        try:
            return send()
        except requests.ConnectionError as exc:
            if exc.args and isinstance(exc.args[0], ProtocolError):
                # A kept-alive connection that the host had closed meanwhile; a new one is tried once.
                return send()
            raise
