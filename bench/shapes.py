"""The tables that are read: their fields, their describes and their rows, the same on every machine."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

SEED = 20
NULL_SHARE = 0.15
AWKWARD_SHARE = 0.2
"""Rows of which a long text holds quotes and a line break."""

WORDS = (
    "account renewal quarter pipeline signed follow-up Köln onsite demo budget approved by the board next week".split()
)

SOAP_TYPES = {"boolean": "xsd:boolean", "int": "xsd:int", "double": "xsd:double", "currency": "xsd:double"}
SOAP_TYPES |= {"percent": "xsd:double", "date": "xsd:date", "datetime": "xsd:dateTime", "id": "tns:ID"}

Value = str | int | float | bool | None
Row = dict[str, Value]


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a table; `length` is about how many characters a text has."""

    name: str
    type: str
    length: int = 12
    nillable: bool = True


def _fields(type_: str, names: str, length: int = 12) -> tuple[Field, ...]:
    return tuple(Field(name, type_, length) for name in names.split())


STANDARD = (
    Field("Id", "id", nillable=False),
    Field("IsDeleted", "boolean", nillable=False),
    Field("SystemModstamp", "datetime", nillable=False),
)

TYPICAL = (
    *STANDARD,
    *_fields("string", "Name City__c Street__c Source__c Campaign__c Salutation__c Title__c"),
    *_fields("picklist", "Status__c Rating__c Industry__c Stage__c", 8),
    *_fields("textarea", "Notes__c Reason__c", 60),
    *_fields("reference", "OwnerId CreatedById LastModifiedById Account__c"),
    *_fields("email", "Email__c", 20),
    *_fields("phone", "Phone__c", 12),
    *_fields("datetime", "CreatedDate LastModifiedDate Contacted__c Converted__c"),
    *_fields("date", "Due__c"),
    *_fields("double", "Score__c Hours__c Discount__c"),
    *_fields("currency", "Amount__c Budget__c"),
    *_fields("int", "Employees__c Visits__c Age__c"),
    *_fields("boolean", "Active__c Priority__c Consent__c Partner__c"),
)
"""39 columns that make about 1 kB of JSON, as a busy Lead table has."""

WIDE_KINDS = ("string", "picklist", "double", "boolean", "int", "date", "datetime", "textarea")
WIDE = (
    *STANDARD,
    *(Field(f"Wide{number:03d}__c", WIDE_KINDS[number % len(WIDE_KINDS)]) for number in range(500 - len(STANDARD))),
)
NARROW = STANDARD
SMALL = (*STANDARD, *_fields("string", "Name Code__c"), *_fields("double", "Score__c"))
LISTED = (
    *STANDARD,
    *(Field(f"Detail{number:03d}__c", WIDE_KINDS[number % len(WIDE_KINDS)]) for number in range(105)),
)
"""So many fields make a describe of 150 kB."""

SHAPES = {"typical": TYPICAL, "wide": WIDE, "narrow": NARROW, "small": SMALL, "listed": LISTED}


class ColumnMaker:
    """Makes the values of a field: by chance, but always the same ones."""

    def __init__(self, field: Field) -> None:
        self._field = field
        self._random = Random(f"{SEED} {field.name}")  # noqa: S311 - believable, not secret
        makers: dict[str, Callable[[], Value]] = {
            "boolean": lambda: self._below(2) == 1,
            "int": lambda: self._below(10_000),
            "double": lambda: self._below(10**7) / 1000,
            "currency": lambda: self._below(10**8) / 100,
            "date": self._day,
            "datetime": lambda: f"{self._day()}T{self._below(24):02d}:{self._below(60):02d}:{self._below(60):02d}.000Z",
            "reference": lambda: record_id("005", self._below(10**6)),
            "textarea": self._long_text,
        }
        self._make = makers.get(field.type, self._text)

    def values(self, count: int) -> list[Value]:
        """Return so many values, the first ones first."""
        if self._field.type == "id":
            return [record_id("a00", number) for number in range(count)]
        return [None if self._is_null() else self._make() for _ in range(count)]

    def _is_null(self) -> bool:
        return self._field.nillable and self._random.random() < NULL_SHARE

    def _below(self, end: int) -> int:
        return self._random.randrange(end)

    def _text(self) -> str:
        text = self._random.choice(WORDS)
        while len(text) < self._field.length:
            text += " " + self._random.choice(WORDS)
        return text[: self._field.length].strip()

    def _long_text(self) -> str:
        text = self._text()
        return f'{text}\n"{text[:8]}"' if self._random.random() < AWKWARD_SHARE else text

    def _day(self) -> str:
        return f"20{10 + self._below(16)}-{1 + self._below(12):02d}-{1 + self._below(28):02d}"


