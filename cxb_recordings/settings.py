"""The system settings mapping, read into frozen values, with every fault named.

Nothing here connects to anything, and no value of a setting is ever part of a message: most of them are secrets. Which
fields there are, and what they mean, each kind of source says.
"""

from __future__ import annotations

import inspect
import logging
import threading
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from .errors import SettingsError
from .fields import Fault, Scalar, misnamed, not_read, scalar, type_name
from .sources.kind import Section, SourceKind
from .sources.kinds import KINDS
from .sources.storage.kind import STORAGE
from .sources.storage.settings import REQUIRED, StorageSettings

SettingsProvider = Callable[..., object]  # without arguments, or with the call

_logger = logging.getLogger(__name__)
NO_MAPPING = "settings"  # the field of the fault where the settings are no mapping
_Settings = TypeVar("_Settings")


@dataclass(frozen=True, slots=True)
class SystemSettings:
    """The settings that can be used, and the faults of those that can't.

    Attributes:
        sections: what each kind of source found, in the order in which they are asked.
        misnamed: fields that are not read, and whose name is nearly that of one that is.
    """

    sections: tuple[Section[Any], ...] = ()
    misnamed: tuple[Fault, ...] = ()

    @property
    def sources(self) -> tuple[Any, ...]:
        """The settings of each source, in the order in which they are asked."""
        return tuple(source for section in self.sections for source in section.sources)

    @property
    def faults(self) -> tuple[Fault, ...]:
        """What is wrong, in the order of the fields."""
        return tuple(dict.fromkeys(fault for section in self.sections for fault in section.faults))

    def section(self, kind: SourceKind[_Settings, Any]) -> Section[_Settings]:
        """What one kind of source found."""
        return next((section for section in self.sections if section.kind is kind), Section(kind))

    @property
    def storage(self) -> StorageSettings | None:
        """Object storage; None where it is not configured, or not completely."""
        return next(iter(self.section(STORAGE).sources), None)

    def require_storage(self) -> StorageSettings:
        """The storage settings.

        Raises:
            SettingsError: storage is not configured; names the fields at fault.
        """
        if self.storage is not None:
            return self.storage
        fields = [fault.field for fault in self.section(STORAGE).faults] or list(REQUIRED)
        raise SettingsError(f"object storage is not configured: see {', '.join(fields)}", fields)


def read_settings(document: object) -> SystemSettings:
    """Read the system settings; whatever is wrong with them becomes a fault, never an exception.

    Args:
        document: the mapping that the host's settings provider returned, or what came in its place.
    """
    return document if isinstance(document, SystemSettings) else _read(_outline(document))


def _required(provider: SettingsProvider) -> list[inspect.Parameter]:
    """The arguments that a settings provider can't be called without; none where it does not tell."""
    try:
        parameters = inspect.signature(provider).parameters.values()
    except (TypeError, ValueError):  # compiled code
        return []
    optional = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [each for each in parameters if each.default is each.empty and each.kind not in optional]


def can_be_asked(provider: SettingsProvider) -> bool:
    """Whether a settings provider can be called without arguments, or with the call alone."""
    required = _required(provider)
    return len(required) <= 1 and all(each.kind is not each.KEYWORD_ONLY for each in required)


class SettingsReader:
    """Live settings: asks the host's provider, parses each mapping once, and logs its faults once. Thread-safe."""

    REMEMBERED = 1024  # mappings: a provider may have one for each tenant, and credentials are rotated for years

    def __init__(self, provider: SettingsProvider) -> None:
        """Read from `provider`, which is not called yet; one that requires an argument is given the call."""
        self._provider = provider
        self._takes_call = bool(_required(provider))
        self._lock = threading.Lock()
        self._remembered: dict[_Outline, SystemSettings] = {}

    def document(self, call: Mapping[str, Any] | None = None) -> object:
        """What the provider returns, unread and without a log; what it raises is passed on."""
        return self._provider(call) if self._takes_call else self._provider()

    def __call__(self, call: Mapping[str, Any] | None = None) -> SystemSettings:
        """The settings as they are now, for `call` where there is one; what the provider raises is passed on."""
        # An outline is compared, not the mapping: one that was changed in place would equal itself.
        outline = _outline(self.document(call))
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
        unused = [section.kind.unused for section in settings.sections if section.kind.unused and not section.sources]
        fields = {"settings_fields": [fault.field for fault in told]}
        where = f"system settings ({', '.join(unused)})" if unused else "system settings"
        _logger.warning("%s: %s", where, faults, extra=fields)
    for section in settings.sections:
        for warning in section.warnings:
            _logger.warning("%s", warning)


@dataclass(frozen=True, slots=True)
class _Outline:
    """The few values that count.

    Attributes:
        sections: each kind's own outline, in order; where the settings are no mapping, what they are.
        misnamed: see :func:`~.fields.misnamed`.
    """

    sections: tuple[Hashable, ...] | Scalar = field(repr=False)
    misnamed: tuple[tuple[str, str], ...] = ()


def _outline(document: object) -> _Outline:
    if not isinstance(document, Mapping):
        return _Outline(scalar(document))
    fields = tuple(field for kind in KINDS for field in kind.fields)
    return _Outline(tuple(kind.outline(document) for kind in KINDS), misnamed(document, fields))


def _read(outline: _Outline) -> SystemSettings:
    if not isinstance(outline.sections, tuple):
        fault = Fault(NO_MAPPING, f"a mapping is needed, not {type_name(outline.sections)}")
        return SystemSettings(tuple(Section(kind, faults=(fault,)) for kind in KINDS))
    sections = tuple(kind.read(section) for kind, section in zip(KINDS, outline.sections, strict=True))
    of_sections = (fault for section in sections for fault in section.misnamed)
    return SystemSettings(sections, (*not_read(outline.misnamed), *of_sections))
