"""Several sources at work, one consumer: each source's items in order, bounded in bytes."""

from __future__ import annotations

import contextvars
import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, Protocol, TypeVar

from tap_salesforce_ci.errors import Defect, TapError

logger = logging.getLogger(__name__)

ItemT = TypeVar("ItemT")


class StoppedError(Exception):
    """The consumer went away; a source ends without a word."""


class Sized(Protocol):
    """An item that takes room while it waits."""

    @property
    def size(self) -> int:
        """Bytes held in memory."""
        ...


class _Lane(Generic[ItemT]):
    """The items of one source that wait to be consumed."""

    def __init__(self) -> None:
        self.items: deque[ItemT] = deque()
        self.future: Future[None] | None = None
        self.abandoned = False


class Pipeline(Generic[ItemT]):
    """
    Runs the sources in threads, in their order, and hands each one's items to the consumer.

    Waiting items take at most `most_bytes`, but the lane that is being consumed always has room for one more, so that
    nobody waits for ever. Errors of a source are raised where its items end, as TapErrors.
    """

    def __init__(self, sources: Mapping[str, Callable[[], Iterator[ItemT]]], *, threads: int, most_bytes: int) -> None:
        self._sources = sources
        self._most_bytes = most_bytes
        self._lanes: dict[str, _Lane[ItemT]] = {name: _Lane() for name in sources}
        self._changed = threading.Condition()
        self._bytes = 0
        self._current: str | None = None
        self._stopped = False
        self._pool = ThreadPoolExecutor(max(1, threads), thread_name_prefix="read")

    def start(self) -> None:
        """Set the sources to work."""
        for name, lane in self._lanes.items():
            lane.future = self._pool.submit(contextvars.copy_context().run, self._work, name)
            lane.future.add_done_callback(self._wake)

    def items(self, name: str) -> Iterator[ItemT]:
        """
        Yield the items of one source as they come, and raise what ended it, if that was an error.

        A consumer that goes away in between ends the source, so that it takes no room and no thread from the others.
        """
        lane = self._lanes[name]
        assert lane.future is not None, "the pipeline was not started"
        with self._changed:
            self._current = name
            self._changed.notify_all()
        try:
            while self._wait_for_item(lane, lane.future):
                yield self._take(lane)
        finally:
            self._abandon(lane)
        _raise(lane.future.exception())

    def _wait_for_item(self, lane: _Lane[ItemT], future: Future[None]) -> bool:
        with self._changed:
            while not lane.items and not future.done():
                self._changed.wait()
            return bool(lane.items)

    def _take(self, lane: _Lane[ItemT]) -> ItemT:
        with self._changed:
            item = lane.items.popleft()
            self._bytes -= size_of(item)
            self._changed.notify_all()
            return item

    def _abandon(self, lane: _Lane[ItemT]) -> None:
        with self._changed:
            lane.abandoned = True
            self._bytes -= sum(map(size_of, lane.items))
            lane.items.clear()
            self._changed.notify_all()

    def is_current(self, name: str) -> bool:
        """Say whether the consumer is at this source's items now."""
        return self._current == name

    def stop(self) -> None:
        """
        Have the sources end at their next item; what waits is dropped.

        Safe in a signal handler: it takes no lock but one that its own thread may hold already. (A pool's shutdown
        would wait for ever where the signal came while the pool was given work.)
        """
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def close(self) -> None:
        """Stop, and let the threads go."""
        self.stop()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _work(self, name: str) -> None:
        if self._stopped:
            # Not a return: a source that read nothing must never look like one that has come to its end.
            raise StoppedError
        for item in self._sources[name]():
            self._put(name, item)

    def _put(self, name: str, item: ItemT) -> None:
        lane = self._lanes[name]
        with self._changed:
            while not self._has_room(name, lane, size_of(item)):
                self._changed.wait()
            lane.items.append(item)
            self._bytes += size_of(item)
            self._changed.notify_all()

    def _has_room(self, name: str, lane: _Lane[ItemT], size: int) -> bool:
        if self._stopped or lane.abandoned:
            raise StoppedError
        waited_for = self._current == name and not lane.items
        return waited_for or size == 0 or self._bytes + size <= self._most_bytes

    def _wake(self, _future: Future[None]) -> None:
        with self._changed:
            self._changed.notify_all()


def _raise(error: BaseException | None) -> None:
    """Raise what ended a source; what nobody foresaw is a fault of ours, and ends that source only."""
    if error is None:
        return
    if isinstance(error, TapError):
        raise error
    logger.error("A source ended unexpectedly", exc_info=error)
    raise Defect(
        f"A fault of the tap: {type(error).__name__}.",
        remedy="Please report it with the log; the other streams are not affected, and the state is kept.",
    ) from error


def size_of(item: object) -> int:
    """Return the bytes an item says it holds; one that doesn't say holds none."""
    return int(getattr(item, "size", 0))
