"""The stable public link, and what may be sent to a CRM: functions and the service's methods."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxb_recordings import (
    MissingAccessToken,
    RecordingService,
    SettingsError,
    build_public_recording_url,
    crm_recording_url,
    crm_url_problem,
)
from cxb_recordings.options import Options

TOKEN = "dGhlIHRva2VuIG9mIGEgY2FsbCBpbiB0aGUgdGVzdHM"
HOST = "voice.example"
LINK = f"https://{HOST}/api/v1/public/recordings/{TOKEN}"
SETTINGS = {
    "minio": {"endpoint": "http://minio.internal:9000", "access_key": "A", "secret_key": "S", "bucket": "calls"}
}


def service(settings: Any = SETTINGS, **options: Any) -> RecordingService:
    return RecordingService(lambda: settings, Options(**options))


def test_a_link_is_made_of_host_prefix_and_token() -> None:
    assert build_public_recording_url(HOST, TOKEN) == LINK == service().build_public_recording_url(HOST, TOKEN)
    assert build_public_recording_url("127.0.0.1:5000", "t", scheme="http", prefix="/r") == "http://127.0.0.1:5000/r/t"
    assert build_public_recording_url("[::1]:5000", "t", prefix="") == "https://[::1]:5000/t"
    own = service(public_url_prefix="/listen")
    assert own.build_public_recording_url(HOST, "t", scheme="http") == f"http://{HOST}/listen/t"
    assert own.crm_recording_url({"recording_access_token": "t"}, HOST) == f"https://{HOST}/listen/t"


@pytest.mark.parametrize(
    ("filename", "segment"),
    [
        ("call.mp3", "call.mp3"),
        ("Grüße 1.wav", "Gr%C3%BC%C3%9Fe%201.wav"),
        ("a?b#c%2e;d&e", "a%3Fb%23c%252e%3Bd%26e"),
        ("...", "..."),
        ("x" * 255, "x" * 255),
    ],
)
def test_a_link_may_end_in_a_file_name(filename: str, segment: str) -> None:
    call = {"recording_access_token": TOKEN}

    for url in (
        build_public_recording_url(HOST, TOKEN, filename=filename),
        crm_recording_url(call, HOST, filename=filename),
        service().build_public_recording_url(HOST, TOKEN, filename=filename),
        service().crm_recording_url(call, HOST, filename=filename),
    ):
        assert url == f"{LINK}/{segment}"


def test_how_long_a_link_may_be_is_the_column_of_the_crm() -> None:
    assert crm_url_problem(LINK, longest=len(LINK)) is None
    assert f"than {len(LINK) - 1} characters" in (crm_url_problem(LINK, longest=len(LINK) - 1) or "")


WRONG_PARTS: list[tuple[str, dict[str, Any]]] = [
    *[
        ("host", {"host": host})
        for host in ("", " ", "https://h", "h/", "h/p", "u@h", "h?", "h#", "h:", "h:port", "h h", "h\n", "ü", None, 7)
    ],
    *[("token", {"token": token}) for token in ("", "a b", "a/b", ".", "..", "a\n", "secret token", None, 7, b"t")],
    *[("scheme", {"scheme": scheme}) for scheme in ("", "ftp", "javascript", "HTTPS", None)],
    *[
        ("filename", {"filename": name})
        for name in ("", ".", "..", "a/b.mp3", "a\\b", "a\n", "\x00", "\ud800", "a\u202eb", "ü" * 128, b"a", 7)
    ],
    *[("prefix", {"prefix": prefix}) for prefix in ("p", "/p/", "/", "/p?", "/p#", "/p p", "//p", "/p\n", None, 7)],
]


@pytest.mark.parametrize(("name", "changes"), WRONG_PARTS)
def test_a_part_that_cannot_be_is_named_and_the_token_is_not_shown(name: str, changes: dict[str, Any]) -> None:
    arguments = {"host": HOST, "token": TOKEN, **changes}
    with pytest.raises(ValueError, match=f"^{name}: ") as refusal:
        build_public_recording_url(arguments.pop("host"), arguments.pop("token"), **arguments)

    assert TOKEN not in str(refusal.value)
    assert "secret" not in str(refusal.value)


def test_a_call_with_a_token_gets_the_stable_link_whatever_else_is_asked() -> None:
    call = {"recording_access_token": TOKEN, "recording_key": "k"}

    for url in (
        crm_recording_url(call, HOST),
        crm_recording_url(call, HOST, allow_signed_fallback=True, settings=SETTINGS),
        service().crm_recording_url(call, HOST),
        service().crm_recording_url(call, HOST, allow_signed_fallback=True),
    ):
        assert url == LINK
        assert crm_url_problem(url, SETTINGS) is None


@pytest.mark.parametrize("token", [None, "", ".", "a b", 7, ["t"], "x" * 257])
def test_a_call_without_a_token_gets_a_signed_url_only_where_that_is_asked_for(token: object) -> None:
    call = {"recording_access_token": token, "recording_url": "https://old.example/calls/s%201.mp3"}

    with pytest.raises(MissingAccessToken, match="ensure_token"):
        crm_recording_url(call, HOST, settings=SETTINGS)
    with pytest.raises(MissingAccessToken):
        service().crm_recording_url(call, HOST)
    for url in (
        crm_recording_url(call, HOST, allow_signed_fallback=True, settings=SETTINGS),
        service().crm_recording_url(call, HOST, allow_signed_fallback=True),
    ):
        assert url.startswith("http://minio.internal:9000/calls/s%201.mp3?X-Amz-Algorithm=AWS4-HMAC-SHA256&")
        assert "X-Amz-Expires=86400&" in url


def test_a_fallback_that_cannot_be_says_why() -> None:
    with pytest.raises(MissingAccessToken, match="no key"):
        crm_recording_url({}, HOST, allow_signed_fallback=True, settings=SETTINGS)
    for settings in (None, {}, {"minio": {"endpoint": "minio"}}):
        with pytest.raises(SettingsError, match=r"minio\.bucket"):
            crm_recording_url({"recording_key": "k"}, HOST, allow_signed_fallback=True, settings=settings)
    with pytest.raises(ValueError, match="key: "):
        crm_recording_url({"recording_key": "../k"}, HOST, allow_signed_fallback=True, settings=SETTINGS)


def test_the_service_asks_for_settings_only_where_a_signed_url_may_be_needed() -> None:
    def provider() -> Any:
        raise AssertionError("asked for nothing")

    idle = RecordingService(provider)

    assert idle.crm_recording_url({"recording_access_token": TOKEN}, HOST) == LINK
    with pytest.raises(MissingAccessToken):
        idle.crm_recording_url({}, HOST)


STORAGE, CONFIGURED, SIGNED, QUERY, LONG, NO_URL = (
    "object storage itself",
    "configured storage host",
    "signed storage URL",
    "a query",
    "255 characters",
    "not an http or https URL",
)
PROBLEMS: dict[str, str | None] = {
    LINK: None,
    "http://127.0.0.1:5000/api/v1/public/recordings/t": None,
    "https://crm.example/a#t=10": None,
    "https://crm.example/a#?": None,
    "https://minio.example/calls/k": None,
    "https://notminio.internal/k": None,
    "https://digitaloceanspaces.com.example/k": None,
    f"https://h/{'x' * 245}": None,
    f"https://h/{'x' * 246}": LONG,
    "https://nyc3.digitaloceanspaces.com/calls/k": STORAGE,
    "https://calls.NYC3.digitaloceanspaces.com/k": STORAGE,
    "https://calls.nyc3.digitaloceanspaces.com:443/k": STORAGE,
    "HTTPS://my.calls.fra1.cdn.digitaloceanspaces.com/k": STORAGE,
    "https://user@calls.nyc3.digitaloceanspaces.com/k": STORAGE,
    "https://calls.s3.eu-west-1.amazonaws.com/k": STORAGE,
    "https://s3.amazonaws.com/calls/k": STORAGE,
    "http://Calls.S3-Website.eu-central-1.amazonaws.com./k": STORAGE,
    "https://ap-1.s3-accesspoint.eu-west-1.amazonaws.com/k": STORAGE,
    "https://alias.mrap.accesspoint.s3-global.amazonaws.com/k": STORAGE,
    "https://vpce-0a1b-2c3d-eu-west-1a.s3.eu-west-1.vpce.amazonaws.com/calls/k": STORAGE,
    "https://vpce-0a1b-2c3d.sqs.eu-west-1.vpce.amazonaws.com/k": None,
    "https://s3%2eamazonaws.com/calls/k": NO_URL,
    "https://%733.amazonaws.com/calls/k": NO_URL,
    "https://s3.amazonaws.com\\calls/k": NO_URL,
    "https://\\s3.amazonaws.com/calls/k": NO_URL,
    "https://h\\@s3.amazonaws.com/k": STORAGE,
    "https://h/a%2eb\\c": None,
    "https://.s3.amazonaws.com/calls/k": NO_URL,
    "https://s3.amazonaws.com../calls/k": NO_URL,
    "https://[::1]:9000/k": None,
    "https://my_host:9000/k": None,
    "https://ec2-1-2-3-4.eu-west-1.compute.amazonaws.com/k": None,
    "https://abc.execute-api.eu-west-1.amazonaws.com/k": None,
    "https://s3.amazonaws.com.example/k": None,
    "http://minio.internal:9000/calls/k": CONFIGURED,
    "https://MinIO.internal:9000/calls/k": CONFIGURED,
    "http://minio.internal.:9000/calls/k": CONFIGURED,
    "http://calls.minio.internal:9000/k": CONFIGURED,
    "https://calls.nyc3.digitaloceanspaces\u3002com/k": NO_URL,
    "https://h/\u00fc": None,
    "http://minio.internal:9000/calls/k?X-Amz-Signature=s": SIGNED,
    "https://anything.example/k?x=y&x-amz-signature=s": SIGNED,
    "https://h/k?X%2DAmz-Signature=s": QUERY,
    "https://h/k?AWSAccessKeyId=a&Signature=s": QUERY,
    "https://h/k?": QUERY,
    "https://h/k?#f": QUERY,
    "": NO_URL,
    "k": NO_URL,
    "/api/v1/public/recordings/t": NO_URL,
    "//h/k": NO_URL,
    "ftp://h/k": NO_URL,
    "javascript:alert(1)": NO_URL,
    "https://": NO_URL,
    "https://./k": NO_URL,
    "https://[::1/k": NO_URL,
    "https://h:port/k": NO_URL,
    "https://h/a b": NO_URL,
    " https://h/k": NO_URL,
    "https://h/k\n": NO_URL,
    "ht\ntps://h/k": NO_URL,
}


@pytest.mark.parametrize(("url", "problem"), PROBLEMS.items())
def test_what_a_crm_must_not_get_is_told_with_the_reason(url: str, problem: str | None) -> None:
    told = crm_url_problem(url, SETTINGS)

    assert (told is None) if problem is None else (problem in (told or ""))
    if problem != CONFIGURED:
        assert crm_url_problem(url) == told


@pytest.mark.parametrize("endpoint", ["storage.example", "https://storage.example:443", "http://storage.example"])
def test_the_configured_host_is_known_by_either_scheme(endpoint: str) -> None:
    settings = {"minio": SETTINGS["minio"] | {"endpoint": endpoint}}

    for url in (
        "https://storage.example/calls/k",
        "http://storage.example/calls/k",
        "http://storage.example:80/calls/k",
    ):
        assert CONFIGURED in str(crm_url_problem(url, settings))
    assert crm_url_problem("https://storage.example:8443/calls/k", settings) is None


@pytest.mark.parametrize("url", [None, 7, b"https://h/k", ["https://h/k"]])
def test_what_is_no_string_must_not_go_to_a_crm(url: object) -> None:
    assert crm_url_problem(url, SETTINGS) == "it is not a string"


@given(st.text() | st.text(alphabet="ah:/?#[]@%2ü\ud800\n."), st.sampled_from([None, SETTINGS, {}, {"minio": 7}, []]))
def test_no_url_is_an_error(url: str, settings: Any) -> None:
    for text in (url, f"https://{url}", f"https://h/{url}"):
        assert crm_url_problem(text, settings) != ""
