"""Chunks are large where source and listener are fast, and small where a listener holds them for long."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxb_recordings.playback.chunk_size import (
    BASE_CHUNK_SIZE,
    BUFFERED,
    SHORT,
    SLOW,
    UNPROVEN_CHUNK_SIZE,
    ChunkSize,
)

CEILING = 262144


def hand_out(chunk_size: ChunkSize, count: int, seconds: float = 0.0) -> list[int]:
    """The sizes that go out, of a source that has all that is asked for, until `count` bytes are out."""
    sizes: list[int] = []
    while sum(sizes) < count:
        sizes.append(chunk_size.size)
        chunk_size.received(sizes[-1])
        chunk_size.handed_out(sizes[-1], seconds)
    return sizes


def test_a_short_recording_goes_out_in_large_chunks_after_the_first() -> None:
    assert hand_out(ChunkSize(CEILING), SHORT - CEILING)[:3] == [BASE_CHUNK_SIZE, CEILING, CEILING]


def test_what_the_kernel_may_have_taken_alone_is_followed_by_less_until_it_cant_have() -> None:
    chunk_size = ChunkSize(CEILING)
    hand_out(chunk_size, SHORT)

    sizes = hand_out(chunk_size, BUFFERED - SHORT - CEILING)
    assert set(sizes) == {UNPROVEN_CHUNK_SIZE}
    assert hand_out(chunk_size, 4 * CEILING)[-1] == CEILING


@pytest.mark.parametrize("before", [BASE_CHUNK_SIZE, SHORT, 2 * BUFFERED])
def test_after_a_chunk_that_was_taken_slowly_chunks_are_small_until_the_listener_keeps_up(before: int) -> None:
    chunk_size = ChunkSize(CEILING)
    hand_out(chunk_size, before)
    hand_out(chunk_size, 1, seconds=SLOW)

    assert chunk_size.size == BASE_CHUNK_SIZE
    assert set(hand_out(chunk_size, BUFFERED - BASE_CHUNK_SIZE)) == {BASE_CHUNK_SIZE}
    assert hand_out(chunk_size, 4 * BASE_CHUNK_SIZE)[-1] == CEILING


def test_a_listener_who_is_slow_now_and_then_between_bursts_never_gets_large_chunks() -> None:
    chunk_size = ChunkSize(CEILING)
    hand_out(chunk_size, SHORT)
    for _ in range(20):
        hand_out(chunk_size, 1, seconds=5.0)
        assert max(hand_out(chunk_size, BUFFERED // 2)) == BASE_CHUNK_SIZE


def test_another_source_begins_small_and_grows() -> None:
    chunk_size = ChunkSize(CEILING)
    hand_out(chunk_size, 2 * BUFFERED)
    chunk_size.start_again()

    assert hand_out(chunk_size, CEILING)[:2] == [BASE_CHUNK_SIZE, CEILING]


@given(
    st.sampled_from([BASE_CHUNK_SIZE, 10_000, UNPROVEN_CHUNK_SIZE, CEILING, 2**20]),
    st.lists(st.tuples(st.integers(1, 2**20), st.sampled_from([0.0, 0.1, SLOW, 60.0]))),
)
def test_no_chunk_is_larger_than_the_ceiling_or_smaller_than_the_first(
    ceiling: int, taken: Iterable[tuple[int, float]]
) -> None:
    chunk_size = ChunkSize(ceiling)
    for count, seconds in taken:
        chunk_size.received(min(count, chunk_size.size))
        chunk_size.handed_out(min(count, chunk_size.size), seconds)
        assert BASE_CHUNK_SIZE <= chunk_size.size <= ceiling
