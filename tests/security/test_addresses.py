"""What a state, a catalog or an answer can't do: lead the tap elsewhere."""

from __future__ import annotations

import contextlib
import json
import re
from datetime import datetime, timedelta, timezone
from pathlib import Path
from urllib.parse import parse_qs, unquote, unquote_plus, urlsplit

import pytest
import requests
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tap_salesforce_ci import bookmarks
from tap_salesforce_ci.client import auth, bulk, rest
from tap_salesforce_ci.client.describe import describe_all
from tap_salesforce_ci.client.http import Client
from tap_salesforce_ci.client.messages import Session
from tap_salesforce_ci.demo.faults import BadDescribe
from tap_salesforce_ci.demo.org import Org
from tap_salesforce_ci.demo.server import Server
from tap_salesforce_ci.demo.soql.parser import parse
from tap_salesforce_ci.demo.wire import Response as Answer
from tap_salesforce_ci.encode.columns import Column, Kind
from tap_salesforce_ci.errors import BrokenPromise, TapError, UserError
from tap_salesforce_ci.plan import Table, next_read
from tap_salesforce_ci.settings.login import login_url
from tests.batch_files import path_of
from tests.client.staged import Answers, json_answer
from tests.security.flows import APP, HTTP, PERSON, Config, SignedIn, limits, sync_or_error
from tests.singer import discover, sync
from tests.strategies import JSON
from tests.test_login_flows import FakeSf

# Addresses: states, catalogs and answers that would lead elsewhere


def asked_of(org: Org, *, but: str = "") -> list[str]:
    """What was asked of an org's API, method and address."""
    made = [f"{each.method} {each.path}" for each in org.requests if "/oauth2/" not in each.path]
    return [each for each in made if not but or but not in each]


@HTTP
@example("../../sobjects/Account/001000000000001AAA")
@example("..")
@example("")
@example("7501?x=")
@example("7501%2F..")
@given(st.text(max_size=30))
def test_a_job_is_asked_about_by_its_id_or_not_at_all(client: Client, org: Org, job_id: str) -> None:
    """Nothing that a state holds for an id names another resource."""
    org.requests.clear()
    for ask in (bulk.status, bulk.discard):
        with contextlib.suppress(BrokenPromise, UserError):
            ask(client, job_id)

    assert {each.path for each in org.requests} <= {f"/services/data/v66.0/jobs/query/{job_id}"}
    assert org.requests == [] or job_id.isalnum()


def test_a_state_deletes_nothing_but_jobs(org: Org, server: Server) -> None:
    """A job id that is the path of a record: the table is read anew, and the record stays."""
    record = org.insert("Account", {"Name": "precious"})
    org.clock.advance(timedelta(minutes=1))
    job = {"id": f"../../sobjects/Account/{record}", "api_version": "66.0", "locator": None, "rows": 0}
    reading = {"replication_key": "SystemModstamp", "until": "2026-03-01T00:00:00Z", "query": "x", "job": job}

    output = sync(server, streams=["Account"], state={"bookmarks": {"sf_Account": {"reading": reading}}})

    assert output.error is None
    assert [each["Name"] for each in output.records("sf_Account")] == ["precious"]
    assert [each for each in asked_of(org) if not each.startswith(("GET", "POST"))] == []


MOMENT = datetime(2026, 3, 2, tzinfo=timezone.utc)
HOSTILE = "2026-01-01T00:00:00Z OR Id != null"
ENTRIES = st.fixed_dictionaries(
    {"replication_key": st.sampled_from(["SystemModstamp", "Id = null OR Id", HOSTILE])},
    optional={
        "replication_key_value": st.sampled_from([HOSTILE, "2026-01-01T00:00:00Z", "0001-01-01T00:00:00Z"]) | JSON,
        "SystemModstamp": st.just(HOSTILE) | JSON,
        "reading": JSON
        | st.fixed_dictionaries(
            {"replication_key": st.just("SystemModstamp")},
            optional={name: st.just(HOSTILE) | JSON for name in ("since", "until", "query", "reached", "job")},
        ),
        "version": JSON,
    },
)


@settings(max_examples=100, deadline=None)
@given(ENTRIES)
def test_no_state_says_more_than_moments(entry: Config) -> None:
    """Whatever an entry of the state holds, the query asks of the table what lies between two moments."""
    table = Table("Account", (Column("Id", Kind.TEXT),), "SystemModstamp")
    try:
        bookmark = bookmarks.read({"bookmarks": {"sf_Account": entry}}, "sf_Account", "Account", "SystemModstamp")
        read = next_read(table, bookmark, start=None, lookback=timedelta(minutes=10), until=MOMENT)
    except UserError as error:
        assert error.where.startswith("state")  # noqa: PT017 - either end is right
        return
    moment = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z"
    bounds = rf"(SystemModstamp >= {moment} AND )?SystemModstamp < {moment}"
    assert re.fullmatch(rf"SELECT Id FROM Account WHERE {bounds} ORDER BY SystemModstamp, Id", str(read.ordered_query))


