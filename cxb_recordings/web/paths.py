"""Every path below a prefix: the rule that takes it, and other routes in its way. Who answers lives in ``views``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from urllib.parse import quote

from flask import Blueprint, Response
from werkzeug.routing import BaseConverter, Rule


class AnyText(BaseConverter):
    """All the rest of a path, whatever it is: slashes at either end, several in a row, line breaks, nothing at all.

    A session id may hold slashes (SIP Call-IDs, base64), and WSGI servers decode ``%2F`` before Flask sees it.
    """

    NAME = "cxb_recordings_any"  # in the app's URL map, which the host's own converters share

    regex = r"[\s\S]*"
    part_isolating = False
    weight = 200  # as Werkzeug's `path`: a more exact rule of the host's wins

    def to_url(self, value: object) -> str:
        """Quote slashes too: otherwise clients resolve ``a/../b``, and proxies merge ``a//b``."""
        return quote(str(value), safe="")


def every_path_below(prefix: str, argument: str, ending: str = "") -> Rule:
    """The rule of a route that answers every path below `prefix`, and is given it, without `ending`, as `argument`."""
    return Rule(f"{prefix}/<{AnyText.NAME}:{argument}>{ending}", methods=["GET"])


def add_route(
    blueprint: Blueprint,
    argument: str,
    view: Callable[..., Response],
    *,
    endpoint: str = "recording",
    ending: str = "",
    method: str = "GET",
) -> None:
    """Give `view` every path below the blueprint's prefix, or those with an ending. Werkzeug never redirects from
    there, whatever the app says: merged slashes would be another call, and a redirect shows the token in ``Location``.
    """
    blueprint.record(lambda state: state.app.url_map.converters.update({AnyText.NAME: AnyText}))
    rule = every_path_below("", argument, ending).rule
    blueprint.add_url_rule(rule, endpoint, view, methods=[method], merge_slashes=False)


def rule_in_the_way(prefix: str, rules: Iterable[Rule]) -> str | None:
    """The first rule that would take paths away from a route at `prefix`, or from which that would take some away."""
    for rule in rules:
        start = rule.rule.partition("<")[0]
        is_below = start.startswith(f"{prefix}/") and rule.rule != f"{prefix}/"  # that one may be a page of the host's
        is_above = f"<{AnyText.NAME}:" in rule.rule and f"{prefix}/".startswith(start)
        if (is_below or is_above) and (rule.methods is None or "GET" in rule.methods):
            return rule.rule
    return None
