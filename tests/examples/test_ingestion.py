"""A finished call comes in: stored, given a token, pushed to the CRM; and what is refused, naming the field."""

from __future__ import annotations

import io
import logging
from typing import Any

import pytest
from flask_jwt_extended import create_access_token

from examples import audio, ingestion

from .conftest import CRM_KEY, PUBLIC_URL, SECRET, CallCentre, rows

WAV = audio.make_wav(2)


def upload(data: bytes = WAV, name: str = "call.wav") -> tuple[io.BytesIO, str]:
    return io.BytesIO(data), name


def stored_keys(centre: CallCentre) -> list[str]:
    return [item["Key"] for item in centre.bucket.client.list_objects_v2(Bucket=centre.bucket.name)["Contents"]]


def test_an_uploaded_call_is_stored_listed_playable_and_known_to_the_crm(centre: CallCentre) -> None:
    reply = centre.ingest(session_id="new-1", caller="Grace", agent="Max", audio=upload())

    assert reply.status_code == 201
    answer = reply.get_json()
    assert answer == {
        "session_id": "new-1",
        "recording_url": f"{PUBLIC_URL}{centre.link('new-1')}/new-1.wav",
        "crm": "told",
    }
    played = centre.client.get(f"{centre.link('new-1')}/new-1.wav")
    assert played.data == WAV
    assert played.headers["Content-Disposition"] == "inline; filename=new-1.wav"
    assert answer["recording_url"] in centre.crm.page("/activities/new-1")
    centre.log_in()
    page = centre.client.get("/calls").get_data(as_text=True)
    assert rows(page)[0] == "new-1"
    assert "0:02" in page


def test_a_key_that_is_stored_already_makes_a_call_and_says_where_it_lies(centre: CallCentre) -> None:
    assert centre.ingest(session_id="new-2", recording_key="long.wav").status_code == 201
    assert centre.ingest(session_id="new-3", recording_key="only-on-fleet.wav").status_code == 201

    for session_id, places in (("new-2", ("Storage", "Fleet host 1", "Fleet host 2")), ("new-3", ("Fleet host 1",))):
        call = centre.calls.summary(session_id)
        assert call is not None
        assert call.places == places


def put(centre: CallCentre, session_id: str, **fields: Any) -> Any:
    headers, path = {"X-Ingestion-Secret": SECRET}, f"/api/v1/calls/{session_id}/recording"
    return centre.client.put(path, data=fields, headers=headers, content_type="multipart/form-data")


def test_a_recording_that_follows_its_call_plays_and_goes_to_the_crm_once_it_is_stored(centre: CallCentre) -> None:
    reply = centre.ingest(session_id="new-1", caller="Grace", audio_follows="wav")
    link = centre.link("new-1")

    assert (reply.status_code, reply.get_json()["crm"]) == (201, "told when the recording is stored")
    assert reply.get_json()["recording_url"] == f"{PUBLIC_URL}{link}/new-1.wav"
    assert centre.client.get(link).status_code == 404
    assert "new-1" not in centre.crm.page("/")
    csrf = centre.log_in()
    assert "not stored yet" in centre.client.get("/calls").get_data(as_text=True)
    assert "The CRM gets it when the recording is stored." in centre.client.get("/calls/new-1").get_data(as_text=True)
    assert centre.post("/calls/new-1/rotate", csrf).headers["Location"].endswith("?done=rotated-early#link-title")
    link = centre.link("new-1")
    assert "new-1" not in centre.crm.page("/")

    stored = put(centre, "new-1", audio=upload())

    assert (stored.status_code, stored.get_json()["crm"]) == (200, "told")
    assert stored.get_json()["recording_url"] == f"{PUBLIC_URL}{link}/new-1.wav"
    assert centre.client.get(link).data == WAV
    assert PUBLIC_URL + link in centre.crm.page("/activities/new-1")
    call = centre.calls.summary("new-1")
    assert call is not None
    assert (call.places, call.seconds, max(call.peaks)) == (("Storage",), 2, 100)


