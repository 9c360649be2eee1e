"""Promises of a catalog: it decides what is read and how, and what changed in the org since stops nothing."""

from __future__ import annotations

import copy
import logging
from datetime import timedelta
from typing import Any

import pytest

from tap_salesforce_ci.demo.faults import BadDescribe
from tap_salesforce_ci.demo.objects.expand import field
from tap_salesforce_ci.demo.org import Org
from tap_salesforce_ci.demo.server import Server
from tap_salesforce_ci.run import RunFailed
from tests.singer import Output, config, discover, make_tap, sync

Catalog = dict[str, Any]
ACCOUNT = "sf_Account"


def entry_of(catalog: Catalog, stream: str = ACCOUNT) -> dict[str, Any]:
    """Return a stream's entry."""
    entry: dict[str, Any] = next(each for each in catalog["streams"] if each["tap_stream_id"] == stream)
    return entry


def metadata_of(catalog: Catalog, *breadcrumb: str, stream: str = ACCOUNT) -> dict[str, Any]:
    """Return a piece of metadata."""
    found: dict[str, Any] = next(
        each["metadata"] for each in entry_of(catalog, stream)["metadata"] if list(each["breadcrumb"]) == [*breadcrumb]
    )
    return found


def select_only(catalog: Catalog, *streams: str) -> Catalog:
    """Return the catalog with these streams selected."""
    chosen = copy.deepcopy(catalog)
    for entry in chosen["streams"]:
        metadata_of(chosen, stream=entry["tap_stream_id"])["selected"] = entry["tap_stream_id"] in streams
    return chosen


def bookmark(output: Output, stream: str = ACCOUNT) -> dict[str, Any]:
    """Return a stream's entry in the last state."""
    found: dict[str, Any] = output.state["bookmarks"][stream]
    return found


@pytest.fixture
def catalog(org: Org, server: Server) -> Catalog:
    """The catalog of an org with one account, a minute ago."""
    org.insert("Account", {"Name": "one", "Site": "HQ", "NumberOfEmployees": 7})
    org.clock.advance(timedelta(minutes=1))
    found = discover(server, streams=["Account", "Contact", "Lead"])
    org.requests.clear()
    return found


def test_only_selected_streams_are_described(org: Org, server: Server, catalog: Catalog) -> None:
    """With a catalog the org is not listed, and what isn't read is not asked for."""
    output = sync(server, catalog=select_only(catalog, ACCOUNT))

    assert [each.path.split("/")[-2] for each in org.requests.to("/describe")] == ["Account"]
    assert not [each for each in org.requests if each.path.endswith("/sobjects")]
    assert [record["Name"] for record in output.records(ACCOUNT)] == ["one"]
    assert {message.get("stream") for message in output.messages} <= {ACCOUNT, None}


def test_a_catalog_without_a_selected_stream_reads_nothing(org: Org, server: Server, catalog: Catalog) -> None:
    """Nothing selected is no error."""
    output = sync(server, catalog=select_only(catalog))

    assert output.error is None
    assert not org.requests.to("/describe")
    assert not [message for message in output.messages if message["type"] != "STATE"]


def test_only_selected_fields_are_asked_for(org: Org, server: Server, catalog: Catalog) -> None:
    """Selection reaches the query: a field that isn't selected never travels. The key and the timestamp always do."""
    for each in entry_of(catalog)["metadata"]:
        if each["breadcrumb"]:
            each["metadata"]["selected"] = each["breadcrumb"][-1] == "Name"

    output = sync(server, catalog=select_only(catalog, ACCOUNT), api_type="rest")

    (query,) = org.requests.to("/queryAll")
    assert query.query["q"].startswith("SELECT Id,Name,SystemModstamp FROM Account ")
    assert [record.keys() for record in output.records(ACCOUNT)] == [{"Id", "Name", "SystemModstamp"}]
    assert output.schema(ACCOUNT)["properties"].keys() == {"Id", "Name", "SystemModstamp"}


@pytest.mark.parametrize("api", ["rest", "bulk2"])
def test_a_field_that_vanished_is_null_and_told(
    org: Org, server: Server, catalog: Catalog, caplog: pytest.LogCaptureFixture, api: str
) -> None:
    """A field that was dropped, or taken from this user, doesn't break the run; it stays in the schema."""
    org.drop_field("Account", "Site")

    with caplog.at_level(logging.WARNING):
        output = sync(server, catalog=select_only(catalog, ACCOUNT), api_type=api)

    (record,) = output.records(ACCOUNT)
    assert output.error is None
    assert record["Site"] is None
    assert record["Name"] == "one"
    assert "Site" in output.schema(ACCOUNT)["properties"]
    assert "sf_Account: these fields vanished and are written as null: Site" in caplog.text


