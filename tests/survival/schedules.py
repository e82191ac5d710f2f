"""Random schedules of faults at storage and two fleet hosts: ``python -m tests.survival.schedules --count 10000``.

Each schedule is made from its number alone, so that one that fails can be run again: ``--seed N --count 1``.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import get_args

from cxb_recordings.playback.byte_range import RangeRequest
from tests.servers.faulty_conversation import Fault, Kind, Validator, changed
from tests.servers.faulty_origin import FaultyOrigin

from .playing import KEY, OPTIONS, Heard, Player, judge, system_settings

LARGEST = 3_000_000
THREADS = 24
_SIZES = (0, 1, 100, 4095, 4096, 4097, 8192, 65_535, 65_536, 65_537, 131_072, 200_000)
_BYTES = random.Random(0).randbytes(LARGEST)
_KINDS: tuple[Kind, ...] = get_args(Kind)
_BREAKING: tuple[Kind, ...] = ("reset", "fin", "stall", "trickle", "dies")


@dataclass(frozen=True, slots=True)
class Source:
    """A source of a schedule: what it has (None: not this recording), and its faults."""

    data: bytes | None
    script: tuple[Fault, ...]
    standing: Fault | None
    validator: Validator

    @property
    def is_healthy(self) -> bool:
        """Whether it has a recording, and nothing ever goes wrong."""
        return self.data is not None and not self.script and self.standing is None

    def versions(self) -> Iterator[bytes]:
        """What it may be heard to have, its faults included."""
        if self.data is not None:
            yield from (self.data, changed(self.data), self.data + b"\x00")

    def start(self) -> FaultyOrigin:
        """Serve it."""
        recordings = {} if self.data is None else {KEY: self.data}
        return FaultyOrigin(recordings, self.script, self.standing, validator=self.validator)


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
        data = _BYTES[:size]
        return cls(tuple(_random_source(rng, data) for _ in range(3)), _random_range(rng, size))

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


def run(player: Player, seed: int) -> Result:
    """Play one schedule."""
    schedule = Schedule.random(seed)
    origins = [source.start() for source in schedule.sources]
    try:
        heard = player.play(system_settings(origins[0], origins[1:]), schedule.wanted)
    finally:
        for origin in origins:
            origin.stop()
    return Result(seed, _outcome(schedule, heard), len(heard.data))


def run_all(first: int, count: int, *, progress: bool = False) -> list[Result]:
    """Play the schedules from `first` on, several at a time."""
    # A healthy source that a busy machine holds up for so long counts as stalled: generous.
    player = Player(replace(OPTIONS, read_timeout=2.0))
    results: list[Result] = []
    started = time.monotonic()
    with ThreadPoolExecutor(THREADS) as threads:
        for result in threads.map(lambda seed: run(player, seed), range(first, first + count)):
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
    versions = {version for source in schedule.sources for version in source.versions()}
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
    return "lost" if heard.data and begun & healthy else "cut"


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
    return Source(content, script, standing, rng.choice(("strong", "strong", "strong", "weak", "none")))


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
