"""An HTTP server that is an S3 store and a fleet host in one, and does as a test says, on raw sockets.

What follows the first segment of a path (and `base` before it) is the key. It knows GET and HEAD, one range,
If-None-Match, ETag and Last-Modified, and takes any signature for good. It reads requests by itself, so that it can't
share a mistake with the library.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import pytest

from .conversation import FOLLOWED, Broken, Conversation, Fault, Kind, Received, Validator
from .listener import Listener


class Origin(Listener):
    """An origin on a port of its own.

    Attributes:
        url: its address, with `base` and without a trailing slash.
        recordings: what it has, by key; may be changed at any time, as all that follows.
        script: the faults of the next requests, one each, consumed.
        fault: the fault of all requests after them; None for a healthy origin.
        validator: whether responses have an ETag and a Last-Modified.
        media_type: of its recordings; None for none.
        secret: what X-CXBCore-Secret must be; None asks for none.
        answer: gives the bytes that are sent in place of all this, also in parts, or None to close the connection.
        keeps_alive: whether a connection is kept after an `answer`.
        requests: what came in, in order.
    """

    def __init__(
        self,
        recordings: Mapping[str, bytes] | None = None,
        script: Iterable[Fault] = (),
        fault: Fault | Kind | None = None,
        *,
        validator: Validator = "strong",
        media_type: str | None = "audio/wav",
        secret: str | None = None,
        base: str = "",
        answer: Callable[[Received], bytes | Iterable[bytes] | None] | None = None,
        keeps_alive: bool = False,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(tls)
        self.recordings = dict(recordings or {})
        self.script = list(script)
        self.fault = fault
        self.validator = validator
        self.media_type = media_type
        self.secret = secret
        self.base = base
        self.answer = answer
        self.keeps_alive = keeps_alive
        self.requests: list[Received] = []
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}{base}"
        self.listen()
        if fault == "refuses":
            self.refuse()

    def storage(self, **changes: object) -> dict[str, Any]:
        """The system settings of this origin as an S3 store, with `changes` in its section; and no other source."""
        keys = {"access_key": "origin-access-key", "secret_key": "origin-secret-key"}
        return {"minio": {"endpoint": self.url, "bucket": "recordings", **keys, **changes}}

    def fleet(self) -> dict[str, Any]:
        """The system settings of this origin as a fleet host, and no other source."""
        return {"cxbcore_fleet": [{"url": self.url} | ({"secret": self.secret} if self.secret is not None else {})]}

    @property
    def heads(self) -> list[str]:
        """The heads of the requests that came in, in order."""
        return [received.head for received in self.requests]

    def hold(self, connection: socket.socket, number: int) -> None:
        """Answer until the client leaves or a fault ends it."""
        with suppress(Broken):
            Conversation(self, connection, number).hold()

    def next_fault(self, received: Received) -> Fault | None:
        """Record a request, and take its fault out of the script."""
        with self._lock:
            self.requests.append(received)
            fault = self.script.pop(0) if self.script else self.fault
        return Fault(fault) if isinstance(fault, str) else fault


class ScriptedOrigin(Origin):
    """Answers the requests of its first connection with the replies of the first script, and so on.

    The last script serves all further connections. A request beyond the end of a script is read, and the connection
    closed without an answer, as by a server that closed a kept-alive connection meanwhile; with `closes` it is closed
    after each reply.
    """

    def __init__(self, *scripts: Sequence[bytes], closes: bool = False, tls: ssl.SSLContext | None = None) -> None:
        remaining: dict[int, Iterator[bytes]] = {}

        def answer(received: Received) -> bytes | None:
            script = scripts[min(received.connection, len(scripts)) - 1]
            return next(remaining.setdefault(received.connection, iter(script)), None)

        super().__init__(answer=answer, keeps_alive=not closes, tls=tls)


OriginFactory = Callable[..., Origin]


@pytest.fixture
def make_origin() -> Iterator[OriginFactory]:
    """A factory of origins, which takes what :class:`Origin` does; no redirect of theirs is followed."""
    origins: list[Origin] = []

    def start(*arguments: Any, **options: Any) -> Origin:
        origins.append(Origin(*arguments, **options))
        return origins[-1]

    yield start
    for started in origins:
        started.stop()
        assert not [received for received in started.requests if FOLLOWED in received.target]
