"""Promises of the pipeline and its room: order, bounded memory, no deadlock, and an end for every source."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar, copy_context
from dataclasses import dataclass
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tap_salesforce_ci.client.room import Holding, Room, StoppedError, serving
from tap_salesforce_ci.errors import BrokenPromise, Defect, TapError
from tap_salesforce_ci.pipeline import Pipeline

pytestmark = pytest.mark.timeout(60)
PATIENCE = 30
"""Seconds after which an event that never comes is a failure."""

Sources = Mapping[str, Callable[[], Iterator["Item"]]]


@dataclass(frozen=True)
class Item:
    """The nth item of a source, and the room it takes."""

    source: str
    number: int
    holding: Holding


def counting(room: Room, source: str, sizes: Sequence[int]) -> Iterator[Item]:
    """Yield an item of each size, made when there is room for it."""
    for number, size in enumerate(sizes):
        yield Item(source, number, room.hold(size))


def endless(room: Room, source: str, ended: threading.Event, size: int = 1) -> Iterator[Item]:
    """Yield items for ever, and tell when they are wanted no more."""
    number = 0
    try:
        while True:
            yield Item(source, number, room.hold(size))
            number += 1
    finally:
        ended.set()


def started(sources: Sources, room: Room, *, threads: int = 2) -> Pipeline[Item]:
    """Return a pipeline at work."""
    pipeline: Pipeline[Item] = Pipeline(
        sources, threads=threads, room=room, consumed=lambda item: item.holding.release()
    )
    pipeline.start()
    return pipeline


def numbers(items: Iterator[Item]) -> list[int]:
    return [item.number for item in items]


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.lists(st.integers(0, 50), max_size=12), min_size=1, max_size=12),
    threads=st.integers(1, 4),
    most=st.integers(1, 60),
)
def test_every_item_arrives_in_the_order_of_its_source(sizes: list[list[int]], threads: int, most: int) -> None:
    """Few threads, little room, items larger than all the room there is: nothing is lost, nothing waits for ever."""
    room = Room(most, kept=most // 2)
    sources = {str(number): partial(counting, room, str(number), each) for number, each in enumerate(sizes)}
    pipeline = started(sources, room, threads=threads)

    for number, each in enumerate(sizes):
        assert numbers(pipeline.items(str(number))) == list(range(len(each)))
    assert room.held == 0
    assert room.highest <= most + max((size for each in sizes for size in each), default=0)


def test_what_waits_is_bounded_and_half_is_left_to_the_one_that_is_read() -> None:
    """A source that nobody reads yet fills its part of the room and no more, however long another one is read."""
    room = Room(28, kept=14)
    made = 0
    full, ended = threading.Event(), threading.Event()

    def eager() -> Iterator[Item]:
        nonlocal made
        for item in endless(room, "eager", ended, size=3):
            made += 1
            if made == 4:
                full.set()
            yield item

    def awaited() -> Iterator[Item]:
        assert full.wait(PATIENCE), "the room was not used"
        yield from counting(room, "awaited", [3] * 2000)

    pipeline = started({"awaited": awaited, "eager": eager}, room)

    assert len(list(pipeline.items("awaited"))) == 2000
    # Four items fit into fourteen bytes, and the fifth is not even made.
    assert made == 4
    assert room.highest <= 28
    pipeline.stop()
    assert ended.wait(PATIENCE)


def test_a_slow_consumer_holds_its_own_source_back() -> None:
    """While nobody takes the first item, no more is made than has room; then it goes on."""
    room = Room(10)
    made: list[int] = []
    full = threading.Event()

    def source() -> Iterator[Item]:
        for item in counting(room, "one", [5] * 50):
            made.append(item.number)
            if len(made) == 2:
                full.set()
            yield item

    pipeline = started({"one": source}, room)
    items = pipeline.items("one")
    assert next(items).number == 0
    assert full.wait(PATIENCE)

    assert room.held == 10
    assert made == [0, 1]
    assert len(list(items)) == 49


def test_who_waits_for_room_is_served_in_the_order_of_need() -> None:
    """The stream that is being written goes before the others, and small shares pass where a large one must wait."""
    room = Room(10)
    order: list[str] = []
    first = room.hold(10)

    def take(stream: str, amount: int) -> None:
        serving.set(stream)
        room.take(amount)
        order.append(stream)
        room.give(amount)

    threads = [threading.Thread(target=copy_context().run, args=(take, *who), daemon=True) for who in TAKERS]
    for number, thread in enumerate(threads, start=1):
        thread.start()
        while len(room._waiters) < number:
            thread.join(0.001)
    room.put_first("written")
    first.settle(9)
    threads[2].join(PATIENCE)
    threads[1].join(PATIENCE)
    assert sorted(order) == ["small", "written"]
    first.release()
    threads[0].join(PATIENCE)

    assert order[-1] == "large"
    assert room.held == 0


TAKERS = [("large", 9), ("small", 1), ("written", 1)]


def test_a_wait_that_is_broken_off_takes_no_share_along() -> None:
    """A signal's exception in the thread that waits leaves the room as it was for the others."""
    room = Room(1)
    held = room.hold(1)
    main = threading.main_thread()

    def interrupt() -> None:
        while not room._waiters:
            main.join(0.001)
        signal.pthread_kill(main.ident or 0, signal.SIGUSR2)

    def handler(*_: object) -> None:
        raise InterruptedError

    before = signal.signal(signal.SIGUSR2, handler)
    try:
        threading.Thread(target=interrupt, daemon=True).start()
        with pytest.raises(InterruptedError):
            room.take()
    finally:
        signal.signal(signal.SIGUSR2, before)
    held.release()

    assert room.held == 0
    room.take()


