"""Audio that sounds a little like a phone call, made with the standard library; no files, no downloads."""

from __future__ import annotations

import io
import math
import shutil
import subprocess
import wave
from array import array
from functools import lru_cache

SAMPLE_RATE = 8000  # samples a second, 16 bit, one channel: what a telephone carries
_BLOCK_SECONDS = 5
_MARK_SAMPLES = SAMPLE_RATE // 10
_SYLLABLES_PER_SECOND = 4
_PITCHES = (110.0, 190.0)
_ENCODINGS = {  # by file ending: media type, and what ffmpeg is told
    "mp3": ("audio/mpeg", ("-f", "mp3")),
    "ogg": ("audio/ogg", ("-c:a", "libopus", "-f", "ogg")),
}


def make_wav(seconds: int) -> bytes:
    """A WAV file of `seconds`: two voices that take turns.

    An hour (57.6 MB) is made in a fraction of a second, from a few blocks that repeat. Each block begins with a short
    tone of its own, so that no two places of a recording are alike: a listener hears a wrong seek, and a test sees it.
    The voices get louder and softer, so that a waveform has a shape.
    """
    samples = array("h")
    for turn in range(math.ceil(seconds / _BLOCK_SECONDS)):
        samples += _tone(300.0 + 8.0 * turn, _MARK_SAMPLES)
        samples += _voice(_PITCHES[turn % 2], _level(turn))
    file = io.BytesIO()
    with wave.open(file, "wb") as recording:
        recording.setnchannels(1)
        recording.setsampwidth(2)
        recording.setframerate(SAMPLE_RATE)
        recording.writeframes(samples[: seconds * SAMPLE_RATE].tobytes())
    return file.getvalue()


def encode(recording: bytes) -> dict[str, tuple[str, bytes]]:
    """The same recording in the formats that an ffmpeg on this machine can make.

    Returns:
        Media type and bytes by file ending; empty where there is no ffmpeg.
    """
    program = shutil.which("ffmpeg")
    if program is None:
        return {}
    files = {}
    for ending, (media_type, options) in _ENCODINGS.items():
        command = [program, "-loglevel", "error", "-i", "pipe:0", *options, "pipe:1"]
        result = subprocess.run(command, input=recording, capture_output=True, check=False)
        if result.returncode == 0:
            files[ending] = (media_type, result.stdout)
        else:
            print(f"  ffmpeg can't make {ending}: {result.stderr.decode(errors='replace').strip()}")
    return files


def _level(turn: int) -> float:
    """How loud a turn is, from 0.1 to 1 in steps of 0.1: waves of some seconds, of a minute and of minutes."""
    return round(0.55 + 0.15 * (math.sin(0.9 * turn) + math.sin(0.23 * turn) + math.sin(0.041 * turn)), 1)


@lru_cache
def _voice(pitch: float, level: float) -> array[int]:
    return array("h", (int(level * sample) for sample in _babble(pitch)))


@lru_cache
def _babble(pitch: float) -> array[int]:
    """A voice without words: harmonics of a pitch that rises and falls, cut into syllables."""
    syllable = SAMPLE_RATE // _SYLLABLES_PER_SECOND
    block = array("h")
    for position in range(_BLOCK_SECONDS * SAMPLE_RATE - _MARK_SAMPLES):
        number, offset = divmod(position, syllable)
        loudness = math.sin(math.pi * offset / syllable) ** 2 * (0.4 + 0.6 * (number * 7 % 5) / 4)
        phase = 2 * math.pi * pitch * (1 + 0.04 * (number * 3 % 4)) * position / SAMPLE_RATE
        block.append(int(9000 * loudness * (math.sin(phase) + 0.6 * math.sin(3 * phase) + 0.3 * math.sin(7 * phase))))
    return block


def _tone(frequency: float, length: int) -> array[int]:
    step = 2 * math.pi * frequency / SAMPLE_RATE
    return array("h", (int(6000 * math.sin(step * position)) for position in range(length)))
