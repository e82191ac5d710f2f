"""The calls of the demonstration: made here, stored where the library finds them, and shown as curl commands."""

from __future__ import annotations

import io
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from hashlib import sha256
from typing import Any

from cxb_recordings import RecordingService, mint_recording_access_token
from cxb_recordings.settings import read_settings

from . import audio, waveform
from .sources import STORAGE, fleet_name
from .storage import RecordingStore
from .tenants import TENANTS, for_tenant

HOUR = 3600
FIRST_DAY = datetime(2026, 5, 4, 8, 12, tzinfo=timezone.utc)
FLEET_1, FLEET_2 = fleet_name(1), fleet_name(2)

_TENANTS = {"Ines Duarte": "iberia", "Jonas Weber": "nordic"}  # by agent
# Caller, agent, seconds: the ordinary calls of a week.
_CALLS = (
    ("Marta Lindqvist", "Ines Duarte", 187),
    ("Okafor & Sons", "Tom Reyes", 94),
    ("Priya Raman", "Ines Duarte", 342),
    ("Hotel Alpenblick", "Jonas Weber", 61),
    ("Daniel Osei", "Tom Reyes", 128),
    ("Kowalska Logistics", "Jonas Weber", 275),
    ("Yuki Tanaka", "Ines Duarte", 45),
    ("Bakery Le Fournil", "Tom Reyes", 156),
)


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording, and the call that it belongs to."""

    session_id: str
    title: str
    key: str
    body: bytes = field(repr=False)
    seconds: int
    caller: str
    agent: str
    started_at: datetime
    places: tuple[str, ...]
    peaks: list[int] = field(repr=False)
    media_type: str = "audio/wav"
    token: str = field(default_factory=mint_recording_access_token, repr=False)

    @property
    def tenant(self) -> str | None:
        """Whose bucket it is in; None for the bucket of all others."""
        return _TENANTS.get(self.agent)

    @property
    def filename(self) -> str:
        """What clients call it."""
        return f"{self.session_id}.{self.key.rpartition('.')[2]}"

    def call(self) -> dict[str, Any]:
        """The call as results ingestion would store it."""
        return {
            "session_id": self.session_id,
            "recording_key": self.key,
            "recording_filename": self.filename,
            "recording_access_token": self.token,
            "tenant": self.tenant,
            "caller": self.caller,
            "agent": self.agent,
            "started_at": self.started_at,
            "seconds": self.seconds,
            "places": list(self.places),
            "peaks": self.peaks,
        }


@dataclass(frozen=True, slots=True)
class Recordings:
    """What was made.

    Attributes:
        stored: for storage: the short recording, the hour, and others.
        fleet_only: what no store gets; None where somebody else's fleet hosts are used.
        later: the document of a call whose recording is not stored yet.
    """

    stored: list[Recording]
    fleet_only: Recording | None
    later: dict[str, Any]

    def all(self) -> list[Recording]:
        """Every recording, oldest call first."""
        every = [*self.stored, *([self.fleet_only] if self.fleet_only else [])]
        return sorted(every, key=lambda recording: recording.started_at)

    def on(self, place: str) -> dict[str, bytes]:
        """The bytes of each recording in a place, by key."""
        return {recording.key: recording.body for recording in self.all() if place in recording.places}


def make_recordings(*, on_fleet: bool) -> Recordings:
    """Make the recordings, from five seconds to an hour.

    Args:
        on_fleet: whether the demonstration has fleet hosts of its own, for copies and for what storage lacks.
    """
    copied = (STORAGE, FLEET_1) if on_fleet else (STORAGE,)
    everywhere = (STORAGE, FLEET_1, FLEET_2) if on_fleet else (STORAGE,)

    def make(name: str, title: str, file: str, seconds: int, who: tuple[str, str], day: int, **more: Any) -> Recording:
        body = more.pop("body", None) or audio.make_wav(seconds)
        started_at = FIRST_DAY + timedelta(days=day, hours=2.9 * (day * 7 % 3), minutes=11 * (seconds % 5))
        peaks = more.pop("peaks", None) or waveform.measure(io.BytesIO(body))["peaks"]
        return Recording(
            f"demo-{name}", title, f"demo/2026/05/{file}", body, seconds, *who, started_at, peaks=peaks, **more
        )

    short = make("short", "five seconds", "short call ü.wav", 5, ("Lena Brandt", "Jonas Weber"), 0, places=copied)
    hour_of = ("Northwind Insurance", "Ines Duarte")
    hour = make("hour", "an hour", "hour.wav", HOUR, hour_of, 8, places=everywhere)
    encoded = [
        make(ending, f"five seconds, {ending}", f"short.{ending}", 5, ("Lena Brandt", "Jonas Weber"), day, **options)
        for day, (ending, (media_type, body)) in enumerate(audio.encode(short.body).items(), start=1)
        for options in [{"body": body, "media_type": media_type, "places": (STORAGE,), "peaks": short.peaks}]
    ]
    ordinary = [
        make(f"{number:02}", f"{seconds} s", f"{number:02}.wav", seconds, (caller, agent), number % 5, places=copied)
        for number, (caller, agent, seconds) in enumerate(_CALLS, start=1)
    ]
    fleet_only = None
    if on_fleet:
        who = ("Casa Verde Rentals", "Tom Reyes")
        fleet_only = make("fleet", "on fleet hosts only", "fleet.wav", 30, who, 7, places=(FLEET_1, FLEET_2))
    later = {
        "session_id": "demo-later",
        "recording_key": f"demo/2026/05/later-{secrets.token_hex(4)}.wav",  # an earlier start's may be stored
        "recording_filename": "demo-later.wav",
        "recording_access_token": mint_recording_access_token(),
        "tenant": _TENANTS["Jonas Weber"],
        "caller": "Nadia Haddad",
        "agent": "Jonas Weber",
        "started_at": FIRST_DAY + timedelta(days=8, hours=7),
        "places": [],
    }
    return Recordings([short, hour, *encoded, *ordinary], fleet_only, later)


def upload(recordings: Recordings, storage: Mapping[str, str]) -> Iterator[str]:
    """Put recordings into the buckets, which are made where they are absent; yields what is being done."""
    store, buckets = RecordingStore(), {}
    for tenant in (None, *TENANTS):
        buckets[tenant] = read_settings(for_tenant({"minio": storage}, tenant)).require_storage()
        store.make_bucket(buckets[tenant])
    size = sum(len(recording.body) for recording in recordings.stored)
    yield f"storing {len(recordings.stored)} recordings ({size / 1e6:.1f} MB)"
    for recording in recordings.stored:
        store.put(buckets[recording.tenant], recording.key, recording.body, recording.media_type)


def curl_commands(
    service: RecordingService, base: str, password: str, secret: str, recordings: Recordings | None
) -> Iterator[str]:
    """Shell lines, each curl command under a comment that says what to expect of it.

    Args:
        service: builds the public links.
        base: the host application's URL, without a trailing slash.
        password: the administrator's.
        secret: what ingestion asks for.
        recordings: what was made; None where nothing was.
    """
    login = f"curl -sS -d user=admin -d password={password} {base}/token"
    if recordings is None:
        yield f"# An administrator's token, for calls of your own at {base}/api/v1/recordings/SESSION_ID"
        yield login
        return
    short, hour = recordings.stored[:2]
    scheme, _, host = base.partition("://")

    def link(token: str, filename: str) -> str:
        return service.build_public_recording_url(host, token, filename=filename, scheme=scheme)

    def expected(recording: Recording) -> str:
        return f"200, {len(recording.body)} bytes, sha256 {sha256(recording.body).hexdigest()}"

    outcome = "%{http_code} %{content_type} %{size_download} bytes\\n"
    report = f"-w '{outcome}'"
    yield f"# An administrator plays a recording: {expected(short)}"
    authorization = f'-H "Authorization: Bearer $({login})"'
    yield f"curl -sS {report} -o admin.wav {authorization} {base}/api/v1/recordings/{short.session_id}"
    yield f"# A public link, for a CRM; opens in a browser too: {expected(short)}"
    yield f"curl -sS {report} -o public.wav {link(short.token, short.filename)}"
    if recordings.fleet_only:
        yield f"# A recording that only fleet hosts have: {expected(recordings.fleet_only)}"
        yield f"curl -sS {report} -o fleet.wav {link(recordings.fleet_only.token, recordings.fleet_only.filename)}"
    start = 44 + HOUR // 2 * audio.SAMPLE_RATE * 2
    stop = start + audio.SAMPLE_RATE * 2
    digest = sha256(hour.body[start:stop]).hexdigest()
    yield f"# A seek: one second from the middle of {hour.title}: 206, {stop - start} bytes, sha256 {digest}"
    yield f"curl -sS {report} -o second.raw -r {start}-{stop - 1} {link(hour.token, hour.filename)}"
    for recording in recordings.stored:
        if recording.media_type != short.media_type:
            yield f"# The same call in another format ({recording.media_type}): {expected(recording)}"
            yield f"curl -sS {report} -o {recording.filename} {link(recording.token, recording.filename)}"
    yield "# An unknown token: 404"
    yield f"curl -sS -w '\\n{outcome}' {link(mint_recording_access_token(), short.filename)}"
    machine = f"curl -sS -w '\\n{outcome}' -H 'X-Ingestion-Secret: {secret}'"
    yield f"# The recording of a call that is not stored yet; open {base}/calls/demo-later before: 200"
    yield f"{machine} -X PUT -F audio=@public.wav {base}/api/v1/calls/demo-later/recording"
    yield "# A finished call comes in, with the recording from above: 201"
    fields = "-F session_id=my-call -F tenant=nordic -F caller=Me -F agent=You -F audio=@public.wav"
    yield f"{machine} {fields} {base}/api/v1/calls"