NAMES = [
    "../../../x",
    "x/../../../query",
    "A B",
    "R'); x",
    "x?y=1#z",
    "Ünï",
    "a\nb",
    "%2e%2e%2f",
    "x,User",
    "//x",
    "..",
]
# Dots alone are left out by whatever resolves an address; what that leads to is a GET of nothing.
NAMED = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12).filter(lambda name: name.strip("."))


@HTTP
@example(["../../query?q=SELECT+Id+FROM+User#", "a"])
@example(["x", "%2F..", "a/b", "\U0001f600"])
@given(st.lists(NAMED, min_size=1, max_size=12, unique=True))
def test_a_name_of_an_object_is_part_of_one_address_only(client: Client, org: Org, names: list[str]) -> None:
    """One by one or in a composite, with counts as well: what is asked for is a describe of that very name."""
    org.requests.clear()
    list(describe_all(client, names))
    rest.record_counts(client, names)

    addresses = []
    for each in org.requests:
        if each.path.endswith("/composite"):
            addresses += [part["url"] for part in json.loads(each.body)["compositeRequest"]]
        elif each.path.endswith("/recordCount"):
            assert set(parse_qs(each.target.partition("?")[2], keep_blank_values=True)) == {"sObjects"}
        elif "/limits/" not in each.path:
            addresses.append(each.target)
    described = {
        unquote(each.removeprefix("/services/data/v66.0/sobjects/").removesuffix("/describe")) for each in addresses
    }
    assert described == set(names)


def test_files_of_rows_stay_in_their_storage(org: Org, server: Server, tmp_path: Path) -> None:
    """A stream's name is part of its files' names, and leads to no other folder, even where an org plays along."""
    org.insert("Account", {"Name": "x"})
    org.clock.advance(timedelta(minutes=1))
    (entry,) = discover(server, streams=["Account"])["streams"]
    streams = [{**entry, "tap_stream_id": f"sf_{name}", "stream": f"sf_{name}"} for name in NAMES]
    fields = [{"name": "Id", "type": "id"}, {"name": "SystemModstamp", "type": "datetime"}]
    org.faults.add(json_answer(json.dumps({"name": "Account", "fields": fields})), path="describe", count=None)
    root = tmp_path / "a" / "b" / "c"
    batches = {"encoding": {"format": "jsonl"}, "storage": {"root": f"file://{root}"}}

    output = sync(server, catalog={"streams": streams}, batch_config=batches)

    named = [path_of(url) for each in output.messages if each["type"] == "BATCH" for url in each["manifest"]]
    assert len(named) >= len(NAMES) - 1
    assert {path.parent for path in named} == {root}
    assert [each for each in tmp_path.rglob("*") if each.is_file() and each.parent != root] == []


@pytest.mark.parametrize("name", ["Id FROM User LIMIT 1", "Id, (SELECT Id FROM Contacts)", "x'", "Name\n", "Näme"])
def test_a_describe_with_a_field_of_such_a_name_is_not_asked_about(org: Org, server: Server, name: str) -> None:
    """The stream fails by the name of the field; no query that holds it leaves."""
    fields = [{"name": each, "type": "string"} for each in ("Id", name)]
    org.faults.add(BadDescribe("Account", {"name": "Account", "fields": fields}), count=None)

    output = sync(server, streams=["Account", "Contact"])

    assert isinstance(output.error, TapError)
    assert "is not the API name" in str(output.error)
    assert "sf_Contact failed" not in str(output.error)
    asked = unquote_plus(" ".join(each.target + each.body.decode() for each in org.requests))
    assert f"SELECT Id,{name}" not in asked


def test_a_catalog_of_such_names_asks_for_nothing_else(org: Org, server: Server, tmp_path: Path) -> None:
    """Streams, keys and fields of a catalog: what the org doesn't have is passed over."""
    org.insert("Account", {"Name": "x"})
    org.clock.advance(timedelta(minutes=1))
    catalog = discover(server, streams=["Account"])
    (entry,) = catalog["streams"]
    hostile = [{**entry, "tap_stream_id": f"sf_{name}", "stream": f"sf_{name}"} for name in NAMES if name != ".."]
    entry["replication_key"] = "Id = null OR Id"
    entry["schema"]["properties"]["Id FROM User LIMIT 1"] = {"type": ["string", "null"]}
    org.requests.clear()

    output = sync(server, catalog={"streams": [entry, *hostile]})

    assert output.error is None
    assert [each["Name"] for each in output.records("sf_Account")] == ["x"]
    queries = [parse(each.query["q"]) for each in org.requests if "q" in each.query]
    assert {each.source.text for each in queries} == {"Account"}
    assert all(
        "User" not in each.query["q"] and "null OR" not in each.query["q"] for each in org.requests if "q" in each.query
    )


