"""TLS to storage and fleet hosts: the one context, and sockets whose large reads take all that has arrived.

A read of ``SSLSocket`` returns one TLS record, 16 KB at most, however much has arrived. A stream then goes out in
pieces of 16 KB, each with its own trip through the stream, the web server and the interpreter lock: measured, twice the
CPU for long recordings. What is read, and what follows from an error, is not decided here.
"""

from __future__ import annotations

import ssl
import threading
from typing import TYPE_CHECKING, Any

import requests
from requests.utils import DEFAULT_CA_BUNDLE_PATH

from .strict_http import StrictAdapter

if TYPE_CHECKING:
    _Base = ssl.SSLSocket
else:
    _Base = object

RECORD = 16384  # bytes: the most that a TLS record carries (RFC 8446 §5.1)


def client_context(ca_bundle: str | None = None) -> ssl.SSLContext:
    """Return a context that verifies certificate and host name. Loading certificates takes long: keep it.

    Not made by the helpers of urllib3 and ssl: those write session keys to the file that SSLKEYLOGFILE names.

    Args:
        ca_bundle: path of the certificates to trust instead of those of certifi.

    Raises:
        OSError: the certificates can't be read, or there are none.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.hostname_checks_common_name = False  # as with urllib3's own contexts; RFC 9525 §2
    context.load_verify_locations(ca_bundle or DEFAULT_CA_BUNDLE_PATH)
    context.sslsocket_class = _gathering(context.sslsocket_class or ssl.SSLSocket)
    return context


def _gathering(base: type[ssl.SSLSocket]) -> type[ssl.SSLSocket]:
    """The context's own class of sockets, gevent's where that has patched it, with large reads that gather."""
    return type("GatheringSocket", (_Gathering, base), {})


class _Gathering(_Base):
    """A TLS socket; a read of more than one record waits for the first one, and takes the others that are there."""

    _is_at_end = False
    _failure: OSError | None = None  # of a read behind the bytes that were handed out last

    def recv_into(self, buffer: Any, nbytes: int | None = None, flags: int = 0) -> int:
        """Receive into `buffer` what has arrived, at least one record; 0 at the end.

        Bytes that arrived before an end or an error are handed out first. The next call raises.
        """
        if self._failure is not None:
            try:
                raise self._failure
            finally:
                self._failure = None  # its traceback leads here, and so to the buffer
        if self._is_at_end:
            return 0
        received = super().recv_into(buffer, nbytes, flags)
        with memoryview(buffer) as view, view.cast("B") as octets:
            wanted = nbytes or len(octets)
            if wanted > RECORD and 0 < received < wanted:
                received += self._receive_arrived(octets[received:wanted])
        return received

    def _receive_arrived(self, rest: memoryview) -> int:
        """Receive further records into `rest` without waiting for any; returns the number of bytes."""
        received, wanted = 0, len(rest)
        read: Any = super().read  # `recv_into` by a shorter way, for each 16 KB; its types know no buffer
        timeout = self.gettimeout()
        self.settimeout(0)
        try:
            while received < wanted:
                count = read(wanted - received, rest[received:])
                if not count:
                    # Kept: OpenSSL does not promise that a second read of an abrupt end finds it again.
                    self._is_at_end = True
                    break
                received += count
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass  # the next record is not there, or not all of it
        except OSError as exc:
            self._failure = exc.with_traceback(None)
        finally:
            self.settimeout(timeout)
        return received


class TlsAdapter(StrictAdapter):
    """The transport of a requests session for https, with one context for all its hosts.

    It verifies whatever ``session.verify`` says. The context is made by the first request: until then, and for hosts
    with plain http, certificates that can't be read cost nothing.
    """

    def __init__(self, ca_bundle: str | None, *, pool_connections: int, pool_maxsize: int) -> None:
        """Trust `ca_bundle`, see :func:`client_context`; the rest is ``HTTPAdapter``'s."""
        self._ca_bundle = ca_bundle
        self._lock = threading.Lock()
        self._context: ssl.SSLContext | None = None
        super().__init__(pool_connections, pool_maxsize)

    def build_connection_pool_key_attributes(
        self, request: requests.PreparedRequest, verify: bool | str, cert: Any = None
    ) -> tuple[Any, Any]:
        """See ``HTTPAdapter``; of what concerns TLS, the context decides all."""
        host, _ = super().build_connection_pool_key_attributes(request, verify, cert)
        with self._lock:
            self._context = self._context or client_context(self._ca_bundle)
        return host, {"ssl_context": self._context}

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Do nothing: ``HTTPAdapter`` would have certificates loaded anew for each connection."""
