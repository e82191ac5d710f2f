"""The table that a run prints, and its plot."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape

Medians = Mapping[str, Mapping[str, float]]

CONTENDERS = {
    "nginx": "nginx `proxy_pass`",
    "offload": "cxb_recordings, `offload`",
    "library": "cxb_recordings",
    "bare": "bare route, cached client",
    "naive": "naive route",
}
COLUMNS = {
    "1mb_requests_per_s": ("1 MB: requests/s", "{:.0f}"),
    "1mb_cpu_ms": ("1 MB: CPU ms", "{:.2f}"),
    "1kb_cpu_ms": ("1 KB: CPU ms", "{:.2f}"),
    "200mb_cpu_s_per_gb": ("200 MB: CPU s/GB", "{:.2f}"),
}


def _ratio(one: str, other: str, key: str) -> Callable[[Medians], float]:
    return lambda medians: medians[one][key] / medians[other][key]


def _above(other: str) -> Callable[[Medians], float]:
    return lambda medians: medians["library"]["1kb_cpu_ms"] - medians[other]["1kb_cpu_ms"]


# What is to be reached: a name, the figure, whether it may be at most or must be at least the bound.
TARGETS: list[tuple[str, Callable[[Medians], float], str, float]] = [
    ("1 MB requests/s, against nginx", _ratio("library", "nginx", "1mb_requests_per_s"), "≥", 0.45),
    ("1 MB CPU, against nginx", _ratio("library", "nginx", "1mb_cpu_ms"), "≤", 3.5),
    ("1 MB requests/s, against the naive route", _ratio("library", "naive", "1mb_requests_per_s"), "≥", 4.5),
    ("200 MB CPU/GB, against nginx", _ratio("library", "nginx", "200mb_cpu_s_per_gb"), "≤", 1.6),
    ("1 KB CPU ms, above a route from memory", _above("memory"), "≤", 1.5),
    ("1 KB CPU ms, above the bare route", _above("bare"), "≤", 0.15),
    ("first byte at 4 MB/s, against 8 KB chunks", _ratio("slow library", "slow fixed", "first_byte_ms"), "≤", 1.3),
    ("offload, 1 MB requests/s, against nginx", _ratio("offload", "nginx", "1mb_requests_per_s"), "≥", 0.6),
    ("offload, 200 MB CPU/GB, against nginx", _ratio("offload", "nginx", "200mb_cpu_s_per_gb"), "≤", 1.15),
    ("MB of memory for each slow stream", lambda medians: medians["library"]["slow_stream_mb"], "≤", 0.4),
    ("upstream requests for each GET", lambda medians: medians["library"]["upstream_requests"], "≤", 1.0),
]


def table(medians: Medians) -> str:
    """Two Markdown tables: the contenders, and what is to be reached."""
    lines = ["| | " + " | ".join(title for title, _ in COLUMNS.values()) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
    for name, title in CONTENDERS.items():
        cells = [form.format(medians[name][key]) for key, (_, form) in COLUMNS.items()]
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    lines += ["", "| figure | seen | bound |", "|---|---|---|"]
    for title, figure, relation, bound in TARGETS:
        seen = figure(medians)
        reached = seen >= bound if relation == "≥" else seen <= bound
        lines.append(f"| {title} | {seen:.2f}{'' if reached else ' (missed)'} | {relation} {bound:g} |")
    return "\n".join(lines)


def plot(medians: Medians) -> str:
    """Bars of requests per second for 1 MB, as an SVG that reads on light and dark pages."""
    rates = {title: medians[name]["1mb_requests_per_s"] for name, title in CONTENDERS.items()}
    scale, rows = 300 / max(rates.values()), []
    for number, (title, rate) in enumerate(rates.items()):
        y = 34 + number * 26
        rows.append(f'<text x="190" y="{y + 13}" text-anchor="end">{escape(title.replace("`", ""))}</text>')
        rows.append(f'<rect x="200" y="{y}" width="{rate * scale:.0f}" height="18" fill="#4477aa"/>')
        rows.append(f'<text x="{206 + rate * scale:.0f}" y="{y + 13}">{rate:.0f}</text>')
    height = 44 + len(rates) * 26
    title = '<text x="200" y="20">recordings of 1 MB a second, 8 connections</text>'
    style = 'font-family="sans-serif" font-size="12" fill="#777777"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="570" height="{height}" {style}>{title}{"".join(rows)}</svg>\n'
    )
