"""What somebody who helps needs to know of a deployment, without a secret: settings, options, versions.

It is an allow-list: each kind of source says which of its fields may be shown with their values. Of all other fields
there is the name alone, and no part of a value.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import asdict, fields
from importlib.metadata import PackageNotFoundError, version

from .._version import __version__
from ..fields import unknown
from ..options import Options
from ..sources.kinds import KINDS

_PACKAGES = (
    "blinker",
    "boto3",
    "botocore",
    "flask",
    "flask-jwt-extended",
    "pyjwt",
    "pymongo",
    "requests",
    "urllib3",
    "werkzeug",
)


def describe_settings(document: object) -> dict[str, object]:
    """Where each field of the system settings comes from, and the values of those that are no secrets.

    Args:
        document: what the settings provider returned.
    """
    if not isinstance(document, Mapping):
        return {"read": [], "unknown": [], "type": type(document).__name__}
    read = [setting for kind in KINDS for setting in kind.describe(document)]
    names = unknown(document, [field for kind in KINDS for field in kind.fields])
    names += [name for kind in KINDS for name in kind.unknown(document)]
    shown = [{name: value for name, value in asdict(each).items() if value is not None} for each in read]
    return {"read": shown, "unknown": names}


def describe_options(options: Options) -> dict[str, object]:
    """The options of ``register``, none of which is a secret, each with where it comes from."""
    return {
        each.name: {"value": value, "origin": "default" if value == each.default else "given"}
        for each in fields(options)
        for value in (getattr(options, each.name),)
    }


def versions() -> dict[str, str]:
    """The versions of Python and of the packages that matter; of those that are installed."""
    found = {"cxb_recordings": __version__, "python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
