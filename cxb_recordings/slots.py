"""Places for what may be done so many times at once in this process."""

from __future__ import annotations

import threading
from collections.abc import Callable

from .errors import TooManyStreams


class Slots:
    """At most so many at once. Giving a slot back takes no lock, so that it may happen in a finalizer."""

    def __init__(self, most: int | None) -> None:
        """Make `most` slots; None for no bound."""
        self._most = most
        self._taken: set[object] = set()
        self._lock = threading.Lock()

    @property
    def taken(self) -> int:
        """How many are taken now."""
        return len(self._taken)

    def take(self) -> Callable[[], None]:
        """Take a slot.

        Returns:
            What gives it back; harmless when repeated.

        Raises:
            TooManyStreams: all are taken.
        """
        slot = object()
        with self._lock:
            if self._most is not None and len(self._taken) >= self._most:
                raise TooManyStreams(f"{self._most} are in progress")
            self._taken.add(slot)
        return lambda: self._taken.discard(slot)
