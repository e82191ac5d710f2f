"""Random schedules of faults at storage and two fleet hosts: ``python -m tests.survival.schedules --count 10000``.

Each schedule is made from its number alone, so that one that fails can be run again: ``--seed N --count 1``.
"""

from __future__ import annotations

import argparse
import random
import ssl
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_args

from cxb_recordings.playback.byte_range import RangeRequest
from cxb_recordings.playback.splice import Cursor
from tests.servers.conversation import Fault, Kind, Validator, changed
from tests.servers.origin import Origin
from tests.servers.tls import make_certificate, server_context

from .playing import KEY, OPTIONS, Heard, Player, judge, system_settings

LARGEST = 3_000_000
THREADS = 24
_SIZES = (0, 1, 100, 4095, 4096, 4097, 8192, 65_535, 65_536, 65_537, 131_072, 200_000)
_BYTES = random.Random(0).randbytes(LARGEST)
_SILENT = bytearray(b"\xff" * LARGEST)  # with a sound now and then, shorter than what proves anything
for _start in range(0, LARGEST, 90_000):
    _SILENT[_start : _start + 3000] = _BYTES[_start : _start + 3000]
TLS_SHARE = 0.15
# What a source always does, and no fault, would make the schedules easier.
_HABITS = ("302", "length only in ranges", "no HEAD", "HEAD is 501", "gzip", "refuses")
_KINDS: tuple[Kind, ...] = tuple(kind for kind in get_args(Kind) if kind not in _HABITS)
_BREAKING: tuple[Kind, ...] = ("reset", "fin", "stall", "trickle", "dies")


@dataclass(frozen=True, slots=True)
class Source:
    """A source of a schedule: what it has (None: not this recording), and its faults."""

    data: bytes | None
    script: tuple[Fault, ...]
    standing: Fault | None
    validator: Validator
    over_tls: bool = False

    @property
    def is_healthy(self) -> bool:
        """Whether it has a recording that is not empty, and nothing ever goes wrong."""
        return bool(self.data) and not self.script and self.standing is None

    def versions(self) -> Iterator[bytes]:
        """What it may be heard to have, its faults included."""
        if self.data is not None:
            yield from (self.data, changed(self.data), self.data + b"\x00", b"")

    def start(self, tls: ssl.SSLContext) -> Origin:
        """Serve it, with `tls` where it is served over TLS."""
        recordings = {} if self.data is None else {KEY: self.data}
        context = tls if self.over_tls else None
        return Origin(recordings, self.script, self.standing, validator=self.validator, tls=context)


