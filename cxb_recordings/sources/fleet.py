"""Fleet hosts: the machines that took the calls, asked over their one HTTP route.

``GET {base}/recordings/{key}`` with ``X-CXBCore-Secret``. In which order hosts are asked is not decided here.
"""

from __future__ import annotations

from collections.abc import Mapping
from http.cookiejar import DefaultCookiePolicy
from typing import NoReturn
from urllib.parse import quote

import requests
from urllib3 import BaseHTTPResponse
from urllib3.exceptions import ProtocolError

from ..errors import RecordingMissing, SourceUnavailable
from ..settings import FleetHostSettings
from .http_source import HttpSource
from .reply import status_failure
from .strict_http import StrictAdapter
from .tls import TlsAdapter
from .transport import Transport

POOL_SIZE = 100  # connections kept for reuse for each host
POOLED_HOSTS = 64


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
        self._refused = transport.require_https and not host.base_url.startswith("https://")

    def send(self, method: str, key: str, headers: Mapping[str, str]) -> BaseHTTPResponse:
        """See :meth:`HttpSource.send`."""
        if self._refused:
            raise SourceUnavailable("plain http, and require_https_fleet is set")
        segments = key.split("/")
        if "" in segments or "\\" in key:
            # Servers fold // and turn \ into /: the file that answered would not be the one that was asked for.
            raise RecordingMissing("no fleet host can have such a key")
        # Each segment is quoted by itself; requests decodes only escapes of unreserved characters, and none is made.
        url = f"{self._base_url}/recordings/{'/'.join(quote(segment, safe='') for segment in segments)}"
        raw: BaseHTTPResponse = self._sent(method, url, {**self._secret, **headers}).raw
        return raw

    def _sent(self, method: str, url: str, headers: dict[str, str]) -> requests.Response:
        try:
            return self._session.request(
                method, url, headers=headers, timeout=self._timeout, allow_redirects=False, stream=True
            )
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
