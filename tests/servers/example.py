"""The example host application, ``python -m examples``, as a process of its own on a free port."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest

from . import stop, tail, wait_until

PROJECT = Path(__file__).parents[2]

# What must not matter to an example that uses no network.
HOSTILE = {
    **{f"{scheme}_proxy": "http://127.0.0.1:9" for scheme in ("http", "https", "all", "HTTP", "HTTPS", "ALL")},
    "HTTP_PROXY": "http://127.0.0.1:9",
    "HTTPS_PROXY": "http://127.0.0.1:9",
    "no_proxy": "",
    "NO_PROXY": "",
    "AWS_PROFILE": "there-is-no-such-profile",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    "AWS_ACCESS_KEY_ID": "hostile",
    "AWS_SECRET_ACCESS_KEY": "hostile",
}


@dataclass(frozen=True, slots=True)
class Example:
    """An example host application that serves, and what it printed until then."""

    process: subprocess.Popen[bytes]
    log: Path
    printed: str

    @property
    def url(self) -> str:
        """The host's address, without a trailing slash."""
        return self._printed(r"^Dashboard: +(\S+)/")

    @property
    def password(self) -> str:
        """The administrator's."""
        return self._printed(r"password (\w+)$")

    @property
    def crm_url(self) -> str:
        """The CRM's address, without a trailing slash."""
        return self._printed(r"^CRM: +(\S+)/$")

    @property
    def secret(self) -> str:
        """What ingestion asks for."""
        return self._printed(r"X-Ingestion-Secret: (\w+)")

    def _printed(self, pattern: str) -> str:
        found = re.search(pattern, self.printed, re.MULTILINE)
        assert found is not None, pattern
        return found[1]

    def commands(self) -> list[tuple[str, str]]:
        """Each curl command, with the comment above it."""
        return re.findall(r"^# (.*)\n(curl .*)$", self.printed, re.MULTILINE)


class ExampleFactory(Protocol):
    """Starts the example on a free port, with arguments and variables of the test's own."""

    def __call__(self, *arguments: str, environment: Mapping[str, str] | None = None) -> Example: ...


def start_example(log: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> Example:
    """Start the example in a process group of its own; the caller stops its process."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "examples", "--port", "0", *arguments],
            cwd=PROJECT,
            env={**clean_environment(), **HOSTILE, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        wait_until(lambda: process.poll() is not None or "Ctrl+C stops" in log.read_text(), "the example", seconds=90)
        assert process.poll() is None, tail(log)
    except BaseException:
        stop(process)
        raise
    return Example(process, log, log.read_text())


@pytest.fixture
def example(tmp_path: Path) -> Iterator[ExampleFactory]:
    """A factory of running examples, which end with the test."""
    started: list[Example] = []

    def start(*arguments: str, environment: Mapping[str, str] | None = None) -> Example:
        started.append(start_example(tmp_path / f"example-{len(started)}.log", *arguments, environment=environment))
        return started[-1]

    yield start
    for running in started:
        stop(running.process)


def clean_environment() -> dict[str, str]:
    """The environment, without what would change the example or curl."""
    names = re.compile(r"(AWS|CXB)_|.*_proxy$", re.IGNORECASE)
    return {name: value for name, value in os.environ.items() if not names.match(name)}
