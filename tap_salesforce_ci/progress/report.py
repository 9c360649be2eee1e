"""
The counters that the rooms keep and the display reads.

They are plain values, set by whoever does the work and read by anyone at any time: no lock, no clock, nothing waits.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TypeVar

from tap_salesforce_ci.client.http import Tally
from tap_salesforce_ci.errors import TapError

NOT_STARTED = "not started"
UNFINISHED = "unfinished"
WHOLE = "whole"

T = TypeVar("T")


@dataclass(slots=True)
class StreamReport:
    """
    What became of one stream; `seconds` from its first request to its last line, `error` if it failed.

    `rows` are those written. `pages` and `rows_read` count what Salesforce sent, of `rows_expected` where it told how
    many there are; `page_rows` are those of a page that is not whole yet. `doing` is what the stream does or waits for;
    empty while its pages come.
    """

    name: str
    rows: int = 0
    seconds: float = 0.0
    tally: Tally = field(default_factory=Tally)
    outcome: str = NOT_STARTED
    error: TapError | None = None
    begun: bool = False
    all_read: bool = False
    doing: str = ""
    pages: int = 0
    rows_read: int = 0
    rows_expected: int | None = None
    largest_page: int = 0
    page_rows: int = 0

    @property
    def ended(self) -> bool:
        """Whether nothing more will become of it."""
        return self.outcome not in {NOT_STARTED, UNFINISHED}

    def begin(self) -> None:
        """Count from the beginning: the stream is asked for, or asked for again."""
        self.begun = True
        self.pages = self.rows_read = self.page_rows = 0

    def read(self, rows: int, *, whole: bool = True) -> None:
        """Count a page that came, or a part of one: the last part makes it whole."""
        self.rows_read += rows
        self.page_rows += rows
        if whole:
            self.pages += 1
            self.largest_page = max(self.largest_page, self.page_rows)
            self.page_rows = 0

    @property
    def pages_expected(self) -> int | None:
        """About how many pages there are, by the rows that are still to come; None where nobody knows."""
        if self.rows_expected is None or not self.largest_page:
            return None
        return self.pages + math.ceil(max(0, self.rows_expected - self.rows_read) / self.largest_page)


at_work: ContextVar[StreamReport | None] = ContextVar("at_work", default=None)
"""The stream that the present context works for."""


def doing(what: str) -> None:
    """Note what the stream at work does or waits for; empty when its pages come."""
    report = at_work.get()
    if report is not None:
        report.doing = what


def expecting(rows: int | None) -> None:
    """Note how many rows the stream at work is going to read, where that is known."""
    report = at_work.get()
    if report is not None:
        report.rows_expected = rows


@dataclass(slots=True)
class Board:
    """How far discovery has come: objects described, of those asked for."""

    described: int = 0
    asked: int = 0

    def describing(self, answers: Iterable[T], asked: int) -> Iterator[T]:
        """Pass the answers on and count them; `asked` is how many there will be."""
        self.asked += asked
        for answer in answers:
            self.described += 1
            yield answer
