"""The whole comparison: interleaved rounds, medians, and ratios within the run; ``python -m benchmarks --help``."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path

from . import measure, report, servers
from .hosts import FILES

_started = time.monotonic()
CONTENDERS = ("nginx", "offload", "library", "bare", "naive")
SLOW_STREAMS = 200


def say(text: str) -> None:
    """Show progress."""
    print(f"[{time.monotonic() - _started:5.0f} s] {text}", file=sys.stderr, flush=True)


def program(name: str) -> str:
    """The path of a program; SystemExit, naming it, where it is absent."""
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if path is None:
        raise SystemExit(f"needs {name}, which is not installed")
    return path


def main() -> None:
    """Measure and print a table; JSON and a plot where files are named."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4, help="of load for each measurement")
    parser.add_argument("--smoke", action="store_true", help="one short round, to see that it works")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path, help="an SVG")
    options = parser.parse_args()
    rounds, seconds = (1, 1) if options.smoke else (options.rounds, options.seconds)
    nginx, wrk, curl = program("nginx"), program("wrk"), program("curl")
    # A random name below the system's directory for temporary files; what gunicorn imports is found from here.
    os.environ["PYTHONPATH"] = str(Path(__file__).parents[1])
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as stack:
        directory = Path(temporary)
        directory.chmod(0o755)  # nginx's workers may be another user
        store, hosts = _start(stack, nginx, directory)
        figures: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
        for number in range(rounds):
            for name, server in hosts.items():
                say(f"round {number + 1} of {rounds}: {name}")
                _round(figures[name], name, server, wrk, curl, seconds, options.smoke)
        say("memory of slow streams, upstream requests, first bytes")
        ours = figures["library"]
        ours["upstream_requests"] = [_upstream(hosts["library"], directory)]
        ours["slow_stream_mb"] = [_memory(stack, directory, store, 20 if options.smoke else SLOW_STREAMS)]
    medians = {name: {key: statistics.median(values) for key, values in of.items()} for name, of in figures.items()}
    versions = {name: version(name) for name in ("flask", "werkzeug", "boto3", "urllib3", "gunicorn")}
    document = {
        "machine": {"processors": os.cpu_count(), "python": platform.python_version(), **versions},
        "rounds": rounds,
        "seconds": seconds,
        "medians": medians,
    }
    print(report.table(medians))
    if options.json:
        options.json.write_text(json.dumps(document, indent=2) + "\n")
    if options.plot:
        options.plot.write_text(report.plot(medians))


def _start(stack: ExitStack, nginx: str, directory: Path) -> tuple[servers.Server, dict[str, servers.Server]]:
    files = directory / "files/recordings"
    files.mkdir(parents=True)
    for name, size in FILES.items():
        (files / f"{name}.wav").write_bytes(os.urandom(min(size, 1_000_000)) * (size // min(size, 1_000_000)))

    def started(server: servers.Server) -> servers.Server:
        stack.callback(server.stop)
        return server

    store = started(servers.start_store(nginx, directory / "store", files.parent))
    log = directory / "gunicorn.log"
    makers: dict[str, Callable[[], servers.Server]] = {
        "nginx": lambda: servers.start_proxy(nginx, directory / "proxy", store),
        "offload": lambda: servers.start_offload(nginx, directory / "offload", store, log),
        "library": lambda: servers.start_host("library", store.url, log),
        "bare": lambda: servers.start_host("bare", store.url, log),
        "naive": lambda: servers.start_host("naive", store.url, log),
        "memory": lambda: servers.start_host("memory", store.url, log),
        "slow library": lambda: servers.start_host("library", f"{store.url}/slow", log),
        "slow fixed": lambda: servers.start_host("fixed_chunks", f"{store.url}/slow", log),
    }
    return store, {name: started(make()) for name, make in makers.items()}


def _round(
    figures: dict[str, list[float]],
    name: str,
    server: servers.Server,
    wrk: str,
    curl: str,
    seconds: int,
    smoke: bool,
) -> None:
    """One contender's turn."""
    if name.startswith("slow "):
        median, p99 = measure.first_bytes(server, "/play/1mb", 10 if smoke else 40)
        figures["first_byte_ms"].append(median)
        figures["first_byte_p99_ms"].append(p99)
        return
    _, cpu = measure.load(wrk, server, "/play/1kb", seconds)
    figures["1kb_cpu_ms"].append(cpu)
    if name == "memory":
        return
    rate, cpu = measure.load(wrk, server, "/play/1mb", seconds)
    figures["1mb_requests_per_s"].append(rate)
    figures["1mb_cpu_ms"].append(cpu)
    figures["200mb_cpu_s_per_gb"].append(measure.big_file(curl, server, "/play/200mb", FILES["200mb"]))


def _memory(stack: ExitStack, directory: Path, store: servers.Server, count: int) -> float:
    host = servers.start_host("library", store.url, directory / "gunicorn.log", threads=count)
    stack.callback(host.stop)
    measure.first_bytes(host, "/play/1kb", 20)  # what the first requests cost is not a stream's memory
    return measure.slow_streams(host, "/play/200mb", count) / 1e6


def _upstream(host: servers.Server, directory: Path) -> float:
    """Upstream requests for each client GET."""
    log = directory / "store/requests.log"
    before = log.read_text().count("\n")
    measure.first_bytes(host, "/play/1kb", 50)
    deadline = time.monotonic() + 5
    while log.read_text().count("\n") - before < 50 and time.monotonic() < deadline:
        time.sleep(0.05)
    return (log.read_text().count("\n") - before) / 50


if __name__ == "__main__":
    main()
