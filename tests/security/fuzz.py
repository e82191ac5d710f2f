"""The long run of ``test_fuzz``: ``python -m tests.security.fuzz --examples 200000``, an equal share for each door."""

from __future__ import annotations

import argparse
import time

from hypothesis import HealthCheck, Phase, given, settings

from tests.servers.origin import Origin

from .doors import DATA, DOORS, FLEET_SECRET, KEY, World


def main() -> None:
    """Open each door as often as asked, showing progress; the first thing that breaks in ends the run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=200_000, help="all doors together")
    examples = parser.parse_args().examples
    fleet = Origin({KEY: DATA}, secret=FLEET_SECRET)
    started, total = time.monotonic(), 0
    for door, (check, strategy) in DOORS.items():
        world, count = World(fleet), 0

        @settings(
            max_examples=examples // len(DOORS),
            deadline=None,
            database=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        )
        @given(strategy)
        def run(value: object) -> None:
            nonlocal count
            count += 1
            fleet.requests.clear()
            if count % 5000 == 0:
                print(f"[{time.monotonic() - started:5.0f} s] {door}: {count}", flush=True)  # noqa: B023
            check(world, value)  # noqa: B023

        run()
        print(f"[{time.monotonic() - started:5.0f} s] {door}: {count} examples, nothing broke in", flush=True)
        total += count
    print(f"{total} examples, nothing broke in")
    fleet.stop()


if __name__ == "__main__":
    main()
