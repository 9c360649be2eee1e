"""Promises of the schema: every field type of Salesforce has a place, and an unknown one never stops a run."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from singer_sdk.singerlib import Schema

from tap_salesforce_ci import schema
from tap_salesforce_ci.client.describe import Field, SObject
from tap_salesforce_ci.demo.objects import describes
from tap_salesforce_ci.encode.columns import Column, Kind

TEXTS = """
    id reference string textarea phone email url picklist multipicklist combobox encryptedstring
    datacategorygroupreference masterrecord anyType calculated json
""".split()
UNSUPPORTED = "address location base64 byte complexvalue junctionidlist JunctionIdList floatarray textarray".split()
SUPPORTED = {
    **{key: {"type": ["string", "null"]} for key in TEXTS},
    "boolean": {"type": ["boolean", "null"]},
    "int": {"type": ["integer", "null"]},
    "long": {"type": ["integer", "null"]},
    "double": {"type": ["number", "null"]},
    "currency": {"type": ["number", "null"]},
    "percent": {"type": ["number", "null"]},
    "date": {"type": ["string", "null"], "format": "date"},
    "datetime": {"type": ["string", "null"], "format": "date-time"},
    "time": {"type": ["string", "null"], "format": "time"},
}
KINDS = {"boolean": Kind.BOOLEAN, "integer": Kind.INTEGER, "number": Kind.NUMBER, "string": Kind.TEXT}


@pytest.mark.parametrize(("kind", "expected"), SUPPORTED.items())
def test_every_type_has_a_plain_schema(kind: str, expected: dict[str, Any]) -> None:
    """Each type of Salesforce's list becomes one nullable JSON type, with its format where it has one."""
    field = Field("F", kind)

    assert schema.json_property(field) == expected
    assert schema.unsupported(field) is None
    assert schema.is_known(field)


@pytest.mark.parametrize(("kind", "expected"), SUPPORTED.items())
def test_a_column_is_of_the_kind_its_schema_says(kind: str, expected: dict[str, Any]) -> None:
    """What a record holds is what its schema promises."""
    due = Kind.DATETIME if kind == "datetime" else KINDS[expected["type"][0]]

    assert schema.column(Field("F", kind)) == Column("F", due)


@pytest.mark.parametrize("kind", UNSUPPORTED)
def test_what_no_query_returns_is_unsupported_with_the_reason(kind: str) -> None:
    """Compound and binary fields are in the schema, and it says why they aren't read."""
    field = Field("F", kind)

    reason = schema.unsupported(field)

    assert reason
    assert reason in schema.json_property(field)["description"]


@pytest.mark.parametrize(
    ("soap_type", "unsupported"),
    [
        ("urn:address", True),
        ("urn:location", True),
        ("xsd:base64Binary", True),
        ("urn:JunctionIdListNames", True),
        ("urn:json", False),
        ("urn:hologram", False),
        (None, False),
    ],
)
def test_the_soap_type_tells_a_structure_of_an_unknown_type(soap_type: str | None, unsupported: bool) -> None:  # noqa: FBT001
    """A type nobody knows is still recognised as a structure where its soapType says so."""
    assert bool(schema.unsupported(Field("F", "hologram", soap_type=soap_type))) is unsupported


def test_the_soap_type_tells_a_list_of_ids_from_a_reference() -> None:
    """Where the type says less than the soapType, the soapType is believed."""
    assert schema.unsupported(Field("F", "reference", soap_type="urn:JunctionIdListNames")) == schema.STRUCTURE
    assert schema.unsupported(Field("F", "reference", soap_type="tns:ID")) is None


@given(st.text(), st.one_of(st.none(), st.text()))
def test_an_unknown_type_is_a_text(kind: str, soap_type: str | None) -> None:
    """Whatever Salesforce invents arrives as a string, or is marked; it never stops a run."""
    field = Field("F", kind, soap_type=soap_type)

    if not schema.is_known(field):
        assert schema.json_property(field)["type"] == ["string", "null"]
        assert schema.column(field) == Column("F", Kind.TEXT)


def test_the_types_of_the_emulated_org_are_known_but_for_one() -> None:
    """The tables cover what the org's describes hold; `hologram` is the type that nobody knows."""
    sobjects = [msgspec.convert(each, SObject) for each in describes().values()]
    unknown = {field.type for each in sobjects for field in each.fields if not schema.is_known(field)}

    assert unknown == {"hologram"}


def test_a_name_is_an_ordinary_text() -> None:
    """Contact.Name is a compound field that a query does return."""
    field = Field("Name", "string", compound_field_name="Name")

    assert schema.unsupported(field) is None


@pytest.mark.parametrize(
    ("field", "title", "description"),
    [
        (Field("F__c"), None, None),
        (Field("F__c", label="Fancy"), "Fancy", None),
        (Field("F__c", label="Fancy", inline_help_text="How fancy?"), "Fancy", "How fancy?"),
        (Field("F", "base64", inline_help_text="A file."), None, f"A file. {schema.BLOB}"),
    ],
)
def test_labels_and_help_texts_are_told(field: Field, title: str | None, description: str | None) -> None:
    """What Salesforce's users see of a field is in the schema."""
    described = schema.json_property(field)

    assert described.get("title") == title
    assert described.get("description") == description


def test_the_keys_are_never_null_and_the_order_is_the_describes() -> None:
    """A target may rely on the key, and columns come in the order of the describe."""
    sobject = SObject("X", (Field("Zebra"), Field("Id", "id"), Field("Apple", "double")))

    found = schema.json_schema(sobject, ("Id",))

    assert list(found["properties"]) == ["Zebra", "Id", "Apple"]
    assert found["properties"]["Id"]["type"] == ["string"]
    assert found["properties"]["Zebra"]["type"] == ["string", "null"]


@pytest.mark.parametrize("describe", describes().values(), ids=lambda describe: str(describe["name"]))
def test_the_sdk_keeps_every_word_of_a_schema(describe: dict[str, Any]) -> None:
    """Nothing that we say of a field is dropped on its way to the target."""
    ours = schema.json_schema(
        msgspec.convert(describe, SObject), ("Id",) if describe["fields"][0]["name"] == "Id" else ()
    )

    assert Schema.from_dict(ours).to_dict() == ours
