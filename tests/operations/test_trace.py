"""One recording is followed through every step, and the first finding is why it does not play."""

from __future__ import annotations

from urllib.parse import quote

from cxb_recordings import InMemoryCallRepository
from tests.commands import AUDIO, CALL, KEY, TOKEN, Healthy, bucket, healthy, judged, trace

__all__ = ["bucket", "healthy", "judged"]  # fixtures


def test_public_link_404_the_token_matches_no_call(healthy: Healthy) -> None:
    report = trace(healthy.settings(), "--token", "another-token")

    assert (report.exit_code, report.first["status"], report.first["check"]) == (1, "failure", "call")
    assert "it was replaced, revoked, or never minted" in report.first["seen"]
    assert "another-token" not in report.output


def test_public_link_404_the_call_has_neither_key_nor_url(healthy: Healthy) -> None:
    calls = InMemoryCallRepository([{"session_id": "s-1", "recording_access_token": TOKEN}])

    report = trace(healthy.settings(), "--token", TOKEN, calls=calls)

    assert (report.exit_code, report.first["check"]) == (1, "key")
    assert "neither a recording_key nor a recording_url" in report.first["seen"]


def test_access_denied_at_a_crm_the_call_has_a_signed_url(healthy: Healthy) -> None:
    url = f"https://b.nyc3.digitaloceanspaces.com/{quote(KEY)}?X-Amz-Signature=abc&X-Amz-Expires=60"
    calls = InMemoryCallRepository([CALL | {"recording_url": url}])

    report = trace(healthy.settings(), calls=calls)

    assert (report.exit_code, report.first["status"], report.first["check"]) == (0, "warning", "stored recording_url")
    assert "must not go to a CRM: it is a signed storage URL" in report.first["seen"]
    assert "flask recordings link" in report.first["remedy"]


def test_a_trace_tells_status_time_and_size_of_each_source_and_downloads_nothing(judged: Healthy) -> None:
    report = trace(judged.settings(), "--token", TOKEN)

    assert report.exit_code == 0
    for source in ("storage", judged.host.url):
        finding = report.of(source)
        assert (finding["http_status"], finding["length"]) == (206, len(AUDIO))
        assert finding["seconds"] > 0
    assert report.of("recording")["seen"] == "it plays, from storage"
    assert [request.headers["Range"] for request in judged.host.requests] == ["bytes=0-0"]


def test_a_recording_that_nobody_has_is_told_with_every_source_that_was_asked(judged: Healthy) -> None:
    url = f"{judged.bucket.server.endpoint}/{judged.bucket.name}/2024/05/gone.wav"
    calls = InMemoryCallRepository([{"session_id": "s-1", "recording_url": url}])

    report = trace(judged.settings(), calls=calls)

    assert (report.exit_code, report.first["check"], report.first["seen"]) == (1, "recording", "no source has it")
    assert "whole path names another key" in report.first["remedy"]
    assert report.of("storage")["http_status"] == report.of(judged.host.url)["http_status"] == 404


def test_an_unknown_session_id_and_a_malformed_token_are_told() -> None:
    unknown, malformed = trace({}, "--session-id", "s-2"), trace({}, "--token", "a token/")

    assert unknown.first["seen"] == "no call has this session id"
    assert "malformed" in malformed.first["seen"]


def test_a_signed_url_in_place_of_the_key_is_told_and_not_shown(healthy: Healthy) -> None:
    url = f"https://b.nyc3.digitaloceanspaces.com/{quote(KEY)}?X-Amz-Signature=abc"
    report = trace(healthy.settings(), calls=InMemoryCallRepository([CALL | {"recording_key": url}]))

    assert (report.exit_code, report.first["check"]) == (1, "key")
    assert report.first["seen"] == "recording_key gives a URL in place of a key"
    assert "X-Amz" not in report.output


def test_a_source_that_fails_is_shown_with_its_status_and_time(healthy: Healthy) -> None:
    report = trace(healthy.settings(cxbcore_secret="another"))

    assert report.of(healthy.host.url)["http_status"] == 403
    assert report.of(healthy.host.url)["seconds"] > 0


def test_the_key_that_a_trace_advises_is_of_the_configured_bucket(healthy: Healthy) -> None:
    endpoint = healthy.bucket.server.endpoint.removeprefix("http://")
    advice = {
        f"http://{healthy.bucket.name}.{endpoint}/{healthy.bucket.name}/gone.wav": "whole path names another key",
        f"http://other.{endpoint}/{healthy.bucket.name}/gone.wav": "under which key",
        f"http://{endpoint}/other/2024/gone.wav": "under which key",
    }
    for url, remedy in advice.items():
        calls = InMemoryCallRepository([{"session_id": "s-1", "recording_url": url}])

        assert remedy in trace(healthy.settings(), calls=calls).first["remedy"]
