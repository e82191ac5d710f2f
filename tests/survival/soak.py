"""Many listeners for a long time: ``python -m tests.survival.soak --minutes 10 --listeners 50``.

gunicorn serves, storage and two fleet hosts go up and down at random; the listeners differ in speed, some pause, some
leave; the host's hooks, teardowns and receivers raise now and then. No byte may be wrong. No connection, thread, file
descriptor or memory may be left behind; no slot may be taken, and no stream counted as in progress. Linux only.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from tests.servers import accepts_connections, free_port, wait_until
from tests.servers.conversation import Fault, Kind, changed
from tests.servers.daemon import Daemon
from tests.servers.origin import Origin

from .playing import KEY, system_settings

DATA = random.Random(9).randbytes(2_000_000)
VERSIONS = (DATA, changed(DATA), DATA + b"\x00")
SPARE_THREADS = 16
_SPEEDS = (50_000, 500_000, 2_000_000, 50_000_000)  # bytes a second
_HOST = """
import json, os, random
from flask import Flask, jsonify, request_finished
from prometheus_client import CollectorRegistry
from cxb_recordings import InMemoryCallRepository, register, signals
from cxb_recordings.metrics import RecordingMetrics

app = Flask("host")
registry, label = CollectorRegistry(), {"registration": "cxb_recordings"}


def now_and_then(name):
    def hook(*arguments, **named):
        if random.random() < 0.01:
            raised[name] += 1
            raise RuntimeError(f"{name}, by the soak")
        return arguments[0] if arguments else None
    raised[name] = 0
    return hook


raised = {}
app.after_request(now_and_then("after_request"))
app.teardown_request(now_and_then("teardown_request"))
app.teardown_appcontext(now_and_then("teardown_appcontext"))
request_finished.connect(now_and_then("request_finished"), app, weak=False)
settings = json.loads(os.environ["SYSTEM_SETTINGS"])
calls = [{"session_id": "1", "recording_key": os.environ["KEY"], "recording_access_token": "token"}]
service = register(
    app, lambda: settings, InMemoryCallRepository(calls), require_admin=lambda view: view,
    connect_timeout=1, read_timeout=1, search_timeout=10, resume_timeout=10, host_cooldown=1, max_streams=1000,
)
for signal in (signals.recording_started, signals.recording_served, signals.request_answered):
    signal.connect(now_and_then(signal.name), service, weak=False)
RecordingMetrics(registry).watch(service)


@app.get("/held")
def held():
    gauge = registry.get_sample_value("cxb_recordings_streams_in_progress", label)
    return jsonify(streams=service.streams.taken, heads=service.heads.taken, in_progress=gauge or 0, raised=raised)