def test_a_vanished_field_that_is_not_selected_is_not_told(
    org: Org, server: Server, catalog: Catalog, caplog: pytest.LogCaptureFixture
) -> None:
    """What nobody reads, nobody misses."""
    metadata_of(catalog, "properties", "Site")["selected"] = False
    org.drop_field("Account", "Site")

    with caplog.at_level(logging.WARNING):
        output = sync(server, catalog=select_only(catalog, ACCOUNT))

    assert "vanished" not in caplog.text
    assert "Site" not in output.records(ACCOUNT)[0]


@pytest.mark.parametrize("api", ["rest", "bulk2"])
def test_a_field_whose_type_changed_has_its_new_one(
    org: Org, server: Server, catalog: Catalog, caplog: pytest.LogCaptureFixture, api: str
) -> None:
    """The SCHEMA says what the records hold: today's type, not the catalog's."""
    org.drop_field("Account", "NumberOfEmployees")
    org.add_field("Account", field({"name": "NumberOfEmployees", "type": "string", "label": "Employees"}))
    (identifier,) = (row["Id"] for row in org.rows("Account"))
    org.update("Account", identifier, {"NumberOfEmployees": "about 7"}, touch=False)

    with caplog.at_level(logging.WARNING):
        output = sync(server, catalog=select_only(catalog, ACCOUNT), api_type=api)

    assert [record["NumberOfEmployees"] for record in output.records(ACCOUNT)] == ["about 7"]
    assert output.schema(ACCOUNT)["properties"]["NumberOfEmployees"]["type"] == ["string", "null"]
    assert "sf_Account: the type of these fields changed: NumberOfEmployees" in caplog.text


def test_a_new_field_waits_for_the_next_discovery(
    org: Org, server: Server, catalog: Catalog, caplog: pytest.LogCaptureFixture
) -> None:
    """A catalog is what the user chose: a field it doesn't have is told, and not read."""
    org.add_field("Account", field({"name": "Fresh__c", "type": "string"}))

    with caplog.at_level(logging.INFO):
        output = sync(server, catalog=select_only(catalog, ACCOUNT))

    assert "Fresh__c" not in output.records(ACCOUNT)[0]
    assert "sf_Account: fields that the catalog doesn't have yet: Fresh__c" in caplog.text
    assert "Fresh__c" in entry_of(discover(server, streams=["Account"]))["schema"]["properties"]


def test_an_object_that_is_gone_is_passed_over(
    org: Org, server: Server, catalog: Catalog, capsys: pytest.CaptureFixture[str]
) -> None:
    """A dropped object doesn't break the run: it is told, its bookmark stays, and the others are read."""
    first = sync(server, catalog=select_only(catalog, ACCOUNT, "sf_Lead"))
    org.drop_object("Lead")

    second = sync(server, catalog=select_only(catalog, ACCOUNT, "sf_Lead"), state=first.state)

    assert second.error is None
    assert bookmark(second, "sf_Lead") == bookmark(first, "sf_Lead")
    assert "sf_Lead" in capsys.readouterr().err.partition("gone: the object is no longer in the org")[0]


def test_an_object_whose_describe_fails_is_a_failed_stream(org: Org, server: Server, catalog: Catalog) -> None:
    """That an object can't be described is no reason to take it for gone."""
    org.faults.add(BadDescribe("Lead"), count=None)

    output = sync(server, catalog=select_only(catalog, ACCOUNT, "sf_Lead"))

    assert isinstance(output.error, RunFailed)
    assert "sf_Lead failed:" in str(output.error)
    assert len(output.records(ACCOUNT)) == 1


def in_entry(catalog: Catalog, method: str | None, key: str | None) -> None:
    """Write the replication as the SDK and Meltano do."""
    if method:
        entry_of(catalog)["replication_method"] = method
    if key:
        entry_of(catalog)["replication_key"] = key


def in_metadata(catalog: Catalog, method: str | None, key: str | None) -> None:
    """Write the replication as the Singer specification says."""
    if method:
        metadata_of(catalog)["replication-method"] = method
    if key:
        metadata_of(catalog)["replication-key"] = key


def in_both(catalog: Catalog, method: str | None, key: str | None) -> None:
    """Write the replication in both places."""
    in_entry(catalog, method, key)
    in_metadata(catalog, method, key)


PLACES = pytest.mark.parametrize("write", [in_entry, in_metadata, in_both])


@PLACES
def test_a_catalog_may_ask_for_full_tables(server: Server, catalog: Catalog, write: Any) -> None:
    """`FULL_TABLE` reads all rows each time, under a version."""
    write(catalog, "FULL_TABLE", None)
    chosen = select_only(catalog, ACCOUNT)

    first = sync(server, catalog=chosen)
    second = sync(server, catalog=chosen, state=first.state)

    assert [len(each.records(ACCOUNT)) for each in (first, second)] == [1, 1]
    assert [message["type"] for message in second.messages].count("ACTIVATE_VERSION") == 1
    assert "replication_key_value" not in bookmark(second)


