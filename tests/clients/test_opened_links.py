"""The public link, opened as people open it: in a tab, an iframe, ``<audio>``, ``<video>``, in three engines.

One page opens a link in every way, one after the other, plays what it finds there, and reports to the application.
Where a page may not look into what it opened, the application counts requests: a player asks for its link once more.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest

from examples.audio import encode, make_wav
from tests.servers import find_program, free_port, wait_until
from tests.servers.gunicorn import GunicornFactory
from tests.servers.moto_s3 import Bucket
from tests.servers.nginx import NginxFactory

from .browsers import opened
from .offload_site import PREFIX, nginx_configuration

WITHOUT_A_PLAYER = "default-src 'none'; sandbox"
HERE, ELSEWHERE = "127.0.0.1", "localhost"  # two sites to a browser
# How a link is opened: in a tab, or by the attributes of an element.
OPENED = (
    "tab",
    "iframe",
    "audio",
    "video",
    "iframe sandbox='allow-same-origin'",
    "iframe sandbox='allow-same-origin allow-scripts'",
)
SANDBOXED = ("iframe sandbox", "iframe sandbox='allow-scripts'")
APP = """
import json
from flask import Flask, request
from flask_jwt_extended import JWTManager
from cxb_recordings import InMemoryCallRepository, register

app = Flask("host")
app.config["JWT_SECRET_KEY"] = "for these tests only, thirty-two bytes and more"
JWTManager(app)
calls = InMemoryCallRepository(
    [{{"session_id": "s", "recording_key": "call.wav", "recording_access_token": "token"}}]
)
settings = {{"minio": {minio!r}}}
register(app, lambda: settings, calls, offload="/_protected/")
register(app, lambda: settings, calls, name="direct", admin_url_prefix="/admin", public_url_prefix="/direct")


def note(**entry):
    with open({log!r}, "a") as file:
        file.write(json.dumps(entry) + "\\n")


@app.get("/cases")
def cases():
    return {page!r}


@app.post("/report")
def report():
    note(**request.get_json(force=True))
    return ""


@app.after_request
def change(response):
    if "case" in request.args:
        note(asked=request.args["case"], range=request.headers.get("Range"))
    if "policy" in request.args:
        response.headers["Content-Security-Policy"] = request.args["policy"]
    return response
"""
PAGE = """<!doctype html><title>cases</title><body><script>
const sleep = ms => new Promise(resolve => setTimeout(resolve, ms));
const peek = look => { try { return look() } catch (error) { return null } };
const report = entry => fetch("/report", {method: "POST", body: JSON.stringify(entry)});
function open_link(how, link) {
    if (how === "tab") {
        const tab = window.open(link);
        return [() => peek(() => tab.document.querySelector("video, audio")), () => tab && tab.close()];
    }
    document.body.insertAdjacentHTML("beforeend", `<${how} src="${link}"></${how.split(" ")[0]}>`);
    const element = document.body.lastElementChild;
    const frame = () => peek(() => element.contentDocument.querySelector("video, audio"));
    return [how.startsWith("iframe") ? frame : () => element, () => element.remove()];
}
async function run({name, how, link, seconds}) {
    const [find, close] = open_link(how, link);
    let outcome = "no player to be seen";
    for (const end = Date.now() + 1000 * seconds; Date.now() < end; await sleep(50)) {
        const media = find();
        if (!media) continue;
        media.muted = true;
        if (media.error) { outcome = `error ${media.error.code}: ${media.error.message}`; break; }
        if (media.paused) media.play().catch(() => {});
        outcome = "does not play";
        if (media.currentTime > 0.2 && media.duration > 60) { outcome = "plays"; break; }
    }
    await report({name, outcome});
    close();
}
(async () => {
    // Where nothing is expected all is waited for at once.
    for (const entry of CASES.filter(entry => entry.seconds > 3)) await run(entry);
    await Promise.all(CASES.filter(entry => entry.seconds <= 3).map(run));
    await report({name: "end", outcome: ""});
})();
</script>"""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a browser did with the links.

    Attributes:
        outcomes: what the page found, by the case's name.
        requests: how often each case's link was asked for.
    """

    outcomes: dict[str, str]
    requests: Counter[str]


