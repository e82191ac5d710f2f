"""The benchmark does not rot: one short round of it, with every contender."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import footprint
from tests.servers import find_program

PROJECT = Path(__file__).parents[1]


@pytest.mark.full
@pytest.mark.timeout(300)
def test_a_short_round_measures_every_contender(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    for name, package in (("nginx", "nginx-light"), ("wrk", "wrk"), ("curl", "curl")):
        find_program(request, name, package)
    command = [sys.executable, "-m", "benchmarks", "--smoke", "--json", str(tmp_path / "figures.json")]
    command += ["--plot", str(tmp_path / "plot.svg")]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=290)
    assert done.returncode == 0, done.stderr
    figures = json.loads((tmp_path / "figures.json").read_text())
    medians = figures["stand_in"]
    assert {"nginx", "offload", "offload_anew", "library", "library_anew", "bare", "naive", "memory"} <= set(medians)
    assert {"nginx", "offload", "library"} <= set(figures["ceph"])
    assert medians["library"]["upstream_requests"] == 1
    # The naive route may not finish one of its requests in a second of a busy machine.
    assert all(medians[name]["1mb_requests_per_s"] > 0 for name in ("nginx", "offload", "library", "bare"))
    assert (tmp_path / "plot.svg").read_text().startswith("<svg")


def test_nothing_heavy_is_imported_before_it_is_needed() -> None:
    imported = footprint.imported(footprint.STATEMENTS["register"])

    assert {"cxb_recordings", "flask"} <= set(imported)
    assert set(imported) & {"prometheus_client", "pymongo", "pytest"} == set()


def test_the_footprint_counts_what_the_library_needs_and_no_more() -> None:
    sizes = footprint.installed_bytes()

    assert {"cxb-recordings", "flask", "werkzeug", "boto3", "botocore"} <= set(sizes)
    assert set(sizes) & {"cryptography", "moto", "prometheus-client", "pytest"} == set()
    assert all(size > 0 for size in sizes.values())
    assert 5 < footprint.cpu_ms("import flask", rounds=1) < 60_000
