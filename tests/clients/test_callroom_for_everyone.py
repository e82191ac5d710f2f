"""The example's pages on a phone, in the dark, with a keyboard alone and with a screen reader."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from .callroom import Visitor
from .test_callroom import PHONE, expect, running, visit

__all__ = ["expect", "running", "visit"]  # fixtures

PAGES = ["/calls", "/calls?q=nobody", "/calls/demo-hour", "/live", "/calls/nope"]
WINDOWS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "phone": PHONE,
    "phone in the dark": PHONE | {"color_scheme": "dark"},
}

# What can get the focus, in the order of the page, as the Tab key should reach it.
_FOCUSABLE = """() => [...document.querySelectorAll("a[href], button, input, select, summary, audio[controls]")]
    .filter((item) => item.type !== "hidden" && item.checkVisibility() && !item.disabled)
    .map((item, index) => { item.dataset.order = index; return item.outerHTML.slice(0, 80); })"""
_NAMELESS = """() => [...document.querySelectorAll("a[href], button, input, select, summary, [role]")]
    .filter((item) => item.type !== "hidden" && item.checkVisibility() && !["status", "search"].includes(item.role))
    .filter((item) => ![item.ariaLabel, item.innerText, item.labels?.[0]?.textContent,
        document.getElementById(item.getAttribute("aria-labelledby"))?.textContent].some((name) => name?.trim()))
    .map((item) => item.outerHTML.slice(0, 80))"""


def pages(visitor: Visitor) -> list[str]:
    return [*PAGES, f"{visitor.example.crm_url}/", f"{visitor.example.crm_url}/activities/demo-short"]


def visit_until_it_is_quiet(visitor: Visitor, path: str) -> None:
    """Go to a page, and wait until its scripts have put everything into it."""
    visitor.page.goto(path)
    if visitor.page.locator("[data-refresh]").count():
        visitor.page.locator(".holding").first.wait_for()
    if visitor.page.locator("[data-fetch]").count():
        visitor.page.locator("[data-verdict=breaks]").wait_for()


@pytest.mark.parametrize("window", WINDOWS)
def test_every_page_fits_its_window_and_can_be_read(visit: Callable[..., Visitor], window: str) -> None:
    visitor = visit(**WINDOWS[window])

    for path in pages(visitor):
        visit_until_it_is_quiet(visitor, path)
        assert not visitor.is_scrolled_sideways(), path
        assert visitor.faint_texts() == [], path


def test_a_faint_text_would_be_seen(visit: Callable[..., Visitor]) -> None:
    visitor = visit()
    visitor.page.get_by_role("heading", name="Calls").evaluate("(item) => { item.style.color = '#999'; }")

    assert visitor.faint_texts() == ["Calls: 2.62"]


def test_the_states_of_the_player_can_be_read(visit: Callable[..., Visitor]) -> None:
    for window in ("light", "dark"):
        visitor = visit(**WINDOWS[window])
        visitor.open_call("demo-hour")
        for state in ("idle", "playing", "lost", "resumed", "gone"):
            visitor.page.locator("[data-state]").evaluate("(item, state) => { item.dataset.state = state; }", state)
            assert visitor.faint_texts() == [], (window, state)


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


def test_every_control_has_a_name_and_every_page_its_landmarks(visit: Callable[..., Visitor]) -> None:
    visitor = visit()
    for path in pages(visitor):
        visitor.page.goto(path)
        assert visitor.page.evaluate(_NAMELESS) == [], path
        assert visitor.page.get_by_role("main").count() == 1
        assert visitor.page.get_by_role("heading", level=1).count() == 1
        assert visitor.page.locator("html[lang=en]").count() == 1
        assert visitor.page.title()


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
