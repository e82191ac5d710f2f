"""The tutorial, step by step, as a reader does it: saves files, types commands into shells, sees what is printed."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from .servers import accepts_connections, find_program, free_port, wait_until

PROJECT = Path(__file__).parents[1]
PAGE = PROJECT / "docs/tutorial.md"

_STEP = re.compile(r"`(\w+\.py)`:\n\n```python\n(.*?)^```$|^```console\n(.*?)^```$|(Ctrl\+C)", re.MULTILINE | re.DOTALL)
_SERVER = re.compile(r"(?:moto_server|flask .* run) --port (\d+)$", re.MULTILINE)
_END = "this command has ended"


class Terminal:
    """A shell that takes one command after the other, as a reader types them."""

    def __init__(self, directory: Path, environment: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=directory,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def type(self, command: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()

    def run(self, command: str) -> str:
        """What a command prints, without line breaks at its end."""
        assert self.process.stdout is not None
        self.type(f"{command}\nprintf '\\n%s\\n' '{_END}'")
        printed = ""
        while not printed.endswith(f"\n{_END}\n"):
            line = self.process.stdout.readline()
            assert line, f"the shell has ended:\n{printed}"
            printed += line
        return printed.removesuffix(f"{_END}\n").strip("\n")

    def close(self) -> None:
        """End the shell and what runs in it, by their process group."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate(timeout=10)


class Reader:
    """Somebody who does what the page says, with ports that are free on this machine."""

    def __init__(self, directory: Path, *, installs: bool) -> None:
        self._directory = directory
        self._installs = installs
        self._ports = {"8000": str(free_port()), "9000": str(free_port())}
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        pip = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
        self._environment = kept | pip | {"PYTHONDONTWRITEBYTECODE": "1", "PIP_QUIET": "2"}  # it may warn of its index
        self._servers: list[Terminal] = []
        self._first = Terminal(directory, self._environment)

    def save(self, name: str, content: str) -> None:
        (self._directory / "calls" / name).write_text(self._here(content))

    def follow(self, block: str) -> None:
        """Type a block's commands, one that starts a server in a terminal of its own."""
        block = self._here(block)
        server = _SERVER.search(block)
        terminal = self._first
        if server:
            terminal = Terminal(self._directory, self._environment)
            self._servers.append(terminal)
        for command, shown in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE):
            if server and command == server[0]:
                terminal.type(command)
                wait_until(partial(accepts_connections, int(server[1])), command)
            elif self._installs or not self._makes_environment(command):
                printed = terminal.run(command)
                expected = "(?s:.*)".join(map(re.escape, shown.strip("\n").split("…")))
                assert re.fullmatch(expected, printed), f"{command}\n{printed}"

    def stop_the_store(self) -> None:
        self._servers.pop(0).close()

    def close(self) -> None:
        for terminal in (self._first, *self._servers):
            terminal.close()

    def _here(self, text: str) -> str:
        return re.sub(r"(127\.0\.0\.1:|--port )(8000|9000)", lambda found: found[1] + self._ports[found[2]], text)

    def _makes_environment(self, command: str) -> bool:
        """Whether a command is about a new environment; this one takes its place."""
        if command.startswith("python3 -m venv"):
            activate = self._directory / "calls/.venv/bin/activate"
            activate.parent.mkdir(parents=True)
            activate.write_text(f'export PATH={Path(sys.executable).parent}:"$PATH" PYTHONPATH={PROJECT}\n')
            return True
        return command.startswith("pip install")


@pytest.fixture(params=[False, pytest.param(True, marks=[pytest.mark.full, pytest.mark.timeout(600)])])
def reader(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Reader]:
    """A reader in the environment of the tests, and one who makes a new one, with a copy of the clone."""
    for program in ("bash", "curl"):
        find_program(request, program, program)
    if request.param:
        ignored = shutil.ignore_patterns(".git", ".venv*", ".*_cache", "__pycache__", "*.egg-info", "build", "_build")
        shutil.copytree(PROJECT, tmp_path / "cxb_recordings", ignore=ignored)
    reader = Reader(tmp_path, installs=request.param)
    yield reader
    reader.close()


@pytest.mark.full
def test_every_step_of_the_tutorial_does_what_it_says(reader: Reader) -> None:
    for name, content, block, _ in _STEP.findall(PAGE.read_text()):
        if name:
            reader.save(name, content)
        elif block:
            reader.follow(block)
        else:
            reader.stop_the_store()
