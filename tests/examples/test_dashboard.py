"""The dashboard's pages as a browser gets them: table, call, link, headers."""

from __future__ import annotations

import re

import pytest

from cxb_recordings import RepositoryUnavailable

from .conftest import LONG, PUBLIC_URL, CallCentre, rows


@pytest.fixture(autouse=True)
def csrf(centre: CallCentre) -> str:
    return centre.log_in()


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("q=ADA", ["s-long"]),
        ("q=amy", ["s-url"]),
        ("q=s-none", ["s-none"]),
        ("q=storage", ["s-none"]),
        ("q=carol+max", ["s-none"]),
        ("q=carol+zoe", []),
        ("q=%3Cscript%3E", []),
        ("sort=caller", ["s-long", "s-url", "s-none"]),
        ("sort=caller&order=desc", ["s-none", "s-url", "s-long"]),
        ("sort=agent", ["s-url", "s-none", "s-long"]),
        ("sort=duration", ["s-none", "s-long", "s-url"]),
        ("sort=duration&order=asc", ["s-url", "s-long", "s-none"]),
    ],
)
def test_the_table_is_searched_and_sorted(centre: CallCentre, query: str, found: list[str]) -> None:
    assert rows(centre.client.get(f"/calls?{query}").get_data(as_text=True)) == found


@pytest.mark.parametrize(
    "query", ["sort=nonsense", "sort=__class__", "order=up", "q=" + "x" * 5000, "q=%00%ff", "done=x"]
)
def test_an_odd_query_still_gives_the_page(centre: CallCentre, query: str) -> None:
    assert centre.client.get(f"/calls?{query}").status_code == 200


def test_the_sorted_column_is_marked_for_screen_readers(centre: CallCentre) -> None:
    page = centre.client.get("/calls?sort=duration").get_data(as_text=True)

    assert re.findall(r'aria-sort="(\w+)"', page) == ["none", "none", "none", "descending", "none"]
    assert page.count('<th scope="col"') == 5


def test_what_others_wrote_is_text_and_not_markup(centre: CallCentre) -> None:
    for path in ("/calls", "/calls/s-long", "/calls?q=%3Cb%3E"):
        page = centre.client.get(path).get_data(as_text=True)
        assert "<b>" not in page
        assert "&lt;b&gt;" in page


def test_a_call_has_a_player_its_link_and_its_sources(centre: CallCentre, csrf: str) -> None:
    page = centre.client.get("/calls/s-long").get_data(as_text=True)

    [source] = re.findall(r'<audio controls preload="metadata" src="http://localhost(/api/v1/playback/[^"]+)">', page)
    assert centre.app.test_client().get(source).data == LONG
    [renew] = re.findall(r'data-renew="([^"]+)"', page)
    reply = centre.client.post(renew, headers={"X-CSRF-TOKEN": csrf})
    assert reply.get_json()["url"].startswith("http://localhost/api/v1/playback/")
    assert centre.client.post(renew).status_code == 401
    assert f'href="{PUBLIC_URL}{centre.link("s-long")}"' in page
    assert page.count('role="switch" aria-checked="true"') == 3


def test_the_panel_of_sources_says_who_has_the_recording(centre: CallCentre) -> None:
    centre.fleet[0].pull()

    panel = centre.client.get("/calls/s-url/sources").get_data(as_text=True)

    assert re.findall(r'class="holding">([^<]+)<', panel) == ["has it", "can&#39;t be reached", "does not have it"]
    assert centre.client.get("/calls/s-none/sources").status_code == 200


def test_the_player_learns_whether_the_recording_is_there(centre: CallCentre) -> None:
    def asked(session_id: str) -> object:
        return centre.client.get(f"/calls/{session_id}/availability").get_json()

    centre.bucket.client.put_object(
        Bucket=centre.bucket.name, Key="frozen.wav", Body=b"RIFF", StorageClass="DEEP_ARCHIVE"
    )
    centre.ingest(session_id="s-later", audio_follows="wav")
    centre.calls.insert({"session_id": "s-frozen", "recording_key": "frozen.wav"})

    assert asked("s-long") == {"status": "available", "type": "audio/wav"}
    for session_id, status in (("s-later", "missing"), ("s-frozen", "archived"), ("s-none", "missing")):
        assert asked(session_id) == {"status": status, "type": None}
    centre.storage.pull()
    assert asked("s-url") == {"status": "unreachable", "type": None}
    assert centre.app.test_client().get("/calls/s-long/availability").status_code == 401


