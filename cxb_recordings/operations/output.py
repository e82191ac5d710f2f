"""How findings are shown: in lines for a terminal, or as JSON; and what ends a command that showed them.

What was found is not decided here.
"""

from __future__ import annotations

import errno
import json
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial, wraps
from typing import Any

import click

from ..findings import GRAVITY, Finding, Status, worst_first

SCHEMA_VERSION = 1  # of what --json prints: one more where a field goes, or means something else
_COLOURS = {"failure": "red", "warning": "yellow", "ok": "green"}

Show = Callable[[Iterable[Finding]], None]
Command = Callable[..., None]  # what click calls with a command's options


class ReaderGone(OSError):
    """Raised where nobody reads what is printed any more, as after ``doctor | head``; click ends quietly with it."""

    def __init__(self) -> None:
        super().__init__(errno.EPIPE, "nobody reads the output")


def shown_as(function: Command) -> Command:
    """Give a command the options about its output, and as `show` what shows its findings by them."""

    @wraps(function)
    def with_show(as_json: bool, quiet: bool, fail_on: str, **arguments: Any) -> None:
        function(**arguments, show=partial(_show, as_json=as_json, quiet=quiet, fail_on=fail_on))

    for option in (
        click.option("--json", "as_json", is_flag=True, help="For machines."),
        click.option("--quiet", is_flag=True, help="Only failures and warnings."),
        click.option(
            "--fail-on",
            type=click.Choice(["failure", "warning"]),
            default="failure",
            show_default=True,
            help="What gives exit status 1.",
        ),
    ):
        with_show = option(with_show)
    return with_show


def _show(findings: Iterable[Finding], *, as_json: bool, quiet: bool, fail_on: str) -> None:
    """Print findings, worst first, and end with status 1 where one is as bad as `fail_on`."""
    findings = worst_first(findings)
    counts = Counter(finding.status for finding in findings)
    shown = [finding for finding in findings if not quiet or finding.status != "ok"]
    if as_json:
        document = {
            "schema_version": SCHEMA_VERSION,
            "status": findings[0].status,
            "summary": {status: counts[status] for status in GRAVITY},
            "findings": [shown_fields(finding) for finding in shown],
        }
        say(json_text(document))
    else:
        for finding in shown:
            say(_line(finding))
        if not quiet:
            say(_summary(counts))
    if counts["failure"] or (fail_on == "warning" and counts["warning"]):
        click.get_current_context().exit(1)


def shown_fields(finding: Finding) -> dict[str, object]:
    """A finding as JSON has it."""
    numbers = {name: getattr(finding, name) for name in ("http_status", "seconds", "length")}
    texts = {name: getattr(finding, name) for name in ("remedy", "request_id")}
    told = {"id": finding.of.id, "status": finding.status, "check": finding.check, "seen": finding.seen}
    return told | {name: value for name, value in (texts | numbers).items() if value not in (None, "")}


def _line(finding: Finding) -> str:
    # click takes the colour away where the output is no terminal.
    status = f"status {finding.http_status}" if finding.http_status else ""
    facts = [
        status if status not in finding.seen else "",
        f"{finding.seconds * 1000:.0f} ms" if finding.seconds is not None else "",
        f"{finding.length} bytes" if finding.length is not None else "",
        f"request {finding.request_id}" if finding.request_id else "",
    ]
    shown = ", ".join(fact for fact in facts if fact)
    line = printable(f"  {finding.of.id} {finding.check}: {finding.seen}{f' ({shown})' if shown else ''}")
    line = click.style(f"{finding.status:7}", fg=_COLOURS[finding.status]) + line
    return f"{line}\n         -> {printable(finding.remedy)}" if finding.remedy else line


def _summary(counts: Counter[Status]) -> str:
    bad = ", ".join(f"{count} {status}{'s' * (count > 1)}" for status, count in counts.items() if status != "ok")
    ok = f"{counts['ok']} ok"
    return f"{bad}, {ok}; docs/operations.md has a section for each id" if bad else f"{ok}, nothing is wrong"


def json_text(document: object) -> str:
    """A document as JSON that a terminal may show."""
    # JSON escapes every control character but this one.
    return json.dumps(document, indent=2).replace("\x7f", "\\u007f")


def say(text: str) -> None:
    """Print a line.

    Raises:
        ReaderGone: nobody reads it.
    """
    try:
        click.echo(text)
    except BrokenPipeError:
        raise ReaderGone from None


def printable(text: str) -> str:
    """A text as a terminal may show it: what controls one, or turns its writing around, is escaped as Python does.

    Also lone surrogates, which can't be encoded, and line breaks.
    """
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
