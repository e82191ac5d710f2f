"""Places for what may be done so many times at once in this process."""

from __future__ import annotations

import threading

from .errors import TooManyStreams


class Slots:
    """At most so many at once."""

    def __init__(self, most: int | None) -> None:
        """Make `most` slots; None for no bound."""
        self._most = most
        self._taken: set[Place] = set()
        self._lock = threading.Lock()

    @property
    def taken(self) -> int:
        """How many are taken now."""
        return len(self._taken)

    def add(self, place: Place) -> None:
        """Give a slot to a place.

        Raises:
            TooManyStreams: all are taken.
        """
        with self._lock:
            if self._most is not None and len(self._taken) >= self._most:
                raise TooManyStreams(f"{self._most} are in progress")
            self._taken.add(place)

    def remove(self, place: Place) -> None:
        """Take the slot of a place back, where it has one. This takes no lock: it may happen in a finalizer."""
        self._taken.discard(place)


class Place:
    """The slot that one request has. Its holder frees it."""

    __slots__ = ("_slots",)

    def __init__(self, slots: Slots) -> None:
        """Take one of `slots`; raises TooManyStreams where all are taken."""
        slots.add(self)
        self._slots = slots

    def move_to(self, slots: Slots) -> None:
        """Take one of other slots instead, unless it is one of them already.

        Raises:
            TooManyStreams: all of those are taken; the old one is free then.
        """
        if slots is not self._slots:
            self.free()
            slots.add(self)
            self._slots = slots

    def free(self) -> None:
        """Give the slot back; harmless when repeated."""
        self._slots.remove(self)
