"""How sources are connected to: one value, given once to whatever makes them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Transport:
    """How sources are connected to.

    Attributes:
        connect_timeout: seconds for each attempt to connect.
        read_timeout: seconds without a byte.
        ca_bundle: path of the certificates to trust instead of the usual ones.
        require_https: whether a source whose secret and recordings would travel unencrypted counts as failed, without
            being asked. Storage is exempt: its secret is never sent.
    """

    connect_timeout: float
    read_timeout: float
    ca_bundle: str | None = None
    require_https: bool = False