def test_an_item_that_holds_nothing_needs_no_room() -> None:
    """Items without a size pass even where all the room is taken."""
    passed = threading.Event()
    room = Room(10)

    def light() -> Iterator[Item]:
        yield from counting(room, "light", [0] * 100)
        passed.set()

    pipeline = started({"heavy": partial(counting, room, "heavy", [10]), "light": light}, room)

    assert passed.wait(PATIENCE)
    assert len(list(pipeline.items("heavy"))) == 1
    assert len(list(pipeline.items("light"))) == 100


@pytest.mark.parametrize(
    ("error", "seen"), [(BrokenPromise("no more"), BrokenPromise), (LookupError("a bug"), Defect)], ids=repr
)
def test_an_error_is_raised_where_the_items_end(error: Exception, seen: type[TapError]) -> None:
    """What a source had before its error is consumed first, and the other sources go on; a bug is told as one."""
    room = Room(10)

    def failing() -> Iterator[Item]:
        yield from counting(room, "failing", [1, 1])
        raise error

    pipeline = started({"failing": failing, "other": partial(counting, room, "other", [1] * 5)}, room)
    items = pipeline.items("failing")

    assert [next(items).number, next(items).number] == [0, 1]
    with pytest.raises(seen):
        next(items)
    assert len(list(pipeline.items("other"))) == 5


def test_stop_ends_the_sources() -> None:
    """Sources that wait for room end when nobody will ever read them, with their own tidying done."""
    ended = [threading.Event(), threading.Event()]
    room = Room(10)
    sources = {str(number): partial(endless, room, str(number), event) for number, event in enumerate(ended)}
    pipeline = started(sources, room)
    assert next(pipeline.items("0")).number == 0

    pipeline.stop()

    assert all(event.wait(PATIENCE) for event in ended)


def test_a_consumer_that_goes_away_makes_room_for_the_others() -> None:
    """A stream whose rows can't be written ends its source: its thread and its bytes are there for the next one."""
    ended = threading.Event()
    room = Room(10)
    pipeline = started(
        {"left": partial(endless, room, "left", ended), "next": partial(counting, room, "next", [5] * 20)},
        room,
        threads=1,
    )
    items = pipeline.items("left")
    assert isinstance(items, Iterator)
    next(items)

    items.close()  # type: ignore[attr-defined]

    assert len(list(pipeline.items("next"))) == 20
    assert ended.is_set()
    assert room.held == 0


def test_each_source_has_a_context_of_its_own() -> None:
    """What a source sets for its requests, no other source sees; what was set before the start all see."""
    variable: ContextVar[str] = ContextVar("variable")
    seen: dict[str, tuple[str, str | None]] = {}
    variable.set("before")
    room = Room(10)

    def source(name: str) -> Iterator[Item]:
        seen[name] = (variable.get(), serving.get())
        variable.set(name)
        yield from counting(room, name, [1])

    pipeline = started({name: partial(source, name) for name in "abc"}, room, threads=1)

    for name in "abc":
        list(pipeline.items(name))
    assert seen == {name: ("before", name) for name in "abc"}
    assert (variable.get(), serving.get()) == ("before", None)


def test_stop_is_safe_in_a_signal_handler() -> None:
    """A signal may come while the pool is given work, with its lock held: stopping must not wait for that lock."""
    room = Room(10)
    pipeline = started({"one": partial(counting, room, "one", [1])}, room)
    stopping = threading.Thread(target=pipeline.stop, daemon=True)

    with pipeline._pool._shutdown_lock:
        stopping.start()
        stopping.join(PATIENCE)

        assert not stopping.is_alive()


def test_a_source_that_was_stopped_before_it_began_is_not_taken_for_whole() -> None:
    """Nothing read is an error where the items end, never an empty success."""
    room = Room(100)
    pipeline: Pipeline[Item] = Pipeline(
        {"late": partial(counting, room, "late", [1])}, threads=1, room=room, consumed=lambda _item: None
    )
    pipeline.stop()
    pipeline.start()

    with pytest.raises(StoppedError):
        list(pipeline.items("late"))
