"""How much a stream asks of its source at a time: a lot where both sides are fast, little where one is slow.

A large chunk carries a fast transfer cheaply. It is also what a listener who pauses makes the server hold. Handing out
the first megabytes takes no time for any listener: they vanish in the kernel's buffers. What is read, and from whom, is
not decided here.
"""

from __future__ import annotations

BASE_CHUNK_SIZE = 8192  # the first byte comes soon; measured, only bigger chunks carry a fast transfer cheaply
UNPROVEN_CHUNK_SIZE = 32768  # while buffers may hide that the listener has stopped
SHORT = 2**20  # bytes at the start that go out in large chunks: most recordings are no longer
BUFFERED = 2**23  # bytes: more than the kernel's buffers take from a stream whose listener has stopped
SLOW = 1.0  # seconds for one chunk


class ChunkSize:
    """The size of the next chunk.

    Attributes:
        size: in bytes.
    """

    __slots__ = ("_ceiling", "_fast", "_has_been_slow", "size")

    def __init__(self, ceiling: int) -> None:
        """Begin with :data:`BASE_CHUNK_SIZE`; `ceiling` is the largest size, in bytes."""
        self._ceiling = ceiling
        self._fast = 0  # bytes since the start, or since a chunk that the listener was slow to take
        self._has_been_slow = False
        self.size = BASE_CHUNK_SIZE

    def received(self, count: int) -> None:
        """Grow where the source had most of what was asked for.

        Not all of it, since a first read comes from a buffer that a reply's head has begun to fill.
        """
        if 2 * count > self.size:
            self.size = self._largest()

    def handed_out(self, count: int, seconds: float) -> None:
        """Shrink where the listener took `seconds` for `count` bytes; growth begins again when they keep up."""
        if seconds >= SLOW:
            self._fast, self._has_been_slow = 0, True
        else:
            self._fast += count
        self.size = min(self.size, self._largest())

    def start_again(self) -> None:
        """Begin with :data:`BASE_CHUNK_SIZE` again: the source is another."""
        self.size = BASE_CHUNK_SIZE

    def _largest(self) -> int:
        if self._fast >= BUFFERED:
            return self._ceiling
        if self._has_been_slow:
            return min(BASE_CHUNK_SIZE, self._ceiling)
        return self._ceiling if self._fast < SHORT else min(UNPROVEN_CHUNK_SIZE, self._ceiling)
