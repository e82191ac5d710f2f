"""Breaks below HTTP: TLS that fails or is cut off, and names that don't resolve."""

from __future__ import annotations

import random
import socket
import ssl
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.servers.conversation import Fault, Kind
from tests.servers.origin import Origin, OriginFactory

from .playing import KEY, OPTIONS, Player, judge, system_settings

DATA = random.Random(5).randbytes(300_000)


def line(kind: str, first: Origin, *others: Origin) -> dict[str, object]:
    return system_settings(first, others) if kind == "storage" else system_settings(None, [first, *others])


@pytest.mark.parametrize("fault", ["reset", "fin", "stall"])
@pytest.mark.parametrize("kind", ["storage", "fleet host"])
def test_a_playback_goes_on_when_its_tls_connection_breaks(
    make_origin: OriginFactory, certificate: Path, tls: ssl.SSLContext, kind: str, fault: Kind
) -> None:
    origin = make_origin({KEY: DATA}, [Fault(fault, 100_000), Fault(fault, 50_000)], tls=tls)
    player = Player(replace(OPTIONS, ca_bundle=str(certificate)))

    assert judge(player.play(line(kind, origin)), DATA) == "whole"
    assert len(origin.requests) == 3


@pytest.mark.parametrize("kind", ["storage", "fleet host"])
def test_a_source_that_speaks_no_tls_where_it_should_is_passed_over(make_origin: OriginFactory, kind: str) -> None:
    plain = make_origin({KEY: b"in the clear"})
    plain.url = plain.url.replace("http:", "https:")

    # The origin waits for the end of a request that never comes: the handshake has connect_timeout.
    heard = Player(replace(OPTIONS, connect_timeout=0.5)).play(line(kind, plain, make_origin({KEY: DATA})))

    assert judge(heard, DATA) == "whole"


@pytest.mark.parametrize("kind", ["storage", "fleet host"])
@pytest.mark.parametrize("when", ["at the first opening", "in the middle"])
def test_a_playback_outlives_the_name_of_its_source(
    make_origin: OriginFactory, monkeypatch: pytest.MonkeyPatch, kind: str, when: str
) -> None:
    named = make_origin({KEY: DATA}, [Fault("reset", 100_000)])
    named.url = named.url.replace("127.0.0.1", "origin.invalid")
    lookups: list[str] = []
    genuine = socket.getaddrinfo

    def getaddrinfo(host: Any, *arguments: Any, **keywords: Any) -> Any:
        if host == "origin.invalid":
            lookups.append(host)
            if when == "at the first opening" or len(lookups) > 1:
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
            host = "127.0.0.1"
        return genuine(host, *arguments, **keywords)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)

    heard = Player().play(line(kind, named, make_origin({KEY: DATA})))

    assert judge(heard, DATA) == "whole"
    assert len(named.requests) == (1 if when == "in the middle" else 0)
    assert len(lookups) >= 1


def test_certificates_that_are_gone_cost_the_storage_and_not_the_fleet(
    make_origin: OriginFactory, certificate: Path, tls: ssl.SSLContext, tmp_path: Path
) -> None:
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(certificate.read_bytes())
    player = Player(replace(OPTIONS, ca_bundle=str(bundle), host_cooldown=0))
    storage, host = make_origin({KEY: DATA}, tls=tls), make_origin({KEY: DATA[:1000]})
    hosts = system_settings(storage, [host])

    bundle.unlink()
    assert judge(player.play(hosts), DATA[:1000]) == "whole"
    bundle.write_bytes(certificate.read_bytes())
    assert judge(player.play(hosts), DATA) == "whole"
