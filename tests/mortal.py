"""Runs that may die: at any byte of what they write, of whatever a process dies of."""

from __future__ import annotations

import io
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from tap_salesforce_ci.demo.deliveries import Reset
from tap_salesforce_ci.demo.faults import Fault
from tap_salesforce_ci.demo.faults.triggers import Struck
from tap_salesforce_ci.demo.request_log import Request
from tap_salesforce_ci.demo.server import Server
from tap_salesforce_ci.demo.wire import Response
from tap_salesforce_ci.errors import TapError
from tap_salesforce_ci.tap import SalesforceTap
from tests.singer import Output, captured, config, make_tap, messages_in


class Cause(Enum):
    """What a process dies of."""

    KILLED = "SIGKILL, or a machine that loses its power"
    TERMINATED = "SIGTERM"
    DESERTED = "a target that went away"


class KilledError(BaseException):
    """The process is no more: nothing of the tap may catch this."""


@dataclass(frozen=True)
class Death:
    """At which byte of which message a run dies, both counted from 0, and of what."""

    message: int
    byte: int
    cause: Cause

    def allows(self, written: bytes, more: bytes) -> int:
        """Return how many bytes of what is to be written come before the byte."""
        before = written.count(b"\n")
        if before > self.message:
            return 0
        start = len(written) - written.rfind(b"\n") - 1 if before == self.message else 0
        line = 0
        for _ in range(self.message - before):
            line = more.find(b"\n", line) + 1
            if not line:
                return len(more)
        return min(len(more), max(0, line + self.byte - start))


@dataclass(frozen=True)
class DeathAtRequest:
    """A run that is killed when it sends a request (counted from 1), whatever it has written by then."""

    request: int


@dataclass(frozen=True)
class _Unplugged(Fault):
    """Nobody sends requests any more: none is answered, and what was `written` at the first of them is all."""

    written: Callable[[], bytes]
    last: list[bytes] = field(default_factory=list)

    def instead(self, org: Struck, request: Request) -> Response:
        """Reset the connection."""
        if not self.last:
            self.last.append(self.written())
        return Response(status=503, delivery=Reset(0))


@dataclass(frozen=True)
class Life:
    """What one run wrote: all of it, as a target found it, and whether it lived to its own end."""

    lines: bytes
    error: TapError | None
    died: bool

    @property
    def output(self) -> Output:
        """The messages; a line that is cut is none."""
        return Output(messages_in(self.lines[: self.lines.rfind(b"\n") + 1]), self.error)

    @property
    def committed(self) -> Output:
        """The messages up to the last state: what a target has, that keeps nothing it was not told to commit."""
        messages = self.output.messages
        states = [number for number, message in enumerate(messages) if message["type"] == "STATE"]
        return Output(messages[: states[-1] + 1] if states else [], self.error)


class _Mortal(io.BytesIO):
    """A stdout at a byte of which the process dies."""

    def __init__(self, death: Death, terminate: Callable[[], None]) -> None:
        super().__init__()
        self._death = death
        self._terminate = terminate
        self.reached = False

    def write(self, data: Any) -> int:
        """Take what comes before the byte, and die."""
        left = self._death.allows(self.getvalue(), bytes(data))
        if len(data) <= left:
            return super().write(data)
        first, self.reached = not self.reached, True
        if self._death.cause is Cause.TERMINATED:
            # A process that was told to end writes its message to the end.
            if first:
                self._terminate()
            return super().write(data)
        if first:
            super().write(bytes(data)[:left])
        raise KilledError if self._death.cause is Cause.KILLED else BrokenPipeError


def live(
    server: Server,
    death: Death | DeathAtRequest | None,
    *,
    state: Mapping[str, Any] | None,
    at_end: Callable[[], None] = lambda: None,
    **settings: Any,
) -> Life:
    """Run the tap once, as long as it lives; `at_end` lets go of what its threads still wait for."""
    made: list[SalesforceTap] = []
    error, ended = None, False
    stdout = _Mortal(death, lambda: _terminate(made)) if isinstance(death, Death) else io.BytesIO()
    unplugged = _Unplugged(stdout.getvalue)
    if isinstance(death, DeathAtRequest):
        server.org.faults.add(unplugged, path=".", nth=death.request, count=None)
    with handlers_kept(), captured(stdout):
        try:
            made.append(make_tap(config(server, **settings), state=dict(state) if state else None))
            made[0].sync_all()
        except TapError as caught:
            error = caught
        except (KilledError, SystemExit):
            ended = True
        finally:
            at_end()
            _bury(made)
    if unplugged.last:
        return Life(unplugged.last[0], None, died=True)
    return Life(stdout.getvalue(), error, ended)


def _terminate(made: list[SalesforceTap]) -> None:
    for tap in made:
        tap._handle_termination(signal.SIGTERM, None)


def _bury(made: list[SalesforceTap]) -> None:
    """End the threads and let go of the files that would have ended with the process."""
    for tap in made:
        if "run" in tap.__dict__:
            tap.run.stop(143)
            tap.run._downloads.shutdown(wait=True, cancel_futures=True)
            if "_notes" in tap.run.__dict__:
                tap.run._notes.close()


@contextmanager
def handlers_kept() -> Iterator[None]:
    """Give this process its signal handlers back."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
