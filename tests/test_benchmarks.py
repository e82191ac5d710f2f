"""The benchmark does not rot: one short round of it, with every contender."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import footprint, report
from benchmarks.servers import Server
from tests.servers import find_program

PROJECT = Path(__file__).parents[1]


@pytest.mark.full
@pytest.mark.timeout(600)
def test_a_short_round_measures_every_contender(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    for name, package in (("nginx", "nginx-light"), ("wrk", "wrk"), ("curl", "curl"), ("openssl", "openssl")):
        find_program(request, name, package)
    command = [sys.executable, "-m", "benchmarks", "--smoke", "--json", str(tmp_path / "figures.json")]
    command += ["--plot", str(tmp_path / "plot.svg")]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=590)
    assert done.returncode == 0, done.stderr
    figures = json.loads((tmp_path / "figures.json").read_text())
    contenders = {"nginx", "offload", "offload_anew", "library", "library_anew", "bare", "naive", "parts", "memory"}
    for part in ("tls", "plain"):
        medians = figures[part]
        assert contenders | {"slow_library", "slow_fixed"} == set(medians)
        assert medians["library"]["upstream_requests"] == 1
        # The naive route may not finish one of its requests in a second of a busy machine.
        assert all(medians[name]["1mb_requests_per_s"] > 0 for name in ("nginx", "offload", "library", "bare"))
    assert {"nginx", "offload", "library"} <= set(figures["ceph"])
    assert figures["listeners"]["many_paused_answered"] == 5 * figures["listeners"]["paused_listeners"]
    assert done.stdout.startswith(("Missed: ", "Goals missed: ", "No figure is missed."))
    assert (tmp_path / "plot.svg").read_text().startswith("<svg")


def test_the_first_line_names_what_is_missed_and_what_was_not_measured() -> None:
    ours = {"1mb_requests_per_s": 59.0, "1mb_cpu_ms": 2.0, "1kb_cpu_ms": 0.5, "200mb_cpu_s_per_gb": 1.0}
    document: dict[str, Any] = {
        "tls": {name: dict(ours) for name in ("library", "memory", "bare")} | {"nginx": {"1mb_requests_per_s": 100.0}},
        "footprint": {"import_ms": 1, "register_ms": 1, "wheel_kb": 1, "installed_mb": 1},
        "machine": {},
        "effort": {"rounds": 1, "seconds": 1},
    }

    def first_line() -> str:
        return report.page(document).partition("\n")[0]

    assert "Missed: 1 MB requests/s, against nginx (TLS); 1 MB CPU, against the bare route (TLS)." in first_line()
    assert "Not measured: 1 MB CPU, against nginx (TLS)" in first_line()
    document["tls"]["library"] |= {"1mb_requests_per_s": 60.0, "1mb_cpu_ms": 1.0}
    assert first_line().startswith("Goals missed: 1 MB requests/s, against nginx (TLS).")


def test_processor_time_is_counted_finer_than_the_clock_of_proc_ticks() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True) as process:
        server = Server("", process)
        before = server.cpu_seconds()
        process.communicate(b"\n")
        assert 0 < before < 60
        assert before % 0.01


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
