"""Tests of each source by itself; what all sources do alike is tested in ``tests/contracts``."""

from cxb_recordings.playback.source import OpenedRecording


def read(opened: OpenedRecording) -> bytes:
    data = b"".join(iter(lambda: opened.body.read(65536), b""))
    opened.body.close()
    return data
