from cxb_recordings.playback.source import OpenedRecording


def read(opened: OpenedRecording) -> bytes:
    data = b"".join(iter(lambda: opened.body.read(65536), b""))
    opened.body.close()
    return data
