"""The whole comparison: interleaved rounds, medians, and ratios within the run; ``python -m benchmarks --help``."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import contenders, footprint, machine, measure, report, stores
from .servers import Absent, Server, find_program

_started = time.monotonic()
SLOW_STREAMS = 200


@dataclass(frozen=True)
class Effort:
    """How much is measured: rounds, seconds of load for a figure, samples of first bytes, slow streams."""

    rounds: int
    seconds: int
    samples: int
    streams: int


def say(text: str) -> None:
    """Show progress."""
    print(f"[{time.monotonic() - _started:5.0f} s] {text}", file=sys.stderr, flush=True)


def main() -> None:
    """Measure and print tables; JSON and a plot where files are named."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4, help="of load for each figure")
    parser.add_argument("--smoke", action="store_true", help="one short round, to see that it works")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path, help="an SVG")
    options = parser.parse_args()
    effort = Effort(1, 1, 10, 20) if options.smoke else Effort(options.rounds, options.seconds, 100, SLOW_STREAMS)
    try:
        for name in ("nginx", "wrk", "curl"):
            find_program(name)
    except Absent as exc:
        parser.exit(1, f"needs {exc}, which is not installed\n")
    # The files lie below the system's directory for temporary files; what gunicorn imports is found from here.
    os.environ["PYTHONPATH"] = str(Path(__file__).parents[1])
    with tempfile.TemporaryDirectory() as temporary:
        directory = Path(temporary)
        directory.chmod(0o755)  # nginx's workers may be another user
        files = stores.make_files(directory)
        document: dict[str, Any] = {
            "machine": machine.describe(),
            "effort": vars(effort),
            "footprint": footprint.figures(effort.rounds),
            **_compare(directory, files, effort),
        }
    print(report.page(document))
    if options.json:
        options.json.write_text(json.dumps(document, indent=2) + "\n")
    if options.plot:
        options.plot.write_text(report.plot(document["stand_in"]))


def _compare(directory: Path, files: Path, effort: Effort) -> dict[str, Mapping[str, Mapping[str, float]]]:
    """Medians by store, contender and figure."""
    medians: dict[str, Mapping[str, Mapping[str, float]]] = {}
    with ExitStack() as stack:
        store = stores.start_stand_in(stack, directory / "store", files)
        slow = stores.start_stand_in(stack, directory / "slow-store", files, is_slow=True)
        servers = _start(stack, store, directory, contenders.OURS)
        servers["slow_library"] = _started_host(stack, "library", slow, directory)
        servers["slow_fixed"] = _started_host(stack, "fixed_chunks", slow, directory)
        figures = _rounds(servers, store, effort)
        say(f"memory of {effort.streams} slow streams")
        many = contenders.gunicorn("library", store, directory, threads=effort.streams)
        stack.callback(many.stop)
        figures["library"] |= measure.slow_streams(many, effort.streams)
        medians["stand_in"] = figures
    with ExitStack() as stack:
        try:
            ceph = stores.start_ceph(stack, directory / "ceph", files)
        except (Absent, ImportError) as exc:
            say(f"without Ceph's gateway: {exc} is not installed")
            return medians
        ours = {name: contenders.OURS[name] for name in ("nginx", "library", "offload")}
        below = directory / "before-ceph"
        below.mkdir()
        servers = _start(stack, ceph, below, ours | contenders.PEERS)
        medians["ceph"] = _rounds(servers, ceph, effort)
    return medians


def _start(
    stack: ExitStack,
    store: stores.Store,
    directory: Path,
    makers: Mapping[str, Callable[[stores.Store, Path], Server]],
) -> dict[str, Server]:
    servers = {}
    for name, make in makers.items():
        try:
            servers[name] = make(store, directory)
        except Absent as exc:
            say(f"without {name}: {exc} is not installed")
            continue
        stack.callback(servers[name].stop)
    return servers


def _started_host(stack: ExitStack, name: str, store: stores.Store, directory: Path) -> Server:
    server = contenders.gunicorn(name, store, directory)
    stack.callback(server.stop)
    return server


def _rounds(servers: Mapping[str, Server], store: stores.Store, effort: Effort) -> dict[str, dict[str, float]]:
    figures: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for number in range(effort.rounds):
        for name, server in servers.items():
            say(f"{store.name}, round {number + 1} of {effort.rounds}: {name}")
            for key, value in _one_turn(name, server, store, effort).items():
                figures[name][key].append(value)
    return {name: {key: statistics.median(values) for key, values in of.items()} for name, of in figures.items()}


def _one_turn(name: str, server: Server, store: stores.Store, effort: Effort) -> measure.Figures:
    if name.startswith("slow_"):
        return measure.first_bytes(server, "1mb", max(effort.samples // 4, 10))
    figures = measure.first_bytes(server, "1mb", effort.samples)
    figures |= measure.load(server, "1kb", effort.seconds) | measure.load(server, "1mb", effort.seconds)
    figures |= measure.big_file(server) | {"memory_mb": server.memory_bytes() / 1e6}
    if store.log is not None and name != "memory":
        figures |= measure.upstream(server, store, "1kb", effort.samples)
    return figures


if __name__ == "__main__":
    main()
