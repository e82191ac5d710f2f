"""What a run prints: tables in Markdown, and a plot."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

Medians = Mapping[str, Mapping[str, float]]

CONTENDERS = {
    "nginx": "nginx `proxy_pass`",
    "offload": "cxb_recordings, `offload`",
    "offload_anew": "cxb_recordings, `offload`, each recording for the first time",
    "library": "cxb_recordings",
    "library_anew": "cxb_recordings, each recording for the first time",
    "bare": "bare route, cached boto3 client",
    "naive": "naive route",
    "parts": "a route of Flask and urllib3, without the library",
    "memory": "a route that answers from memory",
    "rclone": "rclone `serve http`",
    "s3_proxy": "npm's `s3-proxy`",
    "mlflow": "MLflow's artifact proxy",
}
PEERS = ("rclone", "s3_proxy", "mlflow")
COLUMNS = {
    "1mb_requests_per_s": ("1 MB: requests/s", "{:.0f}"),
    "1mb_cpu_ms": ("1 MB: CPU ms", "{:.2f}"),
    "1kb_cpu_ms": ("1 KB: CPU ms", "{:.2f}"),
    "200mb_cpu_s_per_gb": ("200 MB: CPU s/GB", "{:.2f}"),
    "first_byte_ms": ("first byte: ms", "{:.1f}"),
    "first_byte_p99_ms": ("99 %: ms", "{:.1f}"),
    "memory_mb": ("memory: MB", "{:.0f}"),
    "upstream_requests": ("requests to the store for a GET", "{:.2f}"),
    "upstream_connections": ("connections", "{:.0f}"),
}
FOOTPRINT = {
    "import_ms": ("`import cxb_recordings`, CPU above `import flask`", "{:.0f} ms"),
    "register_ms": ("the same with `register`", "{:.0f} ms"),
    "wheel_kb": ("the wheel", "{:.0f} KB"),
    "installed_mb": ("installed, with all that it needs", "{:.0f} MB"),
}
Document = Mapping[str, Any]


@dataclass(frozen=True)
class Target:
    """The targets.

    Attributes:
        title: of the figure.
        figure: takes it from a run; KeyError where that did not measure it.
        relation: ≤ or ≥.
        must: the bound.
        goal: a stricter one; None where there is none.
    """

    title: str
    figure: Callable[[Document], float]
    relation: str
    must: float
    goal: float | None = None

    def misses(self, document: Document) -> str | None:
        """Which bound is missed: must or goal; "" for none, None where the figure was not measured."""
        try:
            seen = self.figure(document)
        except KeyError:
            return None
        for name, bound in (("must", self.must), ("goal", self.goal)):
            if bound is not None and not (seen >= bound if self.relation == "≥" else seen <= bound):
                return name
        return ""


def _ratio(part: str, one: str, other: str, key: str) -> Callable[[Document], float]:
    return lambda document: float(document[part][one][key] / document[part][other][key])


def _above(part: str, other: str) -> Callable[[Document], float]:
    return lambda document: float(document[part]["library"]["1kb_cpu_ms"] - document[part][other]["1kb_cpu_ms"])


def _upstream_requests(document: Document) -> float:
    return float(document["plain"]["library"]["upstream_requests"])


def _of_listeners(key: str) -> Callable[[Document], float]:
    return lambda document: float(document["listeners"][key])


def _answered(document: Document) -> float:
    figures = document["listeners"]
    return float(figures["many_paused_answered"] / figures["paused_listeners"] / 5)


_BIG = "200mb_cpu_s_per_gb"
_RATE = "1mb_requests_per_s"
# Title, one contender, the other, figure, relation, and by part: must and goal.
_RATIOS: list[tuple[str, str, str, str, str, dict[str, tuple[float, float | None]]]] = [
    ("1 MB requests/s, against nginx", "library", "nginx", _RATE, "≥", {"tls": (0.6, 0.75), "plain": (0.45, 0.62)}),
    ("1 MB CPU, against nginx", "library", "nginx", "1mb_cpu_ms", "≤", {"tls": (2.3, 1.9), "plain": (3.0, 2.2)}),
    (
        "1 MB CPU, against the bare route",
        "library",
        "bare",
        "1mb_cpu_ms",
        "≤",
        {"tls": (0.85, 0.65), "plain": (0.85, 0.7)},
    ),
    ("200 MB CPU/GB, against nginx", "library", "nginx", _BIG, "≤", {"tls": (1.5, 1.25), "plain": (1.8, 1.5)}),
    ("200 MB CPU/GB, against the bare route", "library", "bare", _BIG, "≤", {"tls": (1.15, 1.0), "plain": (1.2, 1.0)}),
    (
        "first byte at 4 MB/s, against 8 KB chunks",
        "slow_library",
        "slow_fixed",
        "first_byte_ms",
        "≤",
        {"tls": (1.3, None), "plain": (1.3, None)},
    ),
    (
        "1 MB requests/s, each for the first time, against nginx",
        "library_anew",
        "nginx",
        _RATE,
        "≥",
        {"plain": (0.45, None)},
    ),
    ("1 MB requests/s, against the naive route", "library", "naive", _RATE, "≥", {"plain": (4.5, None)}),
    ("offload, 1 MB requests/s, against nginx", "offload", "nginx", _RATE, "≥", {"plain": (0.6, None)}),
    ("offload, 200 MB CPU/GB, against nginx", "offload", "nginx", _BIG, "≤", {"plain": (1.15, None)}),
]
PARTS = {"tls": "TLS", "plain": "plain http"}
TARGETS = [
    Target(f"{title} ({PARTS[part]})", _ratio(part, one, other, key), relation, *bounds)
    for part in PARTS
    for title, one, other, key, relation, by_part in _RATIOS
    if (bounds := by_part.get(part))
]
TARGETS += [
    Target("1 KB CPU ms, above a route from memory (TLS)", _above("tls", "memory"), "≤", 0.7, 0.6),
    Target("1 KB CPU ms, above a route from memory (plain http)", _above("plain", "memory"), "≤", 0.65, 0.55),
    Target("upstream requests for each GET", _upstream_requests, "≤", 1),
    Target("MB for each of 1,000 paused listeners, gevent", _of_listeners("gevent_paused_memory_mb"), "≤", 0.24, 0.15),
    Target(
        "MB for each of 1,000 paused listeners, gthread", _of_listeners("gthread_paused_memory_mb"), "≤", 0.24, 0.15
    ),
    Target("MB for each of 500 listeners at 16 KB/s, gevent", _of_listeners("gevent_slow_memory_mb"), "≤", 0.15, 0.08),
    Target(
        "MB for each of 500 listeners at 16 KB/s, gthread", _of_listeners("gthread_slow_memory_mb"), "≤", 0.15, 0.08
    ),
    Target("5,000 paused listeners, gevent: share that is answered", _answered, "≥", 1),
    Target(
        "5,000 paused listeners, gevent: MB of the whole server", _of_listeners("many_paused_whole_mb"), "≤", 800, 600
    ),
]
TABLES = {
    "tls": "Before nginx that serves files as a store does, over TLS:",
    "plain": "The same over plain http:",
    "ceph": "Before Ceph's gateway, over TLS:",
}


def page(document: Document) -> str:
    """All tables of a run: what is missed, the targets, the contenders before each store, the machine."""
    parts = [_missed(document, TARGETS), _targets(document, TARGETS)]
    for part, title in TABLES.items():
        if medians := document.get(part):
            parts += [title, _contenders(medians)]
            if against := list(_against_peers(part, medians)):
                parts.append(_targets(document, against))
    parts.append(_footprint(document["footprint"]))
    machine = "; ".join(f"{name} {value}" for name, value in document["machine"].items())
    effort = document["effort"]
    parts.append(f"{effort['rounds']} shuffled rounds of {effort['seconds']} s for a figure, medians. {machine}.")
    return "\n\n".join(parts)


def _missed(document: Document, targets: list[Target]) -> str:
    by_bound: dict[str | None, list[str]] = {}
    for target in targets:
        by_bound.setdefault(target.misses(document), []).append(target.title)
    parts = [
        f"{label}: {'; '.join(by_bound[bound])}."
        for label, bound in (("Missed", "must"), ("Goals missed", "goal"), ("Not measured", None))
        if bound in by_bound
    ]
    return " ".join(parts) or "No figure is missed."


def _footprint(figures: Mapping[str, float]) -> str:
    lines = ["| before anything plays | |", "|---|---|"]
    lines += [f"| {title} | {form.format(figures[key])} |" for key, (title, form) in FOOTPRINT.items()]
    return "\n".join(lines)


def _against_peers(part: str, medians: Medians) -> Iterator[Target]:
    for name in PEERS:
        if name in medians:
            title = CONTENDERS[name]
            yield Target(f"1 MB requests/s, against {title}", _ratio(part, "library", name, _RATE), "≥", 1)
            yield Target(f"200 MB CPU/GB, against {title}", _ratio(part, "library", name, _BIG), "≤", 1)


def _contenders(medians: Medians) -> str:
    columns = {key: value for key, value in COLUMNS.items() if any(key in of for of in medians.values())}
    lines = ["| | " + " | ".join(title for title, _ in columns.values()) + " |", "|---" * (len(columns) + 1) + "|"]
    for name, title in CONTENDERS.items():
        if name in medians:
            figures = medians[name]
            cells = [form.format(figures[key]) if key in figures else "" for key, (_, form) in columns.items()]
            lines.append(f"| {title} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _targets(document: Document, targets: list[Target]) -> str:
    lines = ["| figure | seen | must | goal |", "|---|---|---|---|"]
    for target in targets:
        missed = target.misses(document)
        if missed is None:
            continue
        seen = f"{target.figure(document):.2f}" + (f" ({missed} missed)" if missed else "")
        goal = "" if target.goal is None else f"{target.relation} {target.goal:g}"
        lines.append(f"| {target.title} | {seen} | {target.relation} {target.must:g} | {goal} |")
    return "\n".join(lines)


def plot(medians: Medians) -> str:
    """Bars of requests per second for 1 MB and of the CPU for each, as an SVG that reads on light and dark pages."""
    panels = {"1mb_requests_per_s": "requests/s for 1 MB", "1mb_cpu_ms": "CPU ms for each"}
    shown = {
        name: title.replace("`", "") for name, title in CONTENDERS.items() if "1mb_cpu_ms" in medians.get(name, {})
    }
    parts = []
    for number, title in enumerate(shown.values()):
        parts.append(f'<text x="350" y="{47 + number * 26}" text-anchor="end">{escape(title)}</text>')
    for panel, (key, title) in enumerate(panels.items()):
        x, widest = 360 + panel * 240, max(medians[name][key] for name in shown)
        parts.append(f'<text x="{x}" y="20" font-weight="bold">{title}</text>')
        for number, name in enumerate(shown):
            y, value = 34 + number * 26, medians[name][key]
            width, color = value * 170 / widest, "#dd7733" if name.startswith(("library", "offload")) else "#4477aa"
            parts.append(f'<rect x="{x}" y="{y}" width="{width:.0f}" height="18" fill="{color}"/>')
            parts.append(f'<text x="{x + 6 + width:.0f}" y="{y + 13}">{COLUMNS[key][1].format(value)}</text>')
    height = 44 + len(shown) * 26
    style = 'font-family="sans-serif" font-size="12" fill="#777777"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" width="860" height="{height}" {style}>{"".join(parts)}</svg>\n'
