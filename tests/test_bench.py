"""The bench: what it serves is what it says, and one command prints its table."""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Iterator
from csv import DictReader
from io import StringIO
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from bench import floor
from bench.__main__ import main
from bench.answers import Answer, Request
from bench.batches import NAMESPACE
from bench.engines import ENCODERS, PLAIN, UNPACKERS, run
from bench.figures import _whole
from bench.measure import BenchError, Command, Cost, medians
from bench.org import Org, Plan
from bench.pages import Table
from bench.room import Room, room
from bench.shapes import LISTED, SHAPES, TYPICAL

for _module in ("polars", "duckdb", "zlib_ng"):
    pytest.importorskip(_module, reason="the tap is measured beside it (dependency group `bench`)")

ROWS = 4_500
DATA = "/services/data/v66.0"


@pytest.fixture
def clock() -> list[float]:
    """The seconds of the org's clock; a test moves it."""
    return [0.0]


@pytest.fixture
def org(clock: list[float]) -> Org:
    plan = Plan({"Lead__c": ("typical", ROWS), "Listed__c": ("listed", 0)}, job_seconds=3)
    return Org(plan, lambda: clock[0])


def ask(org: Org, path: str, method: str = "GET", body: Any = None, **headers: str) -> Answer:
    """Ask a prepared org as its server does."""
    return org.respond(Request(method, f"{DATA}{path}", headers, json.dumps(body).encode()))


def answered(answer: Answer) -> Any:
    """Return the JSON of an answer."""
    return json.loads(gzip.decompress(answer.body) if answer.gzip else answer.body)


def new_job(org: Org, fields: str) -> str:
    """Start a Bulk job and return its path."""
    job = answered(ask(org, "/jobs/query", "POST", {"operation": "queryAll", "query": f"SELECT {fields} FROM Lead__c"}))
    return f"/jobs/query/{job['id']}"


def result_pages(org: Org, job: str, most: int) -> Iterator[list[dict[str, str]]]:
    """Yield the rows of a job's result pages, each page as long as its header says."""
    locator = "0"
    while locator != "null":
        answer = ask(org, f"{job}/results?locator={locator}&maxRecords={most}")
        page = list(DictReader(StringIO(gzip.decompress(answer.body).decode(), newline="")))
        assert answer.headers is not None
        assert answer.headers["Sforce-NumberOfRecords"] == str(len(page))
        yield page
        locator = answer.headers["Sforce-Locator"]


def test_result_pages_hold_every_row_once(org: Org) -> None:
    """Pages of any length add up to the object's rows, in the order of the fields asked for, no two beginning alike."""
    pages = list(result_pages(org, new_job(org, "Name, Id"), 1_000))

    assert [len(page) for page in pages] == [1_000] * 4 + [500]
    assert list(pages[0][0]) == ["Name", "Id"]
    assert len({page[0]["Id"] for page in pages}) == len(pages)


def test_result_pages_are_listed_five_at_a_time(org: Org) -> None:
    """The list goes on behind five pages until every page was named."""
    org = Org(Plan({"Lead__c": ("typical", 400_000)}), lambda: 0.0)
    listed = answered(ask(org, f"{new_job(org, ','.join(f.name for f in TYPICAL))}/resultPages"))
    following = answered(ask(org, listed["nextRecordsUrl"].removeprefix(DATA)))

    assert (len(listed["resultPages"]), listed["done"]) == (5, False)
    assert (len(following["resultPages"]), following["done"]) == (3, True)


def test_query_pages_hold_every_row(org: Org) -> None:
    """A query's pages add up to `totalSize`, and only the last one says that it is done."""
    page = answered(ask(org, "/queryAll?q=SELECT+Id,Name+FROM+Lead__c"))
    pages = [page]
    while not page["done"]:
        page = answered(ask(org, page["nextRecordsUrl"].removeprefix(DATA)))
        pages.append(page)

    assert [len(page["records"]) for page in pages] == [2_000, 2_000, 500]
    assert {page["totalSize"] for page in pages} == {ROWS}


def test_both_apis_tell_the_same_rows(org: Org) -> None:
    """What REST prints for a row is what Bulk prints, but for null and the end of a moment."""
    names = [field.name for field in TYPICAL]
    page = answered(ask(org, f"/query?q=SELECT+{','.join(names)}+FROM+Lead__c"))
    over_bulk = next(result_pages(org, new_job(org, ",".join(names)), 2_000))
    over_rest = [{name: rest_as_csv(row[name]) for name in names} for row in page["records"]]

    assert over_rest == over_bulk


