"""What a kind of source is: its part of the settings, its sources, and its checks for the operator.

Which kinds there are, and in which order they are asked, is said in ``kinds``.
"""

from __future__ import annotations

import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeVar

from ..errors import RecordingMissing, SourceUnavailable
from ..fields import Fault, Field, Setting, origin_of
from ..findings import Check, Finding
from ..playback.opening import prove
from ..playback.pace import Pace
from ..playback.source import RecordingSource
from .transport import Transport

FIRST_BYTE_SECONDS = 3.0  # for the first bytes, of a check

Settings = TypeVar("Settings")  # the frozen settings of one source
Source = TypeVar("Source", bound=RecordingSource)
Make = Callable[[Settings], Source]  # a source of its settings


@dataclass(frozen=True, slots=True)
class Section(Generic[Settings]):
    """What one kind of source found in the system settings.

    Attributes:
        kind: whose section it is.
        sources: the settings of each source that can be used, in order.
        faults: what is wrong, in the order of the fields.
        misnamed: fields that are not read, and whose name is nearly that of one that is.
        warnings: what is logged once of settings that work.
    """

    kind: SourceKind[Settings, Any] = field(repr=False)
    sources: tuple[Settings, ...] = ()
    faults: tuple[Fault, ...] = ()
    misnamed: tuple[Fault, ...] = ()
    warnings: tuple[str, ...] = ()


class SourceKind(ABC, Generic[Settings, Source]):
    """A kind of source. What it can do beyond this, its sources offer as capabilities; see ``playback.source``.

    Attributes:
        fields: those of the system settings that it reads.
        fault_means: for the operator: what happens until a fault is corrected.
        unused: for the log: what it means that there is no source of this kind; empty where that is nothing to tell.
        found: for the operator: the check of one source.
        impostor: for the operator: what to do where a source has a recording that can't exist.
    """

    fields: ClassVar[tuple[Field, ...]]
    fault_means: ClassVar[str] = "it is left out"
    unused: ClassVar[str] = ""
    found: ClassVar[Check] = Check.SOURCE
    impostor: ClassVar[str] = "look at what answers there: it is no source of recordings"

    @abstractmethod
    def outline(self, document: Mapping[object, object]) -> Hashable:
        """What counts of the system settings for this kind: equal where :meth:`read` gives the same."""

    @abstractmethod
    def read(self, outline: Any) -> Section[Settings]:
        """Read an outline; whatever is wrong becomes a fault, never an exception."""

    @abstractmethod
    def connect(self, transport: Transport) -> Make[Settings, Source]:
        """What makes a source of its settings, on pools that all these sources share. Nothing is connected yet."""

    def check(self, settings: Settings, source: Source) -> Iterator[Finding]:
        """Whether a source is as it should be, for the doctor."""
        yield self.check_answer(settings, source)

    def check_answer(self, settings: Settings, source: Source) -> Finding:
        """Whether a source tells that it does not have a recording that can't exist."""
        key = f"cxb-recordings-doctor-{uuid.uuid4().hex}"
        try:
            prove(source, key, Pace(FIRST_BYTE_SECONDS, time.monotonic, time.monotonic() + FIRST_BYTE_SECONDS))
        except RecordingMissing:
            return Finding("ok", self.found, "answers 404 for a key that can't exist", subject=source.name)
        except SourceUnavailable as exc:
            return self.explain(settings, source, key, exc)
        return Finding(
            "failure", self.found, "claims to have a key that can't exist", self.impostor, subject=source.name
        )

    def explain(self, settings: Settings, source: Source, key: str, exc: SourceUnavailable) -> Finding:  # noqa: ARG002
        """Why a source could not be used when it was asked for `key`, and what to do."""
        seen, remedy = exc.reason, "look at the source itself"
        return Finding("failure", self.found, seen, remedy, http_status=exc.status, subject=source.name)

    def explain_absence(self, settings: Settings, source: Source, key: str) -> Finding | None:  # noqa: ARG002
        """Why the source's word that it does not have `key` can't be trusted; None where it can."""
        return None

    def similar_keys(self, source: Source, key: str) -> list[str]:  # noqa: ARG002
        """Keys of the source that differ from `key` in upper and lower case alone, as far as it can list them."""
        return []

    def describe(self, document: Mapping[object, object]) -> Iterator[Setting]:
        """What may be shown of the fields in the system settings: no value but what can't be a secret."""
        for each in self.fields:
            if origin := origin_of(document, each):
                yield Setting(each.name, origin)

    def unknown(self, document: Mapping[object, object]) -> list[str]:  # noqa: ARG002
        """The names within this kind's fields that are not read."""
        return []

    def check_absence(self, section: Section[Settings]) -> Iterator[Finding]:  # noqa: ARG002
        """What the doctor tells where there is no source of this kind, and there are others."""
        return iter(())

    def trace_absence(self, section: Section[Settings]) -> Iterator[Finding]:  # noqa: ARG002
        """What the trace of a recording tells where there is no source of this kind."""
        return iter(())
