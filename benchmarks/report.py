"""What a run prints: tables in Markdown, and a plot."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
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
Target = tuple[str, Callable[[Medians], float], str, float]


def _ratio(one: str, other: str, key: str) -> Callable[[Medians], float]:
    return lambda medians: medians[one][key] / medians[other][key]


def _above(other: str) -> Callable[[Medians], float]:
    return lambda medians: medians["library"]["1kb_cpu_ms"] - medians[other]["1kb_cpu_ms"]


# What is to be reached: a name, the figure, whether it may be at most or must be at least the bound.
TARGETS: list[Target] = [
    ("1 MB requests/s, against nginx", _ratio("library", "nginx", "1mb_requests_per_s"), "≥", 0.45),
    (
        "the same, each recording for the first time",
        _ratio("library_anew", "nginx", "1mb_requests_per_s"),
        "≥",
        0.45,
    ),
    ("1 MB CPU, against nginx", _ratio("library", "nginx", "1mb_cpu_ms"), "≤", 3.5),
    ("1 MB requests/s, against the naive route", _ratio("library", "naive", "1mb_requests_per_s"), "≥", 4.5),
    ("200 MB CPU/GB, against nginx", _ratio("library", "nginx", "200mb_cpu_s_per_gb"), "≤", 1.6),
    ("1 KB CPU ms, above a route from memory", _above("memory"), "≤", 1.5),
    ("1 KB CPU ms, above the bare route", _above("bare"), "≤", 0.15),
    ("first byte at 4 MB/s, against 8 KB chunks", _ratio("slow_library", "slow_fixed", "first_byte_ms"), "≤", 1.3),
    ("offload, 1 MB requests/s, against nginx", _ratio("offload", "nginx", "1mb_requests_per_s"), "≥", 0.6),
    ("offload, 200 MB CPU/GB, against nginx", _ratio("offload", "nginx", "200mb_cpu_s_per_gb"), "≤", 1.15),
    ("MB of memory for each slow stream", lambda medians: medians["library"]["slow_stream_mb"], "≤", 0.4),
    ("upstream requests for each GET", lambda medians: medians["library"]["upstream_requests"], "≤", 1.0),
]


def page(document: Mapping[str, Any]) -> str:
    """All tables of a run: what is to be reached, the contenders before each store, the machine."""
    stand_in, ceph = document["stand_in"], document.get("ceph")
    parts = [_targets(stand_in, TARGETS), "Before nginx that serves files as a store does:", _contenders(stand_in)]
    if ceph:
        parts += ["Before Ceph's gateway:", _contenders(ceph)]
        against = list(_against_peers(ceph))
        if against:
            parts.append(_targets(ceph, against))
    parts.append(_footprint(document["footprint"]))
    machine = "; ".join(f"{name} {value}" for name, value in document["machine"].items())
    effort = document["effort"]
    parts.append(f"{effort['rounds']} interleaved rounds of {effort['seconds']} s for a figure, medians. {machine}.")
    return "\n\n".join(parts)


def _footprint(figures: Mapping[str, float]) -> str:
    lines = ["| before anything plays | |", "|---|---|"]
    lines += [f"| {title} | {form.format(figures[key])} |" for key, (title, form) in FOOTPRINT.items()]
    return "\n".join(lines)


def _against_peers(medians: Medians) -> Iterator[Target]:
    for name in PEERS:
        if name in medians:
            title = CONTENDERS[name]
            yield f"1 MB requests/s, against {title}", _ratio("library", name, "1mb_requests_per_s"), "≥", 1.0
            yield f"200 MB CPU/GB, against {title}", _ratio("library", name, "200mb_cpu_s_per_gb"), "≤", 1.0


def _contenders(medians: Medians) -> str:
    columns = {key: value for key, value in COLUMNS.items() if any(key in of for of in medians.values())}
    lines = ["| | " + " | ".join(title for title, _ in columns.values()) + " |", "|---" * (len(columns) + 1) + "|"]
    for name, title in CONTENDERS.items():
        if name in medians:
            figures = medians[name]
            cells = [form.format(figures[key]) if key in figures else "" for key, (_, form) in columns.items()]
            lines.append(f"| {title} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _targets(medians: Medians, targets: list[Target]) -> str:
    lines = ["| figure | seen | bound |", "|---|---|---|"]
    for title, figure, relation, bound in targets:
        seen = figure(medians)
        reached = seen >= bound if relation == "≥" else seen <= bound
        lines.append(f"| {title} | {seen:.2f}{'' if reached else ' (missed)'} | {relation} {bound:g} |")
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
