"""Object storage as a kind of source: the section ``minio``, its one bucket, and what an operator reads about it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from weakref import WeakValueDictionary

from ...errors import SourceUnavailable
from ...fields import Fault, Outline, Scalar, not_read, outline
from ...findings import Finding, unreachable
from ..kind import Section, SourceKind
from ..transport import Transport
from .checks import check_store
from .client import ObjectStorage, Pools
from .settings import FIELDS, REQUIRED, SECTION, StorageSettings, read

REMEMBERED_STORAGES = 512  # there may be one for each tenant, and keys are rotated for years


class StorageKind(SourceKind[StorageSettings, ObjectStorage]):
    """Object storage, one bucket of it."""

    fields = (SECTION,)
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

    def connect(self, transport: Transport) -> Callable[[StorageSettings], ObjectStorage]:
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

    def explain(self, settings: StorageSettings, exc: SourceUnavailable, name: str) -> Finding:
        """See :meth:`SourceKind.explain`."""
        if not exc.responded:
            return unreachable(name, settings.endpoint_url, exc)
        remedy = "`flask recordings doctor` looks at credentials, bucket, clock and region"
        return Finding("failure", name, exc.reason, remedy, http_status=exc.status)

    def check_absence(self, section: Section[StorageSettings], *, has_others: bool) -> Iterator[Finding]:
        """See :meth:`SourceKind.check_absence`."""
        if not section.faults:
            remedy = f"set {', '.join(REQUIRED)}, if recordings are there"
            yield Finding("warning" if has_others else "failure", "storage", "not configured: skipped", remedy)

    def trace_absence(self, section: Section[StorageSettings]) -> Iterator[Finding]:
        """See :meth:`SourceKind.trace_absence`."""
        if fields := ", ".join(fault.field for fault in section.faults):
            remedy = "`flask recordings doctor` names what is missing"
            yield Finding("failure", "storage", f"skipped: not configured (see {fields})", remedy)
        else:
            yield Finding("ok", "storage", "skipped: not configured")


STORAGE = StorageKind()
