"""One object of the org: what it says of itself, and its records."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tap_salesforce_ci.demo.values import COMPOUNDS, kept

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from tap_salesforce_ci.demo.clock import Stamp

Row = dict[str, Any]

# The parts of a compound address by the ends of their names
# (https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/compound_fields_address.htm).
_PARTS = {
    "City": "city",
    "Country": "country",
    "CountryCode": "countryCode",
    "GeocodeAccuracy": "geocodeAccuracy",
    "Latitude": "latitude",
    "Longitude": "longitude",
    "PostalCode": "postalCode",
    "State": "state",
    "StateCode": "stateCode",
    "Street": "street",
    "__Latitude__s": "latitude",
    "__Longitude__s": "longitude",
}


@dataclass(frozen=True)
class Field:
    """A field as its describe tells it."""

    name: str
    type: str
    custom: bool
    filterable: bool
    sortable: bool
    aggregatable: bool
    groupable: bool
    relationship: str | None
    reference_to: tuple[str, ...]
    # The compound field this one is a part of, and under which key.
    compound: str | None
    part: str | None

    @classmethod
    def described(cls, body: Mapping[str, Any]) -> Field:
        """The field of one entry of a describe's `fields`."""
        compound = body.get("compoundFieldName")
        return cls(
            name=body["name"],
            type=body["type"],
            custom=bool(body.get("custom")),
            filterable=body.get("filterable", True),
            sortable=body.get("sortable", True),
            aggregatable=body.get("aggregatable", True),
            groupable=body.get("groupable", True),
            relationship=body.get("relationshipName"),
            reference_to=tuple(body.get("referenceTo") or ()),
            compound=compound,
            part=_part(body["name"], compound) if compound else None,
        )


def _part(name: str, compound: str) -> str | None:
    stem = compound.removesuffix("Address").removesuffix("__c")
    return _PARTS.get(name.removeprefix(stem))


@dataclass
class SObject:
    """An object: its describe, its records by id, and the log of its deletions."""

    describe: dict[str, Any]
    # When the describe last changed, as `If-Modified-Since` sees it.
    changed: Stamp
    rows: dict[str, Row] = field(default_factory=dict)
    deletions: list[tuple[str, datetime]] = field(default_factory=list)
    sequence: int = 0
    _sorted: bool = True
    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False)

    @property
    def name(self) -> str:
        """The object's API name."""
        return str(self.describe["name"])

    @cached_property
    def fields(self) -> dict[str, Field]:
        """Every field, in describe order, by its lower-case name."""
        return {body["name"].lower(): Field.described(body) for body in self.describe["fields"]}

    @cached_property
    def relationships(self) -> dict[str, Field]:
        """The reference fields by the lower-case name of the relationship they make."""
        return {each.relationship.lower(): each for each in self.fields.values() if each.relationship}

    @cached_property
    def stored(self) -> tuple[Field, ...]:
        """The fields that have a value of their own, which compound ones do not."""
        return tuple(each for each in self.fields.values() if each.type not in COMPOUNDS)

    def has(self, name: str) -> bool:
        """Whether the object has a field of this name."""
        return name.lower() in self.fields

    def parts(self, compound: str) -> tuple[tuple[str, Field], ...]:
        """The parts of a compound field, in the order REST prints them."""
        found = [(each.part, each) for each in self.fields.values() if each.compound == compound and each.part]
        return tuple(sorted(found, key=lambda pair: pair[0]))

    def redescribe(self, fields: list[dict[str, Any]]) -> None:
        """Change the fields; a describe fetched before this is stale."""
        self.describe = {**self.describe, "fields": fields}
        self.changed.touch()
        for derived in ("fields", "relationships", "stored"):
            self.__dict__.pop(derived, None)

    def normalised(self, values: Mapping[str, Any]) -> Row:
        """The values under the describe's own spelling of the names, as they are kept."""
        row: Row = {}
        for name, value in values.items():
            found = self.fields.get(name.lower())
            if found is None:
                message = f"No such column '{name}' on sobject of type {self.name}"
                raise KeyError(message)
            row[found.name] = kept(found.type, value)
        return row

    def put(self, identifier: str, row: Row) -> None:
        """Store a record; the one it replaces is left as it was, for those still reading it."""
        with self._lock:
            if identifier not in self.rows:
                self._sorted = self._sorted and (not self.rows or next(reversed(self.rows)) < identifier)
            self.rows[identifier] = row

    def take(self, identifier: str) -> Row:
        """Remove a record for good."""
        with self._lock:
            return self.rows.pop(identifier)

    def in_id_order(self) -> list[tuple[str, Row]]:
        """Every record as it is now, deleted ones too, in Id order."""
        with self._lock:
            if not self._sorted:
                self.rows = dict(sorted(self.rows.items()))
                self._sorted = True
            return list(self.rows.items())
