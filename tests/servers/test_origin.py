"""An origin breaks as it is told, and is a good store and a good fleet host when it is not."""

from __future__ import annotations

import socket

import pytest
import requests

from .conversation import Fault, Kind, changed
from .moto_s3 import S3Server
from .origin import Origin, OriginFactory

KEY = "2024/05/call one+ü(1).mp3"
DATA = bytes(range(256)) * 1024


def get(origin: Origin, headers: dict[str, str] | None = None) -> requests.Response:
    url = f"{origin.url}/recordings/2024/05/call%20one%2B%C3%BC%281%29.mp3"
    return requests.get(url, headers=headers, timeout=0.5)


def received_before_the_break(origin: Origin) -> tuple[bytes, str]:
    """The body that came, and how the connection ended."""
    with socket.create_connection(("127.0.0.1", origin.port)) as client:
        client.settimeout(0.3)
        client.sendall(b"GET /bucket/a.wav HTTP/1.1\r\nHost: x\r\n\r\n")
        data, ending = b"", "end"
        try:
            while chunk := client.recv(65536):
                data += chunk
        except OSError as error:
            ending = type(error).__name__
        return data.partition(b"\r\n\r\n")[2], ending


def test_a_healthy_origin_is_an_s3_store_and_a_fleet_host(make_origin: OriginFactory) -> None:
    origin = make_origin({KEY: DATA}, base="/core")
    client = S3Server(origin.url, "any", "any").client()

    reply = client.get_object(Bucket="bucket", Key=KEY, Range="bytes=2-4")

    assert (reply["Body"].read(), reply["ContentRange"]) == (DATA[2:5], f"bytes 2-4/{len(DATA)}")
    assert client.head_object(Bucket="bucket", Key=KEY)["ETag"] == reply["ETag"]
    with pytest.raises(client.exceptions.NoSuchKey):
        client.get_object(Bucket="bucket", Key="another")
    assert get(origin).content == DATA
    assert get(origin, {"Range": "bytes=-3"}).content == DATA[-3:]
    assert get(origin, {"Range": f"bytes={len(DATA)}-"}).status_code == 416
    assert get(origin, {"If-None-Match": get(origin).headers["ETag"]}).status_code == 304
    origin.secret = "secret"
    assert get(origin).status_code == 403


@pytest.mark.parametrize("offset", [0, 1, 100_000, len(DATA) - 1])
@pytest.mark.parametrize(
    ("kind", "ending"), [("reset", "ConnectionResetError"), ("fin", "end"), ("stall", "TimeoutError")]
)
def test_a_transfer_breaks_at_the_byte_that_the_script_names(
    make_origin: OriginFactory, kind: Kind, ending: str, offset: int
) -> None:
    assert received_before_the_break(make_origin({"a.wav": DATA}, [Fault(kind, offset)])) == (DATA[:offset], ending)


def test_a_script_is_consumed_one_fault_for_each_request_and_each_is_as_named(make_origin: OriginFactory) -> None:
    kinds: list[Kind] = ["503", "changed", "other length", "wrong Content-Range", "ignores Range", "more bytes"]
    origin = make_origin({KEY: DATA}, map(Fault, kinds), "403")
    wanted = {"Range": "bytes=10-19"}

    assert get(origin).status_code == 503
    assert get(origin).content == changed(DATA)
    assert len(get(origin).content) == len(DATA) + 1
    assert get(origin, wanted).headers["Content-Range"] == f"bytes 11-19/{len(DATA)}"
    assert get(origin, wanted).content == DATA
    assert get(origin, wanted).content == DATA[10:20]
    assert [get(origin).status_code, get(origin).status_code] == [403, 403]
    assert get(make_origin({KEY: DATA}, validator="weak")).headers["ETag"].startswith('W/"')
    assert "ETag" not in get(make_origin({KEY: DATA}, validator="none")).headers


@pytest.mark.parametrize("kind", ["reset", "fin", "stall", "garbage"])
def test_an_origin_may_break_before_its_headers(make_origin: OriginFactory, kind: Kind) -> None:
    origin = make_origin({KEY: DATA}, [Fault(kind)])

    with pytest.raises((requests.ConnectionError, requests.ReadTimeout)):
        get(origin)
    assert get(origin).content == DATA


def test_an_origin_that_died_refuses_until_it_listens_again_and_a_stopped_one_leaves_nothing() -> None:
    with Origin({KEY: DATA}, [Fault("dies", 1000)], Fault("stall", 10)) as origin:
        with pytest.raises(requests.RequestException, match="1000 bytes read"):
            get(origin)
        with pytest.raises(requests.ConnectionError, match="refused"):
            get(origin)
        origin.listen()
        with pytest.raises(requests.ConnectionError):
            get(origin)

    assert origin.open_connections == 0
