"""Takes the pictures of the example that the docs show: ``python -m tests.clients.screenshots``."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import expect, sync_playwright

from tests.servers import stop
from tests.servers.example import PROJECT, Example, start_example

from .callroom import Visitor
from .conftest import BROWSER_ARGUMENTS

PICTURES = PROJECT / "docs" / "pictures"
MOST_BYTES = 150_000
DESK = {"width": 1080, "height": 700}
PHONE = {"width": 360, "height": 740}


def calls(visitor: Visitor) -> None:
    visitor.page.get_by_role("searchbox").blur()


def resumed(visitor: Visitor) -> None:
    visitor.open_call("demo-hour")
    visitor.page.get_by_role("slider").evaluate(
        "(seek) => { seek.value = 754; seek.dispatchEvent(new Event('change')); }"
    )
    visitor.play()
    visitor.plays_on(3)
    visitor.switch("Storage").click()
    expect(visitor.state("resumed")).to_be_visible()
    expect(visitor.page.locator(".transfers .resume").first).to_be_visible()
    expect(visitor.page.get_by_text("can't be reached")).to_be_visible()
    visitor.page.mouse.move(0, 0)
    visitor.page.evaluate("() => scrollTo(0, 0)")


def crm(visitor: Visitor) -> None:
    visitor.page.goto(f"{visitor.example.crm_url}/activities/demo-short", wait_until="networkidle")
    expect(visitor.page.get_by_text("Does not play")).to_be_visible()


# Name: what happens before the picture, window, colours.
SHOTS: dict[str, tuple[Callable[[Visitor], None], dict[str, int], str]] = {
    "calls": (calls, DESK, "light"),
    "resumed": (resumed, {"width": 1080, "height": 830}, "light"),
    "resumed-on-a-phone-in-the-dark": (resumed, PHONE, "dark"),
    "crm": (crm, {"width": 1080, "height": 800}, "light"),
}


def take(browser: Any, example: Example, name: str) -> int:
    """Take one picture; returns its bytes."""
    prepare, window, colours = SHOTS[name]
    visitor = Visitor(browser, example, viewport=window, color_scheme=colours, reduced_motion="reduce")
    visitor.log_in()
    prepare(visitor)
    data: bytes = visitor.page.screenshot(path=PICTURES / f"{name}.png")
    visitor.close()
    return len(data)


def main() -> None:
    """Take every picture, each with an example of its own."""
    PICTURES.mkdir(exist_ok=True)
    for name in SHOTS:
        with tempfile.TemporaryDirectory() as directory, sync_playwright() as playwright:
            example = start_example(Path(directory) / "example.log")
            try:
                browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=BROWSER_ARGUMENTS)
                size = take(browser, example, name)
                browser.close()
            finally:
                stop(example.process)
            print(f"{name}.png: {size} bytes")
            if size > MOST_BYTES:
                sys.exit(f"{name}.png is larger than {MOST_BYTES} bytes: make its window smaller")


if __name__ == "__main__":
    main()
