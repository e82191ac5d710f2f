"""What the log says of requests that play nothing: enough to find the call, and never a token."""

from __future__ import annotations

import logging
from urllib.parse import quote

import pytest

from cxb_recordings.calls.tokens import fingerprint
from tests.servers import free_port
from tests.web.site import PREFIXES, Site

TOKEN = "dGhlIHRva2VuIG9mIGEgY2FsbCBpbiB0aGUgdGVzdHM"
HOSTILE = [
    *("a\nERROR forged", "a\r\nb", "\x1b[31mred", "\x9b31m", "a\u202eb", "a\u2028b", "\x00", "ü\x85"),
    *("'\"\\", "x" * 9000),
]


@pytest.fixture
def site() -> Site:
    site = Site({})
    site.calls.add({"session_id": "s-1", "recording_access_token": TOKEN})
    return site


def records(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "cxb_recordings.signals"]


def test_a_404_names_the_session_id_or_the_tokens_fingerprint(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "cxb_recordings")
    for path in (f"{PREFIXES['admin']}/s-2", f"{PREFIXES['admin']}/s-1"):
        site.client.get(path, headers=site.admin)
    for token in ("unknown-token", TOKEN, "no token/at all"):
        site.client.get(f"{PREFIXES['public']}/{token}")

    assert records(caplog) == [
        "recording not found: call (session id 's-2')",
        "recording not found: key (session id 's-1')",
        f"recording not found: call (token {fingerprint('unknown-token')})",
        f"recording not found: key (token {fingerprint(TOKEN)}, session id 's-1')",
        f"recording not found: token (token {fingerprint('no token')})",
    ]
    assert "unknown-token" not in caplog.text
    assert TOKEN not in caplog.text


def test_a_404_whose_sources_failed_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "cxb_recordings")
    site = Site({"cxbcore_fleet": [f"http://127.0.0.1:{free_port()}"]})
    for key, step, level in (("../a.wav", "key", logging.INFO), ("a.wav", "sources", logging.WARNING)):
        site.ask(key=key)
        token = fingerprint(site.path(key).rpartition("/")[2])
        [record] = [record for record in caplog.records if "not found" in record.getMessage()]
        assert record.getMessage().startswith(f"recording not found: {step} (token {token}, session id ")
        assert record.levelno == level
        caplog.clear()


@pytest.mark.parametrize("session_id", HOSTILE)
def test_a_session_id_makes_no_line_of_its_own(site: Site, caplog: pytest.LogCaptureFixture, session_id: str) -> None:
    caplog.set_level(logging.INFO, "cxb_recordings")

    site.client.get(f"{PREFIXES['admin']}/{quote(session_id)}", headers=site.admin)

    [text] = records(caplog)
    assert text.isprintable()
    assert len(text) < 300
    assert caplog.records[-1].__dict__["session_id"] == session_id
