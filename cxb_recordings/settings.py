"""The system settings mapping, read into frozen values, with every fault named.

Nothing here connects to anything, and no value of a setting is ever part of a message: most of them are secrets.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from . import field_names
from .endpoints import endpoint_url, region_from_endpoint, split_base_url
from .errors import SettingsError

_logger = logging.getLogger(__name__)

STORAGE_FIELDS = ("endpoint", "access_key", "secret_key", "bucket")

_SECRET = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,4094}[\x21-\x7e])?", re.ASCII)  # what a header's value can carry
# botocore takes a name that ends in --x-s3 for an S3 Express bucket, and sends it elsewhere than to the endpoint; for
# one in --op-s3, an alias of S3 on Outposts, it may refuse to sign.
_BUCKET = re.compile(r"(?!.*--(?:x|op)-s3\Z)[A-Za-z0-9][A-Za-z0-9._-]{0,254}", re.ASCII)
_REGION = re.compile(r"(?![0-9]+\Z)[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?", re.ASCII)


@dataclass(frozen=True, slots=True)
class StorageSettings:
    """Where object storage is and how to read from it: complete, or not there at all.

    Attributes:
        endpoint_url: with a scheme, without a bucket.
        region: for signatures.
        bucket: the bucket's name.
        session_token: of temporary credentials (STS); None where they are lasting.
    """

    endpoint_url: str
    region: str
    bucket: str
    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class FleetHostSettings:
    """A fleet host.

    Attributes:
        base_url: without a trailing slash.
        secret: sent as X-CXBCore-Secret; None where there is none.
    """

    base_url: str
    secret: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one field.

    Attributes:
        field: its dotted name, such as ``minio.bucket`` or ``cxbcore_fleet[1].url``.
        problem: what is wrong and what is needed, without the value.
    """

    field: str
    problem: str

    def __str__(self) -> str:
        """Field and problem in one line."""
        return f"{self.field}: {self.problem}"


@dataclass(frozen=True, slots=True)
class SystemSettings:
    """The settings that can be used, and the faults of those that can't.

    Attributes:
        storage: None where object storage is not configured, or not completely.
        fleet: the hosts in order.
        faults: in the order of the fields.
        misnamed: fields that are not read, and whose name is nearly that of one that is.
    """

    storage: StorageSettings | None = None
    fleet: tuple[FleetHostSettings, ...] = ()
    faults: tuple[Fault, ...] = ()
    misnamed: tuple[Fault, ...] = ()

    def require_storage(self) -> StorageSettings:
        """The storage settings.

        Raises:
            SettingsError: storage is not configured; names the fields at fault.
        """
        if self.storage is not None:
            return self.storage
        fields = [fault.field for fault in self.faults if not fault.field.startswith("cxbcore_")]
        fields = fields or [f"minio.{name}" for name in STORAGE_FIELDS]
        raise SettingsError(f"object storage is not configured: see {', '.join(fields)}", fields)

    @property
    def plain_http_hosts(self) -> tuple[str, ...]:
        """The fleet hosts whose secret and recordings travel unencrypted."""
        return tuple(host.base_url for host in self.fleet if host.base_url.startswith("http://"))


def read_settings(document: object) -> SystemSettings:
    """Read the system settings; whatever is wrong with them becomes a fault, never an exception.

    Args:
        document: the mapping that the host's settings provider returned, or what came in its place.
    """
    return document if isinstance(document, SystemSettings) else _read(_outline(document))


class SettingsReader:
    """Live settings: asks the host's provider, parses each mapping once, and logs its faults once. Thread-safe."""

    REMEMBERED = 1024  # mappings: a provider may have one for each tenant, and credentials are rotated for years

    def __init__(self, provider: Callable[[], object]) -> None:
        """Read from `provider`, which is not called yet."""
        self._provider = provider
        self._lock = threading.Lock()
        self._remembered: dict[_Outline, SystemSettings] = {}

    def __call__(self) -> SystemSettings:
        """The settings as they are now; what the provider raises is passed on."""
        # An outline is compared, not the mapping: one that was changed in place would equal itself.
        outline = _outline(self._provider())
        remembered = self._remembered.get(outline)
        if remembered is not None:
            return remembered
        with self._lock:
            if outline not in self._remembered:
                settings = _read(outline)
                _log(settings)
                if len(self._remembered) >= self.REMEMBERED:
                    del self._remembered[next(iter(self._remembered))]  # the oldest one
                self._remembered[outline] = settings
            return self._remembered[outline]


def _log(settings: SystemSettings) -> None:
    told = (*settings.faults, *settings.misnamed)
    if told:
        faults = "; ".join(str(fault) for fault in told)
        used = "" if settings.storage else " (object storage is not used)"
        fields = {"settings_fields": [fault.field for fault in told]}
        _logger.warning("system settings%s: %s", used, faults, extra=fields)
    if settings.plain_http_hosts:
        hosts = ", ".join(settings.plain_http_hosts)
        _logger.warning("fleet hosts over plain http: %s; their secret can be read on the way", hosts)


# --- The outline: the few values that count, each a string, a bool, None, or the type of any other value.

_Scalar = str | bool | None | type
_Entry = _Scalar | tuple[_Scalar, _Scalar]


@dataclass(frozen=True, slots=True)
class _Outline:
    storage: _Scalar | tuple[_Scalar, ...]
    fleet: _Scalar | tuple[_Entry, ...]
    secret: _Scalar
    document: _Scalar = None
    misnamed: tuple[tuple[str, str], ...] = ()


_STORAGE_NAMES = (*field_names.STORAGE, *field_names.SHORT.values())


def _scalar(value: object) -> _Scalar:
    return value if value is None or isinstance(value, (str, bool)) else type(value)


