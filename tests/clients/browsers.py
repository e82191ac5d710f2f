"""Browsers without a remote control: each opens a page, whose script tells the application what it saw."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.servers import find_program, missing

from .conftest import BROWSER_ARGUMENTS

# Tabs that a page opens by itself. Without a sound device all that is not muted fails, and a recording in a tab starts
# to play before the page can mute it.
FIREFOX = """
user_pref("media.default_volume", "0.0");
user_pref("media.autoplay.default", 1);
user_pref("media.autoplay.blocking_policy", 0);
user_pref("dom.disable_open_during_load", false);
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("app.update.enabled", false);
"""
MINI_BROWSER = "*/webkit2gtk-4.1/MiniBrowser"  # below /usr/lib


def _command(request: pytest.FixtureRequest, browser: str, directory: Path) -> list[str]:
    """The command line that opens a URL, its last argument, in a browser with a profile of its own."""
    if browser == "chromium":
        profile = [f"--user-data-dir={directory}", "--disable-popup-blocking", "--headless"]
        return [find_program(request, "chromium", "chromium"), *BROWSER_ARGUMENTS, *profile]
    if browser == "firefox":
        (directory / "user.js").write_text(FIREFOX)
        program = find_program(request, "firefox-esr", "firefox-esr")
        return ["/usr/bin/env", f"HOME={directory}", program, "--headless", "--no-remote", "--profile", str(directory)]
    found = sorted(map(str, Path("/usr/lib").glob(MINI_BROWSER)))
    if not found:
        missing(request, "MiniBrowser (Debian package libwebkit2gtk-4.1-0)")
    display = [find_program(request, "xvfb-run", "xvfb"), "-a", find_program(request, "dbus-run-session", "dbus-x11")]
    variables = ["WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS=1", "WEBKIT_DISABLE_COMPOSITING_MODE=1", f"HOME={directory}"]
    options = ["--autoplay-policy=allow", "--javascript-can-open-windows-automatically=true"]
    return ["/usr/bin/env", *variables, *display, "--", found[0], *options]


@contextmanager
def opened(request: pytest.FixtureRequest, browser: str, directory: Path, url: str) -> Iterator[None]:
    """A browser on a page, until the block ends."""
    directory.mkdir()
    with (directory / "browser.log").open("wb") as log:
        process = subprocess.Popen(
            [*_command(request, browser, directory), url], stdout=log, stderr=log, start_new_session=True
        )
    try:
        yield
    finally:
        # Its helpers and its display are of the same group. The display goes by SIGTERM: it then removes its lock.
        os.killpg(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=5)
        with suppress(ProcessLookupError):  # none of them is left
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=10)
