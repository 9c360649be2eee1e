"""The one writer of stdout: whole lines only, whatever signal comes."""

from __future__ import annotations

import io
import select
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from singer_sdk.singerlib.encoding import SimpleSingerWriter
from singer_sdk.singerlib.encoding.simple import Message

CLOSED_PIPE = 141
"""A shell's exit code for a program whose reader went away."""


class BlockWriter(SimpleSingerWriter):
    """
    Writes Singer messages, one by one or in blocks of whole lines, and flushes each.

    What must not be torn apart by a signal happens in `undisturbed`; `when_free` waits for its end.
    """

    def __init__(self) -> None:
        self._depth = 0
        self._waiting: Callable[[], None] | None = None

    def write_message(self, message: Message) -> None:
        """Write one message."""
        self.write_block((self.format_message(message) + "\n").encode())

    def write_block(self, lines: bytes | memoryview) -> None:
        """Write whole lines; a stdout that is unbuffered or does not block may take only part of them at a time."""
        with self.undisturbed():
            # Asked for at every write: a test or an embedding program may have replaced it.
            out = getattr(sys.stdout, "buffer", None)
            if out is None:
                sys.stdout.write(str(lines, "utf-8"))
                return
            try:
                rest = memoryview(lines)
                while rest:
                    rest = rest[_taken(out, rest) :]
                _flush(out)
            except BrokenPipeError:
                raise SystemExit(CLOSED_PIPE) from None

    @contextmanager
    def undisturbed(self) -> Iterator[None]:
        """Keep a signal's work waiting until the end of the block."""
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
        if self._depth == 0 and self._waiting is not None:
            waiting, self._waiting = self._waiting, None
            waiting()

    def when_free(self, work: Callable[[], None]) -> None:
        """Do some work at the end of what must not be torn apart, or at once."""
        if self._depth:
            self._waiting = work
        else:
            work()


def _taken(out: io.RawIOBase, lines: memoryview) -> int:
    """Write, and return how many bytes were taken; a stdout that is full and does not block is waited for."""
    try:
        taken = out.write(lines)
    except BlockingIOError as full:
        taken = full.characters_written
    else:
        if taken is not None:
            return taken
    select.select((), (out,), ())
    return taken or 0


def _flush(out: io.RawIOBase) -> None:
    while True:
        try:
            out.flush()
        except BlockingIOError:
            select.select((), (out,), ())
        else:
            return
