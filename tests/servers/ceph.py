"""Ceph's RADOS gateway on a throw-away node of its own: a real S3 store, and the judge of signatures.

The node is a monitor, one OSD that keeps its objects in memory, and the gateway. Where the programs are absent, tests
that need it are skipped by name.
"""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from . import accepts_connections, find_program, free_port, tail
from .daemon import Daemon
from .moto_s3 import Bucket, S3Gateway

PROGRAMS = {  # and Debian's packages that have them
    "ceph-mon": "ceph-mon",
    "ceph-osd": "ceph-osd",
    "radosgw": "radosgw",
    "radosgw-admin": "ceph-common",
    "ceph": "ceph-common",
    "monmaptool": "ceph-base",
}

# Without the two paxos lines the start takes 14 s instead of 2. Without the watch timeout, making a bucket after
# the gateway was killed takes 29 s: the OSD takes the dead process for a listener to changes for so long. Without
# tcp_nodelay, a small object waits 40 ms for the acknowledgement of its head.
_CONFIGURATION = """\
[global]
fsid = {fsid}
mon host = v1:127.0.0.1:{mon_port}
public addr = 127.0.0.1
cluster addr = 127.0.0.1
auth cluster required = none
auth service required = none
auth client required = none
run dir = {directory}
admin socket = {directory}/$name.asok
log file = {directory}/$name.log
crash dir = {directory}/crash
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon max pg per osd = 1000
mon data avail crit = 1
paxos propose interval = 0.05
paxos min wait = 0.01

[mon.a]
mon data = {directory}/mon

[osd]
osd data = {directory}/osd$id
osd client watch timeout = 1
osd objectstore = memstore
memstore device bytes = 4294967296

[client]
rgw frontends = beast endpoint=127.0.0.1:{gateway_port} tcp_nodelay=1
rgw data = {directory}/rgw
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceph(S3Gateway):
    """A RADOS gateway that is running, and the processes behind it.

    Attributes:
        osd: holds the objects in memory; pausing it stalls the gateway in the middle of a body.
    """

    osd: Daemon


@pytest.fixture(scope="session")
def ceph(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ceph]:
    """A throw-away Ceph node: one for each test process; 2 s and 140 MB."""
    programs = {name: find_program(request, name, package) for name, package in PROGRAMS.items()}
    node = Node(tmp_path_factory.mktemp("ceph"), programs)
    try:
        yield node.start()
    finally:
        node.stop()


@pytest.fixture
def ceph_bucket(ceph: Ceph) -> Bucket:
    """An empty bucket of Ceph's gateway."""
    return ceph.new_bucket()


class Node:
    """The processes of a node, from an empty directory to a user who may create buckets."""

    def __init__(self, directory: Path, programs: Mapping[str, str]) -> None:
        self._directory = directory
        self._programs = programs
        self._log = directory / "output.log"
        self._daemons: list[Daemon] = []

    def start(self) -> Ceph:
        fsid, mon_port, gateway_port = str(uuid.uuid4()), free_port(), free_port()
        configuration = _CONFIGURATION.format(
            directory=self._directory, fsid=fsid, mon_port=mon_port, gateway_port=gateway_port
        )
        (self._directory / "ceph.conf").write_text(configuration)
        (self._directory / "osd0").mkdir()
        self._start_monitor(fsid, mon_port)
        osd = self._start_osd()
        gateway = self._start("radosgw", "-n", "client.rgw", ready=lambda: accepts_connections(gateway_port))
        ceph = Ceph(f"http://127.0.0.1:{gateway_port}", "ceph-access-key", uuid.uuid4().hex, gateway=gateway, osd=osd)
        user = ["--uid=tests", "--display-name=Tests"]
        keys = [f"--access-key={ceph.access_key}", f"--secret-key={ceph.secret_key}"]
        self._run("radosgw-admin", "-n", "client.rgw", "user", "create", *user, *keys)
        return ceph

    def stop(self) -> None:
        for daemon in reversed(self._daemons):
            daemon.kill()

    def _start_monitor(self, fsid: str, port: int) -> None:
        monmap = str(self._directory / "monmap")
        self._run("monmaptool", "--create", "--fsid", fsid, "--addv", "a", f"[v1:127.0.0.1:{port}]", monmap)
        self._run("ceph-mon", "--mkfs", "-i", "a", "--monmap", monmap)
        self._start("ceph-mon", "-i", "a", ready=lambda: self._status() != "")

    def _start_osd(self) -> Daemon:
        osd_uuid = str(uuid.uuid4())
        self._run("ceph", "osd", "new", osd_uuid, attempts=5)
        self._run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", osd_uuid)
        # It sometimes ends at once, with "wrong fsid" in its log.
        return self._start("ceph-osd", "-i", "0", ready=lambda: " 1 up" in self._status(), attempts=5)

    def _start(self, program: str, *arguments: str, ready: Callable[[], bool], attempts: int = 1) -> Daemon:
        daemon = Daemon(program, [*self._command(program), *arguments, "-f"], self._log, ready=ready, attempts=attempts)
        self._daemons.append(daemon)
        daemon.start()
        return daemon

    def _run(self, program: str, *arguments: str, attempts: int = 1) -> None:
        """Run a program to its end; a monitor that has just started may still refuse, with EPERM."""
        for _ in range(attempts):
            with self._log.open("ab") as output:
                done = subprocess.run([*self._command(program), *arguments], stdout=output, stderr=output, timeout=60)
            if done.returncode == 0:
                return
        raise RuntimeError(f"{program} ended with {done.returncode}:\n{tail(self._log)}")

    def _status(self) -> str:
        """What ``ceph -s`` prints; nothing while the monitor does not answer."""
        command = [*self._command("ceph"), "--connect-timeout", "5", "-s"]
        return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, timeout=30).stdout

    def _command(self, program: str) -> list[str]:
        return [self._programs[program], "-c", str(self._directory / "ceph.conf")]
