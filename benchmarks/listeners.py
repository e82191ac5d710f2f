"""Many who listen at once, each as fast as a recording plays: ``python -m benchmarks.listeners``.

For each kind of server: how many play, what they cost, and how long somebody waits who comes on top of them.
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

from . import contenders, measure, stores
from .__main__ import say
from .servers import Server

PACE = 16_000  # bytes a second: 16 bit at 8 kHz, as a telephone has it
NEWCOMERS = 40

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


def _take(client: socket.socket, size: int) -> int:
    try:
        return len(client.recv(size))
    except BlockingIOError:
        return 0


if __name__ == "__main__":
    main()
