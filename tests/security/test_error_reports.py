"""What Sentry is sent of a request for a public link: never its token, with the hook of the docs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).parents[2]
BLOCKS = re.findall(r"```python\n(.*?)```", (PROJECT / "docs/tokens-in-logs.md").read_text(), re.DOTALL)
TOKEN = "dGhlIHRva2VuIG9mIGEgY2FsbCBpbiB0aGUgdGVzdHM"
PREFIX = "/api/v1/public/recordings"
PLAYBACK = "/api/v1/playback"
PATHS = [f"{PREFIX}/{TOKEN}", f"{PREFIX}/%64{TOKEN[1:]}?download=1", f"{PREFIX}/{TOKEN}/a.mp3"]

# In a process of its own: the SDK changes Flask, logging and http.client for good.
PROGRAM = """
import json
import sys
from urllib.parse import urlsplit

import sentry_sdk
from flask import Flask, request
from sentry_sdk.transport import Transport

from cxb_recordings import InMemoryCallRepository, register
from cxb_recordings.testing import InMemorySource, hold_in_memory

TOKEN, *PATHS = sys.argv[1:]
sent = []


class Captured(Transport):
    def capture_envelope(self, envelope):
        sent.extend(json.dumps(item.payload.json, default=str) for item in envelope.items)


init = sentry_sdk.init


def captured(**options):
    init(**options | {"dsn": "https://key@sentry.invalid/1", "transport": Captured(), "traces_sample_rate": 1.0})


app = Flask("host")
calls = InMemoryCallRepository([{"session_id": "s-1", "recording_key": "a.wav", "recording_access_token": TOKEN}])
app.secret_key = "a key for this program only, 32 bytes and more"
options = {"require_admin": lambda view: view, "playback_url_prefix": "/api/v1/playback"}
PATHS.append(urlsplit(register(app, dict, calls, **options).playback_url("s-1", "h.example")).path)


@app.after_request
def fail(response):
    if "X-Fail" in request.headers:
        [token] = request.view_args.values()
        sentry_sdk.add_breadcrumb(message=f"GET {request.path}")
        raise RuntimeError(f"{request.url} of {token} failed")
    return response


def reports():
    sent.clear()
    for path in PATHS:
        app.test_client().get(path, headers={"X-Fail": "1"})
    return list(sent)


captured()
without = reports()
sentry_sdk.init = captured
BLOCKS_OF_THE_PAGE
with_hook = reports()
with hold_in_memory(app, InMemorySource({"a.wav": b"RIFF and so on"})):
    played = app.test_client().get(PATHS[0]).get_data(as_text=True)
print(json.dumps([without, with_hook, played, PATHS]))
"""


@pytest.mark.full
def test_no_token_reaches_sentry_with_the_hook_and_it_does_without() -> None:
    program = PROGRAM.replace("BLOCKS_OF_THE_PAGE", "\n".join(BLOCKS))
    command = [sys.executable, "-c", program, TOKEN, *PATHS]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr[-2000:].replace(TOKEN[1:], "…")

    without, with_hook, played, paths = json.loads(done.stdout)

    signed = paths[-1].rpartition("/")[2]
    assert paths[-1].startswith(f"{PLAYBACK}/")
    for sent in (without, with_hook):
        assert sum("RuntimeError" in report for report in sent) >= len(paths)
        assert sum('"transaction"' in report for report in sent) >= len(paths)
    for secret in (TOKEN, signed):
        assert secret in "".join(without)
        assert secret[1:] not in "".join(with_hook)
    assert played == "RIFF and so on"


def hook() -> Any:
    names: dict[str, Any] = {}
    exec(BLOCKS[0], names)
    return names["without_tokens"]


@pytest.mark.parametrize(
    ("event", "scrubbed"),
    [
        ({"url": f"https://h{PREFIX}/{TOKEN}?x=1"}, {"url": f"https://h{PREFIX}/[token]?x=1"}),
        ({"m": f"GET {PREFIX}//{TOKEN}#t"}, {"m": f"GET {PREFIX}/[token]#t"}),
        (
            {"a": [f"{PREFIX}/{TOKEN}"], "vars": {"token": repr(TOKEN)}},
            {"a": [f"{PREFIX}/[token]"], "vars": {"token": "'[token]'"}},
        ),
        (
            {"a": (1, None, 2.5, True), "b": "/api/v1/recordings/s-1"},
            {"a": [1, None, 2.5, True], "b": "/api/v1/recordings/s-1"},
        ),
        (
            {"a": f"{PLAYBACK}/{TOKEN}.{TOKEN}/a.mp3", "signed": f"{TOKEN}.{TOKEN}"},
            {"a": f"{PLAYBACK}/[token]/a.mp3", "signed": "[token]"},
        ),
        ({"a": f"{PREFIX}/x"}, {"a": f"{PREFIX}/[token]"}),
        ({}, {}),
    ],
)
def test_the_hook_changes_tokens_and_nothing_else(event: dict[str, Any], scrubbed: dict[str, Any]) -> None:
    assert hook()(event, {}) == scrubbed
