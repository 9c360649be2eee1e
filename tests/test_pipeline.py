"""Promises of the pipeline: order, bounded memory, no deadlock, and an end for every source."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tap_salesforce_ci.errors import BrokenPromise, Defect, TapError
from tap_salesforce_ci.pipeline import Pipeline

pytestmark = pytest.mark.timeout(60)
PATIENCE = 30
"""Seconds after which an event that never comes is a failure."""

Sources = Mapping[str, Callable[[], Iterator["Item"]]]


@dataclass(frozen=True)
class Item:
    """The nth item of a source."""

    source: str
    number: int
    size: int = 1


def counting(source: str, sizes: list[int]) -> Iterator[Item]:
    """Yield an item of each size."""
    for number, size in enumerate(sizes):
        yield Item(source, number, size)


def endless(source: str, ended: threading.Event, size: int = 1) -> Iterator[Item]:
    """Yield items for ever, and tell when they are wanted no more."""
    number = 0
    try:
        while True:
            yield Item(source, number, size)
            number += 1
    finally:
        ended.set()


def started(sources: Sources, *, threads: int = 2, most_bytes: int = 10) -> Pipeline[Item]:
    """Return a pipeline at work."""
    pipeline = Pipeline(sources, threads=threads, most_bytes=most_bytes)
    pipeline.start()
    return pipeline


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.lists(st.integers(0, 50), max_size=12), min_size=1, max_size=12),
    threads=st.integers(1, 4),
    most_bytes=st.integers(1, 60),
)
def test_every_item_arrives_in_the_order_of_its_source(sizes: list[list[int]], threads: int, most_bytes: int) -> None:
    """Few threads, little room, items larger than all the room there is: nothing is lost, nothing waits for ever."""
    sources = {str(number): partial(counting, str(number), each) for number, each in enumerate(sizes)}
    pipeline = started(sources, threads=threads, most_bytes=most_bytes)

    for number, each in enumerate(sizes):
        expected = [Item(str(number), place, size) for place, size in enumerate(each)]
        assert list(pipeline.items(str(number))) == expected


def test_what_waits_is_bounded_in_bytes() -> None:
    """A source that nobody reads yet fills the room and no more, however long another one is read."""
    made = 0
    full, ended = threading.Event(), threading.Event()

    def eager() -> Iterator[Item]:
        nonlocal made
        for item in endless("eager", ended, size=3):
            made += 1
            if made == 5:
                full.set()
            yield item

    def awaited() -> Iterator[Item]:
        assert full.wait(PATIENCE), "the room was not used"
        yield from counting("awaited", [3] * 2000)

    pipeline = started({"awaited": awaited, "eager": eager}, most_bytes=14)

    assert len(list(pipeline.items("awaited"))) == 2000
    # Four items fit into fourteen bytes, and the fifth waits to be let in.
    assert made == 5
    pipeline.stop()
    assert ended.wait(PATIENCE)


def test_an_item_that_holds_nothing_needs_no_room() -> None:
    """Items without a size pass even where all the room is taken."""
    passed = threading.Event()

    def light() -> Iterator[Item]:
        yield from counting("light", [0] * 100)
        passed.set()

    pipeline = started({"heavy": partial(counting, "heavy", [10]), "light": light}, most_bytes=10)

    assert passed.wait(PATIENCE)
    assert len(list(pipeline.items("heavy"))) == 1
    assert len(list(pipeline.items("light"))) == 100


@pytest.mark.parametrize(
    ("error", "seen"), [(BrokenPromise("no more"), BrokenPromise), (LookupError("a bug"), Defect)], ids=repr
)
def test_an_error_is_raised_where_the_items_end(error: Exception, seen: type[TapError]) -> None:
    """What a source had before its error is consumed first, and the other sources go on; a bug is told as one."""

    def failing() -> Iterator[Item]:
        yield from counting("failing", [1, 1])
        raise error

    pipeline = started({"failing": failing, "other": partial(counting, "other", [1] * 5)})
    items = pipeline.items("failing")

    assert [next(items).number, next(items).number] == [0, 1]
    with pytest.raises(seen):
        next(items)
    assert len(list(pipeline.items("other"))) == 5


def test_stop_ends_the_sources() -> None:
    """Sources that wait for room end when nobody will ever read them, with their own tidying done."""
    ended = [threading.Event(), threading.Event()]
    pipeline = started({str(number): partial(endless, str(number), event) for number, event in enumerate(ended)})
    assert next(pipeline.items("0")).number == 0

    pipeline.stop()

    assert all(event.wait(PATIENCE) for event in ended)


def test_a_consumer_that_goes_away_makes_room_for_the_others() -> None:
    """A stream whose rows can't be written ends its source: its thread and its bytes are there for the next one."""
    ended = threading.Event()
    pipeline = started(
        {"left": partial(endless, "left", ended), "next": partial(counting, "next", [5] * 20)}, threads=1, most_bytes=10
    )
    items = pipeline.items("left")
    assert isinstance(items, Iterator)
    next(items)

    items.close()  # type: ignore[attr-defined]

    assert len(list(pipeline.items("next"))) == 20
    assert ended.is_set()


def test_a_source_knows_whether_it_is_read_now() -> None:
    """Only the source that is being read is the current one."""
    pipeline = started({name: partial(counting, name, [1]) for name in "ab"})
    assert not pipeline.is_current("a")

    next(pipeline.items("b"))

    assert pipeline.is_current("b")
    assert not pipeline.is_current("a")


def test_each_source_has_a_context_of_its_own() -> None:
    """What a source sets for its requests, no other source sees; what was set before the start all see."""
    variable: ContextVar[str] = ContextVar("variable")
    seen: dict[str, str] = {}
    variable.set("before")

    def source(name: str) -> Iterator[Item]:
        seen[name] = variable.get()
        variable.set(name)
        yield from counting(name, [1])

    pipeline = started({name: partial(source, name) for name in "abc"}, threads=1)

    for name in "abc":
        list(pipeline.items(name))
    assert seen == dict.fromkeys("abc", "before")
    assert variable.get() == "before"


def test_stop_is_safe_in_a_signal_handler() -> None:
    """A signal may come while the pool is given work, with its lock held: stopping must not wait for that lock."""
    pipeline = started({"one": partial(counting, "one", [1])})
    stopping = threading.Thread(target=pipeline.stop, daemon=True)

    with pipeline._pool._shutdown_lock:
        stopping.start()
        stopping.join(PATIENCE)

        assert not stopping.is_alive()


def test_a_source_that_was_stopped_before_it_began_is_not_taken_for_whole() -> None:
    """Nothing read is an error where the items end, never an empty success."""
    pipeline: Pipeline[Item] = Pipeline({"late": partial(counting, "late", [1])}, threads=1, most_bytes=100)
    pipeline.stop()
    pipeline.start()

    with pytest.raises(TapError):
        list(pipeline.items("late"))
