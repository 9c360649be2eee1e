"""
One table from Salesforce's field types to JSON Schema properties and kinds of column.

Source: Object Reference, "Field Types" (`field_types.htm`) and "Primitive Data Types" (`primitive_data_types.htm`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from tap_salesforce_ci.client.describe import Field, SObject
from tap_salesforce_ci.encode.columns import Column, Kind

COMPONENTS = "Compound field: its components are read one by one."
BLOB = "Binary content: files are not read."
STRUCTURE = "A structure that no query returns as a value."


@dataclass(frozen=True, slots=True)
class FieldType:
    """How a field type arrives: as which kind of column, or why it doesn't."""

    kind: Kind = Kind.TEXT
    format: str | None = None
    unsupported: str | None = None


TYPES: dict[str, FieldType] = {
    "id": FieldType(),
    "reference": FieldType(),
    "string": FieldType(),
    "textarea": FieldType(),
    "phone": FieldType(),
    "email": FieldType(),
    "url": FieldType(),
    "picklist": FieldType(),
    "multipicklist": FieldType(),
    "combobox": FieldType(),
    "encryptedstring": FieldType(),
    "datacategorygroupreference": FieldType(),
    "masterrecord": FieldType(),
    "anytype": FieldType(),
    "calculated": FieldType(),
    "json": FieldType(),
    "boolean": FieldType(Kind.BOOLEAN),
    "int": FieldType(Kind.INTEGER),
    "integer": FieldType(Kind.INTEGER),
    "long": FieldType(Kind.INTEGER),
    "double": FieldType(Kind.NUMBER),
    "currency": FieldType(Kind.NUMBER),
    "percent": FieldType(Kind.NUMBER),
    "date": FieldType(format="date"),
    "datetime": FieldType(Kind.DATETIME, format="date-time"),
    "time": FieldType(format="time"),
    "address": FieldType(unsupported=COMPONENTS),
    "location": FieldType(unsupported=COMPONENTS),
    "base64": FieldType(unsupported=BLOB),
    "byte": FieldType(unsupported=BLOB),
    "complexvalue": FieldType(unsupported=STRUCTURE),
    "junctionidlist": FieldType(unsupported=STRUCTURE),
    "floatarray": FieldType(unsupported=STRUCTURE),
    "textarray": FieldType(unsupported=STRUCTURE),
}

BY_SOAP_TYPE = {
    "urn:address": FieldType(unsupported=COMPONENTS),
    "urn:location": FieldType(unsupported=COMPONENTS),
    "xsd:base64binary": FieldType(unsupported=BLOB),
    "urn:junctionidlistnames": FieldType(unsupported=STRUCTURE),
}
"""What tells a structure where the type is unknown or says less."""

JSON_TYPES = {
    Kind.TEXT: "string",
    Kind.DATETIME: "string",
    Kind.NUMBER: "number",
    Kind.INTEGER: "integer",
    Kind.BOOLEAN: "boolean",
}


def field_type(field: Field) -> FieldType:
    """Return how a field arrives; a type nobody knows arrives as text."""
    return _type_of(field.type, field.soap_type)


# A large org has hundreds of thousands of fields, but few types.
@cache
def _type_of(name: str, soap_type: str | None) -> FieldType:
    structure = BY_SOAP_TYPE.get((soap_type or "").lower())
    return structure or TYPES.get(name.lower()) or FieldType()


def is_known(field: Field) -> bool:
    """Say whether the table has the field's type."""
    return _has(field.type)


@cache
def _has(name: str) -> bool:
    return name.lower() in TYPES


def unsupported(field: Field) -> str | None:
    """Return why a field can't be read, or None where it can."""
    return field_type(field).unsupported


def column(field: Field) -> Column:
    """Return the column that the field becomes."""
    return Column(field.name, field_type(field).kind)


def json_property(field: Field) -> dict[str, Any]:
    """Return a field's JSON Schema property: plain, nullable, with label and help text."""
    kind = _type_of(field.type, field.soap_type)
    described: dict[str, Any] = {"type": [JSON_TYPES[kind.kind], "null"]}
    if kind.format:
        described["format"] = kind.format
    if field.label:
        described["title"] = field.label
    if field.inline_help_text or kind.unsupported:
        described["description"] = " ".join(filter(None, (field.inline_help_text, kind.unsupported)))
    return described


def json_schema(sobject: SObject, keys: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return an object's JSON Schema, properties in describe order; its keys are never null."""
    properties = {field.name: json_property(field) for field in sobject.fields}
    for key in keys:
        properties[key]["type"] = [properties[key]["type"][0]]
    return {"type": "object", "properties": properties}