def rest_as_csv(value: Any) -> str:
    """Return what a result page prints for a value of a query page."""
    if value is None:
        return ""
    text = json.dumps(value) if isinstance(value, bool) else str(value)
    return text.replace("+0000", "Z") if text.endswith(".000+0000") else text


def test_a_job_takes_its_time(org: Org, clock: list[float]) -> None:
    """A job is complete when the plan's seconds have passed on the org's clock, not before."""
    job = new_job(org, "Id")
    before = answered(ask(org, job))
    clock[0] = 3.0

    assert before["state"] == "InProgress"
    assert answered(ask(org, job)) == {**before, "state": "JobComplete", "numberRecordsProcessed": ROWS}


def test_a_batch_of_bulk_1_holds_every_row_in_one_result(org: Org) -> None:
    """The older Bulk API is spoken as far as a tap that knows no later one asks: job, batch, its state, one result."""
    names = [field.name for field in TYPICAL]
    job = answered(
        asynchronous(org, "", "POST", b'{"operation": "queryAll", "object": "Lead__c", "contentType": "CSV"}')
    )
    batches = f"/{job['id']}/batch"
    batch = told(asynchronous(org, batches, "POST", f"SELECT {','.join(names)} FROM Lead__c".encode()), "id")
    closed = answered(asynchronous(org, f"/{job['id']}", "POST", b'{"state": "Closed"}'))
    state = told(asynchronous(org, f"{batches}/{batch}"), "state")
    number = told(asynchronous(org, f"{batches}/{batch}/result"), "result")
    result = asynchronous(org, f"{batches}/{batch}/result/{number}")
    rows = list(DictReader(StringIO(gzip.decompress(result.body).decode(), newline="")))

    assert (closed["state"], state, len(rows)) == ("Closed", "Completed", ROWS)
    assert rows[:1_000] == next(result_pages(org, new_job(org, ",".join(names)), 1_000))


def asynchronous(org: Org, path: str, method: str = "GET", body: bytes = b"") -> Answer:
    """Ask a prepared org over Bulk API 1.0."""
    return org.respond(Request(method, f"/services/async/61.0/job{path}", {}, body))


def told(answer: Answer, name: str) -> str:
    """Return what an answer in XML tells by that name."""
    return ET.fromstring(answer.body).findtext(f"{{{NAMESPACE}}}{name}") or ""


def test_describes_are_of_real_size_alone_and_in_a_batch(org: Org) -> None:
    """A describe of the discovery figures takes 150 kB, and a batch brings the very same one."""
    alone = ask(org, "/sobjects/Listed__c/describe")
    part = {"method": "GET", "url": "v66.0/sobjects/Listed__c/describe"}
    batch = answered(ask(org, "/composite/batch", "POST", {"batchRequests": [part, part]}))

    assert 140_000 < len(gzip.decompress(alone.body)) < 160_000
    assert [each["result"] for each in batch["results"]] == [answered(alone)] * 2
    assert [field["name"] for field in answered(alone)["fields"]] == [field.name for field in LISTED]


def test_a_describe_that_is_known_is_not_sent_again(org: Org) -> None:
    """`If-Modified-Since` is answered with 304 and no body."""
    again = ask(org, "/sobjects/Listed__c/describe", **{"if-modified-since": "Fri, 02 Jan 2026 00:00:00 GMT"})

    assert (again.status, again.body) == (304, b"")


def test_a_composite_brings_what_is_not_known(org: Org) -> None:
    """One call: the very same describe as alone, and 304 without a body for what is known."""
    alone = answered(ask(org, "/sobjects/Listed__c/describe"))
    new = {"method": "GET", "url": f"{DATA}/sobjects/Listed__c/describe", "referenceId": "new"}
    known = {**new, "referenceId": "known", "httpHeaders": {"If-Modified-Since": "Fri, 02 Jan 2026 00:00:00 GMT"}}

    told = answered(ask(org, "/composite", "POST", {"compositeRequest": [new, known]}))["compositeResponse"]

    assert [(part["referenceId"], part["httpStatusCode"]) for part in told] == [("new", 200), ("known", 304)]
    assert [part["body"] for part in told] == [alone, None]


@pytest.mark.parametrize("api", ["bulk", "rest"])
def test_the_floor_reads_every_row(api: str) -> None:
    """The floor goes through all pages: it says how many rows it wrote."""
    with room(Plan({"Lead__c": ("typical", 60_000)})) as place:
        assert list(place.floor(api, "Lead__c").lines()) == [b"60000\n"]


