"""Object storage as a kind of source: the section ``minio``, its one bucket, and what an operator reads about it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from functools import lru_cache
from weakref import WeakValueDictionary

from ...errors import SourceUnavailable
from ...fields import Fault, Outline, Scalar, Setting, not_read, outline, unknown
from ...findings import Check, Finding
from ..kind import Make, Section, SourceKind
from ..transport import Transport
from .checks import check_store, explain_absence, explain_refusal, similar_keys
from .client import ObjectStorage, Pools
from .settings import FIELDS, REQUIRED, SECTION, StorageSettings, describe, read

REMEMBERED_STORAGES = 512  # there may be one for each tenant, and keys are rotated for years


class StorageKind(SourceKind[StorageSettings, ObjectStorage]):
    """Object storage, one bucket of it."""

    fields = (SECTION,)
    found = Check.STORAGE_OBJECT
    fault_means = "object storage is skipped"
    unused = "object storage is not used"

    def outline(self, document: Mapping[object, object]) -> Outline | Scalar:
        """See :meth:`SourceKind.outline`."""
        return outline(document.get("minio"), FIELDS)

    def read(self, outline: Outline | Scalar) -> Section[StorageSettings]:
        """See :meth:`SourceKind.read`."""
        faults: list[Fault] = []
        storage = read(outline, faults)
        misnamed = not_read(outline.misnamed, "minio.") if isinstance(outline, Outline) else ()
        return Section(self, () if storage is None else (storage,), tuple(faults), misnamed)

    def connect(self, transport: Transport) -> Make[StorageSettings, ObjectStorage]:
        """See :meth:`SourceKind.connect`."""
        lock = threading.Lock()  # two requests at once make one pool
        pools: Pools = WeakValueDictionary()  # as long as a storage that is remembered uses them
        made = lru_cache(REMEMBERED_STORAGES)(lambda storage: ObjectStorage(storage, transport, pools))

        def make(storage: StorageSettings) -> ObjectStorage:
            with lock:
                return made(storage)

        return make

    def check(self, settings: StorageSettings, source: ObjectStorage) -> Iterator[Finding]:
        """See :meth:`SourceKind.check`."""
        return check_store(settings, source)

    def explain(self, settings: StorageSettings, source: ObjectStorage, key: str, exc: SourceUnavailable) -> Finding:
        """See :meth:`SourceKind.explain`."""
        return explain_refusal(settings, source, key, exc)

    def explain_absence(self, settings: StorageSettings, source: ObjectStorage, key: str) -> Finding | None:
        """See :meth:`SourceKind.explain_absence`."""
        return explain_absence(settings, source, key)

    def similar_keys(self, source: ObjectStorage, key: str) -> list[str]:
        """See :meth:`SourceKind.similar_keys`."""
        return similar_keys(source, key)

    def describe(self, document: Mapping[object, object]) -> Iterator[Setting]:
        """See :meth:`SourceKind.describe`; a malformed section has no values."""
        section = document.get(SECTION.name)
        if isinstance(section, Mapping):
            yield from describe(section, next(iter(self.read(self.outline(document)).sources), None))
        elif section is not None:
            yield Setting(SECTION.name, "given")

    def unknown(self, document: Mapping[object, object]) -> list[str]:
        """See :meth:`SourceKind.unknown`."""
        return unknown(document.get(SECTION.name), FIELDS, f"{SECTION.name}.")

    def check_absence(self, section: Section[StorageSettings]) -> Iterator[Finding]:
        """See :meth:`SourceKind.check_absence`."""
        if not section.faults:
            remedy = f"set {', '.join(REQUIRED)}, if recordings are there"
            yield Finding("warning", Check.STORAGE_OBJECT, "not configured: skipped", remedy)

    def trace_absence(self, section: Section[StorageSettings]) -> Iterator[Finding]:
        """See :meth:`SourceKind.trace_absence`."""
        if fields := ", ".join(fault.field for fault in section.faults):
            remedy = "`flask recordings doctor` says what is wrong with them"
            yield Finding(
                "failure", Check.SETTINGS, f"skipped: not configured (see {fields})", remedy, subject="storage"
            )
        else:
            yield Finding("ok", Check.STORAGE_OBJECT, "skipped: not configured")


STORAGE = StorageKind()
