"""A plug passes bytes on, at its pace; pulled, it breaks what is under way and refuses what comes."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest

from examples.plugs import Plug
from tests.servers import wait_until


@pytest.fixture
def server() -> Iterator[socket.socket]:
    """A listening socket; a test accepts by itself."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        yield listener


@pytest.fixture
def plug(server: socket.socket) -> Iterator[Plug]:
    made = Plug(server.getsockname()[1], burst=1000, pace=10_000)
    yield made
    made.close()


def connect(plug: Plug) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(plug.url.rpartition(":")[2])), timeout=10)


def receive(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count and (chunk := connection.recv(count - len(data))):
        data += chunk
    return data


def test_bytes_pass_in_both_directions(server: socket.socket, plug: Plug) -> None:
    with connect(plug) as client, server.accept()[0] as upstream:
        client.sendall(b"question")
        assert receive(upstream, 8) == b"question"
        upstream.sendall(b"answer")
        assert receive(client, 6) == b"answer"


def test_a_client_that_leaves_frees_the_server(server: socket.socket, plug: Plug) -> None:
    connect(plug).close()
    with server.accept()[0] as upstream:
        assert upstream.recv(1) == b""


def test_an_end_of_the_server_is_the_clients_end(server: socket.socket, plug: Plug) -> None:
    with connect(plug) as client:
        with server.accept()[0] as upstream:
            upstream.sendall(b"all")
        assert receive(client, 100) == b"all"


def test_what_comes_back_is_paced_after_a_burst(server: socket.socket, plug: Plug) -> None:
    with connect(plug) as client, server.accept()[0] as upstream:
        started = time.monotonic()
        for _ in range(3):
            upstream.sendall(bytes(1000))
            assert len(receive(client, 1000)) == 1000
        assert time.monotonic() - started > 0.15  # 2,000 bytes at 10,000 a second, and a clock's grain


def test_a_pulled_plug_breaks_a_connection_under_way(server: socket.socket, plug: Plug) -> None:
    with connect(plug) as client, server.accept()[0] as upstream:
        upstream.sendall(b"begins")
        assert receive(client, 6) == b"begins"

        plug.pull()

        assert not plug.is_in
        assert client.recv(1) == b""
        assert upstream.recv(1) == b""


def test_a_pulled_plug_refuses_connections_until_it_is_put_in_again(server: socket.socket, plug: Plug) -> None:
    plug.pull()
    with pytest.raises(ConnectionRefusedError):
        connect(plug)

    plug.put_in()

    with connect(plug) as client, server.accept()[0] as upstream:
        upstream.sendall(b"back")
        assert receive(client, 4) == b"back"


def test_switching_twice_is_harmless(server: socket.socket, plug: Plug) -> None:
    plug.put_in()
    plug.pull()
    plug.pull()
    plug.put_in()
    plug.put_in()

    with connect(plug) as client, server.accept()[0] as upstream:
        upstream.sendall(b"works")
        assert receive(client, 5) == b"works"


def test_a_server_that_is_away_ends_the_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    plug = Plug(port)
    with connect(plug) as client:
        assert client.recv(1) == b""
    plug.close()


def test_pulling_while_connections_come_leaves_none_behind(server: socket.socket, plug: Plug) -> None:
    clients = [connect(plug) for _ in range(5)]

    plug.pull()

    def are_ended() -> bool:
        for client in clients:
            client.settimeout(0.1)
            try:
                if client.recv(1):
                    return False
            except ConnectionResetError:
                continue
            except TimeoutError:
                return False
        return True

    wait_until(are_ended, "the end of every connection", seconds=10)
    for client in clients:
        client.close()