@settings(max_examples=100, deadline=None)
@example("https://evil.example/services/data")
@example("//evil.example/x")
@example("/\\evil.example/x")
@example("https:////evil.example/x")
@example("/@evil.example/")
@example(":1@evil.example/")
@given(st.text(st.sampled_from("/\\:@?#.%[]ax \t\n\r"), max_size=20) | st.text(max_size=20))
def test_an_address_that_an_answer_names_is_on_the_orgs_own_host(named: str) -> None:
    """What comes of any `nextRecordsUrl` is refused, or travels to the host that was logged in to."""
    session = Session("https://acme.my.salesforce.com", "token")
    try:
        url = Client._url(None, session, rest.path_of(named))  # type: ignore[arg-type]  # it asks nothing of its client
        prepared = requests.Request("GET", url).prepare()
    except (BrokenPromise, ValueError):
        return
    assert urlsplit(prepared.url).netloc == "acme.my.salesforce.com"


@pytest.mark.parametrize("named", ["{}/services/data/v66.0/query/01g-2000", "//{}/query/x", "@{}/x"])
def test_the_next_page_is_not_fetched_elsewhere(org: Org, server: Server, elsewhere: Server, named: str) -> None:
    """An answer that names another host for the next page fails its stream, or its path is asked of the org."""
    url = named.format(elsewhere.url if named.startswith("{}") else elsewhere.url.partition("//")[2])
    answer = {"totalSize": 2, "done": False, "nextRecordsUrl": url, "records": [{"Id": "001000000000001AAA"}]}
    org.faults.add(json_answer(json.dumps(answer)), path=r"/query(All)?\?", count=None)

    assert sync(server, streams=["Account"], api_type="rest").error is not None


# Redirects, and where a login says that the org is


@pytest.mark.parametrize("path", ["/oauth2/token", "/sobjects/?$", "describe", "/query", "/jobs/query/?$", "/results"])
@pytest.mark.parametrize("status", [302, 307])
def test_no_redirect_is_followed_anywhere(org: Org, server: Server, elsewhere: Server, path: str, status: int) -> None:
    """Neither credentials nor a session travel to where an answer points, whatever was asked for."""
    org.insert("Account", {"Name": "x"})
    org.clock.advance(timedelta(minutes=1))
    org.faults.add(Answers(Answer(status, b"", {"Location": f"{elsewhere.url}/x"})), path=path, count=None)
    bulk_ = "/jobs" in path or "/results" in path

    output = sync_or_error(server, streams=["Account"], api_type="bulk2" if bulk_ else "rest")

    # What Bulk refuses comes over REST.
    assert (output is None) == bulk_


UNSAFE = [
    "http://acme.my.salesforce.com",
    "http://127.0.0.1.evil.example",
    "http://2130706433",
    "ftp://127.0.0.1",
    "//127.0.0.1",
    "https://",
    "https://[",
    "https://user:word@acme.my.salesforce.com",
    "javascript:alert(1)",
    "",
]


@pytest.mark.parametrize("address", UNSAFE)
def test_a_session_is_not_sent_in_the_open(signed_in: SignedIn, org: Org, sf: FakeSf, address: str) -> None:
    """An org's address that is not https, or none at all, is refused whichever way it was told."""
    token = org.open_session()
    org.faults.add(json_answer(json.dumps({"access_token": token, "instance_url": address})), path="/oauth2/token")
    soap = f"<a><serverUrl>{address}/services/Soap/u/64.0</serverUrl><sessionId>{token}</sessionId></a>"
    org.faults.add(Answers(Answer(200, soap.encode())), path="/Soap/")
    sf.shows(token, address)

    for flow in (APP, PERSON, {"sf_cli_org": "dev"}):
        with pytest.raises(TapError, match="https"):
            limits(signed_in(flow))


@settings(max_examples=100, deadline=None)
@given(
    st.text(st.sampled_from("htps:/@.#?[]1270evil\\ "), max_size=25).map(lambda text: f"http{text}")
    | st.text(max_size=30)
)
def test_every_address_is_https_or_loopback(text: str) -> None:
    """Of a login's answer as of a setting: what is not refused is safe on its way, and carries no credentials."""
    found = [auth.instance(text)]
    with contextlib.suppress(ValueError):
        found.append(login_url(text))
    for address in filter(None, found):
        try:
            parts = urlsplit(str(requests.Request("GET", f"{address}/x").prepare().url))
        except ValueError:
            # It is no address even to the library; nothing is sent.
            continue
        assert parts.scheme == "https" or parts.hostname in {"127.0.0.1", "localhost", "::1"}
        assert parts.username is None


def test_an_identity_elsewhere_is_not_asked(org: Org, server: Server, elsewhere: Server) -> None:
    """The address of the user's identity tells who it is, and is never sent a session."""
    token = {"access_token": org.open_session(), "instance_url": server.url, "id": f"{elsewhere.url}/id/00D0/0050"}
    org.faults.add(json_answer(json.dumps(token)), path="/oauth2/token")

    assert discover(server, streams=["Account"])["streams"]
