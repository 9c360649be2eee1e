"""The catalog: equal to what the SDK would print, and the same whether describes were kept or not."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tap_salesforce_ci.demo.faults import HtmlError, Refused
from tap_salesforce_ci.demo.objects import describes
from tap_salesforce_ci.demo.objects.expand import expand
from tap_salesforce_ci.demo.org import Org
from tap_salesforce_ci.demo.server import Server
from tap_salesforce_ci.tap import SalesforceTap
from tests.client.staged import Recorded
from tests.singer import captured, config, discover, make_tap, sync

FRESH = {**describes()["Lead"]["fields"][-1], "name": "Fresh__c", "label": "Fräsch ☃"}
CACHE_FOLDER = "tap-salesforce-ci"


def printed(server: Server, **settings: Any) -> bytes:
    """Return what `--discover` prints."""
    with captured() as taken:
        text = SalesforceTap(config=config(server, **settings), setup_mapper=False).run_discovery()
    assert taken.getvalue() == text.encode()
    return taken.getvalue()


def streams(catalog: bytes) -> dict[str, Any]:
    """Return a catalog's entries by the names of their streams."""
    return {entry["tap_stream_id"]: entry for entry in json.loads(catalog)["streams"]}


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"select_fields_by_default": False},
        {"stream_prefix": ""},
        {"replication": {"Account": "full_table", "Lead": "paused", "Contact": "add_date", "*": "modified_at"}},
        {"streams": ["Every_Type__c"]},
        {"streams": ["Nonesuch"]},
    ],
    ids=str,
)
def test_the_catalog_is_the_one_the_sdk_would_print(org: Org, server: Server, settings: dict[str, Any]) -> None:
    """Streams, schemas, keys and every word of metadata, in the SDK's order, though no stream is made for it."""
    page = {"name": "Odd__c", "label": "Odd", "labelPlural": "Odds", "keyPrefix": "a98"}
    org.add_object(expand({**page, "fields": [{"name": "Name", "type": "string", "label": ""}]}))
    org.add_field("Account", FRESH)
    by_the_sdk = make_tap(config(server, **settings)).catalog_json_text

    assert json.loads(printed(server, **settings)) == json.loads(by_the_sdk)


def test_a_tap_that_was_given_a_catalog_prints_that(server: Server) -> None:
    """Discovery is for those who have none."""
    catalog = discover(server, streams=["Account"])
    tap = make_tap(config(server), catalog=catalog)

    with captured() as taken:
        tap.run_discovery()

    assert list(streams(taken.getvalue())) == ["sf_Account"]


def test_a_discovery_with_kept_describes_prints_the_same_bytes(org: Org, server: Server) -> None:
    """The second time nothing but "not modified" travels, and the catalog is the same to the byte."""
    first = printed(server)
    seen = Recorded()
    org.faults.add(seen, path="/describe", count=None)

    assert printed(server) == first
    assert set(seen.statuses.values()) == {304}
    assert len(seen.statuses) >= len(streams(first))


def test_what_changed_since_is_in_the_next_catalog(org: Org, server: Server) -> None:
    """A new field, a new object and one that is gone: as if nothing had been kept."""
    printed(server)
    org.clock.advance(timedelta(hours=1))
    org.add_field("Lead", FRESH)
    org.drop_object("Contact")
    page = {"name": "New__c", "label": "New", "labelPlural": "News", "keyPrefix": "a99"}
    org.add_object(expand({**page, "fields": [{"name": "Id", "type": "id"}]}))

    kept = printed(server)

    assert kept == printed(server, describe_cache="off")
    assert streams(kept)["sf_Lead"]["schema"]["properties"]["Fresh__c"]["title"] == FRESH["label"]
    assert "sf_New__c" in streams(kept)
    assert "sf_Contact" not in streams(kept)


def test_an_object_that_comes_back_is_asked_for_anew(org: Org, server: Server) -> None:
    """What the list of objects no longer had is not remembered, whatever its stamp says."""
    gone = org.object("Contact")
    printed(server)
    org.drop_object("Contact")
    printed(server)
    org.objects["contact"] = gone
    seen = Recorded()
    org.faults.add(seen, path="/describe", count=None)

    printed(server)

    assert [name for name, status in seen.statuses.items() if status == 200] == ["Contact"]


