"""What the library costs before it plays: imports, and bytes on the disk; ``python -m benchmarks.footprint``."""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = Path(__file__).parents[1]
PACKAGE = "cxb_recordings"
HEAVY = ("boto3", "botocore", "flask_jwt_extended", "prometheus_client", "pymongo", "requests")
STATEMENTS = {
    "flask": "import flask",
    "import": f"import {PACKAGE}",
    "register": f"import flask, {PACKAGE} as c; "
    "c.register(flask.Flask('host'), dict, c.InMemoryCallRepository(), require_admin=lambda view: view)",
}


def cpu_ms(statement: str, rounds: int) -> float:
    """Processor time of a statement in a fresh interpreter, its start included: the median of some rounds."""
    program = f"import os; {statement}; print(sum(os.times()[:2]) * 1000)"
    return statistics.median(float(_python("-c", program).stdout) for _ in range(rounds))


def imported(statement: str) -> dict[str, float]:
    """Milliseconds that a statement spends in the modules of each package, those of what they import not counted."""
    times: Counter[str] = Counter()
    for line in _python("-X", "importtime", "-c", statement).stderr.splitlines():
        if found := re.fullmatch(r"import time: +(\d+) \| +\d+ \| +([\w.]+)", line):
            times[found[2].partition(".")[0]] += int(found[1])
    return {name: microseconds / 1000 for name, microseconds in times.most_common()}


def installed_bytes(name: str = PACKAGE) -> dict[str, int]:
    """Bytes on the disk of a distribution and of all that it needs, largest first, as they are installed here."""
    sizes: Counter[str] = Counter()
    waiting = [name]
    while waiting:
        found = distribution(waiting.pop())
        own = canonicalize_name(found.name)
        if own not in sizes:
            sizes[own] = _bytes(found)
            needed = map(Requirement, found.requires or [])
            waiting += [need.name for need in needed if need.marker is None or need.marker.evaluate({"extra": ""})]
    return dict(sizes.most_common())


def wheel_bytes() -> int:
    """Bytes of the wheel; it is built for that."""
    with tempfile.TemporaryDirectory() as directory:
        _python("-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", directory, str(PROJECT))
        [wheel] = Path(directory).glob("*.whl")
        return wheel.stat().st_size


def figures(rounds: int = 9) -> dict[str, float]:
    """What belongs into the table; the times are those above ``import flask`` alone."""
    times = {name: cpu_ms(statement, rounds) for name, statement in STATEMENTS.items()}
    return {
        "import_ms": times["import"] - times["flask"],
        "register_ms": times["register"] - times["flask"],
        "wheel_kb": wheel_bytes() / 1e3,
        "installed_mb": sum(installed_bytes().values()) / 1e6,
    }


def _python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], cwd=PROJECT, capture_output=True, text=True, check=True)  # noqa: S603


def _bytes(found: Distribution) -> int:
    if canonicalize_name(found.name) == canonicalize_name(PACKAGE):  # perhaps editable: then it lists no modules
        return sum(path.stat().st_size for path in (PROJECT / PACKAGE).rglob("*.py"))
    paths = (Path(str(found.locate_file(file))) for file in found.files or [])
    return sum(path.stat().st_size for path in paths if path.is_file() and path.suffix != ".pyc")


if __name__ == "__main__":
    for title, figure in figures().items():
        print(f"{title}: {figure:.1f}")
    print("MB:", {name: round(size / 1e6, 1) for name, size in list(installed_bytes().items())[:6]})
    for title, statement in STATEMENTS.items():
        times = imported(statement)
        print(f"{title}, ms:", {name: round(times[name]) for name in HEAVY if name in times})
