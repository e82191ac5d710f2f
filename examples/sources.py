"""Where recordings come from, as people see it: names, plugs, and which source has a recording now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from cxb_recordings import RecordingService, recording_key_from_call
from cxb_recordings.calls.repository import Call
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
        address: host and port; of the storage of a call, its bucket besides.
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

    def all(self, call: Call | None = None) -> list[Source]:
        """The sources in the order in which they are asked, for `call` where there is one."""
        settings = self._recordings.settings(call)
        fleet = enumerate((host.base_url for host in settings.section(FLEET).sources), start=1)
        found = [self._source(number, fleet_name(number), url) for number, url in fleet]
        if settings.storage is not None:
            source = self._source(0, STORAGE, settings.storage.endpoint_url)
            address = source.address if call is None else f"{source.address}/{settings.storage.bucket}"
            found.insert(0, replace(source, address=address))
        return found

    def names(self) -> dict[str, str]:
        """What people call a source, by the name that the library's signals have for it."""
        hosts = enumerate(self._recordings.settings().section(FLEET).sources, start=1)
        return {_STORAGE_IN_SIGNALS: STORAGE} | {host.base_url: fleet_name(number) for number, host in hosts}

    def holding(self, call: Call) -> list[Source]:
        """Ask each source for the recording of a call (HEAD)."""
        key, names = recording_key_from_call(call), self.names()
        if key is None:
            return self.all(call)
        answers = {}
        for source in self._recordings.sources.of(self._recordings.settings(call).sections):
            try:
                source.describe(key)
                answers[names[source.name]] = "has it"
            except RecordingMissing:
                answers[names[source.name]] = "does not have it"
            except SourceUnavailable:
                answers[names[source.name]] = "can't be reached"
        return [replace(source, holding=answers.get(source.name, "")) for source in self.all(call)]

    def _source(self, number: int, name: str, url: str) -> Source:
        return Source(number, name, urlsplit(url).netloc, self._plugs.get(url))