def test_the_middle_of_three_runs_counts() -> None:
    """Each figure is the median of its own."""
    assert medians([Cost(1, 9, 5), Cost(3, 7, 4), Cost(2, 8, 6)]) == Cost(2, 8, 5)


def test_another_tap_that_is_not_there_is_told(small_room: Room) -> None:
    """A program that is not on the PATH is named."""
    with pytest.raises(BenchError, match="tap-nowhere is not on the PATH"):
        small_room.other("tap-nowhere --config {config}", "REST")


def test_another_tap_that_logs_in_elsewhere_is_sent_to_the_org(small_room: Room) -> None:
    """The detour leads a program's requests to the org, whichever host they name, and leaves its arguments alone."""
    asking = "import requests, sys; print(requests.post(sys.argv[1]).json()['instance_url'])"
    program = small_room.folder / "asking.py"
    program.write_text(asking, encoding="utf-8")
    login = "https://login.example/services/oauth2/token"

    other = small_room.other(f"{sys.executable} {{others}}/detour.py {{url}} {program} {login}", "REST")

    assert list(other.lines()) == [f"{small_room.url}\n".encode()]


def test_what_fails_is_not_measured(tmp_path: Path) -> None:
    """A process that fails, or leaves rows out, gives no figure but its own words."""
    failing = Command([sys.executable, "-c", "import sys; sys.exit('the reason')"], tmp_path, {})
    silent = Command([sys.executable, "-c", "pass"], tmp_path, {})

    with pytest.raises(BenchError, match="the reason"):
        failing.cost()
    with pytest.raises(BenchError, match="0 records of 1 rows"):
        _whole(silent, 1)


def test_one_command_prints_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    """The figures that are named are measured, beside the floor and beside another tap."""
    other = f"{sys.executable} -m tap_salesforce_ci --config {{config}} --catalog {{catalog}}"
    code = main(["bulk", "rest-wide", "start-up", "--rows", "2600", "--quick", "--other", other])
    lines = capsys.readouterr().out.splitlines()
    table = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]

    assert code == 0
    assert [row[:2] for row in table[2:]] == [
        ["Bulk → Singer, 39 columns", "2,600"],
        [f"REST → Singer, {len(SHAPES['wide'])} columns", str(2_600 * 39 // 500)],
        ["Start-up: --version", ""],
        ["Start-up: --about", ""],
    ]
    assert all(float(row[column]) > 0 for row in table[2:4] for column in (-1, -2, 4))


def test_the_tap_reads_the_org_of_its_room(small_room: Room) -> None:
    """The tap finds the objects of the plan, and only its own calls are counted."""
    before = small_room.calls()
    catalog = small_room.catalog(streams=["Lead__c"], describe_cache="off")

    assert [stream["stream"] for stream in catalog["streams"]] == ["sf_Lead__c"]
    assert small_room.calls() == before + 2


@pytest.fixture
def small_room() -> Iterator[Room]:
    with room(Plan({"Lead__c": ("small", 1)})) as place:
        yield place


def test_a_result_page_is_sent_in_chunks_that_make_it_whole(small_room: Room) -> None:
    """Over the wire a page is what was packed: the floor's own connection unpacks it."""
    body, answer = floor.Wire(small_room.url).ask("GET", f"{DATA}/query?q=SELECT+Id+FROM+Lead__c")

    assert json.loads(body)["totalSize"] == 1
    assert answer.headers["Transfer-Encoding"] == "chunked"


def test_every_engine_makes_the_same_records(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """What is compared does the same work: the same values, digit for digit, from the same page."""
    page, rows = Table("Typical__c", TYPICAL, ROWS).result_page(0, None)
    (tmp_path / PLAIN).write_bytes(gzip.decompress(page))

    written = {}
    for name in ENCODERS:
        run(name, tmp_path, times=1)
        lines = capfdbinary.readouterr().out.split(b"\n")[:-1]
        written[name] = [json.loads(line, parse_float=str, parse_int=str) for line in lines]

    assert len(written["pyarrow"]) == rows
    assert written["polars"] == written["pyarrow"]
    assert written["duckdb"] == written["pyarrow"]


def test_every_unpacker_unpacks_the_whole_page() -> None:
    page, _ = Table("Typical__c", TYPICAL, ROWS).result_page(0, None)

    assert {unpack(page) for unpack in UNPACKERS.values()} == {len(gzip.decompress(page))}
