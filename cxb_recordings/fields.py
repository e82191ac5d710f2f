"""The fields of settings: their values in an outline, what is wrong with them, and names that are nearly theirs.

A section may be shared with other programs, so that a field of theirs must not be named. No value is ever shown: most
of them are secrets. Which fields there are, each kind of source says.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import lru_cache
from typing import Literal

MISSING = "missing"  # what is wrong with a field that is needed and not there

Scalar = str | bool | None | type  # a value that counts, or the type of any other value

_SECRET = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,4094}[\x21-\x7e])?", re.ASCII)  # what a header's value can carry
_NAME = re.compile(r"[A-Za-z0-9 ._-]{1,64}", re.ASCII)  # nothing else is ever shown
_CLOSE = 0.8  # a transposed pair of letters in six


@dataclass(frozen=True, slots=True)
class Field:
    """A field that is read.

    Attributes:
        name: as it is written in the settings.
        synonyms: what other programs call the same thing, in lower case and without separators.
        short: the name that is read where `name` is not there; empty where there is none.
    """

    name: str
    synonyms: tuple[str, ...] = ()
    short: str = ""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one field.

    Attributes:
        field: its dotted name, such as ``minio.bucket`` or ``cxbcore_fleet[1].url``.
        problem: what is wrong and what is needed, without the value.
        meant: of a name that is not read, the dotted name that nearly is the same; else empty.
    """

    field: str
    problem: str
    meant: str = ""

    def __str__(self) -> str:
        """Field and problem in one line."""
        return f"{self.field}: {self.problem}"


@dataclass(frozen=True, slots=True)
class Outline:
    """What counts of a mapping, as something that can be compared and remembered.

    Attributes:
        values: of the fields, in their order.
        misnamed: see :func:`misnamed`.
    """

    values: tuple[Scalar, ...] = field(repr=False)
    misnamed: tuple[tuple[str, str], ...] = ()


Origin = Literal["given", "alias", "inferred", "default"]


@dataclass(frozen=True, slots=True)
class Setting:
    """What may be shown of a field that is read.

    Attributes:
        field: its dotted name.
        origin: ``given``, ``alias`` (by its short name), ``inferred`` from another field, or ``default``.
        value: as it is used; None for what may be a secret, and for what is malformed.
    """

    field: str
    origin: Origin
    value: str | bool | None = None


def scalar(value: object) -> Scalar:
    """The value, or its type where it is neither a string nor a boolean nor None."""
    return value if value is None or isinstance(value, (str, bool)) else type(value)


def outline(section: object, fields: tuple[Field, ...]) -> Outline | Scalar:
    """What counts of a section; of anything but a mapping, its scalar."""
    if not isinstance(section, Mapping):
        return scalar(section)
    return Outline(tuple(_value(section, field) for field in fields), misnamed(section, fields))


def _value(section: Mapping[object, object], field: Field) -> Scalar:
    value = section.get(field.name)
    return scalar(section.get(field.short) if field.short and _is_absent(value) else value)


def origin_of(section: Mapping[object, object], field: Field) -> Origin | None:
    """Under which of its names a field is in a section; None where it is not."""
    if not _is_absent(section.get(field.name)):
        return "given"
    return "alias" if field.short and not _is_absent(section.get(field.short)) else None


def unknown(section: object, fields: Iterable[Field], prefix: str = "") -> list[str]:
    """The dotted names in a section that are none of `fields`; a name that is no plain word is ``…``."""
    known = _names(tuple(fields))
    names = (name for name in section if name not in known) if isinstance(section, Mapping) else ()
    return [f"{prefix}{name if isinstance(name, str) and _NAME.fullmatch(name) else '…'}" for name in names]


def _is_absent(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value)


def misnamed(section: Mapping[object, object], fields: tuple[Field, ...]) -> tuple[tuple[str, str], ...]:
    """The names in a section that nearly are one of `fields` which is not there, each with that field's name."""
    known = _names(fields)
    others = [name for name in section if isinstance(name, str) and name not in known]
    if not others:
        return ()
    absent = tuple(field for field in fields if _is_absent(_value(section, field)))
    found = ((name, _meant(name, absent)) for name in others)
    return tuple((name, meant) for name, meant in found if meant is not None)


@lru_cache
def _names(fields: tuple[Field, ...]) -> frozenset[str]:
    return frozenset(name for field in fields for name in (field.name, field.short))


@lru_cache(maxsize=4096)  # settings are read for each request
def _meant(name: str, fields: tuple[Field, ...]) -> str | None:
    if not _NAME.fullmatch(name):
        return None
    bare = _bare(name)
    named = {_bare(field.name): field.name for field in fields}
    for each in fields:
        if bare in (_bare(each.name), *each.synonyms):
            return each.name
    # A name that holds the whole field is another one: bucket_prefix, public_endpoint, access_keys.
    close = [known for known in get_close_matches(bare, named, n=1, cutoff=_CLOSE) if known not in bare]
    return named[close[0]] if close else None


def _bare(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def not_read(names: Iterable[tuple[str, str]], prefix: str = "") -> tuple[Fault, ...]:
    """A fault for each misnamed field; `prefix` is that of its dotted name."""
    return tuple(
        Fault(f"{prefix}{name}", f"it is not read; {meant} is the field's name", f"{prefix}{meant}")
        for name, meant in names
    )


def read_required(value: Scalar, field: str, pattern: re.Pattern[str], faults: list[Fault]) -> str:
    """A string of a pattern; empty, with a fault, where it is none."""
    if value is None or value == "":
        faults.append(Fault(field, MISSING))
    elif not isinstance(value, str):
        faults.append(Fault(field, f"a string is needed, not {type_name(value)}"))
    elif not pattern.fullmatch(value):
        faults.append(Fault(field, "malformed: a character or a name that can't be, or spaces around it"))
    else:
        return value
    return ""


def read_required_secret(value: Scalar, field: str, faults: list[Fault]) -> str:
    """What a header's value can carry; empty, with a fault, where it is none."""
    return read_required(value, field, _SECRET, faults)


def read_secret(value: Scalar, field: str, faults: list[Fault]) -> str | None:
    """The same, which may be absent; None, with a fault, where it is there and can't be sent."""
    if value is None or value == "":
        return None
    if isinstance(value, str) and _SECRET.fullmatch(value):
        return value
    faults.append(Fault(field, "a string of printable ASCII characters without spaces around it is needed"))
    return None


def type_name(value: Scalar) -> str:
    """The name of a value that is a type, else of its type."""
    return value.__name__ if isinstance(value, type) else type(value).__name__
