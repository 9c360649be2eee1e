"""Promises of the demo org's objects: they describe themselves as those of a real org do."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tap_salesforce_ci.demo.objects import describes

FIXTURES = Path(__file__).parents[3] / "shared" / "reference" / "fixtures"
OBJECTS = describes()
RECORDED = ("Account", "Contact", "Lead", "Opportunity", "Case", "Event", "OpportunityContactRole")
BEFORE_V52 = {"Account", "Case", "OpportunityContactRole"}
OWN_CHOICE = {"picklistValues", "referenceTo", "inlineHelpText"}
DOCUMENTED_TYPES = (
    "id reference string picklist multipicklist combobox base64 boolean currency textarea int long double percent "
    "phone date datetime time url email encryptedstring datacategorygroupreference location address anyType "
    "complexvalue json junctionidlist"
)


def recording(name: str) -> dict[str, Any]:
    """A describe recorded from a real org, where the recordings are at hand."""
    file = FIXTURES / f"describe_{name}.json"
    if not file.exists():
        pytest.skip(f"{file} is not here: recordings are kept beside the repository, not in it")
    body: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return body


@pytest.mark.parametrize("name", [name for name in RECORDED if name not in BEFORE_V52])
def test_describes_have_the_recorded_keys_in_the_recorded_order(name: str) -> None:
    """Key for key, an object describes itself as a real one does."""
    recorded = recording(f"{name}.cumulusci")

    assert list(OBJECTS[name]) == list(recorded)
    assert {tuple(field) for field in OBJECTS[name]["fields"]} == {tuple(recorded["fields"][0])}


@pytest.mark.parametrize("name", RECORDED)
def test_standard_fields_are_as_recorded(name: str) -> None:
    """A standard field has every attribute of its recording, but for values and parents an org chooses itself."""
    recorded = {field["name"]: field for field in recording(f"{name}.cumulusci")["fields"]}

    ours = {
        field["name"]: {key: value for key, value in field.items() if key not in OWN_CHOICE}
        for field in OBJECTS[name]["fields"]
    }
    theirs = {field: {key: value for key, value in recorded[field].items() if key not in OWN_CHOICE} for field in ours}

    assert theirs == ours


@pytest.mark.parametrize("name", RECORDED)
def test_standard_fields_come_in_the_recorded_order(name: str) -> None:
    """What SELECT lists from a describe comes in the order a real org has it."""
    ours = [field["name"] for field in OBJECTS[name]["fields"]]

    assert [field["name"] for field in recording(f"{name}.cumulusci")["fields"] if field["name"] in ours] == ours


def test_an_objects_own_attributes_are_as_recorded() -> None:
    """Whether a Lead can be merged, searched or undeleted is what the recording says."""
    for name in RECORDED:
        recorded = recording(f"{name}.cumulusci")
        plain = {key for key, value in recorded.items() if not isinstance(value, (list, dict))}

        assert {key: recorded[key] for key in plain} == {key: OBJECTS[name][key] for key in plain}


def test_a_custom_time_field_is_as_recorded() -> None:
    """The custom date, datetime and time fields of a v62 org look like ours."""
    recorded = {field["type"]: field for field in recording("DateTestObject__c.v62.nifi")["fields"]}
    ours = {field["type"]: field for field in OBJECTS["Every_Type__c"]["fields"] if field["custom"]}
    named = {"name", "label"}

    for kind in ("date", "datetime", "time"):
        expected = {key: value for key, value in recorded[kind].items() if key not in named}
        assert expected == {key: value for key, value in ours[kind].items() if key not in named}


def test_a_custom_objects_attributes_are_as_recorded() -> None:
    """What can be done with a custom object is what a v62 org says of one."""
    recorded = recording("DateTestObject__c.v62.nifi")
    named = {"name", "label", "labelPlural", "keyPrefix"}
    plain = {key for key, value in recorded.items() if not isinstance(value, (list, dict))} - named

    assert {key: recorded[key] for key in plain} == {key: OBJECTS["Payment__c"][key] for key in plain}


def test_one_object_has_a_field_of_every_type() -> None:
    """Every documented type is met, and one that nobody has heard of."""
    types = {field["type"] for field in OBJECTS["Every_Type__c"]["fields"]}

    assert {*DOCUMENTED_TYPES.split(), "hologram"} == types


def test_names_of_fields_and_objects_are_unique() -> None:
    """No object has two fields of one name, and no two objects share the prefix of their ids."""
    for describe in OBJECTS.values():
        names = Counter(field["name"].lower() for field in describe["fields"])
        assert {name for name, times in names.items() if times > 1} == set()
    prefixes = [describe["keyPrefix"] for describe in OBJECTS.values() if describe["keyPrefix"]]
    assert sorted(set(prefixes)) == sorted(prefixes)


def test_parts_of_compound_fields_name_their_whole() -> None:
    """Whatever a part says it belongs to is there."""
    for describe in OBJECTS.values():
        fields = {field["name"] for field in describe["fields"]}
        wholes = {field["compoundFieldName"] for field in describe["fields"]} - {None}
        assert wholes <= fields


def test_a_parent_knows_its_children() -> None:
    """Every reference is a child relationship of the object it points to."""
    children = {(each["childSObject"], each["field"]) for each in OBJECTS["Account"]["childRelationships"]}

    assert {("Contact", "AccountId"), ("Opportunity", "AccountId"), ("Invoice__c", "Account__c")} <= children


def test_the_wide_object_does_not_fit_an_address() -> None:
    """To select all of Wide__c takes more than the 16,384 bytes Salesforce allows a URL."""
    fields = ",".join(field["name"] for field in OBJECTS["Wide__c"]["fields"])

    assert len(quote(f"SELECT {fields} FROM Wide__c")) > 16_384
    assert max(len(field["name"]) for field in OBJECTS["Wide__c"]["fields"]) <= 43
