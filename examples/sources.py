"""Where recordings come from, as people see it: names, plugs, and which source has a recording now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from cxb_recordings import RecordingService
from cxb_recordings.errors import RecordingMissing, SourceUnavailable
from cxb_recordings.sources.fleet import FLEET

from .plugs import Plug

STORAGE = "Storage"  # what people call it
_STORAGE_IN_SIGNALS = "storage"  # what the library calls it


@dataclass(frozen=True, slots=True)
class Source:
    """A source.

    Attributes:
        number: its place in the order in which sources are asked, from 0; 0 is storage.
        name: what people call it.
        address: host and port.
        plug: what can be pulled; None for a real service, which has a plug of its own.
        holding: ``has it``, ``does not have it`` or ``can't be reached``; empty where nobody asked.
    """

    number: int
    name: str
    address: str
    plug: Plug | None = None
    holding: str = ""


def fleet_name(number: int) -> str:
    """What people call a fleet host; they count from 1."""
    return f"Fleet host {number}"


class Sources:
    """The sources of the live settings, and the plugs in front of the embedded ones."""

    def __init__(self, recordings: RecordingService, plugs: Mapping[str, Plug]) -> None:
        """Describe the sources of `recordings`; `plugs` are known by their URLs."""
        self._recordings = recordings
        self._plugs = plugs

    def all(self) -> list[Source]:
        """The sources in the order in which they are asked."""
        settings = self._recordings.settings()
        fleet = enumerate((host.base_url for host in settings.section(FLEET).sources), start=1)
        found = [self._source(number, fleet_name(number), url) for number, url in fleet]
        if settings.storage is not None:
            found.insert(0, self._source(0, STORAGE, settings.storage.endpoint_url))
        return found

    def names(self) -> dict[str, str]:
        """What people call a source, by the name that the library's signals have for it."""
        hosts = enumerate(self._recordings.settings().section(FLEET).sources, start=1)
        return {_STORAGE_IN_SIGNALS: STORAGE} | {host.base_url: fleet_name(number) for number, host in hosts}

    def holding(self, key: str) -> list[Source]:
        """Ask each source for the recording (HEAD)."""
        names = self.names()
        answers = {}
        for source in self._recordings.sources.of(self._recordings.settings().sections):
            try:
                source.describe(key)
                answers[names[source.name]] = "has it"
            except RecordingMissing:
                answers[names[source.name]] = "does not have it"
            except SourceUnavailable:
                answers[names[source.name]] = "can't be reached"
        return [replace(source, holding=answers.get(source.name, "")) for source in self.all()]

    def _source(self, number: int, name: str, url: str) -> Source:
        return Source(number, name, urlsplit(url).netloc, self._plugs.get(url))