def rows(fields: Sequence[Field], count: int) -> list[Row]:
    """Return so many rows, each a field's name to its value."""
    columns = [ColumnMaker(field).values(count) for field in fields]
    names = [field.name for field in fields]
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def record_id(prefix: str, number: int) -> str:
    """Return an 18-character Id; all-digit ones have the checksum AAA."""
    return f"{prefix}{number:012d}AAA"


def csv_line(values: Sequence[Value]) -> bytes:
    """Return a line of a Bulk 2.0 result page: every value quoted, null as nothing."""
    line = io.StringIO()
    csv.writer(line, quoting=csv.QUOTE_ALL, lineterminator="\n").writerow(map(_csv_text, values))
    return line.getvalue().encode()


def _csv_text(value: Value) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def json_record(object_name: str, row: Row) -> bytes:
    """Return a row as a REST query page holds it: with `attributes`, and datetimes that end in +0000."""
    url = f"/services/data/v66.0/sobjects/{object_name}/{row['Id']}"
    values = {name: _rest_value(value) for name, value in row.items()}
    return json_bytes({"attributes": {"type": object_name, "url": url}, **values})


def _rest_value(value: Value) -> Value:
    is_moment = isinstance(value, str) and value.endswith(".000Z") and value[10] == "T"
    return f"{value[:-1]}+0000" if is_moment and isinstance(value, str) else value


def json_bytes(value: Any) -> bytes:
    """Return compact JSON, as Salesforce prints it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


_FIELD_DEFAULTS: dict[str, Any] = {
    **dict.fromkeys(("aggregatable", "createable", "custom", "filterable", "groupable", "permissionable"), True),
    **dict.fromkeys(("sortable", "updateable"), True),
    **dict.fromkeys(
        "aiPredictionField autoNumber calculated cascadeDelete caseSensitive defaultedOnCreate dependentPicklist "
        "deprecatedAndHidden displayLocationInDecimal encrypted externalId formulaTreatNullNumberAsZero "
        "highScaleNumber htmlFormatted idLookup nameField namePointing polymorphicForeignKey queryByDistance "
        "restrictedDelete restrictedPicklist searchPrefilterable unique writeRequiresMasterRead".split(),
        False,
    ),
    **dict.fromkeys(
        "calculatedFormula compoundFieldName controllerName defaultValue defaultValueFormula extraTypeInfo "
        "filteredLookupInfo inlineHelpText mask maskType referenceTargetField relationshipName "
        "relationshipOrder".split()
    ),
    **dict.fromkeys(("byteLength", "digits", "length", "precision", "scale"), 0),
    "picklistValues": [],
    "referenceTo": [],
}
"""The keys of a field in a describe (REST API Developer Guide, "sObject Describe")."""


def field_describe(field: Field) -> dict[str, Any]:
    """Return a field as a describe tells of it."""
    values = [{"active": True, "defaultValue": False, "label": word, "validFor": None, "value": word} for word in WORDS]
    told = {
        **_FIELD_DEFAULTS,
        "label": field.name.removesuffix("__c"),
        "length": field.length,
        "name": field.name,
        "nillable": field.nillable,
        "picklistValues": values if field.type == "picklist" else [],
        "soapType": SOAP_TYPES.get(field.type, "xsd:string"),
        "type": field.type,
    }
    return dict(sorted(told.items()))
