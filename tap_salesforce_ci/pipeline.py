"""Several sources at work, one consumer: each source's items in order, as many as there is room for."""

from __future__ import annotations

import contextvars
import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

from tap_salesforce_ci.client.room import Room, StoppedError, serving
from tap_salesforce_ci.errors import Defect, TapError
from tap_salesforce_ci.heard import LONGEST_DEAFNESS

logger = logging.getLogger(__name__)

ItemT = TypeVar("ItemT")


class _Lane(Generic[ItemT]):
    """The items of one source that wait to be consumed."""

    def __init__(self) -> None:
        self.items: deque[ItemT] = deque()
        self.future: Future[None] | None = None
        self.abandoned = False


class Pipeline(Generic[ItemT]):
    """
    Runs the sources in threads, in their order, and hands each one's items to the consumer.

    A source takes what its items need of `room` before it makes them; `consumed` is told of each item that is not
    needed any more, so that its room is given back. The source that is being consumed goes first in `room`, and never
    waits there while the consumer waits for it. Errors of a source are raised where its items end, as TapErrors.
    """

    def __init__(
        self,
        sources: Mapping[str, Callable[[], Iterator[ItemT]]],
        *,
        threads: int,
        room: Room,
        consumed: Callable[[ItemT], None],
    ) -> None:
        self._sources = sources
        self._room = room
        self._consumed = consumed
        self._lanes: dict[str, _Lane[ItemT]] = {name: _Lane() for name in sources}
        self._changed = threading.Condition()
        self._stopped = False
        self._pool = ThreadPoolExecutor(max(1, threads), thread_name_prefix="read")

    def start(self) -> None:
        """Set the sources to work."""
        for name, lane in self._lanes.items():
            lane.future = self._pool.submit(contextvars.copy_context().run, self._work, name)
            lane.future.add_done_callback(self._wake)

    def items(self, name: str) -> Iterator[ItemT]:
        """
        Yield the items of one source as they come, and raise what ended it: an error, or StoppedError.

        An item counts as consumed when the next one is asked for. A consumer that goes away in between ends the source,
        so that it takes no room and no thread from the others.
        """
        lane = self._lanes[name]
        assert lane.future is not None, "the pipeline was not started"
        self._room.put_first(name)
        try:
            while self._wait_for_item(name, lane, lane.future):
                item = lane.items.popleft()
                try:
                    yield item
                finally:
                    self._consumed(item)
        finally:
            self._abandon(name, lane)
        _raise(lane.future.exception())

    def _wait_for_item(self, name: str, lane: _Lane[ItemT], future: Future[None]) -> bool:
        with self._changed:
            while not lane.items and not future.done():
                self._room.hasten(name)
                self._changed.wait(LONGEST_DEAFNESS)
            self._room.hasten(None)
            return bool(lane.items)

    def _abandon(self, name: str, lane: _Lane[ItemT]) -> None:
        with self._changed:
            lane.abandoned = True
            while lane.items:
                self._consumed(lane.items.popleft())
        self._room.abandon(name)

    def stop(self) -> None:
        """
        Have the sources end at their next item; what waits is dropped.

        Safe in a signal handler: it takes no lock but one that its own thread may hold already. (A pool's shutdown
        would wait for ever where the signal came while the pool was given work.)
        """
        self._room.stop()
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def close(self) -> None:
        """Stop, and let the threads go."""
        self.stop()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _work(self, name: str) -> None:
        serving.set(name)
        if self._stopped:
            # Not a return: a source that read nothing must never look like one that has come to its end.
            raise StoppedError
        for item in self._sources[name]():
            self._put(name, item)

    def _put(self, name: str, item: ItemT) -> None:
        lane = self._lanes[name]
        with self._changed:
            if self._stopped or lane.abandoned:
                self._consumed(item)
                raise StoppedError
            lane.items.append(item)
            if self._room.is_first(name):
                self._room.hasten(None)
                self._changed.notify_all()

    def _wake(self, _future: Future[None]) -> None:
        with self._changed:
            self._changed.notify_all()


def _raise(error: BaseException | None) -> None:
    """Raise what ended a source; what nobody foresaw is a fault of ours, and ends that source only."""
    if error is None:
        return
    if isinstance(error, TapError | StoppedError):
        raise error
    logger.error("A source ended unexpectedly", exc_info=error)
    raise Defect(
        f"A fault of the tap: {type(error).__name__}.",
        remedy="Please report it with the log; the other streams are not affected, and the state is kept.",
    ) from error
