"""Promises of discovery: which objects become streams, by which keys, and why the others don't."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from tap_salesforce_ci import objects
from tap_salesforce_ci.client.http import Client
from tap_salesforce_ci.demo.faults import BadDescribe, HtmlError, NotAcceptable
from tap_salesforce_ci.demo.objects.expand import expand
from tap_salesforce_ci.demo.org import Org
from tap_salesforce_ci.demo.server import Server
from tap_salesforce_ci.discovery import Discovered, Discovery, discover
from tap_salesforce_ci.errors import TapError
from tap_salesforce_ci.settings import Settings, tidied
from tests.singer import config

ID = {"name": "Id", "type": "id"}
STAMPS = ["SystemModstamp", "LastModifiedDate", "CreatedDate", "LoginTime"]


def add(org: Org, name: str, fields: list[dict[str, Any]], **attributes: Any) -> None:
    """Add an object to the org."""
    page = {"name": name, "label": name, "labelPlural": f"{name}s", "keyPrefix": "a99", "fields": fields}
    org.add_object(expand({**page, **attributes}))


def stamp(name: str, **attributes: Any) -> dict[str, Any]:
    """Return a timestamp field."""
    return {"name": name, "type": "datetime", **attributes}


@dataclass
class Found(Discovery):
    """What a discovery noted, and what it found."""

    found: list[Discovered] = field(default_factory=list)


def found(client: Client, server: Server, **settings: Any) -> Found:
    """Discover with these settings."""
    made = Settings.from_config(tidied(config(server, **settings)), lambda _: None)
    discovery = Found()
    discovery.found += discover(client, made, discovery)
    return discovery


def replication_keys(discovery: Found) -> dict[str, str | None]:
    """Return the replication key of each object that was found."""
    return {each.sobject.name: each.replication_key for each in discovery.found}


def reasons(discovery: Discovery) -> dict[str, str]:
    """Return why each object was left out."""
    return {each.object: each.reason for each in discovery.left_out}


@pytest.mark.parametrize(
    ("fields", "key"),
    [
        (STAMPS, "SystemModstamp"),
        (STAMPS[::-1], "SystemModstamp"),
        (STAMPS[1:], "LastModifiedDate"),
        (STAMPS[2:], "CreatedDate"),
        (STAMPS[3:], "LoginTime"),
        (["LastViewedDate"], None),
        ([], None),
    ],
)
def test_the_best_timestamp_is_the_replication_key(
    org: Org, server: Server, client: Client, fields: list[str], key: str | None
) -> None:
    """What was modified counts more than what was added; without either the table is read in full."""
    add(org, "Thing__c", [ID, *map(stamp, fields)])

    assert replication_keys(found(client, server, streams=["Thing__c"])) == {"Thing__c": key}


@pytest.mark.parametrize("flaw", [{"filterable": False}, {"sortable": False}, {"type": "date"}])
def test_a_timestamp_that_a_query_can_t_use_is_passed_over(
    org: Org, server: Server, client: Client, flaw: dict[str, Any]
) -> None:
    """A key must be filterable, sortable and a dateTime; the next one is taken."""
    add(org, "Thing__c", [ID, {**stamp("SystemModstamp"), **flaw}, stamp("CreatedDate")])

    assert replication_keys(found(client, server, streams=["Thing__c"])) == {"Thing__c": "CreatedDate"}


@pytest.mark.parametrize(
    ("replication", "key"),
    [
        ({"Thing__c": "modified_at"}, "SystemModstamp"),
        ({"Thing__c": "add_date"}, "CreatedDate"),
        ({"Thing__c": "full_table"}, None),
        ({"Thing__c": "paused"}, "SystemModstamp"),
        ({"*__c": "add_date"}, "CreatedDate"),
        ({"thing__C": "add_date", "*": "full_table"}, "CreatedDate"),
        ({"*": "full_table", "THING__C": "add_date"}, "CreatedDate"),
        ({"T*": "full_table", "*": "add_date"}, None),
        ({"Other__c": "full_table"}, "SystemModstamp"),
    ],
)
def test_the_replication_setting_decides(
    org: Org, server: Server, client: Client, replication: dict[str, str], key: str | None
) -> None:
    """By an object's own name before any glob, by the first glob that fits, in any case of letters."""
    add(org, "Thing__c", [ID, *map(stamp, STAMPS)])

    discovery = found(client, server, streams=["Thing__c"], replication=replication)

    assert replication_keys(discovery) == {"Thing__c": key}
    assert [each.paused for each in discovery.found] == ["paused" in replication.values()]


def test_a_method_without_its_timestamp_reads_the_table_in_full(org: Org, server: Server, client: Client) -> None:
    """Asked to replicate by modification, a table that knows only when rows were added is read in full."""
    add(org, "Thing__c", [ID, stamp("CreatedDate")])

    discovery = found(client, server, streams=["Thing__c"], replication={"Thing__c": "modified_at"})

    assert replication_keys(discovery) == {"Thing__c": None}


def test_an_object_known_to_refuse_range_filters_is_read_in_full(org: Org, server: Server, client: Client) -> None:
    """What the describe doesn't say is known as data; a user who knows better is heard."""
    name = "LoginEvent"
    assert name in objects.NO_KEY_FILTER
    add(org, name, [ID, stamp("CreatedDate")])

    assert replication_keys(found(client, server, streams=[name])) == {name: None}
    by_user = found(client, server, streams=[name], replication={name: "add_date"})
    assert replication_keys(by_user) == {name: "CreatedDate"}


