"""What the display shows at a moment, as plain text: the streams at work, and how many are not."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from tap_salesforce_ci.client.limits import Allowance
from tap_salesforce_ci.progress.report import Board, StreamReport
from tap_salesforce_ci.progress.table import size

RATE_SECONDS = 5.0
"""The stretch of time behind a rate of rows: long enough to be calm, short enough to be true."""

MOST_STREAMS = 12
BESIDES_STREAMS = 5
"""Lines of the terminal that stay free for the head, the counts and what is logged."""

TELLING_SECONDS = 2.0
"""From here on it is told how long a stream has been waiting."""

HEAD = ("stream", "rows", "rows/s", "pages", "now")
WIDTHS = (10, 7, 5, 0)
LONGEST_NAME = 32


@dataclass(frozen=True, slots=True)
class Picture:
    """Rows of cells under a head, with the widths of the columns, and lines below them."""

    head: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    below: tuple[str, ...] = ()
    widths: tuple[int, ...] = ()


Painter = Callable[[int], Picture]
"""Draws the picture for a terminal of so many lines."""


class DiscoveryPainter:
    """Draws how many objects have been described."""

    def __init__(self, board: Board, allowance: Allowance, monotonic: Callable[[], float]) -> None:
        self._board = board
        self._allowance = allowance
        self._monotonic = monotonic
        self._began = monotonic()

    def __call__(self, height: int) -> Picture:
        """Return the picture of this moment."""
        del height
        seconds = clock(self._monotonic() - self._began)
        if not self._board.asked:
            return Picture(below=(f"Asking Salesforce which objects there are   {seconds}",))
        told = f"Describing objects: {self._board.described:,} of {self._board.asked:,}"
        return Picture(below=(f"{told}   {calls(self._allowance)}   {seconds}",))


class RunPainter:
    """Draws the streams at work, those that are being written first, and counts the others."""

    def __init__(
        self, reports: Mapping[str, StreamReport], allowance: Allowance, monotonic: Callable[[], float]
    ) -> None:
        self._reports = reports
        self._allowance = allowance
        self._monotonic = monotonic
        self._began = monotonic()
        self._rates: dict[str, _Rate] = {}
        self._since: dict[str, tuple[str, float]] = {}

    def __call__(self, height: int) -> Picture:
        """Return the picture of this moment."""
        now = self._monotonic()
        reports = list(self._reports.values())
        total = self._rate("", sum(report.rows for report in reports), now)
        at_work = [report for report in reports if report.begun and not report.ended and not _is_next(report)]
        at_work.sort(key=lambda report: not report.rows)
        shown = at_work[: max(1, min(MOST_STREAMS, height - BESIDES_STREAMS))]
        rows = tuple(self._row(report, now) for report in shown)
        more = len(at_work) - len(shown)
        hidden = (f"... and {more:,} more at work",) if more > 0 else ()
        below = (*hidden, counts(reports), self._totals(reports, total, now))
        if not rows:
            return Picture(below=below)
        # Columns that do not jump while streams come and go.
        longest = max(len(report.name) for report in reports)
        return Picture(HEAD, rows, below, (min(longest, LONGEST_NAME), *WIDTHS))

    def _row(self, report: StreamReport, now: float) -> tuple[str, ...]:
        rate = self._rate(report.name, report.rows, now)
        return (
            report.name,
            f"{report.rows:,}",
            f"{rate:,.0f}" if rate else "",
            f"{report.pages:,}" if report.pages else "",
            self._now(report, now),
        )

    def _now(self, report: StreamReport, now: float) -> str:
        what = report.doing or _page(report)
        known, since = self._since.get(report.name, ("", now))
        if known != what:
            since = now
        self._since[report.name] = (what, since)
        waited = now - since
        return f"{what}, {clock(waited)}" if waited >= TELLING_SECONDS else what

    def _rate(self, name: str, rows: int, now: float) -> float:
        return self._rates.setdefault(name, _Rate()).at(rows, now)

    def _totals(self, reports: Iterable[StreamReport], rate: float, now: float) -> str:
        rows, wire_bytes = 0, 0
        for report in reports:
            rows += report.rows
            wire_bytes += report.tally.wire_bytes
        speed = f" ({rate:,.0f}/s)" if rate else ""
        return f"{rows:,} rows{speed}, {size(wire_bytes)}   {calls(self._allowance)}   {clock(now - self._began)}"


class _Rate:
    """How fast a count grows, over its last seconds."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def at(self, count: int, now: float) -> float:
        """Return how much the count grows in a second, given what it is now."""
        self._seen.append((now, count))
        while now - self._seen[0][0] > RATE_SECONDS and len(self._seen) > 2:  # noqa: PLR2004 - two make a stretch
            self._seen.popleft()
        then, before = self._seen[0]
        return max(0.0, (count - before) / (now - then)) if now > then else 0.0


def _is_next(report: StreamReport) -> bool:
    """Say whether everything is read and nothing is written yet: such streams are many, and none of them waits."""
    return report.all_read and not report.rows


def _page(report: StreamReport) -> str:
    if report.all_read:
        return "writing"
    expected = report.pages_expected
    return f"page {report.pages + 1:,} of {max(expected, report.pages + 1):,}" if expected else "query"


def counts(reports: Iterable[StreamReport]) -> str:
    """Say how many streams have come how far."""
    done = failed = following = at_work = waiting = 0
    for report in reports:
        failed += report.error is not None
        done += report.ended and report.error is None
        if not report.ended:
            following += _is_next(report)
            at_work += report.begun and not _is_next(report)
            waiting += not report.begun
    told = {"finished": done, "failed": failed, "at work": at_work, "read, to be written": following}
    told["waiting"] = waiting
    return "streams: " + (", ".join(f"{count:,} {what}" for what, count in told.items() if count) or "none yet")


def calls(allowance: Allowance) -> str:
    """Say how many API calls were made, and how many the org has left."""
    left = allowance.left
    return f"{allowance.calls:,} API calls" + ("" if left is None else f", {left:,} left to the org")


def clock(seconds: float) -> str:
    """Return a stretch of time as a person reads it."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
