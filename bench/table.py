"""The figures as a Markdown table."""

from __future__ import annotations

from bench.figures import Result
from bench.measure import Cost

COLUMNS = (
    "figure",
    "rows",
    "rows/s",
    "rows/CPU s",
    "CPU s",
    "wall s",
    "peak MB",
    "calls",
    "times floor",
    "other ÷ tap",
)


def heading() -> str:
    """Return the table's first two lines."""
    return f"{_line(*COLUMNS)}\n{_line('---', *['---:'] * (len(COLUMNS) - 1))}"


def line(result: Result) -> str:
    """
    Return a result's line.

    Of CPU seconds, the tap took so many times the floor's, and the other tap so many times the tap's.
    """
    tap, rows = result.tap, result.rows
    return _line(
        result.name,
        f"{rows:,}" if rows else "",
        f"{rows / tap.wall:,.0f}" if rows else "",
        f"{rows / tap.cpu:,.0f}" if rows else "",
        f"{tap.cpu:.2f}",
        f"{tap.wall:.2f}",
        f"{tap.peak / 1e6:,.0f}",
        "" if result.calls is None else str(result.calls),
        _ratio(tap, result.floor),
        _ratio(result.other, tap),
    )


def _ratio(cost: Cost | None, beside: Cost | None) -> str:
    return f"{cost.cpu / beside.cpu:.2f}" if cost and beside else ""


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
