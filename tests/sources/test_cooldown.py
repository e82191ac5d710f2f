"""A source that can't be reached is asked last for a while, and costs one timeout in that time."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import pytest

from cxb_recordings.errors import RecordingMissing, SourceUnavailable
from cxb_recordings.playback.events import Event, SourceBack, SourcePutAside
from cxb_recordings.sources.cooldown import RETRY_BUDGET, Cooldowns
from tests.fakes import BreakingSource, FakeTime


@dataclass
class Tenant(BreakingSource):
    """A source that has its name in common with others."""

    tenant: int = 1

    @property
    def identity(self) -> int:
        return self.tenant


class Watched:
    """Two sources under watch, on a clock of their own."""

    def __init__(self, *breaks: int | None) -> None:
        self.time = FakeTime()
        self.events: list[Event] = []
        self.cooldowns = Cooldowns(10, self.events.append, self.time.clock)
        self.one = BreakingSource({"a": b"data"}, "one", breaks=list(breaks))
        self.line = self.cooldowns.watch([self.one, BreakingSource({}, "two")])

    def names(self) -> list[str]:
        return [source.name for source in self.cooldowns.in_order(self.line)]


def test_an_unreachable_source_goes_to_the_end_of_the_line_and_comes_back_when_it_answers() -> None:
    watched = Watched(0)
    assert watched.names() == ["one", "two"]
    with pytest.raises(SourceUnavailable):
        watched.line[0].open("a")
    assert watched.names() == ["two", "one"]
    watched.line[0].open("a")
    assert watched.names() == ["one", "two"]
    assert watched.events == [SourcePutAside("one", "refused", 10), SourceBack("one")]


@pytest.mark.parametrize("failure", [SourceUnavailable("status 500", status=500), RecordingMissing("404")])
def test_a_source_that_answers_anything_is_not_put_aside(failure: SourceUnavailable) -> None:
    watched = Watched(0)
    watched.one.failure = failure
    with pytest.raises(type(failure)):
        watched.line[0].open("a")
    assert watched.names() == ["one", "two"]


def test_after_the_cooldown_one_request_finds_out_and_the_others_do_not_wait_with_it() -> None:
    watched = Watched(0, 0)
    with pytest.raises(SourceUnavailable):
        watched.line[0].open("a")
    watched.time.now = 10
    assert [watched.names() for _ in range(3)] == [["one", "two"]] * 3, "to ask for the order changes nothing"
    seen_by_others = []
    watched.one.on_open = lambda: seen_by_others.append(watched.names())
    with pytest.raises(SourceUnavailable):
        watched.line[0].open("a")
    assert seen_by_others == [["two", "one"]]
    watched.one.on_open = lambda: None
    watched.time.now = 19.9
    assert watched.names() == ["two", "one"]
    watched.time.now = 20
    assert watched.names() == ["one", "two"]


def test_the_order_is_decided_when_each_sources_turn_comes() -> None:
    watched = Watched(0)
    line = watched.cooldowns.in_order(list(reversed(watched.line)))
    assert next(line).name == "two"
    with pytest.raises(SourceUnavailable):
        watched.line[0].open("a")
    assert next(line).name == "one", "there is nobody else left to ask"


def test_sources_of_one_name_that_are_not_the_same_share_neither_cooldown_nor_retries() -> None:
    cooldowns = Cooldowns(10, lambda _: None, FakeTime().clock)
    down, up = Tenant({}, "storage", breaks=[0]), Tenant({"a": b"data"}, "storage", tenant=2)
    dead, alive = cooldowns.watch([down, up])
    with pytest.raises(SourceUnavailable):
        dead.open("a")
    assert list(cooldowns.in_order([dead, alive])) == [alive, dead]
    alive.open("a")
    assert list(cooldowns.in_order([dead, alive])) == [alive, dead], "an answer of another one does not count"
    assert sum(cooldowns.may_retry(dead) for _ in range(2 * RETRY_BUDGET)) == RETRY_BUDGET
    assert cooldowns.may_retry(alive)
    [again] = cooldowns.watch([Tenant({}, "storage")])
    assert list(cooldowns.in_order([again, alive])) == [alive, again]


def test_threads_at_once_leave_one_state_and_one_event() -> None:
    watched = Watched(*[0] * 8)
    barrier = threading.Barrier(8)

    def ask() -> None:
        barrier.wait()
        with pytest.raises(SourceUnavailable):
            watched.line[0].open("a")

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert watched.events == [SourcePutAside("one", "refused", 10)]
