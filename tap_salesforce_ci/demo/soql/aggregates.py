"""Aggregate functions and GROUP BY."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tap_salesforce_ci.demo.refusals import SalesforceError
from tap_salesforce_ci.demo.soql.conditions import comparable
from tap_salesforce_ci.demo.soql.syntax import Path
from tap_salesforce_ci.demo.values import NUMBERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tap_salesforce_ci.demo.sobject import Row
    from tap_salesforce_ci.demo.soql.names import Column, Names, Objects
    from tap_salesforce_ci.demo.soql.syntax import Call, Select


@dataclass(frozen=True)
class Aggregate:
    """One aggregate function over a column, and the key its result is given under."""

    function: str
    column: Column | None
    alias: str

    @property
    def bare(self) -> bool:
        """Whether this is `COUNT()`, which is answered by a size and no records."""
        return self.column is None

    @property
    def kind(self) -> str:
        """The type of the result."""
        if self.column is None or self.function.startswith("COUNT"):
            return "int"
        return self.column.field.type if self.function in {"MIN", "MAX"} else "double"

    def of(self, rows: Sequence[Row], objects: Objects) -> Any:
        """The function's value over some records; nulls do not take part."""
        if self.column is None:
            return len(rows)
        read, key = self.column.reader(objects), comparable(self.column.field.type)
        values = [value for value in map(read, rows) if value is not None]
        if self.function == "COUNT":
            return len(values)
        if self.function == "COUNT_DISTINCT":
            return len({key(value) for value in values})
        if not values:
            return None
        if self.function in {"MIN", "MAX"}:
            return (min if self.function == "MIN" else max)(values, key=key)
        total = sum((Decimal(key(value)) for value in values), Decimal(0))
        return total if self.function == "SUM" else total / len(values)


def aggregates(calls: Sequence[Call], names: Names, select: Select) -> tuple[Aggregate, ...]:
    """The aggregate functions of a query, which fields may not stand beside unless grouped by."""
    made: list[Aggregate] = []
    for call in calls:
        column = names.column(call.argument) if call.argument else None
        if column is None and (call.name != "COUNT" or len(select.items) > 1 or select.group):
            raise SalesforceError("MALFORMED_QUERY", f"unexpected token: '{call.token.text}'")
        if column and call.name in {"SUM", "AVG"} and column.field.type not in NUMBERS:
            text = f"field {column.field.name} does not support aggregate operator {call.name}"
            raise names.refuse(call.token, "INVALID_FIELD", text)
        made.append(Aggregate(call.name, column, call.alias or f"expr{len(made)}"))
    _refuse_ungrouped(names, select, aggregated=bool(made))
    return tuple(made)


def _refuse_ungrouped(names: Names, select: Select, *, aggregated: bool) -> None:
    grouped = {names.column(path).name for path in select.group}
    if not aggregated and not grouped:
        return
    for item in select.items:
        if isinstance(item, Path) and names.column(item).name not in grouped:
            text = f"Field must be grouped or aggregated: {item.token.text}"
            raise names.refuse(item.token, "MALFORMED_QUERY", text)


def grouped(
    rows: Iterable[Row], group: Sequence[Column], made: Sequence[Aggregate], objects: Objects
) -> list[tuple[tuple[Any, ...], tuple[Any, ...]]]:
    """The values grouped by and the results over each group, in the order of the groups' first records."""
    readers = [column.reader(objects) for column in group]
    groups: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in rows:
        groups[tuple(read(row) for read in readers)].append(row)
    if not group:
        groups.setdefault((), [])
    return [(values, tuple(each.of(members, objects) for each in made)) for values, members in groups.items()]
