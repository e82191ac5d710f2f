"""Probes side by side: each has a few seconds, and one that hangs holds up no other.

What a probe asks is not decided here.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from ..findings import Check, Finding, what
from ..sources.transport import Transport

STEP_SECONDS = 3.0  # for connecting, and for each wait for bytes
PROBE_SECONDS = 8.0  # for all of a probe: a name that does not resolve, or a head that trickles, knows no timeout

Ask = Callable[[], Iterable[Finding]]  # a question to one source


@dataclass(frozen=True, slots=True)
class Probe:
    """A question to one source.

    Attributes:
        of: the check that fails where the probe does not end.
        subject: what is asked.
        ask: gives the findings; whatever it raises becomes one.
    """

    of: Check
    subject: str
    ask: Ask


def impatient(transport: Transport) -> Transport:
    """How sources are connected to for a probe: as for playback, with less patience."""
    return replace(
        transport,
        connect_timeout=min(transport.connect_timeout, STEP_SECONDS),
        read_timeout=min(transport.read_timeout, STEP_SECONDS),
    )


def side_by_side(probes: Sequence[Probe], seconds: float = PROBE_SECONDS) -> list[list[Finding]]:
    """What each probe found, in the order of the probes; asked all at once.

    Args:
        probes: the questions.
        seconds: after which a probe that has not ended is given up; its thread ends with the process.
    """
    found: list[list[Finding] | None] = [None] * len(probes)

    def ask(number: int, probe: Probe) -> None:
        try:
            found[number] = list(probe.ask())
        except Exception as exc:  # noqa: BLE001 - a source is foreign code and may raise anything
            found[number] = [_given_up(probe, f"the check itself raised {what(exc)}")]

    threads = [threading.Thread(target=ask, args=(number, probe), daemon=True) for number, probe in enumerate(probes)]
    deadline = time.monotonic() + seconds
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(deadline - time.monotonic(), 0))
    late = f"no whole answer within {seconds:g} s"
    return [[_given_up(probe, late)] if each is None else each for each, probe in zip(found, probes, strict=True)]


def _given_up(probe: Probe, seen: str) -> Finding:
    remedy = "look at the server's own log and load, and at this machine's DNS"
    return Finding("failure", probe.of, seen, remedy, subject=probe.subject)
