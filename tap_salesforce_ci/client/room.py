"""What is scarce and handed out in turn: bytes in flight, requests under way."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from contextvars import ContextVar

serving: ContextVar[str | None] = ContextVar("serving", default=None)
"""The stream on whose behalf the present context works."""


class StoppedError(Exception):
    """Nobody wants the work any more; it ends without a word."""


class _Waiter:
    """Someone who waits for a share; the token is taken until there is one, or until nothing is to be had any more."""

    def __init__(self, stream: str | None, amount: int, least: int) -> None:
        self.stream = stream
        self.amount = amount
        self.least = least
        self.granted: int | None = None
        # Not an Event: setting one in a signal handler would wait for ever for a lock that its own thread holds.
        self.token = threading.Lock()
        self.token.acquire()

    def wake(self) -> None:
        with contextlib.suppress(RuntimeError):
            self.token.release()


class Room:
    """
    At most so much of something at a time, for those who work for a stream (`serving`).

    The stream that is being written (`put_first`) goes before the others, who leave `kept` to it. A stream for which
    the writer waits (`hasten`) does not wait: it gets at least the least that it can do with, room or not, so that
    nobody waits for ever. `held` is what is handed out now, `highest` the most that ever was.
    """

    def __init__(self, most: int, *, kept: int = 0) -> None:
        self.most = most
        self.held = 0
        self.highest = 0
        self._kept = kept
        self._first: str | None = None
        self._awaited: str | None = None
        self._waiters: list[_Waiter] = []
        self._unwanted: set[str | None] = set()
        self._stopped = False
        # Reentrant: a signal may come while its own thread is in here.
        self._lock = threading.RLock()

    def take(self, amount: int = 1, least: int | None = None) -> int:
        """
        Take a share, waiting for it if need be, and return how much it is: `amount`, or `least` in a hurry.

        Raises StoppedError once all is to end, or the stream is not wanted any more.
        """
        waiter = _Waiter(serving.get(), amount, amount if least is None else min(least, amount))
        woken = False
        try:
            with self._lock:
                self._refuse_unwanted(waiter.stream)
                self._waiters.append(waiter)
                self._grant()
            waiter.token.acquire()
            woken = True
        finally:
            self._leave(waiter, woken=woken)
        if waiter.granted is None:
            raise StoppedError
        return waiter.granted

    def try_take(self, amount: int) -> bool:
        """Take a share if it is to be had at once; raises StoppedError as `take` does."""
        stream = serving.get()
        with self._lock:
            self._refuse_unwanted(stream)
            if not self._fits(stream, amount):
                return False
            self._hold(amount)
            return True

    def give(self, amount: int = 1) -> None:
        """Give a share back."""
        with self._lock:
            self.held -= amount
            self._grant()

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """Have a share of one for the time of a block."""
        self.take()
        try:
            yield
        finally:
            self.give()

    def hold(self, amount: int, least: int | None = None) -> Holding:
        """Take a share as a value that knows how large it is."""
        return Holding(self, self.take(amount, least))

    def try_hold(self, amount: int) -> Holding | None:
        """Take a share if it is to be had at once."""
        return Holding(self, amount) if self.try_take(amount) else None

    def put_first(self, stream: str) -> None:
        """Have a stream go before the others."""
        with self._lock:
            self._first = stream
            self._grant()

    def is_first(self, stream: str | None) -> bool:
        """Say whether a stream goes before the others."""
        return stream is not None and self._first == stream

    def hasten(self, stream: str | None) -> None:
        """Let a stream take what it needs without waiting, because the writer waits for it; None: no stream."""
        with self._lock:
            self._awaited = stream
            self._grant()

    def abandon(self, stream: str) -> None:
        """Have whoever works for a stream end at the next share it asks for."""
        with self._lock:
            self._unwanted.add(stream)
            for waiter in self._waiters:
                if waiter.stream == stream:
                    waiter.wake()

    def stop(self) -> None:
        """Have all end at the next share they ask for. Safe in a signal handler."""
        with self._lock:
            self._stopped = True
            for waiter in self._waiters:
                waiter.wake()

    def settle(self, change: int) -> None:
        """Count what is held already, whether there is room for it or not."""
        with self._lock:
            self._hold(change)
            self._grant()

    def _refuse_unwanted(self, stream: str | None) -> None:
        if self._stopped or stream in self._unwanted:
            raise StoppedError

    def _fits(self, stream: str | None, amount: int) -> bool:
        most = self.most if self.is_first(stream) else self.most - self._kept
        return self.held + amount <= most

    def _hold(self, amount: int) -> None:
        self.held += amount
        self.highest = max(self.highest, self.held)

    def _grant(self) -> None:
        for waiter in sorted(self._waiters, key=lambda each: not self.is_first(each.stream)):
            if self._fits(waiter.stream, waiter.amount):
                waiter.granted = waiter.amount
            elif waiter.stream is not None and waiter.stream == self._awaited:
                waiter.granted = waiter.least
            else:
                continue
            self._waiters.remove(waiter)
            self._hold(waiter.granted)
            waiter.wake()

    def _leave(self, waiter: _Waiter, *, woken: bool) -> None:
        """Tidy up behind a waiter: one whose wait was broken off takes no share along."""
        with self._lock:
            if waiter in self._waiters:
                self._waiters.remove(waiter)
            elif waiter.granted is not None and not woken:
                self.give(waiter.granted)


class Holding:
    """A share that someone holds; given back with `release`."""

    def __init__(self, room: Room, size: int) -> None:
        self._room = room
        self.size = size

    def grow(self, size: int) -> bool:
        """Hold at least so much, if that is to be had at once; say whether it is."""
        if size > self.size:
            if not self._room.try_take(size - self.size):
                return False
            self.size = size
        return True

    def settle(self, size: int) -> None:
        """Hold exactly what is there, whether there is room for it or not."""
        change, self.size = size - self.size, size
        if change:
            self._room.settle(change)

    def release(self) -> None:
        """Give all back."""
        self.settle(0)
