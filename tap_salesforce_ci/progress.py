"""What a person reads on stderr when the run is over."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from tap_salesforce_ci.client.http import Tally
from tap_salesforce_ci.errors import TapError

KILO = 1000.0
NOT_STARTED = "not started"


@dataclass(slots=True)
class StreamReport:
    """What became of one stream; `seconds` from its first request to its last line, `error` if it failed."""

    name: str
    rows: int = 0
    seconds: float = 0.0
    tally: Tally = field(default_factory=Tally)
    outcome: str = NOT_STARTED
    error: TapError | None = None


def table(reports: Iterable[StreamReport], *, calls: int, calls_left: int | None) -> str:
    """Return the run's table, with totals and the org's remaining allowance."""
    reports = list(reports)
    rows = [
        (
            report.name,
            f"{report.rows:,}",
            size(report.tally.wire_bytes),
            f"{report.tally.calls:,}",
            f"{report.seconds:.1f}",
            report.outcome,
        )
        for report in reports
    ]
    total_rows = sum(report.rows for report in reports)
    total_bytes = size(sum(report.tally.wire_bytes for report in reports))
    left = "unknown" if calls_left is None else f"{calls_left:,}"
    lines = aligned([("stream", "rows", "bytes", "calls", "seconds", "outcome"), *rows])
    lines.append(f"{total_rows:,} rows, {total_bytes}, {calls:,} API calls; API calls left to the org: {left}")
    return "\n".join(lines)


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
    """Return why streams failed: which one, what happened, what to do next."""
    lines = []
    for report in reports:
        if report.error is not None:
            lines += [f"{report.name} failed:", *(f"  {line}" for line in str(report.error).splitlines())]
    return "\n".join(lines)