"""


@dataclass(frozen=True, slots=True)
class Figures:
    """What a worker's process holds."""

    memory: int  # MB, resident
    threads: int
    sockets: int  # connections to the sources kept for reuse among them, also those that the source has closed
    descriptors: int  # all others

    @classmethod
    def of(cls, pid: int) -> Figures:
        """Measure a process."""
        status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        links = []
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            try:
                links.append(str(descriptor.readlink()))
            except FileNotFoundError:  # closed meanwhile
                continue
        sockets = sum(link.startswith("socket:") for link in links)
        return cls(int(status["VmRSS"].split()[0]) // 1024, int(status["Threads"]), sockets, len(links) - sockets)


@dataclass(frozen=True, slots=True)
class Held:
    """What a worker counts as taken, and how often each hook of the host raised."""

    streams: int
    heads: int
    in_progress: int
    raised: dict[str, int]

    @property
    def is_any(self) -> bool:
        """Whether anything is taken."""
        return bool(self.streams or self.heads or self.in_progress)

    @classmethod
    def of(cls, port: int) -> Held:
        """Ask the host, again where a hook of it raises."""
        while True:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            connection.request("GET", "/held")
            reply = connection.getresponse()
            body = reply.read()
            connection.close()
            if reply.status == 200:
                return cls(**json.loads(body))


class Soak:
    """Sources, listeners, and what was seen."""

    def __init__(self, port: int, origins: Sequence[Origin]) -> None:
        self.outcomes: Counter[str] = Counter()
        self._port = port
        self._origins = origins
        self._lock = threading.Lock()
        self._over = threading.Event()

    def run(self, listeners: int, seconds: float, report: float, pid: int) -> Figures:
        """Listen for some time; returns the figures of the first quiet moment after it."""
        self._over.clear()
        threads = [threading.Thread(target=self._listen, args=(number,)) for number in range(listeners)]
        threads.append(threading.Thread(target=self._disturb))
        for thread in threads:
            thread.start()
        started = time.monotonic()
        while (passed := time.monotonic() - started) < seconds:
            self._over.wait(min(report, seconds - passed))
            with self._lock:
                counts = dict(sorted(self.outcomes.items()))
            print(f"{time.monotonic() - started:.0f} s: {counts} {Figures.of(pid)}", flush=True)
        self._over.set()
        for thread in threads:
            thread.join()
        clients = {f"{self._port:04X}"}

        def no_client_is_served() -> bool:
            rows = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
            return not any(row[1].rpartition(":")[2] in clients and row[3] in ("01", "08") for row in rows)

        wait_until(no_client_is_served, "the end of all playbacks", seconds=60)
        return Figures.of(pid)

    def _listen(self, number: int) -> None:
        rng = random.Random(number)
        while not self._over.is_set():
            try:
                outcome = self._playback(rng)
            except (OSError, http.client.HTTPException) as exc:
                outcome = f"no answer: {type(exc).__name__}"
            with self._lock:
                self.outcomes[outcome] += 1

    def _playback(self, rng: random.Random) -> str:
        start = rng.choice((0, 0, rng.randrange(len(DATA))))
        speed, leaves_at = rng.choice(_SPEEDS), rng.choice((None, None, None, rng.randrange(len(DATA))))
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        received = bytearray()
        try:
            connection.request("GET", "/api/v1/public/recordings/token", headers={"Range": f"bytes={start}-"})
            response = connection.getresponse()
            if response.status == 200 and response.headers["Content-Length"] is None:
                start = 0  # no source told a length: the whole in chunks
            elif response.status == 200:  # the range was there to be had
                return "silently wrong"
            elif response.status != 206:
                return str(response.status)
            while chunk := response.read1(min(65_536, speed // 4)):
                received += chunk
                if self._over.is_set() or (leaves_at is not None and len(received) > leaves_at):
                    return "left" if _is_a_beginning(received, start) else "silently wrong"
                self._over.wait(len(chunk) / speed if rng.random() > 0.002 else 3)  # some pause
        except (OSError, http.client.HTTPException):
            return "cut" if _is_a_beginning(received, start) else "silently wrong"
        finally:
            connection.close()
        if any(received == version[start:] for version in VERSIONS):
            return "whole"
        # http.client's read1 takes an early end for the end: only the length tells.
        short = response.length not in (0, None)
        return "cut" if short and _is_a_beginning(received, start) else "silently wrong"

    def _disturb(self) -> None:
        rng = random.Random(0)
        kinds: tuple[Kind, ...] = get_args(Kind)
        while not self._over.wait(rng.uniform(0.05, 0.5)):
            origin = rng.choice(self._origins)
            if rng.random() < 0.1:
                origin.refuse()
            elif origin.refuses or rng.random() < 0.3:
                origin.listen()
            else:
                offset = rng.choice((None, 0, rng.randrange(len(DATA))))
                origin.script.append(Fault(rng.choice(kinds), offset))
            # One is always up, so that the listeners have something to listen to.
            if all(other.refuses for other in self._origins):
                origin.listen()
        for origin in self._origins:
            origin.script.clear()
            origin.listen()


def _is_a_beginning(received: bytearray, start: int) -> bool:
    return any(version.startswith(received, start) for version in VERSIONS)


def faults(before: Figures, after: Figures, held: Held, listeners: int, outcomes: Counter[str]) -> list[str]:
    """What must not be, in words; nothing where all is well."""
    found = []
    if held.is_any:
        found.append(f"held: {held}")
    if not any(held.raised.values()):
        found.append("no hook of the host ever raised")
    if outcomes["silently wrong"]:
        found.append(f"{outcomes['silently wrong']} playbacks were silently wrong")
    if after.descriptors > before.descriptors:
        found.append(f"file descriptors: {before.descriptors} before, {after.descriptors} after")
    if after.sockets > 3 * listeners + 10:  # more than there ever were at once
        found.append(f"{after.sockets} sockets are open")
    if after.threads > max(before.threads, listeners + SPARE_THREADS + 4):
        found.append(f"threads: {before.threads} before, {after.threads} after")
    if after.memory > before.memory * 1.1 + 10:
        found.append(f"memory: {before.memory} MB before, {after.memory} MB after")
    return found


def main() -> int:
    """Run what the command line asks for; 1 where something is wrong or left behind."""
    parser = argparse.ArgumentParser(prog="python -m tests.survival.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="how long")
    parser.add_argument("--listeners", type=int, default=50, help="how many at once")
    arguments = parser.parse_args()
    origins = [Origin({KEY: DATA}) for _ in range(3)]
    port = free_port()
    with tempfile.TemporaryDirectory() as directory:
        (Path(directory) / "soak_host.py").write_text(_HOST)
        os.environ["SYSTEM_SETTINGS"] = json.dumps(system_settings(origins[0], origins[1:]))
        os.environ |= {"KEY": KEY, "PYTHONPATH": f"{directory}{os.pathsep}{Path.cwd()}"}
        threads = str(arguments.listeners + SPARE_THREADS)
        command = [sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}", "--threads", threads]
        log = Path(directory) / "gunicorn.log"
        server = Daemon("gunicorn", [*command, "soak_host:app"], log, ready=lambda: accepts_connections(port))
        server.start()
        try:
            children = Path(f"/proc/{server.pid}/task/{server.pid}/children")
            wait_until(lambda: children.read_text().strip() != "", "a worker")
            pid = int(children.read_text().split()[0])
            soak = Soak(port, origins)
            before = soak.run(arguments.listeners, arguments.minutes * 6, 10, pid)  # a tenth, to warm up
            print(f"warm: {before}", flush=True)
            after = soak.run(arguments.listeners, arguments.minutes * 54, 30, pid)
            held = Held.of(port)
            # A client that left unread bytes behind resets its connection: its thread notices at the next write, which
            # may be after a round of retries.
            give_up = time.monotonic() + 30
            while held.is_any and time.monotonic() < give_up:
                time.sleep(0.5)
                held = Held.of(port)
        finally:
            os.kill(server.pid, 15)
            wait_until(lambda: not accepts_connections(port), "gunicorn's end")
            server.kill()
            for origin in origins:
                origin.stop()
    print(f"after: {after}; {held}; {sum(soak.outcomes.values())} playbacks: {dict(sorted(soak.outcomes.items()))}")
    found = faults(before, after, held, arguments.listeners, soak.outcomes)
    print("\n".join(found) or "no wrong byte, nothing left behind")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
