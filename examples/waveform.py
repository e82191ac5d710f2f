"""The shape of a recording, for the dashboard's slider: measured once, when the recording comes in."""

from __future__ import annotations

import wave
from array import array
from typing import IO, Any

BARS = 120  # about as many as a slider has room for
_LOOKED_AT = 1000  # samples of a bar: enough for its look, and an hour is measured in a fraction of a second
_SAMPLE = array("h")  # 16 bit: what a telephone carries


def measure(file: IO[bytes]) -> dict[str, Any]:
    """What a call's document says of a plain WAV file.

    Returns:
        ``seconds``, and for samples of 16 bit ``peaks``: the average loudness of :data:`BARS` parts, from 0 to
        100 for the loudest. Empty for what is no plain WAV file.
    """
    try:
        with wave.open(file, "rb") as recording:
            known: dict[str, Any] = {"seconds": recording.getnframes() / recording.getframerate()}
            if recording.getsampwidth() == _SAMPLE.itemsize:
                known["peaks"] = _peaks(recording)
            return known
    except (wave.Error, EOFError, ZeroDivisionError, RuntimeError):
        return {}


def _peaks(recording: wave.Wave_read) -> list[int]:
    """The average of each bar, as a percentage of the loudest bar."""
    total = recording.getnframes()
    averages = []
    for bar in range(BARS):
        count = total * (bar + 1) // BARS - total * bar // BARS
        data = recording.readframes(count)
        samples = array(_SAMPLE.typecode, data[: len(data) // _SAMPLE.itemsize * _SAMPLE.itemsize])
        looked_at = samples[:: len(samples) // _LOOKED_AT + 1]
        averages.append(sum(map(abs, looked_at)) / (len(looked_at) or 1))
    return [round(100 * average / (max(averages) or 1)) for average in averages]
