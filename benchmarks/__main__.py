"""The whole comparison: shuffled rounds, medians, and ratios within the run; ``python -m benchmarks --help``."""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import contenders, footprint, listeners, machine, measure, report, stores
from .contenders import Maker
from .measure import say
from .servers import Absent, Certificate, Server, find_program, make_certificate, raise_limits

PARTS = ("tls", "plain", "listeners", "ceph")


@dataclass(frozen=True)
class Effort:
    """How much is measured.

    Attributes:
        rounds: of all contenders.
        seconds: of load for a figure.
        samples: of first bytes.
        big_files: downloads of 200 MB.
        listeners: who pause.
        listening_seconds: for which slow ones listen.
    """

    rounds: int
    seconds: int
    samples: int = 100
    big_files: int = 6
    listeners: int = 1000
    listening_seconds: int = 60


def main() -> None:
    """Measure and print tables; JSON and a plot where files are named."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=int, default=3, help="of load for each figure")
    parser.add_argument("--smoke", action="store_true", help="one short round, to see that it works")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="parts, all by default")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path, help="an SVG")
    options = parser.parse_args()
    effort = Effort(1, 1, 10, 1, 20, 2) if options.smoke else Effort(options.rounds, options.seconds)
    try:
        for name in ("nginx", "wrk", "curl", "openssl"):
            find_program(name)
    except Absent as exc:
        parser.exit(1, f"needs {exc}, which is not installed\n")
    # The files are below the system's directory for temporary files; what gunicorn imports is found from here.
    os.environ["PYTHONPATH"] = str(Path(__file__).parents[1])
    raise_limits()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))  # so that the servers are stopped
    with tempfile.TemporaryDirectory() as temporary:
        directory = Path(temporary)
        directory.chmod(0o755)  # nginx's workers may be another user
        files, certificate = stores.make_files(directory), make_certificate(directory)
        document: dict[str, Any] = {
            "machine": machine.describe(),
            "effort": vars(effort),
            "footprint": footprint.figures(effort.rounds),
        }
        for part in options.only:
            place = directory / part
            place.mkdir()
            place.chmod(0o755)
            with ExitStack() as stack:
                document[part] = _measure(part, stack, place, files, certificate, effort)
    print(report.page(document))
    if options.json:
        options.json.write_text(json.dumps(document, indent=2) + "\n")
    if options.plot and "tls" in document:
        options.plot.write_text(report.plot(document["tls"]))


def _measure(
    part: str, stack: ExitStack, place: Path, files: Path, certificate: Certificate, effort: Effort
) -> Mapping[str, Any] | None:
    """The figures of a part: medians by contender and name, or of the listeners by name."""
    if part == "listeners":
        store = stores.start_stand_in(stack, place / "store", files)
        return listeners.memory(stack, store, place, effort.listeners, effort.listening_seconds)
    if part == "ceph":
        try:
            store = stores.start_ceph(stack, place / "store", files, certificate)
        except (Absent, ImportError) as exc:
            say(f"without Ceph's gateway: {exc} is not installed")
            return None
        ours = {name: contenders.OURS[name] for name in ("nginx", "library", "offload")}
        return _rounds(part, ours | contenders.PEERS, store, place, effort)
    own = certificate if part == "tls" else None
    store = stores.start_stand_in(stack, place / "store", files, own)
    slow = stores.start_stand_in(stack, place / "slow-store", files, own, is_slow=True)
    of_slow: dict[str, Maker] = {
        "slow_library": lambda _, directory: contenders.gunicorn("library", slow, directory),
        "slow_fixed": lambda _, directory: contenders.gunicorn("fixed_chunks", slow, directory),
    }
    return _rounds(part, contenders.OURS | of_slow, store, place, effort)


def _rounds(
    part: str, makers: Mapping[str, Maker], store: stores.Store, place: Path, effort: Effort
) -> dict[str, dict[str, float]]:
    """Medians of all rounds.

    Each has the contenders in another order, so that none always follows the same one. Each turn has a server of its
    own: how connections fall to its workers differs from start to start, and the same code by a factor of two.
    """
    figures: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    absent: set[str] = set()
    for number in range(effort.rounds):
        for name in _shuffled(makers.keys() - absent):
            say(f"{part}, round {number + 1} of {effort.rounds}: {name}")
            directory = place / f"{number}-{name}"
            directory.mkdir()
            directory.chmod(0o755)
            try:
                server = makers[name](store, directory)
            except Absent as exc:
                say(f"without {name}: {exc} is not installed")
                absent.add(name)
                continue
            try:
                for key, value in _one_turn(name, server, store, effort).items():
                    figures[name][key].append(value)
            finally:
                server.stop()
    return {name: {key: statistics.median(values) for key, values in of.items()} for name, of in figures.items()}


def _shuffled(names: Iterable[str]) -> list[str]:
    order = list(names)
    random.shuffle(order)
    return order


def _one_turn(name: str, server: Server, store: stores.Store, effort: Effort) -> measure.Figures:
    measure.first_bytes(server, "1kb", 20)  # what a server does once is not measured
    if name.startswith("slow_"):
        return measure.first_bytes(server, "1mb", max(effort.samples // 4, 10))
    figures = measure.first_bytes(server, "1mb", effort.samples)
    figures |= measure.load(server, "1kb", effort.seconds) | measure.load(server, "1mb", effort.seconds)
    figures |= measure.big_file(server, effort.big_files) | {"memory_mb": server.memory_bytes() / 1e6}
    if store.log is not None and name != "memory":
        figures |= measure.upstream(server, store, "1kb", effort.samples)
    return figures


if __name__ == "__main__":
    main()
