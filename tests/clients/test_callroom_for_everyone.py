"""The example's pages on a phone, in the dark, with a keyboard alone and with a screen reader."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from tests.servers import find_program

from .callroom import PHONE, WINDOWS, Visitor

AXE = "axe-core@4.14.1"
PAGES = ["/calls", "/calls?q=nobody", "/calls/demo-hour", "/calls/demo-later", "/live", "/calls/nope"]

# What can get the focus, in the order of the page, as the Tab key should reach it.
_FOCUSABLE = """() => [...document.querySelectorAll("a[href], button, input, select, summary, audio[controls]")]
    .filter((item) => item.type !== "hidden" && item.checkVisibility() && !item.disabled)
    .map((item, index) => { item.dataset.order = index; return item.outerHTML.slice(0, 80); })"""
# Every rule of axe, those of best practice too: what is found, and where.
_FINDINGS = """() => axe.run().then(({ violations }) => violations.flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id}: ${html.slice(0, 120)} ${failureSummary.slice(0, 200)}`)))"""


def pages(visitor: Visitor) -> list[str]:
    crm = visitor.example.crm_url
    return [*PAGES, f"{crm}/", f"{crm}/activities/demo-short", f"{crm}/activities/nope"]


def visit_until_it_is_quiet(visitor: Visitor, path: str) -> None:
    """Go to a page, and wait until its scripts have put everything into it."""
    visitor.page.goto(path)
    if visitor.page.locator("[data-refresh]").count():
        visitor.page.locator(".holding").first.wait_for()
    if visitor.page.locator("[data-fetch]").count():
        visitor.page.locator("[data-verdict=breaks]").wait_for()
    if path.endswith("/demo-later"):
        visitor.state("waiting").wait_for()


@pytest.fixture(scope="module")
def axe(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The script of axe-core, the accessibility engine, from npm."""
    directory = tmp_path_factory.mktemp("axe")
    command = [find_program(request, "npm", "npm"), "install", "--no-audit", "--no-fund", "--ignore-scripts"]
    subprocess.run([*command, "--prefix", str(directory), AXE], check=True, capture_output=True, timeout=100)
    return (directory / "node_modules" / "axe-core" / "axe.min.js").read_text()


def findings(visitor: Visitor, axe: str) -> list[str]:
    """What axe finds on the page, in light and in dark."""
    visitor.page.evaluate(axe)
    found: list[str] = []
    for colours in ("light", "dark"):
        visitor.page.emulate_media(color_scheme=colours, reduced_motion="reduce")
        found += [f"{colours}: {finding}" for finding in visitor.page.evaluate(_FINDINGS)]
    return found


@pytest.mark.parametrize("window", WINDOWS)
def test_every_page_fits_its_window_and_axe_finds_nothing_in_light_and_dark(
    visit: Callable[..., Visitor], axe: str, window: str
) -> None:
    visitor = visit(**WINDOWS[window])

    for path in pages(visitor):
        visit_until_it_is_quiet(visitor, path)
        assert not visitor.is_scrolled_sideways(), path
        assert findings(visitor, axe) == [], path
    visitor.context.clear_cookies()
    visitor.page.goto("/login")
    assert findings(visitor, axe) == []


def test_axe_finds_nothing_in_the_states_of_a_call(visit: Callable[..., Visitor], axe: str) -> None:
    visitor = visit()
    visitor.open_call("demo-hour")
    for state in ("playing", "lost", "resumed", "gone", "unplayable"):
        visitor.page.locator("[data-state]").evaluate("(item, state) => { item.dataset.state = state; }", state)
        assert findings(visitor, axe) == [], state
    for change in ("rotate", "revoke"):
        visitor.page.locator(f"[data-change={change}] summary").press("Enter")
        assert findings(visitor, axe) == [], change
    visitor.page.goto("/calls/demo-hour?done=rotated")
    assert findings(visitor, axe) == []


def test_axe_would_find_a_faint_text_and_a_control_without_a_name(visit: Callable[..., Visitor], axe: str) -> None:
    visitor = visit()
    visitor.page.get_by_role("heading", name="Calls").evaluate("(item) => { item.style.color = '#999'; }")
    visitor.page.get_by_role("searchbox").evaluate("(item) => { item.labels[0].remove(); item.placeholder = ''; }")

    found = {finding.partition(": <")[0] for finding in findings(visitor, axe)}

    assert found == {"light: color-contrast", "light: label", "dark: label"}


def test_header_and_content_share_their_edges_and_a_phone_has_them_in_one_row(visit: Callable[..., Visitor]) -> None:
    for window in WINDOWS.values():
        visitor = visit(**window)
        for path in ("/calls", "/calls/demo-hour", "/live"):
            visitor.page.goto(path)
            card = visitor.page.locator(".card")
            first, last = card.first.bounding_box(), card.last.bounding_box()
            brand = visitor.page.locator(".brand").bounding_box()
            leave = visitor.page.get_by_role("button", name="Log out").bounding_box()
            links = [link.bounding_box() for link in visitor.page.locator("nav a").all()]
            assert first is not None
            assert last is not None
            assert brand is not None
            assert leave is not None
            assert brand["x"] == pytest.approx(first["x"], abs=1)
            assert leave["x"] + leave["width"] == pytest.approx(last["x"] + last["width"], abs=1)
            middles = {round(box["y"] + box["height"] / 2) for box in (brand, leave, *links) if box}
            assert max(middles) - min(middles) <= 1, (path, middles)


def test_times_have_one_format(visit: Callable[..., Visitor], expect: Any) -> None:
    visitor = visit()
    visitor.page.goto("/calls")
    times = visitor.page.locator("tbody time .below").all_inner_texts()
    visitor.open_call("demo-hour")
    expect(visitor.page.locator(".transfers time").first).to_be_visible()

    assert [time for time in times if not re.fullmatch(r"\d\d:\d\d UTC", time)] == []
    assert "12 May 2026, 14:00 UTC" in visitor.page.locator(".title").inner_text()
    for time in visitor.page.locator(".transfers time").all_inner_texts():
        assert re.fullmatch(r"\d\d:\d\d:\d\d UTC", time)


def test_on_a_phone_the_list_says_where_recordings_are_stored_and_the_search_is_readable(
    visit: Callable[..., Visitor],
) -> None:
    visitor = visit(**PHONE)
    row = visitor.page.get_by_role("row").filter(has_text="Northwind Insurance")
    assert "Storage, Fleet host 1, Fleet host 2" in " ".join(row.inner_text().split())
    room = visitor.page.get_by_role("searchbox").evaluate(
        """(field) => {
            const style = getComputedStyle(field);
            const canvas = document.createElement("canvas").getContext("2d");
            canvas.font = style.font;
            return field.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight)
                - canvas.measureText(field.placeholder).width;
        }"""
    )
    assert room > 0


def test_on_a_phone_the_switches_come_before_the_growing_log(visit: Callable[..., Visitor]) -> None:
    visitor = visit(**PHONE)
    for path in ("/live", "/calls/demo-hour"):
        visitor.page.goto(path)
        switches, log = visitor.page.locator("#sources").bounding_box(), visitor.page.locator(".live").bounding_box()
        assert switches is not None
        assert log is not None
        assert switches["y"] + switches["height"] < log["y"]


def test_the_link_shows_its_beginning_and_the_end_of_its_token(visit: Callable[..., Visitor]) -> None:
    for window in WINDOWS.values():
        visitor = visit(**window)
        visitor.open_call("demo-hour")
        head, tail = visitor.page.locator("#url .shortened > span").all()
        assert (head.inner_text() + tail.inner_text()) == visitor.link()
        assert head.evaluate("(item) => item.scrollWidth > item.clientWidth && item.clientWidth > 40")
        assert tail.evaluate("(item) => item.scrollWidth <= item.clientWidth || item.getClientRects().length === 1")
        assert visitor.is_in_its_card(tail)


def test_the_ring_of_the_slider_covers_nothing(visit: Callable[..., Visitor]) -> None:
    for session_id in ("demo-hour", "demo-later"):
        visitor = visit()
        visitor.page.goto(f"/calls/{session_id}")
        seek = visitor.page.get_by_role("slider")
        seek.focus()
        seek.press("Home")
        ring: float = seek.evaluate(
            """(item) => {
                const style = getComputedStyle(item);
                return parseFloat(style.outlineWidth) + parseFloat(style.outlineOffset);
            }"""
        )
        box, times = seek.bounding_box(), visitor.page.locator(".times").bounding_box()
        card = visitor.page.locator(".player").bounding_box()
        assert box is not None
        assert times is not None
        assert card is not None
        assert ring > 2
        assert box["y"] + box["height"] + ring <= times["y"]
        assert card["y"] < box["y"] - ring < card["y"] + 22
        assert visitor.page.locator(".round text").all_text_contents() == ["15", "15"]


def test_the_story_is_told_on_a_phone(visit: Callable[..., Visitor], expect: Any) -> None:
    visitor = visit(**PHONE)
    visitor.page.get_by_role("link", name="Northwind Insurance").tap()
    visitor.page.get_by_role("button", name="Play", exact=True).tap()
    visitor.plays_on()

    visitor.switch("Storage").tap()

    expect(visitor.page.get_by_role("status").filter(has_text="Resumed from Fleet host 1")).to_be_visible()
    visitor.plays_on()
    assert not visitor.is_scrolled_sideways()


def test_the_tab_key_reaches_every_control_in_the_order_of_the_page(visit: Callable[..., Visitor]) -> None:
    visitor = visit()
    for path in pages(visitor):
        visit_until_it_is_quiet(visitor, path)
        controls = visitor.page.evaluate(_FOCUSABLE)
        reached = []
        for _ in range(3 * len(controls) + 20):  # the native player has stops of its own
            visitor.page.keyboard.press("Tab")
            order = visitor.page.evaluate("() => document.activeElement.dataset.order")
            if order is not None and order not in reached:
                reached.append(order)
        assert [controls[int(order)] for order in reached] == controls, path


def test_a_screen_reader_hears_the_player_and_the_switches(visit: Callable[..., Visitor], expect: Any) -> None:
    visitor = visit()
    visitor.open_call("demo-hour")

    expect(visitor.page.locator(".player")).to_match_aria_snapshot("""
      - region "Player":
        - heading "Player" [level=2]
        - slider "Position": "0"
        - button "Back 15 seconds"
        - button "Play"
        - button "Forward 15 seconds"
        - combobox "Speed"
        - link "Download"
        - status: Ready to play
    """)
    expect(visitor.page.locator("#sources")).to_match_aria_snapshot("""
      - list:
        - listitem:
          - switch "Storage" [checked]
        - listitem:
          - switch "Fleet host 1" [checked]
        - listitem:
          - switch "Fleet host 2" [checked]
    """)


def test_the_link_to_the_content_comes_first(visit: Callable[..., Visitor], expect: Any) -> None:
    visitor = visit()
    visitor.page.goto("/calls")

    visitor.page.keyboard.press("Tab")
    skip = visitor.page.get_by_role("link", name="Skip to the content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    skip.press("Enter")

    expect(visitor.page.get_by_role("main")).to_be_focused()