def conditions(org: Org) -> int:
    """Return how many describes were asked for only if modified since."""
    bodies = [json.loads(each.body) for each in org.requests if each.path.endswith("/composite")]
    parts = [part for body in bodies for part in body["compositeRequest"]]
    return sum("If-Modified-Since" in part["httpHeaders"] for part in parts)


def test_the_cache_can_be_switched_off(org: Org, server: Server, cache_folder: Path) -> None:
    """With `off` nothing is kept and nothing asked that a cache would need."""
    for _ in range(2):
        printed(server, describe_cache="Off")

    assert conditions(org) == 0
    assert not (cache_folder / CACHE_FOLDER).exists()
    assert not org.requests.to("/query")


def test_the_cache_can_lie_elsewhere(org: Org, server: Server, cache_folder: Path, tmp_path: Path) -> None:
    """A path is taken instead of the default place."""
    file = tmp_path / "here" / "describes.json"
    for _ in range(2):
        printed(server, describe_cache=str(file))

    assert file.exists()
    assert conditions(org) > 0
    assert not (cache_folder / CACHE_FOLDER).exists()


def test_the_log_says_where_describes_are_kept(
    server: Server, cache_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """When the file is written and when it is used, so that it can be found and deleted."""
    caplog.set_level("INFO")
    printed(server)
    (file,) = (cache_folder / CACHE_FOLDER).iterdir()
    assert any("are kept in" in line and str(file) in line for line in caplog.messages)

    caplog.clear()
    printed(server)
    assert any("were kept in" in line and str(file) in line for line in caplog.messages)


def test_two_processes_at_once_print_the_same_catalog(server: Server, tmp_path: Path) -> None:
    """They may write the same file at the same time, and leave a whole one."""
    file = tmp_path / "config.json"
    file.write_text(json.dumps(config(server)))
    command = [sys.executable, "-m", "tap_salesforce_ci", "--config", str(file), "--discover"]
    with ExitStack() as running:
        both = [running.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE)) for _ in range(2)]
        catalogs = [process.communicate(timeout=120)[0] for process in both]

    assert [process.returncode for process in both] == [0, 0]
    assert catalogs[0] == catalogs[1] == printed(server)


def test_a_catalog_of_many_objects_uses_what_is_kept(org: Org, server: Server) -> None:
    """A sync of more objects than fit into one round of requests asks only for what changed."""
    catalog = discover(server)
    assert len(catalog["streams"]) > 25
    org.requests.clear()

    assert sync(server, catalog=catalog, max_workers=1).error is None

    assert conditions(org) == len(catalog["streams"])


def test_a_catalog_of_few_objects_costs_no_more_calls(org: Org, server: Server) -> None:
    """Describes that fit into one round of requests are asked for at once, without a look at the cache."""
    catalog = discover(server)
    org.requests.clear()

    sync(server, catalog=catalog)

    assert conditions(org) == 0
    assert not [each for each in org.requests if "PermissionSetAssignment" in each.target]


def test_describes_by_which_a_read_was_refused_are_forgotten(org: Org, server: Server, cache_folder: Path) -> None:
    """A field that is still "not modified" and can't be read any more is not asked for a third time."""
    catalog = discover(server)
    assert list((cache_folder / CACHE_FOLDER).iterdir())
    org.faults.add(Refused(400, "INVALID_FIELD", "No such column 'Name' on entity 'Account'"), path="FROM%20Account%20")

    output = sync(server, catalog=catalog, api_type="rest")

    assert "sf_Account" in str(output.error)
    assert not list((cache_folder / CACHE_FOLDER).iterdir())


def test_a_failure_that_says_nothing_of_describes_leaves_them(org: Org, server: Server, cache_folder: Path) -> None:
    """A server that fails is no reason to ask for everything again."""
    catalog = discover(server)
    org.faults.add(HtmlError(503), path="FROM%20Account%20", count=None)

    assert sync(server, catalog=catalog, api_type="rest").error is not None

    assert list((cache_folder / CACHE_FOLDER).iterdir())
