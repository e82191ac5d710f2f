"""What a kind of source is: its part of the settings, its sources, and its checks for the operator.

Which kinds there are, and in which order they are asked, is said in ``kinds``.
"""

from __future__ import annotations

import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeVar

from ..errors import NotModified, RangeNotSatisfiable, RecordingMissing, SourceUnavailable
from ..fields import Fault, Field
from ..findings import Finding
from ..playback.byte_range import RangeRequest
from ..playback.source import RecordingSource
from .transport import Transport

Settings = TypeVar("Settings")  # the frozen settings of one source
Source = TypeVar("Source", bound=RecordingSource)


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
        impostor: for the operator: what to do where a source has a recording that can't exist.
    """

    fields: ClassVar[tuple[Field, ...]]
    fault_means: ClassVar[str] = "it is left out"
    unused: ClassVar[str] = ""
    impostor: ClassVar[str] = "look at what answers there: it is no source of recordings"

    @abstractmethod
    def outline(self, document: Mapping[object, object]) -> Hashable:
        """What counts of the system settings for this kind: equal where :meth:`read` gives the same."""

    @abstractmethod
    def read(self, outline: Any) -> Section[Settings]:
        """Read an outline; whatever is wrong becomes a fault, never an exception."""

    @abstractmethod
    def connect(self, transport: Transport) -> Callable[[Settings], Source]:
        """What makes a source of its settings, on pools that all these sources share. Nothing is connected yet."""

    def check(self, settings: Settings, source: Source) -> Iterator[Finding]:
        """Whether a source is as it should be, for the doctor."""
        yield self.check_answer(settings, source)

    def check_answer(self, settings: Settings, source: Source) -> Finding:
        """Whether a source tells that it does not have a recording that can't exist."""
        try:
            source.open(f"cxb-recordings-doctor-{uuid.uuid4().hex}", RangeRequest(0, 0)).body.close()
        except RecordingMissing:
            return Finding("ok", source.name, "answers 404 for a key that can't exist")
        except SourceUnavailable as exc:
            return self.explain(settings, exc, source.name)
        except (RangeNotSatisfiable, NotModified):
            pass
        return Finding("failure", source.name, "claims to have a key that can't exist", self.impostor)

    def explain(self, settings: Settings, exc: SourceUnavailable, name: str) -> Finding:  # noqa: ARG002 - others need it
        """Why the source `name` could not be used, and what to do."""
        return Finding("failure", name, exc.reason, "look at the source itself", http_status=exc.status)

    def check_absence(self, section: Section[Settings], *, has_others: bool) -> Iterator[Finding]:  # noqa: ARG002
        """What the doctor tells where there is no source of this kind.

        Args:
            section: what there is of the settings.
            has_others: whether there are sources of other kinds.
        """
        return iter(())

    def trace_absence(self, section: Section[Settings]) -> Iterator[Finding]:  # noqa: ARG002
        """What the trace of a recording tells where there is no source of this kind."""
        return iter(())
