"""What the database holds after a load, put the way an analyst asks for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psycopg import sql

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from psycopg import Connection

TABLES = """
SELECT table_name FROM information_schema.tables
WHERE table_schema = 'public' AND table_name LIKE 'sf\\_%' ORDER BY lower(table_name)
"""

ROWS = "SELECT count(*), count(*) FILTER (WHERE _sdc_received_at >= %s) FROM {}"

FUNNEL = """
SELECT to_char(lead."CreatedDate", 'YYYY-MM'),
       count(*),
       count(*) FILTER (WHERE lead."IsConverted"),
       count(*) FILTER (WHERE opportunity."IsWon"),
       coalesce(sum(opportunity."Amount") FILTER (WHERE opportunity."IsWon"), 0)
FROM "sf_Lead" AS lead
LEFT JOIN "sf_Opportunity" AS opportunity
       ON opportunity."Id" = lead."ConvertedOpportunityId" AND NOT opportunity."IsDeleted"
WHERE NOT lead."IsDeleted"
GROUP BY 1
ORDER BY 1
"""


@dataclass(frozen=True)
class LoadedTable:
    """A table of the database, and how much of it the last run brought."""

    name: str
    rows: int
    loaded: int


def loaded_tables(connection: Connection[Any], *, since: datetime) -> list[LoadedTable]:
    """Every `sf_` table, with the rows that the target received since a moment."""
    found = []
    for (name,) in connection.execute(TABLES).fetchall():
        counted = connection.execute(sql.SQL(ROWS).format(sql.Identifier(name)), [since]).fetchone()
        rows, loaded = counted or (0, 0)
        found.append(LoadedTable(name, rows, loaded))
    return found


def describe_load(tables: Sequence[LoadedTable], *, first: bool) -> str:
    """The tables with their row counts, and in a sentence how much of them this run loaded."""
    rows, loaded = sum(table.rows for table in tables), sum(table.loaded for table in tables)
    lines = [(table.name, f"{table.rows:,}", f"{table.loaded:,}") for table in tables]
    total = (f"{len(tables)} tables", f"{rows:,}", f"{loaded:,}")
    told = (
        f"The first run loaded everything: {loaded:,} rows."
        if first
        else f"A day has passed in the org. Only {loaded:,} changed rows of {rows:,} were loaded."
    )
    return f"\n{aligned(['Table', 'Rows', 'Loaded now'], [*lines, total])}\n\n{told}\n"


def funnel(connection: Connection[Any]) -> str:
    """How many leads of each month were converted, and how many of those opportunities were won."""
    months = [
        (
            month,
            f"{leads:,}",
            f"{converted:,}",
            share(converted, leads),
            f"{won:,}",
            share(won, converted),
            f"{amount:,.0f}",
        )
        for month, leads, converted, won, amount in connection.execute(FUNNEL).fetchall()
    ]
    head = ["Month", "Leads", "Converted", "of leads", "Won", "of converted", "Won amount"]
    return f"From lead to won opportunity, by the month in which the lead came:\n\n{aligned(head, months)}\n"


def share(part: int, whole: int) -> str:
    """A part in percent; nothing where there is no whole."""
    return f"{part / whole:.0%}" if whole else ""


def aligned(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of text: names to the left, numbers to the right."""
    lines = [head, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join(
        "  ".join(
            [line[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True))]
        )
        for line in lines
    )