@PLACES
def test_a_catalog_may_ask_for_another_key(org: Org, server: Server, catalog: Catalog, write: Any) -> None:
    """A replication key that someone wrote into the catalog is the one that is read by."""
    write(catalog, "INCREMENTAL", "CreatedDate")

    output = sync(server, catalog=select_only(catalog, ACCOUNT), api_type="rest")

    (query,) = org.requests.to("/queryAll")
    assert "ORDER BY CreatedDate, Id" in query.query["q"]
    assert bookmark(output)["replication_key"] == "CreatedDate"
    assert output.error is None


@PLACES
def test_a_key_that_can_t_be_used_is_told_and_replaced(
    server: Server, catalog: Catalog, caplog: pytest.LogCaptureFixture, write: Any
) -> None:
    """A key that is no filterable dateTime would be refused by Salesforce: the automatic one is used."""
    write(catalog, None, "Name")

    with caplog.at_level(logging.WARNING):
        output = sync(server, catalog=select_only(catalog, ACCOUNT))

    assert "sf_Account: Name can't be replicated by; SystemModstamp is used" in caplog.text
    assert bookmark(output)["replication_key"] == "SystemModstamp"


@PLACES
@pytest.mark.parametrize(("method", "key"), [("add_date", "CreatedDate"), ("modified_at", "SystemModstamp")])
def test_the_replication_setting_counts_more_than_the_catalog(
    server: Server, catalog: Catalog, write: Any, method: str, key: str
) -> None:
    """A user who sets `replication` need not edit a catalog."""
    write(catalog, "FULL_TABLE", "LastModifiedDate")

    output = sync(server, catalog=select_only(catalog, ACCOUNT), replication={"Acc*": method})

    assert bookmark(output)["replication_key"] == key


def test_a_paused_stream_of_a_catalog_is_left_alone(org: Org, server: Server, catalog: Catalog) -> None:
    """`paused` holds for catalogs too."""
    output = sync(server, catalog=select_only(catalog, ACCOUNT, "sf_Lead"), replication={"account": "paused"})

    assert output.error is None
    assert output.records(ACCOUNT) == []
    assert not [each for each in org.requests.to("/queryAll") if "FROM Account" in each.query["q"]]


def test_unsupported_fields_are_in_the_catalog_and_never_asked_for(org: Org, server: Server) -> None:
    """A compound or binary field is marked, with the reason, and stays out even where someone selects it."""
    catalog = discover(server, streams=["Attachment", "Account"])
    body = metadata_of(catalog, "properties", "Body", stream="sf_Attachment")
    assert body["inclusion"] == "unsupported"
    assert "Binary" in entry_of(catalog, "sf_Attachment")["schema"]["properties"]["Body"]["description"]
    assert metadata_of(catalog, "properties", "BillingAddress")["inclusion"] == "unsupported"
    body["selected"] = True
    org.insert("Attachment", {"Name": "a.txt", "Body": b"bytes"}, at=org.clock.now() - timedelta(days=1))

    output = sync(server, catalog=select_only(catalog, "sf_Attachment"))

    (record,) = output.records("sf_Attachment")
    assert "Body" not in record
    assert "Body" not in output.schema("sf_Attachment")["properties"]


def test_new_fields_may_be_left_unselected(server: Server) -> None:
    """With `select_fields_by_default: false` a field is read once someone selects it."""
    catalog = discover(server, streams=["Account"], select_fields_by_default=False)

    assert metadata_of(catalog, "properties", "Name")["selected-by-default"] is False
    assert metadata_of(catalog, "properties", "Id")["inclusion"] == "automatic"
    assert metadata_of(catalog, "properties", "SystemModstamp")["inclusion"] == "automatic"


@pytest.mark.parametrize(("prefix", "stream"), [("", "Account"), ("crm_", "crm_Account")])
def test_the_prefix_of_streams_is_the_users(org: Org, server: Server, prefix: str, stream: str) -> None:
    """The prefix may be another or none; a catalog made with it is read with it."""
    org.insert("Account", {"Name": "one"}, at=org.clock.now() - timedelta(days=1))
    catalog = discover(server, streams=["Account"], stream_prefix=prefix)

    output = sync(server, catalog=catalog, stream_prefix=prefix)

    assert [each["tap_stream_id"] for each in catalog["streams"]] == [stream]
    assert [record["Name"] for record in output.records(stream)] == ["one"]


def test_a_catalog_is_not_changed_by_its_reader(server: Server, catalog: Catalog) -> None:
    """A program that embeds the tap keeps its catalog as it was."""
    chosen = select_only(catalog, ACCOUNT)
    before = copy.deepcopy(chosen)

    make_tap(config(server), catalog=chosen)

    assert chosen == before
