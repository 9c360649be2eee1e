"""Records as the REST API prints them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tap_salesforce_ci.demo.soql.aggregates import grouped
from tap_salesforce_ci.demo.soql.query import ChildQuery
from tap_salesforce_ci.demo.values import COMPOUNDS, json_text, rest_printer

if TYPE_CHECKING:
    from tap_salesforce_ci.demo.sobject import Field, Row, SObject
    from tap_salesforce_ci.demo.soql.names import Column, Objects
    from tap_salesforce_ci.demo.soql.query import Query, Record

    # A record of an object to the JSON of one of its members.
    Printer = Callable[[SObject, str, Row], str]


@dataclass(frozen=True)
class Printing:
    """How records are printed for one version of the API."""

    root: str
    objects: Objects
    deleted: bool = False

    def page(self, query: Query, records: list[Record]) -> list[str]:
        """The JSON of each record."""
        if query.aggregates or query.group:
            return self._aggregates(query, [row for _, row in records])
        printer = self._record_printer(list(query.columns), 0)
        return [printer(query.source, identifier, row) for identifier, row in records]

    def row(self, source: SObject, identifier: str, row: Row, fields: list[Field]) -> str:
        """The JSON of one record with these fields."""
        printers = [(field.name, self._value_printer(field)) for field in fields]
        members = (f'"{name}":{printer(source, identifier, row)}' for name, printer in printers)
        return "{" + ",".join([self._attributes(source, identifier), *members]) + "}"

    def _attributes(self, source: SObject, identifier: str) -> str:
        return f'"attributes":{{"type":"{source.name}","url":"{self.root}/sobjects/{source.name}/{identifier}"}}'

    def _record_printer(self, columns: list[Column | ChildQuery], depth: int) -> Printer:
        """Fields in the order selected; those of one parent together, where the first of them stands."""
        printers: dict[str, Printer] = {}
        parents: dict[str, list[Column | ChildQuery]] = {}
        for column in columns:
            if isinstance(column, ChildQuery):
                printers[column.relationship] = self._children_printer(column)
            elif len(column.hops) > depth:
                hop = column.hops[depth]
                parents.setdefault(str(hop.relationship), []).append(column)
                printers[str(hop.relationship)] = self._parent_printer(hop, parents[str(hop.relationship)], depth)
            else:
                printers[column.field.name] = self._value_printer(column.field)
        members = list(printers.items())

        def record(source: SObject, identifier: str, row: Row) -> str:
            text = self._attributes(source, identifier)
            for name, printer in members:
                text += f',"{name}":{printer(source, identifier, row)}'
            return f"{{{text}}}"

        return record

    def _parent_printer(self, hop: Field, columns: list[Column | ChildQuery], depth: int) -> Printer:
        inner: list[Printer] = []

        def parent(_: SObject, __: str, row: Row) -> str:
            if not inner:
                inner.append(self._record_printer(columns, depth + 1))
            identifier = row.get(hop.name)
            found = self.objects.parent(hop, identifier) if identifier else None
            if found is None or identifier is None:
                return "null"
            source, far = found
            return inner[0](source, identifier, {**far, "Type": source.name} if len(hop.reference_to) > 1 else far)

        return parent

    def _children_printer(self, column: ChildQuery) -> Printer:
        def children(_: SObject, identifier: str, __: Row) -> str:
            found = column.of(identifier, deleted=self.deleted)
            return answer(len(found), self.page(column.query, found)) if found else "null"

        return children

    def _value_printer(self, field: Field) -> Printer:
        name = field.name
        if field.type in COMPOUNDS:
            return _compound_printer(name)
        if field.type == "base64":
            return self._blob_printer(name)
        printer = rest_printer(field.type)

        def value(_: SObject, __: str, row: Row) -> str:
            kept = row.get(name)
            return "null" if kept is None else printer(kept)

        return value

    def _blob_printer(self, name: str) -> Printer:
        def blob(source: SObject, identifier: str, row: Row) -> str:
            if row.get(name) is None:
                return "null"
            return json_text(f"{self.root}/sobjects/{source.name}/{identifier}/{name}")

        return blob

    def _aggregates(self, query: Query, rows: list[Row]) -> list[str]:
        printers = [(each.alias, rest_printer(each.kind)) for each in query.aggregates]
        selected = [column.name for column in query.fields]
        texts = []
        for values, results in grouped(rows, query.group, query.aggregates, query.objects):
            members = ['"attributes":{"type":"AggregateResult"}']
            for column, value in zip(query.group, values, strict=True):
                if column.name in selected:
                    members.append(f'"{column.field.name}":{_or_null(value, rest_printer(column.field.type))}')
            for (alias, printer), result in zip(printers, results, strict=True):
                members.append(f'"{alias}":{_or_null(result, printer)}')
            texts.append("{" + ",".join(members) + "}")
        return texts


def _or_null(value: Any, printer: Callable[[Any], str]) -> str:
    return "null" if value is None else printer(value)


def _compound_printer(name: str) -> Printer:
    """A compound field is an object of its parts, or null when every part is."""

    def compound(source: SObject, _: str, row: Row) -> str:
        parts = [(key, row.get(part.name), rest_printer(part.type)) for key, part in source.parts(name)]
        if all(value is None for _, value, _ in parts):
            return "null"
        members = (f'"{key}":{_or_null(value, printer)}' for key, value, printer in parts)
        return "{" + ",".join(members) + "}"

    return compound


def answer(total: int, records: list[str], next_url: str | None = None) -> str:
    """The JSON of a query's answer."""
    done = "true" if next_url is None else "false"
    following = f',"nextRecordsUrl":"{next_url}"' if next_url else ""
    return f'{{"totalSize":{total},"done":{done}{following},"records":[{",".join(records)}]}}'
