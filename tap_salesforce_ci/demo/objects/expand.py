"""Opens the compact pages of the demo org's objects out to describes in Salesforce's own shape."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from tap_salesforce_ci.demo.objects.defaults import COMMON, FIELD, OBJECT, TRAITS, TYPES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

API_VERSION = "66.0"
"""The version that the addresses inside a describe name."""

GEOCODE_ACCURACIES = [
    "Address",
    "NearAddress",
    "Block",
    "Street",
    "ExtendedZip",
    "Zip",
    "Neighborhood",
    "City",
    "County",
    "State",
    "Unknown",
]

ADDRESS_PARTS: Sequence[Mapping[str, Any]] = (
    {"name": "Street", "type": "textarea"},
    {"name": "City", "type": "string", "length": 40},
    {"name": "State", "label": "State/Province", "type": "string", "length": 80},
    {"name": "PostalCode", "label": "Zip/Postal Code", "type": "string", "length": 20},
    {"name": "Country", "type": "string", "length": 80},
    {"name": "Latitude", "type": "double", "scale": 15},
    {"name": "Longitude", "type": "double", "scale": 15},
    {
        "name": "GeocodeAccuracy",
        "label": "Geocode Accuracy",
        "type": "picklist",
        "is": "limited",
        "values": GEOCODE_ACCURACIES,
    },
)


def describes() -> dict[str, dict[str, Any]]:
    """Every object of the demo org, by name, as `/sobjects/X/describe` tells it."""
    opened = {page["name"]: expand(page) for page in pages()}
    for describe in list(opened.values()):
        for reference in describe["fields"]:
            for parent in reference["referenceTo"]:
                if parent in opened:
                    opened[parent]["childRelationships"].append(child_relationship(describe["name"], reference))
    return opened


def pages() -> Iterator[dict[str, Any]]:
    """The compact pages, in the order of their objects' names."""
    for file in sorted(files(__package__).iterdir(), key=lambda file: file.name):
        if file.name.endswith(".json"):
            yield json.loads(file.read_text("utf-8"))


def expand(page: Mapping[str, Any]) -> dict[str, Any]:
    """One page, opened out to a full describe."""
    name = page["name"]
    custom = name.endswith("__c")
    fields = [field(compact) for entry in page["fields"] for compact in entries(entry)]
    return {
        **OBJECT,
        "custom": custom,
        # No tab, no search: that is how a custom object starts.
        "searchLayoutable": not custom,
        "searchable": not custom,
        "childRelationships": [],
        "recordTypeInfos": [master_record_type(name)] if page.get("layoutable", True) else [],
        "supportedScopes": [{"label": f"All {page['labelPlural'].lower()}", "name": "everything"}],
        "urls": urls(name, page),
        **page,
        "fields": fields,
    }


def entries(entry: str | Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The compact fields that one entry of a page stands for."""
    if isinstance(entry, str):
        yield {"name": entry, **COMMON[entry]}
    elif "address" in entry:
        yield from address(entry["address"])
    elif "location" in entry:
        yield from location(entry["location"], entry["label"])
    elif "repeat" in entry:
        yield from repeated(entry)
    else:
        yield entry


def address(kind: str) -> Iterator[Mapping[str, Any]]:
    """A compound address after its eight components."""
    compound = f"{kind}Address"
    for part in ADDRESS_PARTS:
        label = f"{kind} {part.get('label', part['name'])}".strip()
        yield {**part, "name": kind + part["name"], "label": label, "compoundFieldName": compound}
    yield {"name": compound, "label": f"{kind} Address".strip(), "type": "address"}


def location(name: str, label: str) -> Iterator[Mapping[str, Any]]:
    """A compound geolocation after its two components."""
    for part in ("Latitude", "Longitude"):
        component = f"{name.removesuffix('__c')}__{part}__s"
        yield {
            "name": component,
            "label": f"{label} ({part})",
            "type": "double",
            "scale": 15,
            "compoundFieldName": name,
        }
    yield {"name": name, "label": label, "type": "location"}


def repeated(entry: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """As many numbered fields as the entry says, its types taken in turn."""
    types = entry["types"]
    for number in range(1, entry["repeat"] + 1):
        yield {
            **types[number % len(types)],
            "name": entry["name"].format(number),
            "label": entry["label"].format(number),
        }


def field(compact: Mapping[str, Any]) -> dict[str, Any]:
    """One compact field with all the attributes of a describe, in their order."""
    kind, name = compact["type"], compact["name"]
    # Lists of its own, so that a test may change one field's without changing every field's.
    fresh: dict[str, list[Any]] = {"picklistValues": [], "referenceTo": []}
    opened = {**FIELD, **fresh, "custom": name.endswith(("__c", "__s")), "label": name, **TYPES.get(kind, {})}
    for trait in compact.get("is", "").split():
        opened.update(TRAITS[trait])
    if "to" in compact:
        opened.update(referenceTo=[*compact["to"]], relationshipName=relationship_name(name))
    if "values" in compact:
        opened["picklistValues"] = [picklist_value(v, compact.get("defaultValue")) for v in compact["values"]]
    opened.update((key, value) for key, value in compact.items() if key in FIELD)
    opened["byteLength"] = compact.get("byteLength", byte_length(kind, opened["length"]))
    return opened


def relationship_name(reference: str) -> str:
    """The name under which SOQL reaches the parent that a reference points to."""
    return f"{reference[:-1]}r" if reference.endswith("__c") else reference.removesuffix("Id")


def byte_length(kind: str, length: int) -> int:
    """How many bytes a value may take: three for each character of a text, one for each of an id."""
    return length if kind in {"id", "reference", "multipicklist"} else 3 * length


def picklist_value(value: str, default: str | None) -> dict[str, Any]:
    """One active value of a picklist."""
    chosen = value == default
    return {"active": True, "defaultValue": chosen, "label": value, "validFor": None, "value": value}


def child_relationship(child: str, reference: Mapping[str, Any]) -> dict[str, Any]:
    """A reference, as its parent sees it."""
    return {
        "cascadeDelete": reference["cascadeDelete"],
        "childSObject": child,
        "deprecatedAndHidden": False,
        "field": reference["name"],
        "junctionIdListNames": [],
        "junctionReferenceTo": [],
        "relationshipName": None,
        "restrictedDelete": reference["restrictedDelete"],
    }


def master_record_type(name: str) -> dict[str, Any]:
    """The record type that every object with layouts has."""
    identifier = "012000000000000AAA"
    return {
        "active": True,
        "available": True,
        "defaultRecordTypeMapping": True,
        "developerName": "Master",
        "master": True,
        "name": "Master",
        "recordTypeId": identifier,
        "urls": {"layout": f"{root(name)}/describe/layouts/{identifier}"},
    }


def urls(name: str, page: Mapping[str, Any]) -> dict[str, str]:
    """Where the object's resources are; those of layouts only for objects that have some."""
    base = root(name)
    layouts = {
        "compactLayouts": f"{base}/describe/compactLayouts",
        "approvalLayouts": f"{base}/describe/approvalLayouts",
        "listviews": f"{base}/listviews",
        "quickActions": f"{base}/quickActions",
        "layouts": f"{base}/describe/layouts",
    }
    plain = {"rowTemplate": f"{base}/{{ID}}", "describe": f"{base}/describe", "sobject": base}
    return {**(layouts if page.get("layoutable", True) else {}), **plain}


def root(name: str) -> str:
    """The address of an object's own resource."""
    return f"/services/data/v{API_VERSION}/sobjects/{name}"
