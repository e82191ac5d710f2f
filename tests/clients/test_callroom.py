"""The example in Chromium: the whole story, from the login to a plug that is pulled while a recording plays."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

import pytest
import requests

from examples.audio import make_wav
from tests.servers.example import Example

from .callroom import WINDOWS, Visitor
from .site import ask

SESSIONS = r'href="/calls/([^"]+)"'


def ingest(
    running: Example, method: str, path: str, file: str = "", audio: bytes = b"", **fields: str
) -> requests.Response:
    """What a machine sends to ``/api/v1/calls`` and below."""
    with requests.Session() as session:
        session.trust_env = False
        reply = session.request(
            method,
            f"{running.url}/api/v1/calls{path}",
            data=fields,
            files={"audio": (file, io.BytesIO(audio))} if file else None,
            headers={"X-Ingestion-Secret": running.secret},
            timeout=20,
        )
    assert reply.ok, reply.text
    return reply


def sessions(visitor: Visitor) -> list[str]:
    return re.findall(SESSIONS, visitor.page.locator("#found").inner_html())


def test_a_wrong_password_is_said_and_the_right_one_opens_the_calls(
    browser: Any, running: Example, expect: Any
) -> None:
    visitor = Visitor(browser, running)
    visitor.page.goto("/calls/demo-hour")
    visitor.page.get_by_label("Password").fill("wrong")
    visitor.page.get_by_role("button", name="Log in").click()
    expect(visitor.page.get_by_role("alert")).to_have_text("Wrong user or password.")

    visitor.log_in()
    visitor.page.get_by_role("button", name="Log out").click()

    expect(visitor.page.get_by_role("heading", name="Log in")).to_be_visible()
    visitor.close()


def test_calls_are_found_and_sorted_without_loading_the_page_anew(visit: Callable[..., Visitor], expect: Any) -> None:
    visitor = visit()
    visitor.page.evaluate("() => { window.isTheSamePage = true; }")

    visitor.page.get_by_role("searchbox", name="Search calls").press_sequentially("ines")
    expect(visitor.page.locator("#found").get_by_text(re.compile(r"^4 of \d\d calls$"))).to_be_visible()
    expect(visitor.page.locator("#status")).to_have_text(re.compile(r"^4 of \d\d calls$"))
    duration = visitor.page.get_by_role("columnheader", name="Duration")
    duration.get_by_role("link").click()
    expect(duration).to_have_attribute("aria-sort", "descending")
    assert sessions(visitor) == ["demo-hour", "demo-03", "demo-01", "demo-07"]
    duration.get_by_role("link").press("Enter")
    expect(duration).to_have_attribute("aria-sort", "ascending")
    expect(duration.get_by_role("link")).to_be_focused()
    assert sessions(visitor) == ["demo-07", "demo-01", "demo-03", "demo-hour"]

    assert "q=ines" in visitor.page.url
    assert visitor.page.evaluate("() => window.isTheSamePage") is True
    visitor.page.get_by_role("searchbox").fill("nobody")
    expect(visitor.page.get_by_role("heading", name="No call matches")).to_be_visible()
    assert visitor.complaints == []


def test_a_call_is_played_sought_by_keyboard_and_by_click_and_sped_up(
    visit: Callable[..., Visitor], expect: Any
) -> None:
    visitor = visit()
    visitor.open_call("demo-hour")
    seek = visitor.page.get_by_role("slider", name="Position")
    expect(seek).to_have_attribute("aria-valuetext", "0:00 of 1:00:00")

    visitor.play()
    expect(visitor.page.get_by_role("status").filter(has_text="Playing from Storage")).to_be_visible()
    seek.press("ArrowRight")
    seek.press("ArrowRight")
    visitor.plays_on()
    assert 11 <= visitor.position() < 60
    seek.press("PageUp")
    visitor.plays_on()
    assert 72 <= visitor.position() < 120
    box = seek.bounding_box()
    assert box is not None
    seek.click(position={"x": box["width"] / 2, "y": box["height"] / 2})
    visitor.plays_on()
    assert visitor.position() == pytest.approx(1800, abs=60)
    expect(seek).to_have_attribute("aria-valuetext", re.compile(r"^(29|30|31):\d\d of 1:00:00$"))
    visitor.page.get_by_label("Speed").select_option("2×")
    assert visitor.page.locator("audio").evaluate("(audio) => audio.playbackRate") == 2
    visitor.page.get_by_role("button", name="Forward 15 seconds").click()
    visitor.page.get_by_role("button", name="Pause").click()

    expect(visitor.page.get_by_text("Paused at")).to_be_visible()
    seek.press("Space")
    visitor.plays_on()
    assert visitor.complaints == []


def test_a_recording_is_downloaded_whole(visit: Callable[..., Visitor]) -> None:
    visitor = visit()
    visitor.open_call("demo-short")

    with visitor.page.expect_download() as download:
        visitor.page.get_by_role("link", name="Download").click()

    assert download.value.path().read_bytes() == make_wav(5)
    assert download.value.suggested_filename == "demo-short.wav"


def test_the_link_is_copied_and_plays_for_anyone_who_has_it(visit: Callable[..., Visitor], expect: Any) -> None:
    visitor = visit(permissions=["clipboard-read", "clipboard-write"])
    visitor.open_call("demo-short")

    visitor.page.get_by_role("button", name="Copy link").click()

    expect(visitor.page.get_by_role("status").filter(has_text="clipboard")).to_be_visible()
    assert ask(visitor.page.evaluate("() => navigator.clipboard.readText()")).content == make_wav(5)


def test_the_crm_plays_the_stable_link_and_not_the_signed_url(visit: Callable[..., Visitor], expect: Any) -> None:
    visitor = visit()
    visitor.open_call("demo-short")
    visitor.page.get_by_role("link", name="see it there").click()
    stable = visitor.page.get_by_role("region", name="Recording")
    signed = visitor.page.get_by_role("region", name="A signed storage URL instead")

    expect(stable.get_by_role("status")).to_have_text("Plays: 206, audio/wav")
    expect(signed.get_by_role("status")).to_have_text("Does not play: 403 AccessDenied")
    expect(signed.get_by_text("Without the query, and so without the signature.")).to_be_visible()
    assert visitor.page.locator("audio").evaluate("(audio) => audio.play().then(() => audio.duration)") == 5
    with visitor.page.expect_download() as download:
        stable.get_by_role("link", name="Download").click()
    assert download.value.path().read_bytes() == make_wav(5)
    assert download.value.suggested_filename == "demo-short.wav"
    assert visitor.complaints == []


def test_a_call_that_comes_in_appears_in_the_dashboard_and_in_the_crm(
    visit: Callable[..., Visitor], running: Example, expect: Any
) -> None:
    visitor = visit()
    ingest(running, "POST", "", "call.wav", make_wav(40), session_id="came-in", caller="Grace Hopper", agent="Max")

    visitor.page.get_by_role("searchbox").fill("grace")
    visitor.page.get_by_role("link", name="Grace Hopper").click()
    expect(visitor.page.get_by_text("Ready to play")).to_be_visible()
    visitor.play()
    visitor.page.goto(running.crm_url)
    expect(visitor.page.get_by_role("link", name="Grace Hopper")).to_be_visible()
    assert visitor.complaints == []


def test_a_rotated_link_stops_while_playback_in_the_dashboard_goes_on(
    visit: Callable[..., Visitor], running: Example, expect: Any
) -> None:
    visitor = visit()
    visitor.open_call("demo-03")
    visitor.play()
    old = visitor.link()
    assert ask(old, Range="bytes=0-1").status_code == 206

    visitor.page.locator("summary", has_text="Rotate").click()
    visitor.page.get_by_role("button", name="Rotate the link").click()

    expect(visitor.page.get_by_role("status").filter(has_text="The call has a new link")).to_be_visible()
    new = visitor.link()
    assert new != old
    assert ask(old).status_code == 404
    assert ask(new, Range="bytes=0-1").status_code == 206
    visitor.plays_on()
    visitor.page.locator("summary", has_text="Revoke").click()
    visitor.page.get_by_role("button", name="Revoke the link").click()
    expect(visitor.page.get_by_role("status").filter(has_text="The link is revoked")).to_be_visible()
    assert ask(new).status_code == 404
    visitor.plays_on()
    visitor.page.get_by_role("button", name="Make a new link").click()
    expect(visitor.page.locator("#url")).to_be_visible()
    assert visitor.complaints == []


@pytest.mark.parametrize("window", WINDOWS)
def test_the_public_link_plays_in_a_tab_of_its_own_from_the_dashboard_and_from_the_crm(
    visit: Callable[..., Visitor], window: str
) -> None:
    visitor = visit(**WINDOWS[window])
    visitor.open_call("demo-short")
    link = visitor.link()
    for path in ("/calls/demo-short", f"{visitor.example.crm_url}/activities/demo-short"):
        visitor.page.goto(path)
        with visitor.page.expect_popup() as opened:
            visitor.page.locator(f'a.field[href="{link}"]').click()
        player = opened.value.locator("video, audio")
        played = player.evaluate("(media) => media.play().then(() => media.duration)")
        assert (opened.value.url, played) == (link, 5)
        opened.value.close()


@pytest.mark.parametrize("window", WINDOWS)
def test_rotating_and_revoking_ask_first_and_nothing_on_the_page_moves(
    visit: Callable[..., Visitor], expect: Any, window: str
) -> None:
    visitor = visit(**WINDOWS[window])
    visitor.open_call("demo-05")
    expect(visitor.page.locator(".sources .holding")).to_have_count(3)
    old = visitor.link()
    visitor.page.locator("#link").scroll_into_view_if_needed()
    visitor.page.evaluate("() => scrollBy(0, 200)")
    before = visitor.places()

    for change in ("Rotate", "Revoke"):
        opener = visitor.page.locator("summary", has_text=change)
        confirm = visitor.page.get_by_role("button", name=f"{change} the link")
        cancel = visitor.page.get_by_role("link", name="Cancel").and_(visitor.page.locator("[open] a"))
        link = visitor.link()
        for key in ("Enter", "Escape"):
            opener.press("Enter")
            expect(cancel).to_be_focused()
            expect(confirm).to_be_in_viewport(ratio=1)
            assert visitor.is_in_its_card(confirm)
            assert visitor.places() == before
            cancel.press(key)
            expect(opener).to_be_focused()
            expect(confirm).to_be_hidden()
        assert visitor.link() == link
        opener.click()
        confirm.click()
        outcome = visitor.page.locator("#outcome.done")
        expect(outcome).to_be_in_viewport(ratio=1)
        assert visitor.is_in_its_card(outcome)
        assert visitor.places() == before
        expect(visitor.page.locator(".changes :focus")).to_have_count(1)

    assert ask(old).status_code == 404
    visitor.page.get_by_role("button", name="Make a new link").click()
    expect(visitor.page.locator("#url")).to_be_visible()
    assert visitor.places() == before


def test_everything_works_without_javascript(visit: Callable[..., Visitor], expect: Any) -> None:
    visitor = visit(java_script_enabled=False)
    visitor.page.get_by_role("searchbox").fill("yuki")
    visitor.page.get_by_role("button", name="Search").click()
    visitor.page.get_by_role("link", name="Yuki Tanaka").click()

    expect(visitor.page.locator("audio[controls]")).to_be_visible()
    visitor.page.locator("summary", has_text="Rotate").click()
    visitor.page.get_by_role("button", name="Rotate the link").click()
    expect(visitor.page.get_by_role("status").filter(has_text="The call has a new link")).to_be_in_viewport()
    visitor.page.locator("summary", has_text="Revoke").click()
    visitor.page.get_by_role("link", name="Cancel").click()
    expect(visitor.page.get_by_role("button", name="Revoke the link")).to_be_hidden()
    visitor.switch("Fleet host 2").click()
    expect(visitor.switch("Fleet host 2")).to_have_attribute("aria-checked", "false")
