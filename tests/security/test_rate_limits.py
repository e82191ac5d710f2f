"""The how-to on rate limits: the 404s of an address are counted, seeks are not."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from cxb_recordings import InMemoryCallRepository
from tests.servers.origin import OriginFactory
from tests.web.site import host_app

PAGE = Path(__file__).parents[2] / "docs/rate-limits.md"


@pytest.mark.full
def test_a_guesser_is_stopped_and_a_listener_who_seeks_is_not(make_origin: OriginFactory) -> None:
    app = host_app()
    fleet = [make_origin({"2026/05/s-1.wav": bytes(1000)}).url]
    block = re.search(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert block is not None
    names: dict[str, Any] = {"app": app}
    exec(block[1].replace("lambda: {}", f"lambda: {{'cxbcore_fleet': {fleet}}}"), names)
    calls: InMemoryCallRepository = names["calls"]
    token = calls.ensure_token("s-1")
    client = app.test_client()

    def status(path: str) -> int:
        return client.get(f"/api/v1/public/recordings/{path}", headers={"Range": "bytes=5-9"}).status_code

    assert [status(str(token)) for _ in range(50)] == [206] * 50
    assert [status(f"guess-{number}") for number in range(12)] == [404] * 10 + [429] * 2
    assert status(str(token)) == 429
