"""What a person does in the example's dashboard, in steps that tests and the command for screenshots share."""

from __future__ import annotations

from typing import Any

from tests.servers.example import Example

DEADLINE = 30_000  # milliseconds, for what a browser does
DESK: dict[str, Any] = {"viewport": {"width": 1280, "height": 900}}
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
WINDOWS = {"desk": DESK, "phone": PHONE}


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

    def enter(self) -> None:
        """Come in as somebody who has logged in."""
        form = {"user": "admin", "password": self.example.password}
        assert self.context.request.post("/login", form=form).ok
        self.page.goto("/calls")

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

    def plays_from(self, seconds: float, *, within: float) -> None:
        """Play, and see that it goes on from there."""
        self.play()
        self.plays_on()
        assert abs(self.position() - seconds) < within

    def link(self) -> str:
        """The public link, as it can be copied."""
        href: str = self.page.locator("#url").evaluate("(link) => link.href")
        return href

    def places(self) -> list[float]:
        """How far the page is scrolled, and where its cards are."""
        places: list[float] = self.page.evaluate(
            """() => [scrollY, ...[...document.querySelectorAll(".card")]
                .flatMap((card) => { const box = card.getBoundingClientRect(); return [box.top, box.left]; })]"""
        )
        return places

    def is_in_its_card(self, item: Any) -> bool:
        """Whether all of an element is within the card that it belongs to."""
        inside: bool = item.evaluate(
            """(item) => {
                const [box, card] = [item, item.closest(".card")].map((one) => one.getBoundingClientRect());
                return box.top >= card.top && box.bottom <= card.bottom
                    && box.left >= card.left && box.right <= card.right;
            }"""
        )
        return inside

    def switch(self, name: str) -> Any:
        return self.page.get_by_role("switch", name=name)

    def switch_all_on(self) -> None:
        """Put every source's plug in, where somebody is logged in."""
        tokens = [cookie["value"] for cookie in self.context.cookies() if cookie["name"] == "csrf_access_token"]
        for token in tokens:
            for number in range(3):
                form = {"csrf_token": token, "state": "on"}
                assert self.context.request.post(f"/sources/{number}", form=form).ok

    def is_scrolled_sideways(self) -> bool:
        """Whether the page is wider than its window, or something is cut off in a card."""
        wide: bool = self.page.evaluate(
            """() => document.documentElement.scrollWidth > innerWidth
                || [...document.querySelectorAll(".card")].some((card) => card.scrollWidth > card.clientWidth)"""
        )
        return wide

    def close(self) -> None:
        self.context.close()
