"""The machine and the versions that a run was made with."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from importlib.metadata import version
from pathlib import Path

from .servers import Absent, find_program

_PACKAGES = ("flask", "werkzeug", "botocore", "urllib3", "gunicorn")
_PROGRAMS = {"nginx": ("-v",), "radosgw": ("--version",), "rclone": ("version",), "node": ("--version",)}
_PROGRAMS |= {"mlflow": ("--version",)}


def describe() -> dict[str, str]:
    """What was run on what: a name and a value each; programs that are not installed are left out."""
    processor = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s*(\d+) kB", Path("/proc/meminfo").read_text())
    return {
        "processor": f"{os.cpu_count()} × {processor[1] if processor else platform.machine()}",
        "memory": f"{int(memory[1]) / 2**20:.0f} GiB" if memory else "",
        "Linux": platform.release(),
        "Python": platform.python_version(),
        **{name: version(name) for name in _PACKAGES},
        **{name: found for name, arguments in _PROGRAMS.items() if (found := _version(name, *arguments))},
    }


def _version(name: str, *arguments: str) -> str:
    try:
        command = [find_program(name), *arguments]
    except Absent:
        return ""
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    found = re.search(r"\d+(?:\.\d+)+", done.stdout + done.stderr)
    return found[0] if found else ""