def open_links(
    request: pytest.FixtureRequest,
    browser: str,
    bucket: Bucket,
    gunicorn: GunicornFactory,
    nginx: NginxFactory,
    certificate: Path,
    directory: Path,
) -> Seen:
    """Open the link in every way, with offload and without, and with the policy that has no player."""
    wav = make_wav(90)
    # In a tab or an iframe Firefox shows no player for a WAV, whatever its headers.
    data, media_type = (encode(wav)["ogg"][1], "audio/ogg") if browser == "firefox" else (wav, "audio/wav")
    bucket.put("call.wav", data, media_type)
    port, log = free_port(), directory / "noted.jsonl"
    site = f"http://{HERE}:{port}"
    offload, direct = f"{site}{PREFIX}/token", f"{site}/direct/token"
    cases = [(f"{how}, offload", how, offload, 20) for how in OPENED]
    cases += [(f"{how}, direct", how, direct, 20) for how in OPENED]
    cases += [(f"{how}, direct", how, direct, 3) for how in SANDBOXED]
    cases += [
        (f"{how}, no player's policy", how, f"{direct}?policy={quote(WITHOUT_A_PLAYER)}", 3)
        for how in ("tab", "iframe")
    ]
    cases += [("iframe, elsewhere", "iframe", direct.replace(HERE, ELSEWHERE), 4)]
    listed = [
        {"name": name, "how": how, "link": f"{link}{'&' if '?' in link else '?'}case={quote(name)}", "seconds": seconds}
        for name, how, link, seconds in cases
    ]
    app = gunicorn(
        APP.format(minio=bucket.settings(), log=str(log), page=PAGE.replace("CASES", json.dumps(listed))),
        *("--worker-class", "gthread", "--threads", "16"),
    )
    configuration = nginx_configuration(app, port, certificate)
    host = "location / { proxy_pass http://app; proxy_buffering off; }\n    location /api/v1/ {"
    nginx(configuration.replace("location /api/v1/ {", host, 1), port)

    def noted() -> list[dict[str, str]]:
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

    with opened(request, browser, directory / browser, f"{site}/cases"):
        wait_until(lambda: any(entry.get("name") == "end" for entry in noted()), f"{browser}'s last case", 200)
    return Seen(
        {entry["name"]: entry["outcome"] for entry in noted() if "name" in entry},
        Counter(entry["asked"] for entry in noted() if "asked" in entry),
    )


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", ["chromium", "firefox", "webkit"])
def test_the_link_plays_where_it_is_opened(
    request: pytest.FixtureRequest,
    name: str,
    moto_bucket: Bucket,
    gunicorn: GunicornFactory,
    nginx: NginxFactory,
    certificate: Path,
    tmp_path: Path,
) -> None:
    if name == "firefox":
        find_program(request, "ffmpeg", "ffmpeg")
    seen = open_links(request, name, moto_bucket, gunicorn, nginx, certificate, tmp_path)

    plays = {f"{how}, {way}": "plays" for how in OPENED for way in ("offload", "direct")}
    assert {case: seen.outcomes.get(case) for case in plays} == plays
    dead = [f"{how}, direct" for how in SANDBOXED] + ["tab, no player's policy", "iframe, no player's policy"]
    assert {case: seen.outcomes.get(case) for case in dead} == dict.fromkeys(dead, "no player to be seen")
    if name != "firefox":  # its player takes over the request that opened the page
        assert [seen.requests[case] for case in dead[2:]] == [1, 1]
        assert seen.requests["tab, direct"] > 1
        assert seen.requests["iframe, elsewhere"] > 1, "a page of another site may not look into it"