@dataclass(frozen=True, slots=True)
class Schedule:
    """What one playback goes through: storage first, then two fleet hosts."""

    sources: tuple[Source, ...]
    wanted: str | None

    @classmethod
    def random(cls, seed: int) -> Schedule:
        """The schedule of this number."""
        rng = random.Random(seed)
        size = rng.choice(_SIZES) if rng.random() < 0.5 else rng.randrange(1, int(10 ** rng.uniform(3, 6.4771)))
        data = bytes(_SILENT[:size]) if rng.random() < 0.2 else _BYTES[:size]
        return cls(tuple(_random_source(rng, data) for _ in range(3)), _random_range(rng, size))

    def could_be_proven(self, heard: Heard) -> bool:
        """Whether what was heard proves which recording it is: by its bytes, or by everybody's MD5 tags."""
        wanted = RangeRequest.parse(self.wanted)
        span = wanted.resolve(heard.total or 0) if wanted else None
        cursor = Cursor(span.start if span else 0, heard.total)
        cursor.position += len(heard.data)
        cursor.remember(heard.data)
        return cursor.has_proof() or (
            heard.data != b"" and all(source.validator == "strong" for source in self.sources)
        )

    def part(self, data: bytes) -> bytes | None:
        """What of a recording is wanted; None where that is nothing (416)."""
        wanted = RangeRequest.parse(self.wanted)
        if wanted is None or (not data and wanted.first is None and wanted.last):
            return data
        span = wanted.resolve(len(data))
        return data[span.start : span.stop] if span else None


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a schedule: whole, cut, refused (404, 416), silently wrong, or lost (a healthy source was there)."""

    seed: int
    outcome: str
    delivered: int


def run(player: Player, seed: int, tls: ssl.SSLContext) -> Result:
    """Play one schedule."""
    schedule = Schedule.random(seed)
    origins = [source.start(tls) for source in schedule.sources]
    try:
        heard = player.play(system_settings(origins[0], origins[1:]), schedule.wanted)
    finally:
        for origin in origins:
            origin.stop()
    return Result(seed, _outcome(schedule, heard), len(heard.data))


def run_all(first: int, count: int, *, progress: bool = False) -> list[Result]:
    """Play the schedules from `first` on, several at a time."""
    results: list[Result] = []
    started = time.monotonic()
    with TemporaryDirectory() as directory, ThreadPoolExecutor(THREADS) as threads:
        certificate = make_certificate(Path(directory) / "certificate.pem")
        tls = server_context(certificate)
        # A healthy source that a busy machine holds up for so long counts as stalled: generous.
        player = Player(replace(OPTIONS, read_timeout=2.0, ca_bundle=str(certificate)))
        for result in threads.map(lambda seed: run(player, seed, tls), range(first, first + count)):
            results.append(result)
            if progress and (len(results) % 250 == 0 or len(results) == count):
                counts = ", ".join(f"{name} {number}" for name, number in sorted(tally(results).items()))
                print(f"{len(results)} of {count} in {time.monotonic() - started:.0f} s: {counts}", flush=True)
    return results


def tally(results: list[Result]) -> Counter[str]:
    """How often each outcome was seen."""
    return Counter(result.outcome for result in results)


def _outcome(schedule: Schedule, heard: Heard) -> str:
    healthy = {source.data for source in schedule.sources if source.is_healthy and source.data is not None}
    if heard.status == 404:
        return "lost" if healthy else "refused 404"
    if heard.status == 416:
        return "refused 416"
    if heard.total == 0 and healthy:
        return "lost"  # an empty object counts only where no source has more
    versions = {version for source in schedule.sources for version in source.versions()}
    if heard.total is None:  # no source told a length: the whole in chunks, without ranges and without resume
        if heard.broken:
            return "cut" if any(version.startswith(heard.data) for version in versions) else "silently wrong"
        return "whole" if heard.data in versions else "silently wrong"
    judgements = {
        version: judge(heard, part)
        for version in versions
        if len(version) == heard.total and (part := schedule.part(version)) is not None
    }
    if "whole" in judgements.values():
        return "whole"
    begun = {version for version, judgement in judgements.items() if judgement == "cut"}
    if not begun:
        return "silently wrong"
    return "lost" if begun & healthy and schedule.could_be_proven(heard) else "cut"


def _random_source(rng: random.Random, data: bytes) -> Source:
    has = rng.random()
    content: bytes | None = data
    if has < 0.1:
        content = None
    elif has < 0.2:
        content = changed(data)
    elif has < 0.25:
        content = data + b"one byte more"
    script = tuple(_random_fault(rng, len(data)) for _ in range(rng.choice((0, 0, 1, 1, 2, 3, 5))))
    standing = _random_fault(rng, len(data)) if rng.random() < 0.2 else None
    validator: Validator = rng.choice(("strong", "strong", "strong", "weak", "none"))
    return Source(content, script, standing, validator, rng.random() < TLS_SHARE)


def _random_fault(rng: random.Random, size: int) -> Fault:
    kind: Kind = rng.choice((*_KINDS, *_BREAKING))
    if kind in ("stall", "trickle") and rng.random() < 0.5:
        kind = "reset"  # those that take time are less frequent
    if kind not in _BREAKING:
        return Fault(kind)
    if rng.random() < 0.2 and kind != "trickle":
        return Fault(kind)
    return Fault(kind, rng.choice((0, 1, max(size - 1, 0), 8191, 8192, 8193, 65_536, rng.randrange(size + 1))))


def _random_range(rng: random.Random, size: int) -> str | None:
    first, last = sorted((rng.randrange(size + 2), rng.randrange(size + 2)))
    return rng.choice((None, None, f"bytes={first}-{last}", f"bytes={first}-", f"bytes=-{last}", "bytes=0-"))


def main() -> int:
    """Run what the command line asks for; 1 where a schedule was silently wrong or lost."""
    parser = argparse.ArgumentParser(prog="python -m tests.survival.schedules", description=__doc__)
    parser.add_argument("--count", type=int, default=10_000, help="how many schedules")
    parser.add_argument("--seed", type=int, default=1, help="the number of the first one")
    arguments = parser.parse_args()
    results = run_all(arguments.seed, arguments.count, progress=True)
    failed = [result for result in results if result.outcome in ("silently wrong", "lost")]
    for result in failed:
        print(f"{result.outcome} after {result.delivered} bytes: --seed {result.seed} --count 1")
    return 1 if failed else 0


if __name__ == "__main__":
    import logging

    logging.disable()
    sys.exit(main())
