"""A query that can be answered: its names resolved, its condition a function, its order a sort."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tap_salesforce_ci.demo.refusals import SalesforceError
from tap_salesforce_ci.demo.soql.aggregates import Aggregate, aggregates
from tap_salesforce_ci.demo.soql.conditions import Conditions, comparable
from tap_salesforce_ci.demo.soql.names import Column, Names, no_such_object
from tap_salesforce_ci.demo.soql.syntax import Call, Children, Comparison, Junction, Path, TypeOf

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import date

    from tap_salesforce_ci.demo.sobject import Row, SObject
    from tap_salesforce_ci.demo.soql.names import Objects
    from tap_salesforce_ci.demo.soql.syntax import Condition, Item, Order, Select

Record = tuple[str, "Row"]
# https://developer.salesforce.com/docs/atlas.en-us.soql_sosl.meta/soql_sosl/sforce_api_calls_soql_select_fields.htm
MOST_FIELDS_ROWS = 200
# What a record is marked with when only queryAll finds it
# (https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_calls_queryall.htm).
_HIDDEN = dict.fromkeys(("Event", "Task"), ("IsDeleted", "IsArchived"))


@dataclass(frozen=True)
class ChildQuery:
    """A query of the records that refer to each record found."""

    relationship: str
    reference: str
    query: Query

    def of(self, identifier: str, *, deleted: bool) -> list[Record]:
        """The children of one record."""
        return self.query.records(deleted=deleted, also=lambda row: row.get(self.reference) == identifier)


@dataclass(frozen=True)
class Query:
    """A query resolved against the org's objects."""

    select: Select
    source: SObject
    objects: Objects
    columns: tuple[Column | ChildQuery, ...]
    aggregates: tuple[Aggregate, ...]
    group: tuple[Column, ...]
    matches: Callable[[Row], bool]
    sorts: tuple[tuple[Column, Order], ...]

    @property
    def fields(self) -> tuple[Column, ...]:
        """The selected fields, without the child queries."""
        return tuple(each for each in self.columns if isinstance(each, Column))

    @property
    def counts_only(self) -> bool:
        """Whether this is `SELECT COUNT()`, answered by a size without records."""
        return bool(self.aggregates) and self.aggregates[0].bare

    def records(
        self,
        *,
        deleted: bool,
        also: Callable[[Row], bool] | None = None,
        shuffle: random.Random | None = None,
    ) -> list[Record]:
        """
        The records found, as they are now.

        Without ORDER BY they come in Id order, or in the order `shuffle` deals; records that sort alike come
        in any order either way.
        """
        matches = self.matches
        hidden = () if deleted else _HIDDEN.get(self.source.name, ("IsDeleted",))
        found = [
            record
            for record in self.source.in_id_order()
            if not any(map(record[1].get, hidden)) and matches(record[1]) and (also is None or also(record[1]))
        ]
        if shuffle:
            shuffle.shuffle(found)
        for column, order in reversed(self.sorts):
            found.sort(key=_sort_key(column, order, self.objects), reverse=order.descending)
        start = self.select.offset or 0
        return found[start : None if self.select.limit is None else start + self.select.limit]


def _sort_key(column: Column, order: Order, objects: Objects) -> Callable[[Record], Any]:
    read, key = column.reader(objects), comparable(column.field.type)
    # `reverse` turns the places of nulls round as well.
    null_place = 1 if order.nulls_last != order.descending else -1

    def sort_key(record: Record) -> Any:
        value = read(record[1])
        return (null_place, 0) if value is None else (0, key(value))

    return sort_key


def resolve(select: Select, objects: Objects, today: date) -> Query:
    """The query of a syntax tree, or the refusal Salesforce would give."""
    source = objects.find(select.source.text)
    if source is None:
        raise no_such_object(select.soql, select.source)
    return _resolved(select, source, objects, today)


def _resolved(select: Select, source: SObject, objects: Objects, today: date) -> Query:
    names = Names(select.soql, source, select.alias, objects)
    calls = [item for item in select.items if isinstance(item, Call) and item.name != "FIELDS"]
    columns: list[Column | ChildQuery] = []
    for item in select.items:
        columns += _columns(item, select, names, today)
    _refuse_duplicates(columns, grouped=bool(select.group))
    return Query(
        select=select,
        source=source,
        objects=objects,
        columns=tuple(columns),
        aggregates=aggregates(calls, names, select),
        group=tuple(names.column(path) for path in select.group),
        matches=Conditions(names, today).predicate(select.where),
        sorts=tuple((_sortable(order.path, names), order) for order in select.order),
    )


def _columns(item: Item, select: Select, names: Names, today: date) -> Sequence[Column | ChildQuery]:
    if isinstance(item, Path):
        return [names.column(item)]
    if isinstance(item, Children):
        return [_child_query(item, names, today)]
    if isinstance(item, TypeOf):
        raise SalesforceError("MALFORMED_QUERY", "unexpected token: 'TYPEOF'")
    return _all_fields(item, select, names.source) if item.name == "FIELDS" else []


def _all_fields(call: Call, select: Select, source: SObject) -> list[Column]:
    kind = call.argument.token.word if call.argument else ""
    if kind not in {"ALL", "STANDARD", "CUSTOM"}:
        raise SalesforceError("MALFORMED_QUERY", f"unexpected token: '{call.token.text}'")
    if kind != "STANDARD" and (select.limit is None or select.limit > MOST_FIELDS_ROWS):
        text = f"The SOQL FIELDS function must have a LIMIT of at most {MOST_FIELDS_ROWS}"
        raise SalesforceError("MALFORMED_QUERY", text)
    return [
        Column((), field) for field in source.fields.values() if kind == "ALL" or field.custom == (kind == "CUSTOM")
    ]


def _child_query(item: Children, names: Names, today: date) -> ChildQuery:
    select = item.query
    wanted = select.source.text.split(".")[-1].lower()
    for child in names.source.describe.get("childRelationships", ()):
        source = names.objects.find(child["childSObject"])
        if source and (child["relationshipName"] or "").lower() == wanted:
            query = _resolved(select, source, names.objects, today)
            return ChildQuery(child["relationshipName"], child["field"], query)
    text = (
        f"Didn't understand relationship '{select.source.text}' in FROM part of query call. If you are attempting to "
        "use a custom relationship, be sure to append the '__r' after the custom relationship name. Please reference "
        "your WSDL or the describe call for the appropriate names."
    )
    raise names.refuse(select.source, "INVALID_TYPE", text)


def _refuse_duplicates(columns: list[Column | ChildQuery], *, grouped: bool) -> None:
    seen: set[str] = set()
    for column in columns:
        name = column.name if isinstance(column, Column) else column.relationship
        if name in seen and not grouped:
            raise SalesforceError("INVALID_FIELD", f"duplicate field selected: {name}")
        seen.add(name)


def _sortable(path: Path, names: Names) -> Column:
    column = names.column(path)
    if not column.field.sortable:
        text = f"field '{column.field.name}' can not be sorted in a query call"
        raise names.refuse(path.token, "INVALID_FIELD", text)
    return column


def narrowed_by(condition: Condition | None) -> frozenset[str]:
    """The lower-case fields that every record found has one of a few given values in."""
    if isinstance(condition, Comparison) and condition.operator in {"=", "IN"}:
        return frozenset({condition.path.token.text.lower()})
    if isinstance(condition, Junction) and condition.word == "AND":
        return frozenset().union(*(narrowed_by(each) for each in condition.conditions))
    return frozenset()
