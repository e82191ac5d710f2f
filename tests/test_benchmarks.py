"""The benchmark does not rot: one short round of it, with every contender."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import find_program

PROJECT = Path(__file__).parents[1]


@pytest.mark.full
def test_a_short_round_measures_every_contender(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    for name, package in (("nginx", "nginx-light"), ("wrk", "wrk"), ("curl", "curl")):
        find_program(request, name, package)
    command = [sys.executable, "-m", "benchmarks", "--smoke", "--json", str(tmp_path / "figures.json")]
    command += ["--plot", str(tmp_path / "plot.svg")]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stderr
    medians = json.loads((tmp_path / "figures.json").read_text())["medians"]
    assert {"nginx", "offload", "library", "bare", "naive"} <= set(medians)
    assert medians["library"]["upstream_requests"] == 1
    # The naive route may not finish one of its requests in a second of a busy machine.
    assert all(medians[name]["1mb_requests_per_s"] > 0 for name in ("nginx", "offload", "library", "bare"))
    assert (tmp_path / "plot.svg").read_text().startswith("<svg")
