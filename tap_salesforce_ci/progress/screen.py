"""
A region at the end of the terminal that is drawn anew a few times a second, with log lines above it.

One thread alone draws, with rich (https://rich.readthedocs.io/en/stable/live.html). Whoever writes to stderr meanwhile
only leaves the text for it: no work of the run ever waits for the terminal, and no signal can find a lock taken.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from queue import Empty, SimpleQueue

from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from tap_salesforce_ci.progress.picture import Painter, Picture
from tap_salesforce_ci.redaction import RedactedText

FAILED = r"[\d,]+ failed"

GAP = "  "
SHORTEST_NAME = 12

SECONDS = 0.25
"""Between two drawings."""

PATIENCE = 2.0
"""Seconds that a run which a signal ends leaves to a terminal that takes nothing (Ctrl-S)."""


@contextmanager
def shown(screen: Screen, undisturbed: Callable[[], AbstractContextManager[None]]) -> Iterator[None]:
    """
    Draw for the time of the block; afterwards the drawing is gone, and the cursor is back.

    A signal's work waits in `undisturbed` until the terminal is as it was.
    """
    patience = None
    try:
        with undisturbed():
            screen.start()
        yield
    except SystemExit:
        patience = PATIENCE
        raise
    finally:
        with undisturbed():
            screen.stop(patience)


class Screen:
    """The region and the thread that draws it."""

    def __init__(self, stderr: RedactedText, painter: Painter) -> None:
        self._stderr = stderr
        self._beneath = stderr.beneath()
        self._painter = painter
        self._console = Console(file=self._beneath, highlight=False)  # type: ignore[arg-type]
        self._texts: SimpleQueue[str] = SimpleQueue()
        self._unwritten = ""
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, name="progress", daemon=True)

    @property
    def is_usable(self) -> bool:
        """Whether the terminal can be drawn upon; rich knows its variables (TERM, TTY_COMPATIBLE, TTY_INTERACTIVE)."""
        return self._console.is_interactive and not self._console.is_dumb_terminal

    def start(self) -> None:
        """Begin to draw."""
        self._stderr.divert(self._texts.put)
        self._thread.start()

    def stop(self, patience: float | None) -> None:
        """
        Leave the terminal as it was, with all that was written.

        After so many seconds a terminal that takes nothing is left alone, and what is written then is lost.
        """
        self._over.set()
        if self._thread.ident is not None:
            self._thread.join(patience)

    def _work(self) -> None:
        try:
            with self._live() as live:
                while not self._over.wait(SECONDS):
                    self._draw(live)
                self._draw(live)
        finally:
            self._stderr.rejoin(lambda: self._unwritten + self._left())

    def _live(self) -> Live:
        return Live(
            console=self._console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
            get_renderable=self._renderable,
        )

    def _draw(self, live: Live) -> None:
        """Draw once: whole lines that were written meanwhile go above."""
        self._unwritten += self._left()
        lines, end, unended = self._unwritten.rpartition("\n")
        if end:
            self._console.out(lines, highlight=False)
            self._unwritten = unended
        else:
            live.refresh()

    def _left(self) -> str:
        texts = []
        try:
            while True:
                texts.append(self._texts.get_nowait())
        except Empty:
            return "".join(texts)

    def _renderable(self) -> RenderableType:
        return rendered(self._painter(self._console.height), self._console.width)


def rendered(picture: Picture, width: int) -> RenderableType:
    """Return a picture as rich draws it on a terminal of so many columns: nothing wrapped, the names give way."""
    lines = []
    if picture.rows:
        columns = column_widths(picture, width)
        lines.append(_line(picture.head, columns, "bold", "bold"))
        lines += [_line(row, columns, "cyan", "") for row in picture.rows]
    for line in picture.below:
        lines.append(Text(line, "dim"))
        lines[-1].highlight_regex(FAILED, "bold red")
    for each in lines:
        each.truncate(width, overflow="ellipsis")
    return Text("\n", no_wrap=True, overflow="crop").join(lines)


def column_widths(picture: Picture, width: int) -> list[int]:
    """Return how wide the columns are; the first is as wide as the others let it be, the last takes what is left."""
    names, *others = picture.widths
    taken = sum(others) + len(GAP) * len(others) + max(len(row[-1]) for row in picture.rows)
    return [max(SHORTEST_NAME, min(names, width - taken)), *others]


def _line(cells: Sequence[str], widths: Sequence[int], first: str, others: str) -> Text:
    name = Text(cells[0], first)
    name.truncate(widths[0], overflow="ellipsis", pad=True)
    middle = (cell.rjust(width) for cell, width in zip(cells[1:-1], widths[1:-1], strict=True))
    return name.append(GAP + GAP.join((*middle, cells[-1])), others)
