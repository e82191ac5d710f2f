"""The page on containers: its sizing table is its formula, and gunicorn takes the command of its Dockerfile."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from pathlib import Path

from .test_docs import PROJECT, rows

PAGE = PROJECT / "docs/containers.md"


def test_the_sizing_table_is_the_formula_above_it() -> None:
    for listeners, *figures in rows(PAGE, "listeners"):
        count = int(listeners)
        threads = math.ceil(1.25 * count)
        workers = max(2, math.ceil(threads / 250))
        memory = math.ceil(80 * workers + 0.25 * count)
        expected = [threads, workers, memory, f"{2 * count * 16 / 1000:.1f}", round(count * 2 / 60)]
        assert figures == [str(figure) for figure in expected], listeners


def test_gunicorn_takes_the_command_of_the_dockerfile(tmp_path: Path) -> None:
    command = re.search(r"^CMD (\[.*\])$", PAGE.read_text(), re.MULTILINE)
    assert command is not None
    gunicorn, *arguments = json.loads(command[1])
    assert gunicorn == "gunicorn"
    (tmp_path / "host.py").write_text("from flask import Flask\n\napp = Flask(__name__)\n")

    done = subprocess.run(
        [sys.executable, "-m", "gunicorn", "--check-config", *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode == 0, done.stderr
