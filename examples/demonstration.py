"""The calls of the demonstration: made here, stored where the library finds them, and shown as curl commands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError

from cxb_recordings import RecordingService, mint_recording_access_token
from cxb_recordings.storage_urls import endpoint_url, region_from_endpoint

from . import audio

HOUR = 3600


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording, and the call that it belongs to."""

    session_id: str
    title: str
    key: str
    body: bytes = field(repr=False)
    media_type: str = "audio/wav"
    token: str = field(default_factory=mint_recording_access_token, repr=False)

    def call(self) -> dict[str, Any]:
        """The call as results ingestion would store it."""
        return {"session_id": self.session_id, "recording_key": self.key, "recording_access_token": self.token}


def make_recordings() -> tuple[list[Recording], Recording]:
    """Make the recordings: those for storage, and the one that only the fleet host gets."""
    short = Recording("demo-short", "five seconds", "demo/2026/05/short call ü.wav", audio.make_wav(5))
    hour = Recording("demo-hour", "an hour", "demo/2026/05/hour.wav", audio.make_wav(HOUR))
    encoded = [
        Recording(f"demo-{ending}", f"five seconds, {ending}", f"demo/2026/05/short.{ending}", body, media_type)
        for ending, (media_type, body) in audio.encode(short.body).items()
    ]
    fleet_only = Recording("demo-fleet", "on the fleet host only", "demo/2026/05/fleet.wav", audio.make_wav(30))
    return [short, hour, *encoded], fleet_only


def upload(recordings: list[Recording], storage: Mapping[str, str]) -> Iterator[str]:
    """Put recordings into the bucket, which is made where it is absent; yields what is being done."""
    # No profile and no proxy of the environment has a say in where demonstration data goes.
    session = boto3.session.Session(botocore_session=botocore.session.Session({"profile": (None, None, None, None)}))
    client = session.client(
        "s3",
        endpoint_url=endpoint_url(storage["endpoint"]),
        aws_access_key_id=storage["access_key"],
        aws_secret_access_key=storage["secret_key"],
        region_name=storage.get("region") or region_from_endpoint(storage["endpoint"]),
        config=Config(
            s3={"addressing_style": "path"},
            proxies={},
            request_checksum_calculation="when_required",
            connect_timeout=5,
            retries={"total_max_attempts": 2},
        ),
    )
    bucket = storage["bucket"]
    try:
        client.head_bucket(Bucket=bucket)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
            raise
        client.create_bucket(Bucket=bucket)
    for recording in recordings:
        yield f"storing {recording.key!r} ({len(recording.body) / 1e6:.1f} MB)"
        client.put_object(Bucket=bucket, Key=recording.key, Body=recording.body, ContentType=recording.media_type)


def curl_commands(
    service: RecordingService, base: str, password: str, stored: list[Recording], fleet_only: Recording | None
) -> Iterator[str]:
    """Shell lines, each curl command under a comment that says what to expect of it.

    Args:
        service: builds the public links.
        base: the host application's URL, without a trailing slash.
        password: the administrator's.
        stored: what is in storage: the short recording, the hour, and others; empty where nothing was made.
        fleet_only: what only the fleet host has, where that is the embedded one.
    """
    login = f"curl -sS -d user=admin -d password={password} {base}/login"
    if not stored:
        yield f"# An administrator's token, for calls of your own at {base}/api/v1/recordings/SESSION_ID"
        yield login
        return
    short, hour = stored[:2]
    scheme, _, host = base.partition("://")

    def link(token: str) -> str:
        return service.build_public_recording_url(host, token, scheme=scheme)

    def expected(recording: Recording) -> str:
        return f"200, {len(recording.body)} bytes, sha256 {sha256(recording.body).hexdigest()}"

    outcome = "%{http_code} %{content_type} %{size_download} bytes\\n"
    report = f"-w '{outcome}'"
    yield f"# An administrator plays a recording: {expected(short)}"
    authorization = f'-H "Authorization: Bearer $({login})"'
    yield f"curl -sS {report} -o admin.wav {authorization} {base}/api/v1/recordings/{short.session_id}"
    yield f"# A public link, for a CRM; opens in a browser too: {expected(short)}"
    yield f"curl -sS {report} -o public.wav {link(short.token)}"
    if fleet_only:
        yield f"# A recording that only the fleet host has: {expected(fleet_only)}"
        yield f"curl -sS {report} -o fleet.wav {link(fleet_only.token)}"
    start = 44 + HOUR // 2 * audio.SAMPLE_RATE * 2
    stop = start + audio.SAMPLE_RATE * 2
    digest = sha256(hour.body[start:stop]).hexdigest()
    yield f"# A seek: one second from the middle of {hour.title}: 206, {stop - start} bytes, sha256 {digest}"
    yield f"curl -sS {report} -o second.raw -r {start}-{stop - 1} {link(hour.token)}"
    for recording in stored[2:]:
        yield f"# The same call in another format ({recording.media_type}): {expected(recording)}"
        yield f"curl -sS {report} -o {recording.session_id.replace('-', '.')} {link(recording.token)}"
    yield "# An unknown token: 404"
    yield f"curl -sS -w '\\n{outcome}' {link(mint_recording_access_token())}"