@pytest.mark.parametrize(
    ("name", "fields", "keys"),
    [
        ("Thing__c", [ID, stamp("CreatedDate")], ("Id",)),
        ("UriEvent", [ID, {"name": "EventIdentifier", "type": "string"}], ("EventIdentifier",)),
        ("AppDefinition", [ID, {"name": "DurableId", "type": "string"}], ("DurableId",)),
        ("Odd", [{"name": "Name", "type": "string"}], ()),
    ],
)
def test_rows_are_told_apart_by_what_tells_them_apart(
    server: Server, client: Client, name: str, fields: list[dict[str, Any]], keys: tuple[str, ...]
) -> None:
    """`Id` is the key where it is one; virtual rows share it, and some events have none."""
    add(server.org, name, fields)

    assert [each.keys for each in found(client, server, streams=[name]).found] == [keys]


@pytest.mark.parametrize(
    ("streams", "names"),
    [
        (["account"], ["Account"]),
        (["ACC*"], ["Account", "AccountHistory", "AccountShare"]),
        (["Case?tatus", "lead"], ["CaseStatus", "Lead"]),
        (["[ce]vent", "Account"], ["Account", "Event"]),
    ],
)
def test_streams_are_asked_for_by_name_or_glob(
    server: Server, client: Client, streams: list[str], names: list[str]
) -> None:
    """API names know no case, and only what is asked for is described."""
    discovery = found(client, server, streams=streams)

    asked = [each.path.split("/")[-2] for each in server.org.requests.to("/describe")]
    assert [each.sobject.name for each in discovery.found] == names
    assert sorted(asked) == names


def test_every_object_that_is_left_out_has_its_reason(org: Org, server: Server, client: Client) -> None:
    """Nothing is silently missing: refused, unknown, unreadable and failing objects are told."""
    add(org, "Blob__c", [{"name": "Body", "type": "base64"}])
    add(org, "Hidden__c", [ID], queryable=False)
    org.faults.add(BadDescribe("Lead"), count=None)

    discovery = found(
        client,
        server,
        streams=["*", "Nonesuch"],
        where={"Acount": "Name = 'x'"},
        replication={"Leed*": "paused", "Leed": "paused"},
    )

    told = reasons(discovery)
    assert told.keys() == {
        "AccountChangeEvent",
        "ActivityHistory",
        "Blob__c",
        "ContentDocumentLink",
        "Hidden__c",
        "Acount",
        "Lead",
        "Leed",
        "Nonesuch",
    }
    assert told["Hidden__c"] == told["AccountChangeEvent"] == "Salesforce says that it is not queryable."
    assert told["ContentDocumentLink"] == objects.NEEDS_FILTER
    assert {told[name].split(" (", 1)[0] for name in ("Nonesuch", "Acount", "Leed")} == {
        "No such object, or this user may not see it"
    }
    assert "setting: where" in told["Acount"]
    assert "setting: replication" in told["Leed"]
    assert told["Lead"].startswith("its describe failed: ")
    assert len(discovery.found) == len(org.objects) - 6
    assert all(f"Left out: {name}" in discovery.summary() or f", {name}" in discovery.summary() for name in told)


@pytest.mark.parametrize("fault", [NotAcceptable(), HtmlError(503)])
def test_an_object_that_is_never_described_is_left_out_alone(
    org: Org, server: Server, client: Client, fault: Any
) -> None:
    """A describe that fails to the last retry leaves one object out; the others are found."""
    org.faults.add(fault, path="/sobjects/Lead/describe", count=None)

    discovery = found(client, server)

    assert reasons(discovery)["Lead"].startswith("its describe failed: ")
    assert discovery.failed.keys() == {"Lead"}
    assert len(discovery.found) == 30


def test_an_org_that_lists_no_objects_is_an_error(org: Org, server: Server, client: Client) -> None:
    """Without the list nothing is known: that is told, not an empty catalog."""
    org.faults.add(HtmlError(503), path="/sobjects$", count=None)

    with pytest.raises(TapError):
        found(client, server)


def test_an_object_that_needs_a_filter_is_found_with_one(server: Server, client: Client) -> None:
    """Who gives the filter that Salesforce demands gets the table."""
    where = {"contentdocumentlink": "LinkedEntityId = '001000000000001'"}

    discovery = found(client, server, streams=["ContentDocumentLink"], where=where)

    assert [each.sobject.name for each in discovery.found] == ["ContentDocumentLink"]


def test_fields_of_unknown_types_are_told(server: Server, client: Client) -> None:
    """A type that nobody knows is read as text, and the summary says where it is."""
    discovery = found(client, server, streams=["Every_Type__c"])

    assert discovery.unknown_types == {"hologram": ["Every_Type__c.Hologram__c"]}
    assert "Unknown field type hologram, read as text: Every_Type__c.Hologram__c" in discovery.summary()


def test_many_objects_take_few_calls(org: Org, server: Server, client: Client) -> None:
    """Hundreds of describes travel in composites, the list in one call."""
    for number in range(300):
        add(org, f"Thing_{number}__c", [ID, stamp("SystemModstamp")], keyPrefix=None)

    discovery = found(client, server)

    posted = [each for each in org.requests if each.method == "POST" and each.path.endswith("/composite")]
    listed = [each for each in org.requests if each.path.endswith("/sobjects")]
    assert len(discovery.found) == 331
    assert len(listed) == 1
    assert 14 <= len(posted) <= 20
