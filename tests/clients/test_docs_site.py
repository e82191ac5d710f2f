"""The site of the docs in a browser: its search finds what readers look for, and no page is endless."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.servers import missing
from tests.servers.gunicorn import PROJECT

from .callroom import DEADLINE

TALLEST = 10_000  # pixels, at a width of 1280
FOUND = {
    "401": "errors.html",
    "403": "errors.html",
    "404": "errors.html",
    "503": "errors.html",
    "SQLAlchemy": "sqlalchemy.html",
    "tenant": "settings.html",
    "React": "admin-access.html",
    "Sentry": "tokens-in-logs.html",
    "Docker": "containers.html",
    "GSM": "ingestion.html",
    "workers": "containers.html",
    "nginx": "nginx.html",
    "rotate": "links-and-tokens.html",
    ".mp3": "crm.html",
    "uWSGI": "servers.html",
    "deprecation": "install.html",
}


@pytest.fixture(scope="module")
def docs_site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if importlib.util.find_spec("sphinx") is None:
        missing(request, "Sphinx (extra docs)")
    directory = tmp_path_factory.mktemp("docs")
    command = [sys.executable, "-m", "sphinx", "--quiet", str(PROJECT / "docs"), str(directory)]
    subprocess.run(command, check=True, capture_output=True, timeout=110)
    return directory


def test_search_finds_what_readers_look_for_and_no_page_is_endless(docs_site: Path, browser: Any) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    for query, wanted in FOUND.items():
        page.goto(f"{(docs_site / 'search.html').as_uri()}?q={query}")
        page.wait_for_selector(f"#search-results a[href*='{wanted}']", timeout=DEADLINE)
    heights = {}
    for path in docs_site.glob("*.html"):
        page.goto(path.as_uri())
        heights[path.name] = page.evaluate("document.documentElement.scrollHeight")
    page.close()
    assert {name: height for name, height in heights.items() if height > TALLEST} == {}