def test_a_recording_that_follows_is_stored_once_and_only_as_what_it_was_said_to_be(centre: CallCentre) -> None:
    assert put(centre, "new-1", audio=upload()).status_code == 404
    centre.ingest(session_id="new-1", audio_follows="WAV")
    for fields, status in (({}, 400), ({"audio": upload(b"")}, 400), ({"audio": upload(name="call.mp3")}, 415)):
        reply = put(centre, "new-1", **fields)
        assert (reply.status_code, reply.get_json()["field"]) == (status, "audio")
    centre.storage.pull()
    assert put(centre, "new-1", audio=upload()).status_code == 503
    centre.storage.put_in()

    assert put(centre, "new-1", audio=upload()).status_code == 200

    for session_id in ("new-1", "s-long", "s-none"):
        reply = put(centre, session_id, audio=upload())
        assert (reply.status_code, reply.get_json()["field"]) == (409, "audio")
    assert centre.client.get(centre.link("new-1")).data == WAV
    headers = {"X-Ingestion-Secret": "wrong"}
    assert centre.client.put("/api/v1/calls/new-1/recording", headers=headers).status_code == 401


def test_an_administrator_may_ingest_with_a_header_and_with_the_cookie_and_its_csrf_token(centre: CallCentre) -> None:
    with centre.app.app_context():
        token = create_access_token("admin", additional_claims={"role": "admin"})
    fields = {"session_id": "new-1", "recording_key": "long.wav"}
    path, bearer = "/api/v1/calls", {"Authorization": f"Bearer {token}"}
    assert centre.client.post(path, data=fields, headers=bearer).status_code == 201

    csrf = centre.log_in()
    assert centre.client.post(path, data=fields | {"session_id": "new-2"}).status_code == 403
    assert centre.client.post(path, data=fields | {"session_id": "new-2", "csrf_token": csrf}).status_code == 201


def test_nobody_else_may_ingest(centre: CallCentre) -> None:
    with centre.app.app_context():
        agent = create_access_token("eve", additional_claims={"role": "agent"})
    refused = [
        ({}, 401),
        ({"X-Ingestion-Secret": "wrong"}, 401),
        ({"X-Ingestion-Secret": ""}, 401),
        ({"X-Ingestion-Secret": "ü"}, 401),
        ({"Authorization": "Bearer x"}, 401),
        ({"Authorization": f"Bearer {agent}"}, 403),
    ]
    for headers, status in refused:
        data = {"session_id": "new-1", "recording_key": "long.wav"}
        reply = centre.client.post("/api/v1/calls", data=data, headers=headers)
        assert reply.status_code == status, headers
        assert reply.get_json()["field"] in ("Authorization", "X-Ingestion-Secret")
        assert SECRET not in reply.get_data(as_text=True)
    assert centre.calls.summary("new-1") is None


@pytest.mark.parametrize(
    ("field", "status", "fields"),
    [
        ("session_id", 400, {"session_id": ""}),
        ("session_id", 400, {"session_id": "a/b"}),
        ("session_id", 400, {"session_id": "../../etc"}),
        ("session_id", 400, {"session_id": "x" * 65}),
        ("session_id", 400, {"session_id": "new\x00"}),
        ("session_id", 400, {"session_id": "ünïcode"}),
        ("session_id", 409, {"session_id": "s-long"}),
        ("caller", 400, {"caller": "x" * 81}),
        ("caller", 400, {"caller": "two\nlines"}),
        ("agent", 400, {"agent": "\x1b[31m"}),
        ("tenant", 400, {"tenant": "nobody"}),
        ("tenant", 400, {"tenant": ""}),
        ("seconds", 400, {"seconds": "-1"}),
        ("seconds", 400, {"seconds": "nan"}),
        ("seconds", 400, {"seconds": "1e9"}),
        ("started_at", 400, {"started_at": "yesterday"}),
        ("started_at", 400, {"started_at": "2026-05-12T09:41:00"}),
        ("started_at", 400, {"started_at": "0001-01-01T00:00:00+23:59"}),
        ("audio", 400, {"recording_key": None}),
        ("audio", 400, {"audio": upload()}),
        ("audio", 400, {"recording_key": None, "audio": upload(b"")}),
        ("audio", 400, {"audio_follows": "wav"}),
        ("audio_follows", 400, {"recording_key": None, "audio_follows": ""}),
        ("audio_follows", 400, {"recording_key": None, "audio_follows": "exe"}),
        ("audio", 415, {"recording_key": None, "audio": upload(name="call.exe")}),
        ("audio", 415, {"recording_key": None, "audio": upload(name="wav")}),
        ("audio", 415, {"recording_key": None, "audio": upload(name="call.wav/../../x")}),
        ("recording_key", 400, {"recording_key": ""}),
        ("recording_key", 400, {"recording_key": "../other/x.wav"}),
        ("recording_key", 400, {"recording_key": "a/./b.wav"}),
        ("recording_key", 400, {"recording_key": "/etc/passwd"}),
        ("recording_key", 400, {"recording_key": "a\\b.wav"}),
        ("recording_key", 400, {"recording_key": "a\r\nb.wav"}),
        ("recording_key", 400, {"recording_key": "k" * 1025}),
        ("recording_key", 404, {"recording_key": "absent.wav"}),
    ],
)
def test_a_bad_field_is_named_and_nothing_is_stored(
    centre: CallCentre, field: str, status: int, fields: dict[str, Any]
) -> None:
    call = {"session_id": "new-1", "recording_key": "long.wav"} | fields
    before = stored_keys(centre)

    reply = centre.ingest(**{name: value for name, value in call.items() if value is not None})

    assert reply.status_code == status
    assert reply.mimetype == "application/problem+json"
    assert reply.get_json()["field"] == field
    assert reply.get_json()["detail"].startswith(f"{field}: ")
    assert centre.calls.summary("new-1") is None
    assert stored_keys(centre) == before


