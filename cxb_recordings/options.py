"""How a service behaves: each option of ``register`` with its default, unit, check and meaning.

A new one needs an attribute here, a keyword in ``register``, and a row in docs/hosting.md, which a test compares with
this. What concerns Flask alone (paths, names, who is an administrator) is described by ``register`` itself.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from . import links
from .playback.chunk_size import BASE_CHUNK_SIZE
from .playback.stream import StreamLimits
from .sources.transport import Transport

DEFAULT_NAME = "cxb_recordings"  # of a registration
# nginx adds this to a request that storage refused and that it sends back (its error_page): Python carries the bytes.
REFUSED_HEADER = "X-Recording-Offload"
LONGEST_TIMEOUT = 2**31 // 1000  # seconds: sockets wait by poll(), whose C int counts milliseconds

# From a value and the option's unit to what is needed instead; None where the value can work.
Check = Callable[[object, str], str | None]


@dataclass(frozen=True, slots=True)
class Description:
    """What there is to know of an option besides its name and default.

    Attributes:
        unit: of its value; empty where there is none.
        check: finds values that can't work.
        meaning: a sentence for the docs, in Markdown.
    """

    unit: str
    check: Check
    meaning: str


def _option(default: object, unit: str, check: Check, meaning: str) -> Any:
    return field(default=default, metadata={"description": Description(unit, check, meaning)})


def _whole_from(least: int) -> Check:
    def needed(value: object, unit: str) -> str | None:
        fits = isinstance(value, int) and not isinstance(value, bool) and value >= least
        return None if fits else f"a whole number of {unit} from {least} is needed"

    return needed


def _duration(value: object, unit: str) -> str | None:
    fits = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value <= LONGEST_TIMEOUT
    return None if fits else f"a number of {unit} above 0 and up to {LONGEST_TIMEOUT} is needed"


def _one_of(*allowed: object) -> Check:
    def needed(value: object, _: str) -> str | None:
        fits = any(value == each and isinstance(value, bool) == isinstance(each, bool) for each in allowed)
        return None if fits else f"{' or '.join(map(repr, allowed))} is needed"

    return needed


def _or_none(check: Check) -> Check:
    return lambda value, unit: None if value is None else check(value, unit)


def _location(value: object, _: str) -> str | None:
    if isinstance(value, str) and re.fullmatch(r"/(?:[A-Za-z0-9._~-]+/)+", value):
        return None
    return "the path of an internal nginx location is needed, such as /_protected/, or None"


def _certificates(value: object, _: str) -> str | None:
    if not isinstance(value, str):
        return f"a path is needed, not {type(value).__name__}"
    if not value or not Path(value).exists():
        return f"there is no {value!r}"
    try:
        ssl.create_default_context(cafile=value)
    except OSError:  # SSLError is one; of a directory too
        return "a file of certificates in PEM that can be read is needed, not a directory of them"
    return None


@dataclass(frozen=True)  # without slots, so that `Options.read_timeout` is the default
class Options:
    """How a service behaves; all are keywords of ``register``."""

    max_chunk_size: int = _option(
        262144,
        "bytes",
        _whole_from(BASE_CHUNK_SIZE),
        "ceiling of a chunk; a stream waits for 8192 and takes what else has arrived, up to this. 8192 gives chunks of "
        "that size throughout",
    )
    connect_timeout: float = _option(2.0, "seconds", _duration, "for each attempt to connect to a source")
    read_timeout: float = _option(
        10.0, "seconds", _duration, "without a byte from a source; less than 8 KB in this time counts as stalled, too"
    )
    search_timeout: float = _option(
        20.0,
        "seconds",
        _duration,
        "for finding the first byte, all sources together: afterwards no further source is asked",
    )
    resume_attempts: int = _option(
        8,
        "rounds",
        _whole_from(0),
        "of retries for a stream that broke; the count resets after 64 KB of progress; `0` cuts it at the first break",
    )
    resume_timeout: float = _option(
        60.0, "seconds", _duration, "for all of them; time in which the client does not read never counts"
    )
    host_cooldown: float = _option(
        10.0,
        "seconds",
        _duration,
        "for which a source that could not be reached, storage included, is asked last",
    )
    outage_status: int = _option(
        404,
        "",
        _one_of(404, 503),
        "`503` (with `Retry-After`): what is answered where no source had a recording and at least one failed",
    )
    require_https_fleet: bool = _option(
        False, "", _one_of(True, False), "`True`: a fleet host with plain http is not asked and counts as failed"
    )
    ca_bundle: str | None = _option(
        None,
        "path",
        _or_none(_certificates),
        "file of certificates (PEM) to trust for storage and fleet hosts, instead of the usual ones (a private CA)",
    )
    max_streams: int | None = _option(
        None,
        "streams",
        _or_none(_whole_from(1)),
        "in progress at most, in each process; beyond it 503 with `Retry-After`. `HEAD` requests, and with `offload` "
        "those that nginx may carry, are counted apart: as many may be answered at once, however many streams are in "
        "progress",
    )
    offload: str | None = _option(
        None,
        "",
        _or_none(_location),
        "the internal location of the nginx in front that fetches from storage by itself: nginx fetches the bytes",
    )
    public_url_prefix: str = links.PUBLIC_URL_PREFIX
    """Of links: where the public route is mounted, below the path of the app itself. ``register`` has checked it."""

    @classmethod
    def descriptions(cls) -> dict[str, Description]:
        """Of each option, by name."""
        return {each.name: each.metadata["description"] for each in fields(cls) if each.metadata}

    def mistakes(self) -> Iterator[str]:
        """Of each option that can't work: its name and what is needed."""
        for name, description in self.descriptions().items():
            if needed := description.check(getattr(self, name), description.unit):
                yield f"{name}: {needed}"

    @cached_property
    def stream_limits(self) -> StreamLimits:
        """Those of them that are a stream's."""
        return StreamLimits(self.max_chunk_size, self.read_timeout, self.resume_attempts, self.resume_timeout)

    def transport(self) -> Transport:
        """Those of them that say how sources are connected to."""
        return Transport(self.connect_timeout, self.read_timeout, self.ca_bundle, self.require_https_fleet)