@pytest.mark.parametrize(
    "path",
    [
        "/calls/nope",
        "/calls/nope/sources",
        "/calls/nope/availability",
        "/calls/%00",
        "/calls/..%2f..",
        "/calls/" + "x" * 5000,
    ],
)
def test_an_unknown_call_is_404(centre: CallCentre, path: str) -> None:
    reply = centre.client.get(path)

    assert reply.status_code == 404


@pytest.mark.parametrize("path", ["/calls/nope", "/nope", "/calls/s-long/nope", "/static/nope.js"])
def test_a_page_that_is_not_there_says_so_and_keeps_the_navigation(centre: CallCentre, path: str) -> None:
    reply = centre.client.get(path)
    page = reply.get_data(as_text=True)

    assert reply.status_code == 404
    assert "<h1>Page not found</h1>" in page
    assert "aria-current" not in page
    assert "Log out" in page


def test_who_is_not_logged_in_gets_the_page_that_is_not_there_without_the_navigation(centre: CallCentre) -> None:
    page = centre.app.test_client().get("/nope").get_data(as_text=True)

    assert "<h1>Page not found</h1>" in page
    assert "<nav" not in page


@pytest.mark.parametrize("path", ["/api/v1/recordings/nope", "/api/v1/public/recordings/nope"])
def test_the_librarys_404_stays_its_own(centre: CallCentre, path: str) -> None:
    assert centre.client.get(path).mimetype == "application/problem+json"


@pytest.mark.parametrize("change", ["rotate", "revoke"])
def test_a_change_of_an_unknown_call_is_404(centre: CallCentre, csrf: str, change: str) -> None:
    assert centre.post(f"/calls/nope/{change}", csrf).status_code == 404


def test_a_rotated_link_is_404_and_the_new_one_plays_also_in_the_crm(centre: CallCentre, csrf: str) -> None:
    old = centre.link("s-url")
    assert centre.client.get(old).status_code == 200

    page = centre.client.get(centre.post("/calls/s-url/rotate", csrf).headers["Location"]).get_data(as_text=True)

    assert "the CRM knows it" in page
    assert centre.client.get(old).status_code == 404
    assert centre.client.get(centre.link("s-url")).status_code == 200
    assert centre.link("s-url") in centre.crm.page("/activities/s-url")


def test_a_link_is_rotated_also_while_the_crm_is_away(centre: CallCentre, csrf: str) -> None:
    old = centre.link("s-url")
    centre.crm.stop()

    page = centre.client.get(centre.post("/calls/s-url/rotate", csrf).headers["Location"]).get_data(as_text=True)

    assert "did not get it" in page
    assert centre.client.get(old).status_code == 404


def test_a_revoked_link_is_404_until_a_new_one_is_made(centre: CallCentre, csrf: str) -> None:
    old = centre.link("s-url")

    page = centre.client.get(centre.post("/calls/s-url/revoke", csrf).headers["Location"]).get_data(as_text=True)

    assert centre.client.get(old).status_code == 404
    assert "Make a new link" in page
    assert ">revoked<" in centre.client.get("/calls").get_data(as_text=True)
    centre.post("/calls/s-url/rotate", csrf)
    assert centre.client.get(centre.link("s-url")).status_code == 200


def test_a_page_takes_nothing_from_elsewhere(centre: CallCentre) -> None:
    for path in ("/calls", "/calls/s-long", "/live", "/login", "/calls/nope"):
        reply = centre.client.get(path)
        policy = reply.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        page = reply.get_data(as_text=True).replace(
            f'href="{PUBLIC_URL}/', 'href="/'
        )  # a link to click, the host's own
        assert not re.search(r'(?:src|href)="(?:https?:)?//(?!127\.0\.0\.1:\d+/|localhost/)', page)
        assert not re.search(r"<script>|\son\w+=|\sstyle=", reply.get_data(as_text=True))


def test_the_librarys_replies_keep_their_own_policy(centre: CallCentre) -> None:
    reply = centre.client.get(centre.link("s-url"))

    assert reply.headers["Content-Security-Policy"] == "default-src 'none'; media-src 'self'; sandbox allow-same-origin"


def test_a_database_that_is_away_is_a_page_that_says_so(centre: CallCentre, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise RepositoryUnavailable("MongoDB: NetworkTimeout")

    for method in ("newest", "summary"):
        monkeypatch.setattr(centre.calls, method, away)

    for path in ("/calls", "/calls/s-long"):
        reply = centre.client.get(path)
        assert reply.status_code == 503
        assert "Try again" in reply.get_data(as_text=True)
