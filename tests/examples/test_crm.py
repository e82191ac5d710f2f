"""The CRM does to URLs what real ones do; the stable link survives it, a signed URL does not."""

from __future__ import annotations

import re
from typing import Any

import pytest

from examples import audio
from tests.servers.origin import OriginFactory

from .conftest import CRM_KEY, CallCentre, Crm

ACTIVITY = {
    "session_id": "s-1",
    "contact": "Ada <i>",
    "agent": "Zoe",
    "recording_url": "http://calls.example/api/v1/public/recordings/token",
    "signed_url": "http://store.example/recordings/s-1.wav?X-Amz-Signature=" + "a" * 300,
}


def push(crm: Crm, document: dict[str, Any], key: str = CRM_KEY) -> int:
    reply = crm.app.test_client().post("/api/activities", data=document, headers={"X-Api-Key": key})
    return reply.status_code


def test_a_url_is_cut_at_255_characters_and_played_without_its_query(crm: Crm) -> None:
    assert push(crm, ACTIVITY) == 201

    page = crm.page("/activities/s-1")

    url = ACTIVITY["recording_url"]
    assert re.findall(r'<audio [^>]*src="([^"]+)"', page) == [url]
    assert re.findall(r'href="(http[^"]+)"', page) == [url]
    assert '<dd class="mono url">http://store.example/recordings/s-1.wav</dd>' in page
    assert f"<del>{ACTIVITY['signed_url'][255:]}</del>" in page
    assert "Kept by the URL column, 255 of 255 characters" in page


def test_the_stable_link_plays_in_the_crm_and_the_signed_url_does_not(centre: CallCentre) -> None:
    crm = centre.crm.app.test_client()
    csrf = centre.log_in()
    centre.post("/calls/s-url/rotate", csrf)

    signed = crm.get("/activities/s-url/signed").get_json()

    assert signed == {"plays": False, "text": "403 AccessDenied"}
    # The public address of this test leads to no server: the link is played through the host itself.
    path = re.search(r"http://calls\.example(/api/\S+?)[\"<]", centre.crm.page("/activities/s-url"))
    assert path is not None
    assert centre.app.test_client().get(path[1]).data == audio.make_wav(5)


def test_a_download_is_the_crms_own_copy_named_after_the_last_segment_of_the_link(
    crm: Crm, make_origin: OriginFactory
) -> None:
    recording = audio.make_wav(5)
    host = make_origin({"s-1.wav": recording, "page": b"<p>"})
    client = crm.app.test_client()

    push(crm, ACTIVITY | {"recording_url": f"{host.url}/recordings/s-1.wav?x=1"})
    reply = client.get("/activities/s-1/recording")

    assert reply.data == recording
    assert reply.headers["Content-Disposition"] == "attachment; filename=s-1.wav"
    assert int(reply.headers["Content-Length"]) == len(recording)
    for url in (f"{host.url}/recordings/nope.wav", "http://127.0.0.1:1/x.wav", "javascript:alert(1)", ""):
        push(crm, ACTIVITY | {"recording_url": url})
        reply = client.get("/activities/s-1/recording")
        assert (reply.status_code, "No recording" in reply.get_data(as_text=True)) == (502, True)


def test_the_latest_push_of_a_call_counts_and_stands_first(crm: Crm) -> None:
    for session_id, url in (("s-1", "http://x/old"), ("s-2", "http://x/2"), ("s-1", "http://x/new")):
        push(crm, ACTIVITY | {"session_id": session_id, "recording_url": url})

    page = crm.page("/")

    assert re.findall(r'href="/activities/([^"]+)"', page) == ["s-1", "s-2"]
    assert "http://x/old" not in page
    assert "<i>" not in page


@pytest.mark.parametrize("key", ["", "wrong", "ü"])
def test_a_wrong_key_pushes_nothing(crm: Crm, key: str) -> None:
    assert push(crm, ACTIVITY, key) == 401
    assert "Nothing was pushed yet" in crm.page("/")


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"session_id": "s-1"},
        ACTIVITY | {"session_id": ""},
        ACTIVITY | {"session_id": "a/b"},
        ACTIVITY | {"recording_url": "x" * 5000},
    ],
    ids=["nothing", "too little", "no session", "a slash", "a long URL"],
)
def test_what_is_no_activity_is_400(crm: Crm, document: dict[str, Any]) -> None:
    assert push(crm, document) == 400


def test_an_activity_that_is_not_there_is_404(crm: Crm) -> None:
    push(crm, ACTIVITY)
    client = crm.app.test_client()

    for path in ("/activities/nope", "/activities/nope/stable", "/activities/s-1/other"):
        reply = client.get(path)
        assert reply.status_code == 404
        assert "<h1>Page not found</h1>" in reply.get_data(as_text=True)


@pytest.mark.parametrize(
    "url", ["", "javascript:alert(1)", "file:///etc/passwd", "http://127.0.0.1:1/x", "http://[", "x"]
)
def test_a_url_of_no_server_is_said_to_be_one(crm: Crm, url: str) -> None:
    push(crm, ACTIVITY | {"recording_url": url})

    assert crm.app.test_client().get("/activities/s-1/stable").get_json()["plays"] is False
    assert 'href="javascript' not in crm.page("/activities/s-1")