def test_only_the_ending_of_a_files_name_is_used(centre: CallCentre) -> None:
    centre.ingest(
        session_id="new-1", started_at="2026-05-12T09:41:00+02:00", audio=upload(name="../../ü" * 99 + ".WAV")
    )

    call = centre.calls.summary("new-1")
    assert call is not None
    assert call.key is not None
    assert call.key.startswith("calls/2026/05/new-1-")
    assert call.key.endswith(".wav")


@pytest.mark.parametrize(
    "data",
    [b"x", WAV[:20], WAV[:40], b"RIFF" + b"\xff" * 60, WAV[:24] + bytes(4) + WAV[28:]],
    ids=["a byte", "half a head", "no data", "garbage", "no sample rate"],
)
def test_a_file_that_is_no_plain_wav_has_the_duration_that_came_with_it(centre: CallCentre, data: bytes) -> None:
    reply = centre.ingest(session_id="new-1", seconds="61.5", audio=upload(data))

    assert reply.status_code == 201
    call = centre.calls.summary("new-1")
    assert call is not None
    assert call.seconds == 61.5


def test_a_body_that_is_too_large_or_no_form_is_refused(centre: CallCentre) -> None:
    headers = {"X-Ingestion-Secret": SECRET}
    centre.app.config["MAX_CONTENT_LENGTH"] = 1000
    large = centre.ingest(session_id="new-1", audio=upload())
    assert (large.status_code, large.get_json()["field"]) == (413, "audio")
    centre.app.config["MAX_CONTENT_LENGTH"] = ingestion.MOST_BYTES
    for body, content_type in ((b"{}", "application/json"), (b"--x", "multipart/form-data; boundary=x"), (b"", "")):
        reply = centre.client.post("/api/v1/calls", data=body, content_type=content_type, headers=headers)
        assert (reply.status_code, reply.get_json()["field"]) == (400, "session_id")


def test_storage_that_is_away_is_503_and_nothing_is_stored(centre: CallCentre) -> None:
    centre.storage.pull()

    reply = centre.ingest(session_id="new-1", audio=upload())

    assert reply.status_code == 503
    assert centre.calls.summary("new-1") is None
    assert centre.ingest(session_id="new-2", recording_key="absent.wav").status_code == 503
    assert centre.ingest(session_id="new-3", recording_key="long.wav").status_code == 201


def test_a_crm_that_is_away_does_not_lose_the_call(centre: CallCentre) -> None:
    centre.crm.stop()

    reply = centre.ingest(session_id="new-1", audio=upload())

    assert reply.status_code == 201
    assert reply.get_json()["crm"].startswith("not told: it can't be reached")


def test_no_token_secret_or_signed_url_is_logged(centre: CallCentre, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("cxb_recordings", "examples"):  # what python -m examples shows, and more
        logging.getLogger(name).setLevel(logging.DEBUG)
    caplog.set_level(logging.INFO)
    csrf = centre.log_in()
    centre.ingest(session_id="new-1", audio=upload())
    token = centre.link("new-1").rpartition("/")[2]
    centre.client.get(centre.link("new-1")).close()
    centre.storage.pull()
    centre.client.get(centre.link("new-1"))
    centre.ingest(session_id="new-2", audio=upload())
    centre.crm.stop()
    centre.post("/calls/new-1/rotate", csrf)
    new = centre.link("new-1").rpartition("/")[2]

    for hidden in (token, new, SECRET, CRM_KEY, "X-Amz-Signature", centre.bucket.server.secret_key):
        assert hidden not in caplog.text
