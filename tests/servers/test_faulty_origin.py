"""The faulty origin breaks as it is told, and is a good store and a good fleet host when it is not."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

import pytest
import requests

from .faulty_conversation import Fault, Kind, changed
from .faulty_origin import FaultyOrigin, FaultyOriginFactory
from .moto_s3 import S3Server

KEY = "2024/05/call one+ü(1).mp3"
DATA = bytes(range(256)) * 1024


def get(origin: FaultyOrigin, headers: dict[str, str] | None = None) -> requests.Response:
    url = f"{origin.url}/recordings/2024/05/call%20one%2B%C3%BC%281%29.mp3"
    return requests.get(url, headers=headers, timeout=0.5)


def received_before_the_break(origin: FaultyOrigin) -> tuple[bytes, str]:
    """The body that came, and how the connection ended."""
    address = urlsplit(origin.url)
    assert address.hostname is not None
    with socket.create_connection((address.hostname, address.port or 0)) as client:
        client.settimeout(0.3)
        client.sendall(b"GET /bucket/a.wav HTTP/1.1\r\nHost: x\r\n\r\n")
        data = b""
        try:
            while chunk := client.recv(65536):
                data += chunk
        except (OSError, TimeoutError) as error:
            return data.partition(b"\r\n\r\n")[2], type(error).__name__
        return data.partition(b"\r\n\r\n")[2], "end"


def test_a_healthy_origin_is_an_s3_store(faulty_origin: FaultyOriginFactory) -> None:
    client = S3Server(faulty_origin({KEY: DATA}).url, "any", "any").client()

    reply = client.get_object(Bucket="bucket", Key=KEY, Range="bytes=2-4")

    assert (reply["Body"].read(), reply["ContentRange"]) == (DATA[2:5], f"bytes 2-4/{len(DATA)}")
    assert client.head_object(Bucket="bucket", Key=KEY)["ETag"] == reply["ETag"]
    with pytest.raises(client.exceptions.NoSuchKey):
        client.get_object(Bucket="bucket", Key="another")


def test_a_healthy_origin_is_a_fleet_host(faulty_origin: FaultyOriginFactory) -> None:
    origin = faulty_origin({KEY: DATA})

    assert get(origin).content == DATA
    assert get(origin, {"Range": "bytes=-3"}).content == DATA[-3:]
    assert get(origin, {"Range": f"bytes={len(DATA)}-"}).status_code == 416
    assert get(origin, {"If-None-Match": get(origin).headers["ETag"]}).status_code == 304
    assert [request.method for request in origin.requests] == ["GET"] * 5


@pytest.mark.parametrize("offset", [0, 1, 100_000, len(DATA) - 1])
@pytest.mark.parametrize(
    ("kind", "ending"), [("reset", "ConnectionResetError"), ("fin", "end"), ("stall", "TimeoutError")]
)
def test_a_transfer_breaks_at_the_byte_that_the_script_names(
    faulty_origin: FaultyOriginFactory, kind: Kind, ending: str, offset: int
) -> None:
    origin = faulty_origin({"a.wav": DATA}, [Fault(kind, offset)])

    assert received_before_the_break(origin) == (DATA[:offset], ending)


def test_a_script_is_consumed_one_fault_for_each_request(faulty_origin: FaultyOriginFactory) -> None:
    origin = faulty_origin({KEY: DATA}, [Fault("503"), Fault("changed"), Fault("other length")], Fault("403"))

    assert get(origin).status_code == 503
    assert get(origin).content == changed(DATA)
    assert len(get(origin).content) == len(DATA) + 1
    assert [get(origin).status_code, get(origin).status_code] == [403, 403]


def test_a_faulty_reply_is_faulty_as_named(faulty_origin: FaultyOriginFactory) -> None:
    origin = faulty_origin({KEY: DATA}, [Fault("wrong Content-Range"), Fault("ignores Range"), Fault("more bytes")])
    wanted = {"Range": "bytes=10-19"}

    assert get(origin, wanted).headers["Content-Range"] == f"bytes 11-19/{len(DATA)}"
    assert get(origin, wanted).content == DATA
    assert get(origin, wanted).content == DATA[10:20]


def test_an_origin_has_no_validators_or_weak_ones_where_that_is_asked(faulty_origin: FaultyOriginFactory) -> None:
    assert get(faulty_origin({KEY: DATA}, validator="weak")).headers["ETag"].startswith('W/"')
    assert "ETag" not in get(faulty_origin({KEY: DATA}, validator="none")).headers


@pytest.mark.parametrize("kind", ["reset", "fin", "stall", "garbage"])
def test_an_origin_may_break_before_its_headers(faulty_origin: FaultyOriginFactory, kind: Kind) -> None:
    origin = faulty_origin({KEY: DATA}, [Fault(kind)])

    with pytest.raises((requests.ConnectionError, requests.ReadTimeout)):
        get(origin)
    assert get(origin).content == DATA


def test_an_origin_that_died_refuses_until_it_listens_again(faulty_origin: FaultyOriginFactory) -> None:
    origin = faulty_origin({KEY: DATA}, [Fault("dies", 1000)])

    with pytest.raises(requests.RequestException, match="1000 bytes read"):
        get(origin)
    with pytest.raises(requests.ConnectionError, match="refused"):
        get(origin)
    origin.listen()
    assert get(origin).content == DATA


def test_a_stopped_origin_leaves_nothing_behind() -> None:
    origin = FaultyOrigin({KEY: DATA}, standing=Fault("stall", 10))
    with pytest.raises(requests.ConnectionError):
        get(origin)

    origin.stop()

    assert origin.open_connections == 0
