"""The page for operators shows what the commands print, and its table leads to checks that exist."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from cxb_recordings import CallRepository, InMemoryCallRepository, register
from tests.commands import AUDIO, SECRET, Healthy, bucket, healthy
from tests.web.site import host_app

__all__ = ["bucket", "healthy"]  # fixtures

PAGE = Path(__file__).parents[1] / "docs/operations.md"
SIGNED = "https://recordings.nyc3.digitaloceanspaces.com/2026/05/s-1.wav?X-Amz-Expires=86400&X-Amz-Signature=5f3a"


def printed(healthy: Healthy, settings: object, calls: CallRepository, *arguments: str) -> str:
    app = host_app()
    register(app, lambda: settings, calls)  # type: ignore[arg-type]
    output = app.test_cli_runner().invoke(args=["recordings", *arguments]).output
    output = output.replace(healthy.bucket.server.endpoint, "http://127.0.0.1:9000")
    output = output.replace(healthy.host.url, "http://127.0.0.1:9100").replace(healthy.bucket.name, "recordings")
    output = re.sub(r"request tx[-\w]+", "request 4442587FB7D0A2F9", output)
    return re.sub(r"\d+ ms", "3 ms", re.sub(r"machine is \d+ s (?:ahead of|behind)", "machine is 0 s behind", output))


def shown(command: str) -> str:
    block = re.search(rf"^```console\n\$ {re.escape(command)}\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert block is not None, f"the page does not show {command}"
    return block[1]


def doctor(healthy: Healthy) -> tuple[str, str]:
    settings = healthy.settings(cxbcore_secret="another-secret", minio=healthy.bucket.settings(secret_key="wrong"))
    command = "doctor"
    return command, printed(healthy, settings, InMemoryCallRepository(), command)


def trace(healthy: Healthy) -> tuple[str, str]:
    healthy.host.recordings["2026/05/s-1.wav"] = AUDIO
    call = {"session_id": "s-1", "recording_key": "2026/05/s-1.wav", "recording_url": SIGNED}
    command = "trace --session-id s-1"
    return command, printed(healthy, healthy.settings(), InMemoryCallRepository([call]), *command.split())


@pytest.mark.parametrize("make", [doctor, trace])
def test_the_page_shows_what_the_command_prints(healthy: Healthy, make: Callable[[Healthy], tuple[str, str]]) -> None:
    command, output = make(healthy)

    assert shown(f"flask recordings {command}") == output
    assert SECRET not in output
