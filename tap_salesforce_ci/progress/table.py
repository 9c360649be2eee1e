"""The table of a run, and why streams failed: what a person reads on stderr when the run is over."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tap_salesforce_ci.progress.report import WHOLE, StreamReport

KILO = 1000.0
MOST_EMPTY = 5
"""Streams without anything new that a brief table still lists one by one."""

MANY_ALIKE = 5
"""From here on, streams that failed for one reason share its explanation."""


def table(reports: Iterable[StreamReport], *, calls: int, calls_left: int | None, brief: bool = False) -> str:
    """
    Return the run's table, with totals and the org's remaining allowance.

    A brief one has a single line for all streams that had nothing new, if they are many; never for one that failed.
    """
    reports = list(reports)
    summed_up = [report for report in reports if brief and report.outcome == WHOLE and not report.rows]
    if len(summed_up) <= MOST_EMPTY:
        summed_up = []
    unlisted = {report.name for report in summed_up}
    listed = [report for report in reports if report.name not in unlisted]
    rows = [_row(report.name, [report], f"{report.seconds:.1f}", _outcome(report)) for report in listed]
    if summed_up:
        rows.append(_row(f"{len(summed_up):,} others", summed_up, "", "whole, nothing new"))
    total_rows = sum(report.rows for report in reports)
    total_bytes = size(sum(report.tally.wire_bytes for report in reports))
    left = "unknown" if calls_left is None else f"{calls_left:,}"
    lines = aligned([("stream", "rows", "bytes", "calls", "seconds", "outcome"), *rows])
    made = f"{calls:,} API {'call' if calls == 1 else 'calls'}"
    lines.append(f"{total_rows:,} rows, {total_bytes}, {made}; API calls left to the org: {left}")
    return "\n".join(lines)


def _outcome(report: StreamReport) -> str:
    """Say what became of a stream; why it failed is told below the table, once for all that failed alike."""
    return report.outcome if report.error is None else "FAILED"


def _row(name: str, reports: Iterable[StreamReport], seconds: str, outcome: str) -> tuple[str, ...]:
    rows = wire_bytes = calls = 0
    for report in reports:
        rows += report.rows
        wire_bytes += report.tally.wire_bytes
        calls += report.tally.calls
    return name, f"{rows:,}", size(wire_bytes), f"{calls:,}", seconds, outcome


def size(count: float) -> str:
    """Return a number of bytes as a person reads it."""
    for unit in ("B", "kB", "MB"):
        if count < KILO:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= KILO
    return f"{count:.1f} GB"


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the rows as lines of aligned columns: first and last to the left, the others to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    last = len(widths) - 1
    return [
        "  ".join(
            cell.ljust(width) if column in {0, last} else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def failures(reports: Iterable[StreamReport]) -> str:
    """Return why streams failed: which one, what happened, what to do next; what happened to many is told once."""
    alike: dict[tuple[str, str], list[StreamReport]] = {}
    for report in reports:
        if report.error is not None:
            alike.setdefault((report.error.what, report.error.remedy), []).append(report)
    lines = []
    for failed in alike.values():
        told = failed if len(failed) < MANY_ALIKE else failed[:1]
        for report in told:
            lines += [f"{report.name} failed:", *(f"  {line}" for line in str(report.error).splitlines())]
        if len(told) < len(failed):
            others = ", ".join(report.name for report in failed[1:])
            lines.append(f"So did {len(failed) - 1:,} others, for the same reason: {others}")
    return "\n".join(lines)
