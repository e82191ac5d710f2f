"""What a person does in the example's dashboard, in steps that tests and the command for screenshots share."""

from __future__ import annotations

from typing import Any

from tests.servers.example import Example

from .conftest import DEADLINE

# The contrast (WCAG 2.2, 1.4.3) of each text that can be seen: those below 4.5, with their ratio.
_FAINT = """() => {
    const parse = (color) => {
        const canvas = document.createElement("canvas");
        const context = canvas.getContext("2d", { willReadFrequently: true });
        context.fillStyle = color;
        context.fillRect(0, 0, 1, 1);
        return [...context.getImageData(0, 0, 1, 1).data];
    };
    const light = ([r, g, b]) => [r, g, b].map((part) => part / 255)
        .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
        .reduce((sum, part, index) => sum + part * [0.2126, 0.7152, 0.0722][index], 0);
    const ground = (element) => {
        for (let at = element; at; at = at.parentElement) {
            const color = parse(getComputedStyle(at).backgroundColor);
            if (color[3] === 255) return color;
        }
        return [255, 255, 255, 255];
    };
    const faint = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const element = walker.currentNode.parentElement;
        const isSeen = element.checkVisibility() && !element.closest(".hidden, .skip, script");
        if (!walker.currentNode.textContent.trim() || !isSeen) continue;
        const [a, b] = [light(parse(getComputedStyle(element).color)), light(ground(element))];
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (ratio < 4.5) faint.push(`${walker.currentNode.textContent.trim()}: ${ratio.toFixed(2)}`);
    }
    return faint;
}"""


class Visitor:
    """A person with a browser of their own.

    Attributes:
        page: the page that they look at.
        complaints: what the browser's console complained of.
    """

    def __init__(self, browser: Any, example: Example, **options: Any) -> None:
        """Open a browser context with playwright's `options`; nobody is logged in."""
        self.example = example
        self.context = browser.new_context(base_url=example.url, **options)
        self.context.set_default_timeout(DEADLINE)
        self.page = self.context.new_page()
        self.complaints: list[str] = []
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", self._hear)

    def _hear(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def log_in(self) -> None:
        self.page.goto("/")
        self.page.get_by_label("User").fill("admin")
        self.page.get_by_label("Password").fill(self.example.password)
        self.page.get_by_role("button", name="Log in").click()
        self.page.get_by_role("heading", name="Calls").wait_for()

    def open_call(self, session_id: str) -> None:
        self.page.goto(f"/calls/{session_id}")
        self.page.get_by_text("Ready to play").wait_for()

    def play(self) -> None:
        self.page.get_by_role("button", name="Play", exact=True).click()
        self.state("playing").wait_for()

    def state(self, name: str) -> Any:
        return self.page.locator(f"[data-state={name}]")

    def position(self) -> float:
        """Where the audio is, in seconds."""
        position: float = self.page.locator("audio").evaluate("(audio) => audio.currentTime")
        return position

    def plays_on(self, seconds: float = 1.0) -> None:
        """Wait until the audio got so much further."""
        script = """(audio, seconds) => new Promise((resolve, reject) => {
            const goal = audio.currentTime + seconds;
            audio.addEventListener("error", () => reject(new Error(audio.error.message)));
            audio.addEventListener("timeupdate", () => { if (audio.currentTime >= goal) resolve(); });
        })"""
        self.page.locator("audio").evaluate(script, seconds)

    def switch(self, name: str) -> Any:
        return self.page.get_by_role("switch", name=name)

    def faint_texts(self) -> list[str]:
        faint: list[str] = self.page.evaluate(_FAINT)
        return faint

    def is_scrolled_sideways(self) -> bool:
        """Whether the page is wider than its window, or something is cut off in a card."""
        wide: bool = self.page.evaluate(
            """() => document.documentElement.scrollWidth > innerWidth
                || [...document.querySelectorAll(".card")].some((card) => card.scrollWidth > card.clientWidth)"""
        )
        return wide

    def close(self) -> None:
        self.context.close()
