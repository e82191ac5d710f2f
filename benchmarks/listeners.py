"""Many who listen at once, each as fast as a recording plays: ``python -m benchmarks.listeners``.

For each kind of server: how many play, what they cost, and how long somebody waits who comes on top of them. And
what those cost who pause, all at once.
"""

from __future__ import annotations

import argparse
import os
import socket
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import contenders, measure, stores
from .measure import say
from .servers import Server, raise_limits

PACE = 16_000  # bytes a second: 16 bit at 8 kHz, as a telephone has it
NEWCOMERS = 40
SETTLED = 1e6  # bytes: less growth of a server within a second counts as none

KINDS: dict[str, Callable[[stores.Store, Path], Server]] = {
    "gthread, 2 × 4 threads": lambda store, directory: contenders.gunicorn("library", store, directory),
    "gthread, 2 × 300 threads": lambda store, directory: contenders.gunicorn("library", store, directory, threads=300),
    "gevent, 2 workers": lambda store, directory: contenders.gunicorn(
        "library", store, directory, worker_class="gevent"
    ),
    "offload, 2 × 4 threads and nginx": lambda store, directory: contenders.offload(store, directory, buffers=""),
}


@dataclass(frozen=True)
class Figures:
    """What was seen with all of them listening: how many play, MB for each, and ms (None: no answer)."""

    playing: int
    memory: float
    newcomer: float | None
    newcomer_p99: float | None

    def row(self) -> str:
        """Cells of a table."""
        waits = [f"{wait:.0f}" if wait is not None else "no answer" for wait in (self.newcomer, self.newcomer_p99)]
        return f"{self.playing} | {self.memory:.2f} | {waits[0]} | {waits[1]}"


def main() -> None:
    """Measure each kind and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.listeners", description=__doc__)
    parser.add_argument("--listeners", type=int, default=500)
    parser.add_argument("--seconds", type=int, default=20, help="for which they listen")
    options = parser.parse_args()
    os.environ["PYTHONPATH"] = str(Path(__file__).parents[1])
    raise_limits()
    print("| | playing | MB for each | newcomer's first byte: ms | 99 %: ms |")
    print("|---|---|---|---|---|")
    for name, make in KINDS.items():
        say(f"{options.listeners} listeners: {name}")
        with tempfile.TemporaryDirectory() as temporary, ExitStack() as stack:
            directory = Path(temporary)
            directory.chmod(0o755)
            store = stores.start_stand_in(stack, directory / "store", stores.make_files(directory))
            server = make(store, directory)
            stack.callback(server.stop)
            print(f"| {name} | {listen(server, options.listeners, options.seconds).row()} |", flush=True)


def listen(server: Server, count: int, seconds: float) -> Figures:
    """Let `count` listeners play for some seconds, and measure the server meanwhile."""
    measure.first_bytes(server, "1kb", 20)
    idle = server.memory_bytes()
    with ExitStack() as stack:
        clients = []
        for _ in range(count):
            client = stack.enter_context(measure.ask(server, "200mb"))
            client.setblocking(False)
            clients.append(client)
        heard = [0] * count
        started, playing = time.monotonic(), threading.Event()
        newcomer: measure.Figures = {}

        def come() -> None:
            playing.wait()
            with suppress(TimeoutError):  # no answer: the table says so
                newcomer.update(measure.first_bytes(server, "1kb", NEWCOMERS, patience=5))

        visitor = threading.Thread(target=come)
        visitor.start()
        while (now := time.monotonic()) < started + 5 + seconds:
            if not playing.is_set() and now >= started + 5:  # all have come by now
                playing.set()
            for place, client in enumerate(clients):
                due = int((now - started) * PACE) - heard[place]
                if due > 0:
                    heard[place] += _take(client, due)
            time.sleep(0.05)
        memory = (server.memory_bytes() - idle) / count / 1e6
        visitor.join()
    enough = int(seconds * PACE)
    waits = newcomer.get("first_byte_ms"), newcomer.get("first_byte_p99_ms")
    return Figures(sum(bytes_heard >= enough for bytes_heard in heard), memory, *waits)


def pause(server: Server, count: int) -> dict[str, float]:
    """Let `count` listeners come, read a little and then wait; how many were answered, and what the server holds.

    Returns:
        Of those that were answered the number, memory in MB for each, and the whole server's.
    """
    measure.first_bytes(server, "1kb", 20)  # what the first requests cost is not a listener's memory
    idle, answered = server.memory_bytes(), 0
    with ExitStack() as stack:
        for _ in range(count):
            with suppress(TimeoutError):
                client = stack.enter_context(measure.ask(server, "200mb"))
                answered += client.recv(4096).startswith(b"HTTP/1.1 200")
        held = server.memory_bytes()
        for _ in range(60):  # until each stream's buffers are full
            time.sleep(1)
            before, held = held, server.memory_bytes()
            if held - before < SETTLED:
                break
    return {"answered": answered, "memory_mb": (held - idle) / count / 1e6, "whole_mb": held / 1e6}


def memory(stack: ExitStack, store: stores.Store, directory: Path, count: int, seconds: int) -> dict[str, float]:
    """The memory of listeners who pause, `count` and five times as many, and of half as many who listen slowly."""
    figures: dict[str, float] = {}
    kinds: dict[str, dict[str, Any]] = {
        "gevent": {"worker_class": "gevent"},
        "gthread": {"threads": count + 10},
    }

    def start(options: dict[str, Any]) -> Server:
        server = contenders.gunicorn("library", store, directory, **options)
        stack.callback(server.stop)
        return server

    for name, options in kinds.items():
        say(f"{count} paused listeners, {name}")
        figures |= {f"{name}_paused_{key}": value for key, value in pause(start(options), count).items()}
        say(f"{count // 2} listeners at {PACE} bytes a second for {seconds} s, {name}")
        slow = listen(start(options), count // 2, seconds)
        figures |= {f"{name}_slow_memory_mb": slow.memory, f"{name}_slow_playing": slow.playing}
    say(f"{5 * count} paused listeners, gevent")
    figures |= {f"many_paused_{key}": value for key, value in pause(start(kinds["gevent"]), 5 * count).items()}
    return figures | {"paused_listeners": count}


def _take(client: socket.socket, size: int) -> int:
    try:
        return len(client.recv(size))
    except BlockingIOError:
        return 0


if __name__ == "__main__":
    main()
