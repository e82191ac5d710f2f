"""The kinds of sources there are, in the order in which they are asked. A new one is a line here."""

from __future__ import annotations

from typing import Any

from .fleet import FLEET
from .kind import SourceKind
from .storage.kind import STORAGE

KINDS: tuple[SourceKind[Any, Any], ...] = (STORAGE, FLEET)
