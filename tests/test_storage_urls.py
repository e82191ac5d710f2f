"""URLs of object storage: signed ones, which real stores judge, and keys found in existing ones."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import urllib3
from hypothesis import given, settings
from hypothesis import strategies as st

from cxb_recordings import (
    RecordingService,
    SettingsError,
    enrich_call_with_accessible_url,
    extract_s3_key_from_url,
    generate_signed_url,
    generate_temporary_public_url,
)
from cxb_recordings.playback.source import key_is_askable
from cxb_recordings.storage_urls import LONGEST_EXPIRY, region_from_endpoint
from tests.contracts.sources import KEYS
from tests.servers import wait_until
from tests.servers.moto_s3 import Bucket

KEY = "2024/05/call one+ü(1).mp3"
DATA = b"0123456789"


def minio(endpoint: str = "nyc3.digitaloceanspaces.com", bucket: str = "recordings", **more: Any) -> dict[str, Any]:
    return {"minio": {"endpoint": endpoint, "access_key": "KEY", "secret_key": "SECRET", "bucket": bucket, **more}}


def fetch(url: str, method: str = "GET") -> urllib3.BaseHTTPResponse:
    return urllib3.request(method, url, timeout=30, retries=False)


SIGNED_FOR = {
    "https://nyc3.digitaloceanspaces.com/recordings/k": minio(),
    "https://fra1.digitaloceanspaces.com/recordings/k": minio("https://recordings.fra1.digitaloceanspaces.com/"),
    "https://sgp1.digitaloceanspaces.com/recordings/k": minio("recordings.sgp1.cdn.digitaloceanspaces.com"),
    "https://nyc3.digitaloceanspaces.com/my.dotted.bucket/k": minio(bucket="my.dotted.bucket"),
    "https://ams3.digitaloceanspaces.com/a.b/k": minio("a.b.ams3.digitaloceanspaces.com", "a.b"),
    "http://minio.internal:9000/recordings/k": minio("http://minio.internal:9000"),
    "http://minio:9000/recordings/k": minio("minio:9000", secure=False),
    "https://minio:9000/recordings/k": minio("minio:9000"),
    "http://[::1]:9000/recordings/k": minio("http://[::1]:9000"),
    "https://s3.eu-west-1.amazonaws.com/recordings/k": minio("recordings.s3.eu-west-1.amazonaws.com"),
}


@pytest.mark.parametrize(("expected", "document"), SIGNED_FOR.items())
def test_a_signed_url_leads_to_the_origin_with_the_bucket_once(expected: str, document: dict[str, Any]) -> None:
    url, _, query = generate_signed_url(document, "k").partition("?")

    assert url == expected
    signed = parse_qs(query)
    assert signed["X-Amz-Credential"][0].split("/")[2:4] == [region_from_endpoint(document["minio"]["endpoint"]), "s3"]
    parts = ("Algorithm", "Credential", "Date", "Expires", "SignedHeaders", "Signature")
    assert signed.keys() == {f"X-Amz-{part}" for part in parts}
    assert signed["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
    assert extract_s3_key_from_url(f"{url}?{query}", document["minio"]["bucket"]) == "k"


EXPIRIES = {1: 1, 86_400: 86_400, LONGEST_EXPIRY: 604_800, LONGEST_EXPIRY + 1: 604_800, 10**30: 604_800}


def test_a_signed_url_lasts_as_long_as_is_asked_and_seven_days_at_most() -> None:
    service = RecordingService(minio)
    for asked, given_ in EXPIRIES.items():
        assert expiry(generate_signed_url(minio(), "k", asked)) == given_
        assert expiry(service.generate_signed_url("k", asked)) == given_
    for minutes, seconds in {1: 60, 60: 3600, 10_080: 604_800, 10**30: 604_800}.items():
        assert expiry(generate_temporary_public_url(minio(), "k", minutes)) == seconds
        assert expiry(service.generate_temporary_public_url("k", minutes)) == seconds
    assert expiry(generate_signed_url(minio(), "k")) == expiry(service.generate_signed_url("k")) == 86_400
    assert expiry(generate_temporary_public_url(minio(), "k")) == 900
    assert expiry(service.generate_temporary_public_url("k")) == 900


def expiry(url: str) -> int:
    return int(parse_qs(urlsplit(url).query)["X-Amz-Expires"][0])


@pytest.mark.parametrize("wrong", [0, -1, -(10**30), 1.5, float("nan"), True, False, "60", None])
def test_a_time_that_cannot_be_is_refused(wrong: Any) -> None:
    for document in (minio(), {}):
        with pytest.raises(ValueError, match="expires_in: "):
            generate_signed_url(document, "k", wrong)
        with pytest.raises(ValueError, match="minutes: "):
            generate_temporary_public_url(document, "k", wrong)


@pytest.mark.parametrize(
    "key", ["", "/", "//", "a/", "/a/", ".", "..", "../k", "a/./b", "a\nb", "a\0", "\ud800", "k" * 1025, None, 7, b"k"]
)
def test_a_key_that_no_store_can_have_is_refused(key: Any) -> None:
    with pytest.raises(ValueError, match="key: "):
        generate_signed_url(minio(), key)


@pytest.mark.parametrize(
    "document", [{}, None, [], {"minio": None}, {"minio": {"endpoint": "minio:9000", "access": "a"}}]
)
def test_storage_that_is_not_configured_is_told_with_the_fields(document: Any) -> None:
    service = RecordingService(lambda: document)
    for sign in (lambda: generate_signed_url(document, "k"), lambda: service.generate_temporary_public_url("k")):
        with pytest.raises(SettingsError, match=r"not configured: see (minio\.|settings)") as refusal:
            sign()  # type: ignore[no-untyped-call]
        assert refusal.value.fields


def test_a_signed_url_of_every_key_is_accepted_by_a_store_that_checks_signatures(judge_bucket: Bucket) -> None:
    document = {"minio": judge_bucket.settings()}
    service = RecordingService(lambda: document)
    for number, key in enumerate([*KEYS, KEY, "/begins with a slash", "a//b", "back\\slash"]):
        if key in judge_bucket.server.lost_keys:
            continue
        body = b"%d" % number
        judge_bucket.put(key, body)

        for url in (generate_signed_url(document, key), service.generate_temporary_public_url(key)):
            reply = fetch(url)
            assert (reply.status, reply.data) == (200, body), key
            assert extract_s3_key_from_url(url, judge_bucket.name) == key


def test_a_signed_url_that_was_altered_is_refused(judge_bucket: Bucket) -> None:
    judge_bucket.put(KEY, DATA)
    judge_bucket.put("other", DATA)
    document = {"minio": judge_bucket.settings()}
    url = generate_signed_url(document, KEY)
    signature = parse_qs(urlsplit(url).query)["X-Amz-Signature"][0]
    forged = {"minio": judge_bucket.settings(secret_key=judge_bucket.server.secret_key[::-1])}

    assert fetch(url).data == DATA
    for altered in (
        url.replace("X-Amz-Expires=86400", "X-Amz-Expires=86401"),
        url.replace(urlsplit(url).path, f"/{judge_bucket.name}/other"),
        url.replace(signature, signature[::-1]),
        url.replace(f"&X-Amz-Signature={signature}", ""),
        url.partition("?")[0],
        f"{url}&response-content-type=text%2Fhtml",
        generate_signed_url(forged, KEY),
    ):
        assert altered != url
        assert fetch(altered).status in (400, 403), altered.replace(signature, "…")
    assert fetch(url, "DELETE").status == 403
    assert fetch(url).data == DATA


def test_a_signed_url_that_has_expired_is_refused(judge_bucket: Bucket) -> None:
    judge_bucket.put(KEY, DATA)
    short, long = (generate_signed_url({"minio": judge_bucket.settings()}, KEY, seconds) for seconds in (1, 600))

    wait_until(lambda: fetch(short).status in (400, 403), "the expiry of a signed URL")

    assert fetch(long).data == DATA


BUCKET_IN = "https://recordings.nyc3.digitaloceanspaces.com"
FOUND = {
    f"{BUCKET_IN}/2024/05/a.mp3": ("recordings", "2024/05/a.mp3"),
    f"{BUCKET_IN.upper()}/A.mp3": ("recordings", "A.mp3"),
    f"{BUCKET_IN}:443/a.mp3": ("recordings", "a.mp3"),
    f"{BUCKET_IN}./a.mp3": ("recordings", "a.mp3"),
    f"{BUCKET_IN}/a.mp3?X-Amz-Signature=x%2Fy&b=/c": ("recordings", "a.mp3"),
    f"{BUCKET_IN}/a.mp3#t=1/2": ("recordings", "a.mp3"),
    f"{BUCKET_IN}//a.mp3": ("recordings", "/a.mp3"),
    f"{BUCKET_IN}/folder/": ("recordings", "folder/"),
    "https://recordings.nyc3.cdn.digitaloceanspaces.com/a.mp3": ("recordings", "a.mp3"),
    "https://my.dotted.bucket.fra1.digitaloceanspaces.com/a/b": ("my.dotted.bucket", "a/b"),
    "https://my.dotted.bucket.fra1.cdn.digitaloceanspaces.com/a/b": ("my.dotted.bucket", "a/b"),
    "https://nyc3.digitaloceanspaces.com/recordings/a.mp3": ("recordings", "a.mp3"),
    "https://nyc3.cdn.digitaloceanspaces.com/my.dotted.bucket/a/b.mp3": ("my.dotted.bucket", "a/b.mp3"),
    "https://recordings.s3.eu-west-1.amazonaws.com/a.mp3": ("recordings", "a.mp3"),
    "https://s3.amazonaws.com/recordings/a.mp3": ("recordings", "a.mp3"),
    "http://minio.internal:9000/recordings/2024/a.mp3": ("recordings", "2024/a.mp3"),
    "http://10.0.0.1/recordings/a.mp3?AWSAccessKeyId=x": ("recordings", "a.mp3"),
    "http://[::1]:9000/my.dotted.bucket/a": ("my.dotted.bucket", "a"),
    "http://minio:9000/recordings/call%20one%2B%C3%BC%281%29.mp3": ("recordings", "call one+ü(1).mp3"),
    "http://minio:9000/recordings/a+b": ("recordings", "a+b"),
    "http://minio:9000/recordings/a%2520b": ("recordings", "a%20b"),
    "http://minio:9000/recordings/a%2Fb%3Fc%23d": ("recordings", "a/b?c#d"),
    "http://minio:9000/recordings/100%": ("recordings", "100%"),
    "http://minio:9000/recordings/ü": ("recordings", "ü"),
}


@pytest.mark.parametrize(("url", "found"), FOUND.items())
def test_the_key_is_found_in_a_url_of_storage_of_the_bucket_that_is_named(url: str, found: tuple[str, str]) -> None:
    bucket, key = found
    service = RecordingService(dict)

    assert extract_s3_key_from_url(url) == service.extract_s3_key_from_url(url) == key
    assert extract_s3_key_from_url(url, bucket) == service.extract_s3_key_from_url(url, bucket) == key
    for other in ("other", bucket.upper(), f"{bucket}.x", ""):
        assert extract_s3_key_from_url(url, other) is None


NOT_FOUND: list[Any] = [
    *[None, 7, b"http://minio/recordings/a", ["http://minio/recordings/a"], ""],
    *[
        *("a.mp3", "/recordings/a.mp3", "//minio/recordings/a", "ftp://minio/recordings/a"),
        *("s3://recordings/a", "mailto:a/b"),
    ],
    *["http://", "http:///recordings/a", "http://:9000/recordings/a", "http://[::1/recordings/a"],
    *["http://minio", "http://minio/", "http://minio/recordings", "http://minio/recordings/", "http://minio//a"],
    *[BUCKET_IN, f"{BUCKET_IN}/", f"{BUCKET_IN}?a/b", f"{BUCKET_IN}/#a", "https://nyc3.digitaloceanspaces.com/a"],
    *["http://minio:port/recordings/a", "http://minio:99999/recordings/a"],
    *["http://minio/recordings/%ff", "http://minio/recordings/a\nb", "http://mi\tnio/recordings/a"],
]


IN_FRONT = {
    "http://recordings.minio.internal:9000/recordings/s-1.wav": "recordings/s-1.wav",
    "https://recordings.minio.internal/s-1.wav": "s-1.wav",
    "http://Recordings.MinIO.Internal.:9000/s-1.wav?X-Amz-Signature=x": "s-1.wav",
    "http://minio.internal:9000/recordings/recordings/s-1.wav": "recordings/s-1.wav",
    "http://other.minio.internal:9000/recordings/s-1.wav": None,
    "http://minio.internal:9000/other/recordings/s-1.wav": None,
    "http://10.1.2.3:9000/recordings/s-1.wav": "s-1.wav",
    "https://recordings.s3-accelerate.amazonaws.com/recordings/a": "recordings/a",
    "http://recordings.s3-website-eu-west-1.amazonaws.com/recordings/a": "recordings/a",
    "http://recordings.s3-website.eu-central-1.amazonaws.com/a": "a",
    "https://recordings.s3-fips.dualstack.us-east-1.amazonaws.com/a": "a",
    "https://recordings.s3.cn-north-1.amazonaws.com.cn/a": "a",
    "https://recordings-1.s3-accesspoint.eu-west-1.amazonaws.com/recordings/a": None,
    "https://1.s3-control.eu-west-1.amazonaws.com/recordings/a": None,
    "https://recordings.fra1.cdn.digitaloceanspaces.com/recordings/a": "recordings/a",
}


@pytest.mark.parametrize(("url", "key"), IN_FRONT.items())
def test_with_bucket_and_endpoint_known_everything_reads_a_url_alike(url: str, key: str | None) -> None:
    document = minio("http://minio.internal:9000")

    assert RecordingService(lambda: document).extract_s3_key_from_url(url, "recordings") == key
    enriched = enrich_call_with_accessible_url({"recording_url": url}, document)["recording_url"]
    assert enriched.partition("?X-Amz-Algorithm")[0] == (f"http://minio.internal:9000/recordings/{key}" if key else url)


@pytest.mark.parametrize("url", NOT_FOUND)
def test_no_key_is_found_in_anything_else(url: Any) -> None:
    assert extract_s3_key_from_url(url) is None


@given(st.text() | st.text(alphabet="ah:/?#[]@%2fü\ud800\n."))
def test_no_url_is_an_error(url: str) -> None:
    for text in (url, f"http://{url}", f"http://h/b/{url}", f"{BUCKET_IN}/{url}"):
        assert extract_s3_key_from_url(text) != ""


@settings(max_examples=3 * settings().max_examples, deadline=None)  # the first boto3 client takes long
@given(st.text(min_size=1, max_size=30) | st.text(alphabet="a/.%2e+ ?#\\ü", min_size=1, max_size=12))
def test_the_key_that_was_signed_is_found_again(key: str) -> None:
    if key_is_askable(key):
        assert extract_s3_key_from_url(generate_signed_url(minio(), key), "recordings") == key


SIGNED_START = "https://nyc3.digitaloceanspaces.com/recordings/"
OLD_URL = f"{BUCKET_IN}/old/a%20b.mp3?X-Amz-Signature=expired"
ENRICHED: list[tuple[dict[str, Any], str]] = [
    ({"recording_key": "a b.mp3"}, "a%20b.mp3"),
    ({"recording_key": "new.mp3", "recording_url": OLD_URL}, "new.mp3"),
    ({"recording_url": OLD_URL, "other": [1]}, "old/a%20b.mp3"),
    ({"recording_key": "", "recording_url": OLD_URL}, "old/a%20b.mp3"),
    ({"recording_key": 7, "recording_url": "http://minio:9000/recordings/2024/a.mp3"}, "2024/a.mp3"),
]


@pytest.mark.parametrize(("call", "path"), ENRICHED)
def test_a_call_gets_a_fresh_signed_url_in_a_copy(call: dict[str, Any], path: str) -> None:
    before = dict(call)
    service = RecordingService(minio)

    for enriched in (enrich_call_with_accessible_url(call, minio()), service.enrich_call_with_accessible_url(call)):
        url = enriched.pop("recording_url")
        assert url.startswith(f"{SIGNED_START}{path}?X-Amz-")
        assert expiry(url) == 86_400
        assert enriched == {name: value for name, value in call.items() if name != "recording_url"}
    assert call == before


UNCHANGED: list[dict[str, Any]] = [
    {},
    {"recording_key": "", "recording_url": ""},
    {"recording_key": None, "recording_url": None, "session_id": "s"},
    {"recording_key": ["k"], "recording_url": ["u"]},
    {"recording_key": "../k"},
    {"recording_url": "https://other.nyc3.digitaloceanspaces.com/k"},
    {"recording_url": "https://elsewhere.example/k.mp3"},
]


@pytest.mark.parametrize("call", UNCHANGED)
def test_a_call_without_a_key_is_copied_unchanged(call: dict[str, Any]) -> None:
    enriched = enrich_call_with_accessible_url(call, minio())

    assert enriched == call
    assert enriched is not call


@pytest.mark.parametrize("document", [{}, {"minio": {"bucket": "recordings"}}, [], None, 7])
def test_a_call_is_copied_unchanged_where_storage_is_not_configured(document: Any) -> None:
    call = {"recording_key": "k", "recording_url": "u"}

    for enriched in (
        enrich_call_with_accessible_url(call, document),
        RecordingService(lambda: document).enrich_call_with_accessible_url(call),
    ):
        assert enriched == call
        assert enriched is not call
