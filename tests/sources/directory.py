"""A third kind of source, as somebody would add it: recordings in a local directory. All of it is in this file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cxb_recordings.errors import RecordingMissing, SourceUnavailable
from cxb_recordings.fields import Fault, Field, Scalar, scalar
from cxb_recordings.playback.byte_range import RangeRequest
from cxb_recordings.playback.source import ContentInfo, OpenedRecording
from cxb_recordings.sources.kind import Section, SourceKind
from cxb_recordings.sources.transport import Transport
from cxb_recordings.testing import InMemorySource


@dataclass(frozen=True)
class DirectorySettings:
    path: Path


class Directory:
    """The files of a directory as recordings."""

    name = "directory"

    def __init__(self, settings: DirectorySettings) -> None:
        self._path = settings.path

    def _held(self, key: str) -> InMemorySource:
        if not self._path.is_dir():
            raise SourceUnavailable("the directory is not there", responded=False)
        if not (self._path / key).is_file():
            raise RecordingMissing("the directory has no such file")
        return InMemorySource({key: (self._path / key).read_bytes()}, self.name)

    def open(self, key: str, wanted: RangeRequest | None = None, *, unless_etag: str | None = None) -> OpenedRecording:
        return self._held(key).open(key, wanted, unless_etag=unless_etag)

    def describe(self, key: str) -> ContentInfo:
        return self._held(key).describe(key)


class DirectoryKind(SourceKind[DirectorySettings, Directory]):
    """The setting ``recordings_directory``."""

    fields = (Field("recordings_directory"),)

    def outline(self, document: Mapping[object, object]) -> Scalar:
        return scalar(document.get("recordings_directory"))

    def read(self, outline: Scalar) -> Section[DirectorySettings]:
        if outline is None:
            return Section(self)
        if not isinstance(outline, str) or not outline.startswith("/"):
            return Section(self, faults=(Fault("recordings_directory", "an absolute path is needed"),))
        return Section(self, (DirectorySettings(Path(outline)),))

    def connect(self, _: Transport) -> Callable[[DirectorySettings], Directory]:
        return Directory


DIRECTORY = DirectoryKind()