def _outline(document: object) -> _Outline:
    if not isinstance(document, Mapping):
        return _Outline(None, None, None, _scalar(document) if document is not None else type(None))
    storage, fleet = document.get("minio"), document.get("cxbcore_fleet")
    return _Outline(
        tuple(_scalar(storage.get(name)) for name in _STORAGE_NAMES)
        if isinstance(storage, Mapping)
        else _scalar(storage),
        tuple(_entry(entry) for entry in fleet) if isinstance(fleet, (list, tuple)) else _scalar(fleet),
        _scalar(document.get("cxbcore_secret")),
        misnamed=tuple(_misnamed(document, storage, fleet)),
    )


def _misnamed(document: Mapping[object, object], storage: object, fleet: object) -> Iterator[tuple[str, str]]:
    yield from field_names.misnamed(document, field_names.SECTIONS)
    if isinstance(storage, Mapping):
        for name, meant in field_names.misnamed(storage, field_names.STORAGE):
            yield f"minio.{name}", meant
    for number, entry in enumerate(fleet if isinstance(fleet, (list, tuple)) else ()):
        if isinstance(entry, Mapping):
            for name, meant in field_names.misnamed(entry, field_names.FLEET_HOST):
                yield f"cxbcore_fleet[{number}].{name}", meant


def _entry(entry: object) -> _Entry:
    if isinstance(entry, Mapping):
        return _scalar(entry.get("url")), _scalar(entry.get("secret"))
    return _scalar(entry)


# --- Reading the outline.


def _read(outline: _Outline) -> SystemSettings:
    if outline.document is not None:
        return SystemSettings(faults=(Fault("settings", f"a mapping is needed, not {_kind(outline.document)}"),))
    faults: list[Fault] = []
    storage = _read_storage(outline.storage, faults)
    fleet = tuple(_read_fleet(outline.fleet, _read_secret(outline.secret, "cxbcore_secret", faults), faults))
    misnamed = (Fault(name, f"it is not read; {meant} is the field's name") for name, meant in outline.misnamed)
    return SystemSettings(storage, fleet, tuple(faults), tuple(misnamed))


def _read_storage(section: _Scalar | tuple[_Scalar, ...], faults: list[Fault]) -> StorageSettings | None:
    if section is None:
        return None
    if not isinstance(section, tuple):
        faults.append(Fault("minio", f"a mapping is needed, not {_kind(section)}"))
        return None
    values = dict(zip(_STORAGE_NAMES, section, strict=True))
    before = len(faults)
    secure = True if values["secure"] is None else values["secure"]
    if not isinstance(secure, bool):
        faults.append(Fault("minio.secure", f"true or false is needed, not {_kind(secure)}"))
        secure = True
    endpoint = _read_endpoint(values["endpoint"], secure, faults)
    access_key = _read_required(_either(values["access_key"], values["access"]), "access_key", _SECRET, faults)
    secret_key = _read_required(_either(values["secret_key"], values["secret"]), "secret_key", _SECRET, faults)
    bucket = _read_required(values["bucket"], "bucket", _BUCKET, faults)
    region = _read_required(_either(values["region"], region_from_endpoint(endpoint)), "region", _REGION, faults)
    session_token = _read_secret(values["session_token"], "minio.session_token", faults)
    if len(faults) > before:
        return None
    return StorageSettings(endpoint, region, bucket, access_key, secret_key, session_token)


def _either(value: _Scalar, other: _Scalar) -> _Scalar:
    return other if value is None or value == "" else value  # anything else is there, if only to be named


def _read_endpoint(value: _Scalar, secure: bool, faults: list[Fault]) -> str:
    if value is None or value == "":
        faults.append(Fault("minio.endpoint", "missing"))
        return ""
    try:
        return endpoint_url(value, secure=secure)  # type: ignore[arg-type]  # anything but a string is its ValueError
    except ValueError as exc:
        faults.append(Fault("minio.endpoint", str(exc)))
        return ""


def _read_required(value: _Scalar, name: str, pattern: re.Pattern[str], faults: list[Fault]) -> str:
    if value is None or value == "":
        faults.append(Fault(f"minio.{name}", "missing"))
    elif not isinstance(value, str):
        faults.append(Fault(f"minio.{name}", f"a string is needed, not {_kind(value)}"))
    elif not pattern.fullmatch(value):
        faults.append(Fault(f"minio.{name}", "malformed: a character or a name that can't be, or spaces around it"))
    else:
        return value
    return ""


def _read_secret(value: _Scalar, name: str, faults: list[Fault]) -> str | None:
    if value is None or value == "":
        return None
    if isinstance(value, str) and _SECRET.fullmatch(value):
        return value
    faults.append(Fault(name, "a string of printable ASCII characters without spaces around it is needed"))
    return None


def _read_fleet(
    section: _Scalar | tuple[_Entry, ...], secret: str | None, faults: list[Fault]
) -> Iterator[FleetHostSettings]:
    if section is None:
        return
    if not isinstance(section, tuple):
        faults.append(Fault("cxbcore_fleet", f"a list is needed, not {_kind(section)}"))
        return
    for number, entry in enumerate(section):
        name = f"cxbcore_fleet[{number}]"
        before = len(faults)
        url: _Scalar
        if isinstance(entry, tuple):
            url, name_of_url = entry[0], f"{name}.url"
            own_secret = _read_secret(entry[1], f"{name}.secret", faults)
        else:
            url, name_of_url, own_secret = entry, name, None
        try:
            parts = split_base_url(url)
        except ValueError as exc:
            faults.append(Fault(name_of_url, str(exc)))
        if len(faults) == before:
            yield FleetHostSettings(parts.geturl(), own_secret or secret)


def _kind(value: _Scalar) -> str:
    return value.__name__ if isinstance(value, type) else type(value).__name__
