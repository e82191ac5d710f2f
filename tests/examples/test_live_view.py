"""Pull the plug: the switches, the recording that goes on, and what the live view says about it."""

from __future__ import annotations

import pytest

from .conftest import LONG, CallCentre


@pytest.fixture(autouse=True)
def csrf(centre: CallCentre) -> str:
    return centre.log_in()


def test_playback_goes_on_when_the_plug_of_its_source_is_pulled(centre: CallCentre, csrf: str) -> None:
    reply = centre.client.get("/api/v1/recordings/s-long", headers={"Range": "bytes=0-"})
    body = reply.iter_encoded()
    received = next(body)

    assert centre.post("/sources/0", csrf, state="off").status_code == 303
    received += b"".join(body)
    reply.close()

    assert received == LONG
    [transfer] = centre.activity()
    assert (transfer["state"], transfer["resumes"], transfer["source"]) == ("complete", 1, "Fleet host 1")
    assert (transfer["asked"], transfer["route"], transfer["session_id"]) == ("bytes=0-", "admin", "s-long")
    kinds = [step["kind"] for step in transfer["steps"]]
    assert (kinds[0], kinds[-2:]) == ("start", ["resume", "end"])


def test_with_every_plug_pulled_nothing_plays_until_one_is_put_in_again(centre: CallCentre, csrf: str) -> None:
    for number in range(3):
        centre.post(f"/sources/{number}", csrf, state="off")
    assert centre.client.get("/api/v1/recordings/s-long").status_code == 404
    [transfer] = centre.activity()
    assert transfer["state"] == "not found"
    assert "can be reached" in transfer["steps"][-1]["text"]

    centre.post("/sources/2", csrf, state="on")

    reply = centre.client.get("/api/v1/recordings/s-long", headers={"Range": "bytes=0-9"})
    assert reply.data == LONG[:10]
    assert centre.activity()[0]["source"] == "Fleet host 2"


def test_a_switch_says_what_it_wants_so_that_a_second_click_changes_nothing(centre: CallCentre, csrf: str) -> None:
    for state, is_in in (("off", False), ("off", False), ("on", True), ("on", True)):
        centre.post("/sources/1", csrf, state=state)
        assert centre.fleet[0].is_in == is_in
        assert centre.client.get("/live/activity").get_json()["plugs"]["1"] == is_in


@pytest.mark.parametrize("fields", [{}, {"state": ""}, {"state": "ON"}, {"state": "toggle"}])
def test_a_switch_without_a_state_is_400(centre: CallCentre, csrf: str, fields: dict[str, str]) -> None:
    assert centre.post("/sources/0", csrf, **fields).status_code == 400
    assert centre.storage.is_in


@pytest.mark.parametrize("number", ["3", "99999999999999999999", "-1", "x"])
def test_a_switch_of_no_source_is_404(centre: CallCentre, csrf: str, number: str) -> None:
    assert centre.post(f"/sources/{number}", csrf, state="off").status_code == 404


def test_the_live_view_knows_calls_apart_and_tells_no_token(centre: CallCentre) -> None:
    centre.client.get("/api/v1/recordings/s-url").close()
    link = centre.link("s-long")
    centre.client.get(link, headers={"Range": "bytes=5-9"}).close()
    centre.client.get("/api/v1/public/recordings/no-such-token")

    reply = centre.client.get("/live/activity")

    transfers = reply.get_json()["transfers"]
    assert [transfer["session_id"] for transfer in transfers] == ["", "s-long", "s-url"]
    assert [transfer["asked"] for transfer in transfers] == ["", "bytes=5-9", ""]
    assert link.rpartition("/")[2] not in reply.get_data(as_text=True)
    of_one = centre.client.get("/live/activity?session_id=s-url").get_json()["transfers"]
    assert [transfer["session_id"] for transfer in of_one] == ["s-url"]


def test_who_asks_only_whether_there_is_a_recording_is_not_listed(centre: CallCentre) -> None:
    for path in ("s-long", "s-none"):
        centre.client.head(f"/api/v1/recordings/{path}")

    assert centre.activity() == []


@pytest.mark.parametrize(("span", "text"), [("0-0", "1 byte in"), ("0-1", "2 bytes in")])
def test_bytes_are_counted_in_words(centre: CallCentre, span: str, text: str) -> None:
    centre.client.get("/api/v1/recordings/s-url", headers={"Range": f"bytes={span}"}).close()

    assert centre.activity()[0]["steps"][-1]["text"].startswith(text)


def test_the_live_view_keeps_the_latest_requests_only(centre: CallCentre) -> None:
    for _ in range(30):
        centre.client.get("/api/v1/recordings/s-none")

    assert len(centre.activity()) == 25


def test_a_request_that_plays_nothing_says_why_in_words(centre: CallCentre) -> None:
    centre.calls.insert({"session_id": "s-gone", "recording_key": "gone.wav"})
    why = {
        "/api/v1/public/recordings/ü": "no call has this link",
        "/api/v1/public/recordings/unknown": "no call has this link",
        "/api/v1/playback/forged": "no call has this link",
        "/api/v1/recordings/s-none": "the call has no recording",
        "/api/v1/recordings/s-gone": "no source has it",
    }

    for path, text in why.items():
        assert centre.client.get(path).status_code == 404
        assert centre.activity()[0]["steps"][-1]["text"] == text, path
