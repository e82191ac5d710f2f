"""The shape of a recording: measured from plain WAV files, and drawn."""

from __future__ import annotations

import io
import math
import wave
from array import array

import pytest

from examples import audio
from examples.pages import waveform
from examples.waveform import BARS, measure


def wav(samples: list[int], *, channels: int = 1, width: int = 2) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as recording:
        recording.setnchannels(channels)
        recording.setsampwidth(width)
        recording.setframerate(8000)
        recording.writeframes(
            array("h", samples).tobytes() if width == 2 else bytes(sample % 256 for sample in samples)
        )
    return file.getvalue()


@pytest.mark.parametrize("channels", [1, 2])
def test_the_peaks_follow_the_loudness_of_the_recording(channels: int) -> None:
    rising = [int(position * math.sin(position / 3)) for position in range(24000)]

    known = measure(io.BytesIO(wav([sample for sample in rising for _ in range(channels)], channels=channels)))

    assert known["seconds"] == 3
    peaks = known["peaks"]
    assert len(peaks) == BARS
    assert peaks[-1] == max(peaks) == 100
    assert peaks == pytest.approx([100 * (bar + 0.5) / BARS for bar in range(BARS)], abs=3)


@pytest.mark.parametrize("samples", [[], [0], [0] * 500, [-32768], [5, 5]])
def test_a_short_or_silent_recording_has_peaks_without_a_fault(samples: list[int]) -> None:
    peaks = measure(io.BytesIO(wav(samples)))["peaks"]

    assert len(peaks) == BARS
    assert max(peaks) == (100 if any(samples) else 0)


def test_a_file_that_ends_early_is_silent_behind_its_end() -> None:
    data = wav([1000] * 16000)

    known = measure(io.BytesIO(data[: 44 + 16001]))

    assert known["seconds"] == 2
    assert known["peaks"][: BARS // 2] == [100] * (BARS // 2)
    assert known["peaks"][BARS // 2 + 1 :] == [0] * (BARS // 2 - 1)


def test_samples_that_are_not_of_16_bit_have_a_duration_only() -> None:
    assert measure(io.BytesIO(wav([128] * 8000, width=1))) == {"seconds": 1}


@pytest.mark.parametrize("data", [b"", b"RIFF", b"ID3" + bytes(500), audio.make_wav(1)[:40]])
def test_what_is_no_plain_wav_file_is_not_measured(data: bytes) -> None:
    assert measure(io.BytesIO(data)) == {}


def test_an_hour_has_a_shape() -> None:
    peaks = measure(io.BytesIO(audio.make_wav(3600)))["peaks"]

    assert max(peaks) - min(peaks) > 50
    assert len(set(peaks)) > BARS / 4


def test_a_drawing_has_a_line_for_each_peak_and_none_of_no_height() -> None:
    assert waveform([100, 0, 50]) == "M0.5 0V100M1.5 48V52M2.5 25V75"
