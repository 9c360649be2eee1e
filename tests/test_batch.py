"""Promises of BATCH files: whole files of the selected rows, true to what the message says, and a state that waits."""

from __future__ import annotations

import copy
import json
import logging
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pytest
from pyarrow import parquet

from tap_salesforce_ci.demo.data import demo_org
from tap_salesforce_ci.demo.faults import Refused, RequestLimitExceeded
from tap_salesforce_ci.demo.org import Org
from tap_salesforce_ci.demo.server import Server
from tap_salesforce_ci.demo.values import Number
from tests.batch_files import VERSION, as_records, batches, path_of, rows_of, table_of
from tests.singer import Output, Warehouse, config, discover, make_tap, messages_in, sync
from tests.test_hot_path import FEW, MANY, CallCount, leads
from tests.truth import expected

NOW = datetime(2026, 3, 2, 9, tzinfo=timezone.utc)
ENCODINGS = [
    ("jsonl", "gzip"),
    ("jsonl", "none"),
    ("parquet", "snappy"),
    ("parquet", "gzip"),
    ("parquet", "zstd"),
    ("parquet", "none"),
    ("arrow", "none"),
]
FORMATS = ["jsonl", "parquet", "arrow"]
APIS = ["rest", "bulk2"]
ROWS = 95
PAGE = 20


@pytest.fixture(scope="module")
def company() -> Iterator[Server]:
    """The demo company's org, hard values and all; only read."""
    with Server(demo_org(until=NOW - timedelta(days=330))) as server:
        yield server


@pytest.fixture
def contacts(org: Org, monkeypatch: pytest.MonkeyPatch) -> Org:
    """An org with contacts, on pages of 20."""
    monkeypatch.setattr("tap_salesforce_ci.client.results.MOST_ROWS_PER_PAGE", PAGE)
    monkeypatch.setattr("tap_salesforce_ci.client.results.FEWEST_ROWS_PER_PAGE", PAGE)
    org.rest_page_rows = org.bulk_page_rows = PAGE
    for number in range(ROWS):
        org.insert("Contact", {"LastName": f"Contact {number}"}, at=NOW - timedelta(hours=2, seconds=number))
    return org


def to(room: Path, format_: str = "jsonl", compression: str | None = None, **more: Any) -> dict[str, Any]:
    """Return the setting that has files written to a room."""
    encoding = {"format": format_} | ({"compression": compression} if compression else {})
    return {"batch_config": {"encoding": encoding, "storage": {"root": str(room)}, **more}}


def named(output: Output) -> set[str]:
    """Return the names of the files that a run's messages name."""
    return {path_of(url).name for message in batches(output) for url in message["manifest"]}


# -- what is in the files


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("format_", FORMATS)
def test_every_value_of_every_object_is_in_the_files(company: Server, tmp_path: Path, format_: str, api: str) -> None:
    """Whatever the form and the API, the files' rows are the org's, and no RECORD is written beside them."""
    output = sync(company, api_type=api, **to(tmp_path, format_))

    assert output.error is None
    assert not any(message["type"] == "RECORD" for message in output.messages)
    warehouse = Warehouse()
    warehouse.load(as_records(output))
    streams = [message for message in output.messages if message["type"] == "SCHEMA"]
    assert len(streams) > 30
    for message in streams:
        (key,) = message["key_properties"]
        stream = message["stream"]
        truth = expected(company.org, stream.removeprefix("sf_"), message["schema"], key=key)
        assert warehouse.rows(stream) == truth, stream
    assert named(output) == {file.name for file in tmp_path.iterdir()}


@pytest.mark.parametrize(("format_", "compression"), ENCODINGS)
def test_a_message_tells_the_truth_about_its_file(
    contacts: Org, server: Server, tmp_path: Path, format_: str, compression: str
) -> None:
    """The encoding is what was asked for, and what the bytes are."""
    output = sync(server, streams=["Contact"], **to(tmp_path, format_, compression))

    (message,) = batches(output)
    assert message["encoding"] == {"format": format_, "compression": compression}
    assert len(rows_of(message)) == ROWS
    (url,) = message["manifest"]
    start = path_of(url).read_bytes()[:8]
    if format_ == "parquet":
        column = parquet.ParquetFile(path_of(url)).metadata.row_group(0).column(0)
        assert column.compression.lower() == {"none": "uncompressed"}.get(compression, compression)
    else:
        assert start.startswith({"gzip": b"\x1f\x8b", "none": b"{"}[compression]) or start == b"ARROW1\x00\x00"


@pytest.mark.parametrize("format_", ["parquet", "arrow"])
def test_columns_have_the_types_that_the_schema_promises(company: Server, tmp_path: Path, format_: str) -> None:
    """Column names and their order are the SCHEMA's properties, their types the Arrow ones of those."""
    output = sync(company, streams=["Every_Type__c"], **to(tmp_path, format_))

    (message,) = batches(output)
    table = table_of(message)
    types = {
        "Id": pa.string(),
        "IsDeleted": pa.bool_(),
        "SystemModstamp": pa.timestamp("ms", tz="UTC"),
        "Date__c": pa.date32(),
        "Time__c": pa.time32("ms"),
        "Long__c": pa.int64(),
        "Wide_Currency__c": pa.decimal128(38, 18),
        "Any_Value__c": pa.string(),
    }
    assert table.column_names == list(output.schema("sf_Every_Type__c")["properties"])
    assert {name: table.schema.field(name).type for name in types} == types


@pytest.mark.parametrize("format_", FORMATS)
def test_deselected_fields_are_in_no_file(contacts: Org, server: Server, tmp_path: Path, format_: str) -> None:
    """What the catalog leaves out is neither in the SCHEMA nor in a file."""
    catalog = discover(server, streams=["Contact"])
    for entry in catalog["streams"][0]["metadata"]:
        if entry["breadcrumb"] and entry["breadcrumb"][1] not in ("Id", "SystemModstamp", "LastName"):
            entry["metadata"]["selected"] = False

    output = sync(server, catalog=catalog, **to(tmp_path, format_))

    for row in rows_of(batches(output)[0]):
        assert row.keys() == output.schema("sf_Contact")["properties"].keys() == {"Id", "SystemModstamp", "LastName"}


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("size", [1, 7, PAGE, ROWS, 1000])
def test_a_file_has_as_many_rows_as_asked_for(
    contacts: Org, server: Server, tmp_path: Path, *, format_: str, api: str, size: int
) -> None:
    """Pages are cut and joined: every file but the last is full."""
    output = sync(server, streams=["Contact"], api_type=api, **to(tmp_path, format_, batch_size=size))

    sizes = [len(rows_of(message)) for message in batches(output)]
    assert sizes[:-1] == [size] * (len(sizes) - 1)
    assert sum(sizes) == ROWS
    assert 0 < sizes[-1] <= size


def test_files_stand_where_the_setting_says(
    contacts: Org, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Paths, URLs, odd names, a prefix that is a directory, and the default; each named as targets read it."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    roots = {
        str(tmp_path / "a path %20 ü"): tmp_path / "a path %20 ü",
        f"file://{tmp_path}/url": tmp_path / "url",
        None: tmp_path / "singer-sdk",
    }
    for root, folder in roots.items():
        storage = {"prefix": "crm/new-"} | ({"root": root} if root else {})
        asked = {"encoding": {"format": "arrow"}, "storage": storage}
        (message,) = batches(sync(server, streams=["Contact"], batch_config=asked))
        (file,) = (folder / "crm").iterdir()
        assert message["manifest"] == [f"file://{file}"]
        assert file.name.startswith("new-tap-salesforce-ci--sf_Contact-")
        assert file.suffix == ".arrow"


def test_files_may_go_to_another_filesystem(contacts: Org, server: Server) -> None:
    """Whatever fsspec knows takes them; a file is there once its message is."""
    asked = {"encoding": {"format": "arrow"}, "storage": {"root": "memory://bucket/files"}, "batch_size": 50}
    output = sync(server, streams=["Contact"], batch_config=asked)

    urls = [url for message in batches(output) for url in message["manifest"]]
    files = fsspec.filesystem("memory")
    assert sorted(files.ls("/bucket/files", detail=False)) == sorted(
        url.removeprefix("memory:/").replace("//", "/") for url in urls
    )
    tables = [pa.ipc.open_file(fsspec.open(url).open().read()).read_all() for url in urls]
    assert [table.num_rows for table in tables] == [50, ROWS - 50]


# -- the state


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("size", [15, PAGE, 45])
def test_the_state_never_runs_ahead_of_the_files(
    contacts: Org, server: Server, tmp_path: Path, api: str, size: int
) -> None:
    """Wherever a run is cut off, what its files hold and what a run from its last state brings is the whole table."""
    settings = {"streams": ["Contact"], "api_type": api, **to(tmp_path, "arrow", batch_size=size)}
    whole = sync(server, **settings)
    after_files = [n for n, message in enumerate(whole.messages) if message["type"] == "BATCH"]
    assert len(after_files) > 1
    for cut in [after for n in after_files for after in (n + 1, n + 2)]:
        killed = Output(whole.messages[:cut])
        rest = sync(server, state=copy.deepcopy(killed.state), **settings)
        warehouse = Warehouse()
        warehouse.load(as_records(killed))
        warehouse.load(as_records(rest))
        assert rest.error is None
        assert warehouse.rows("sf_Contact") == expected(contacts, "Contact", rest.schema("sf_Contact"))


def test_the_state_goes_on_with_each_file(contacts: Org, server: Server, tmp_path: Path) -> None:
    """Behind each BATCH message comes the state that it allows: a job is taken up at the first page not in a file."""
    settings = {"streams": ["Contact"], "api_type": "bulk2", **to(tmp_path, batch_size=45)}
    output = sync(server, **settings)

    kinds = [message["type"] for message in output.messages if message["type"] in ("BATCH", "STATE")]
    first = kinds.index("BATCH")
    assert kinds[first : first + 4] == ["BATCH", "STATE", "BATCH", "STATE"]
    states = [m["value"] for n, m in enumerate(output.messages) if output.messages[n - 1]["type"] == "BATCH"]
    assert [state["bookmarks"]["sf_Contact"]["reading"]["job"]["rows"] for state in states[:2]] == [40, 80]


@pytest.mark.parametrize("format_", FORMATS)
def test_a_full_table_in_files_replaces_the_one_before(
    contacts: Org, server: Server, tmp_path: Path, format_: str
) -> None:
    """Its rows carry the version, which is activated behind the last file; rows that are gone go."""
    settings = {"streams": ["Contact"], "replication": {"*": "full_table"}, **to(tmp_path, format_, batch_size=30)}
    first = sync(server, **settings)
    contacts.hard_delete("Contact", contacts.rows("Contact")[0]["Id"])
    second = sync(server, state=first.state, **settings)

    warehouse = Warehouse()
    for output in (first, second):
        own = [m for m in output.messages if m["type"] in ("BATCH", "ACTIVATE_VERSION")]
        version = own[-1]["version"]
        assert [m["type"] for m in own] == ["BATCH"] * 4 + ["ACTIVATE_VERSION"]
        assert {m["version"] for m in own} == {version} == {row[VERSION] for m in own[:-1] for row in rows_of(m)}
        warehouse.load(as_records(output))
    assert warehouse.rows("sf_Contact") == expected(contacts, "Contact", second.schema("sf_Contact"))


def test_an_incremental_table_has_no_version_in_its_files(contacts: Org, server: Server, tmp_path: Path) -> None:
    """No column that the SCHEMA doesn't have, and no version in the message."""
    (message,) = batches(sync(server, streams=["Contact"], **to(tmp_path)))

    assert "version" not in message
    assert not any(VERSION in row for row in rows_of(message))


# -- when something goes wrong


@pytest.mark.parametrize("format_", FORMATS)
def test_rows_that_came_before_a_failure_are_handed_over(
    contacts: Org, server: Server, tmp_path: Path, format_: str
) -> None:
    """A budget that is spent in the midst of a read costs no page twice: the next run goes on with the last key."""
    settings = {"streams": ["Contact"], "api_type": "rest", **to(tmp_path, format_)}
    contacts.faults.add(RequestLimitExceeded(), path=r"/query/0r", nth=2, count=None)
    stopped = sync(server, **settings)
    contacts.faults.clear()
    rest = sync(server, state=copy.deepcopy(stopped.state), **settings)

    assert stopped.error is not None
    assert stopped.error.exit_code == 3
    assert [len(rows_of(message)) for message in batches(stopped)] == [2 * PAGE]
    assert [len(rows_of(message)) for message in batches(rest)] == [ROWS - 2 * PAGE + 1]
    assert named(stopped) | named(rest) == {file.name for file in tmp_path.iterdir()}


def test_a_read_that_begins_again_leaves_no_row_twice(contacts: Org, server: Server, tmp_path: Path) -> None:
    """The files of a full table's first beginning have a version that is never activated."""
    contacts.faults.add(Refused(404, "NOT_FOUND", "gone"), path=r"/query/0r", nth=2)
    settings: dict[str, Any] = {"streams": ["Contact"], "api_type": "rest", "replication": {"*": "full_table"}}

    output = sync(server, **settings, **to(tmp_path))

    assert output.error is None
    (version,) = [message["version"] for message in output.messages if message["type"] == "ACTIVATE_VERSION"]
    versions = [message["version"] for message in batches(output)]
    assert len(set(versions)) == 2
    records = [m["record"]["Id"] for m in as_records(output).messages if m.get("version") == version and "record" in m]
    assert sorted(records) == sorted(row["Id"] for row in contacts.rows("Contact"))


@pytest.mark.parametrize("format_", FORMATS)
def test_a_value_that_is_not_of_its_kind_is_told(org: Org, server: Server, tmp_path: Path, format_: str) -> None:
    """As in RECORD messages: the stream fails, the error names object and field, and no half file stays."""
    org.insert("Every_Type__c", {"Integer__c": Number(rest="1.5", bulk="1.5")}, at=NOW - timedelta(hours=1))

    output = sync(server, streams=["Every_Type__c"], **to(tmp_path, format_))

    assert output.error is not None
    assert output.error.exit_code == 4
    assert "field Integer__c: '1.5' is not a whole number" in str(output.error)
    assert "Every_Type__c" in str(output.error)
    assert list(tmp_path.iterdir()) == []


def run(settings: dict[str, Any], room: Path, **options: Any) -> subprocess.Popen[bytes]:
    """Start the real command."""
    file = room / "config.json"
    file.write_text(json.dumps(settings))
    command = [sys.executable, "-m", "tap_salesforce_ci", "--config", str(file)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(os.environ), **options)


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("share", [0.9, 0.01])
def test_a_storage_that_is_full_ends_the_stream_and_nothing_is_lost(
    contacts: Org, server: Server, tmp_path: Path, format_: str, share: float
) -> None:
    """The error names the setting, the exit code says who acts, no half file stays, and the rest comes later."""
    files = tmp_path / "files"
    sizes: dict[str, Any] = {"streams": ["Contact"], "api_type": "bulk2"}
    (message, *_) = batches(sync(server, **sizes, **to(tmp_path / "measured", format_, "none", batch_size=PAGE)))
    size = int(path_of(message["manifest"][0]).stat().st_size * share)
    settings = config(server, **sizes, **to(files, format_, "none", batch_size=PAGE))

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    with run(settings, tmp_path, preexec_fn=limit) as process:
        printed, said = process.communicate(timeout=60)

    output = Output(messages_in(printed))
    assert process.returncode == 2, said.decode()
    assert b"batch_config.storage.root" in said
    assert batches(output) == []
    assert list(files.iterdir()) == []
    rest = as_records(sync(server, state=output.state, streams=["Contact"], **to(files)))
    assert len(rest.records("sf_Contact")) == ROWS


def test_a_root_that_is_no_directory_is_told(contacts: Org, server: Server, tmp_path: Path) -> None:
    """The setting is named; the run fails as for any setting."""
    (tmp_path / "file").touch()

    output = sync(server, streams=["Contact"], **to(tmp_path / "file"))

    assert output.error is not None
    assert output.error.exit_code == 2
    assert "batch_config.storage.root" in str(output.error)


@pytest.mark.parametrize("format_", FORMATS)
def test_a_run_that_is_killed_leaves_no_file_that_it_did_not_name(
    contacts: Org, server: Server, tmp_path: Path, format_: str
) -> None:
    """Told to end, it tells by its exit code; its state and its files are whole, and the next run brings the rest."""
    files = tmp_path / "files"
    settings = {"streams": ["Contact"], "api_type": "bulk2", **to(files, format_, batch_size=3)}

    with run(config(server, **settings), tmp_path) as process:
        assert process.stdout is not None
        read = b""
        while b'"BATCH"' not in read:
            read += process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        read += process.stdout.read()
        process.wait(60)

    output = Output(messages_in(read))
    assert process.returncode == 128 + signal.SIGTERM
    assert {file.name for file in files.iterdir()} == named(output)
    rest = sync(server, state=copy.deepcopy(output.state), **settings)
    warehouse = Warehouse()
    warehouse.load(as_records(output))
    warehouse.load(as_records(rest))
    assert warehouse.rows("sf_Contact") == expected(contacts, "Contact", rest.schema("sf_Contact"))


def test_a_target_that_goes_away_leaves_no_file_to_nobody(contacts: Org, server: Server, tmp_path: Path) -> None:
    """A file whose message nobody takes is removed; the exit code is a shell's for a closed pipe."""
    files = tmp_path / "files"
    with run(config(server, streams=["Contact"], **to(files)), tmp_path) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert messages_in(process.stdout.readline())
        process.stdout.close()
        said = process.stderr.read()

    assert process.returncode == 141
    assert b"Traceback" not in said
    assert not files.exists() or list(files.iterdir()) == []


def test_a_file_that_is_whole_but_not_handed_over_is_removed(contacts: Org, server: Server, tmp_path: Path) -> None:
    """A signal may come between a file's last byte and its message."""
    tap = make_tap(config(server, streams=["Contact"], **to(tmp_path, "arrow", batch_size=PAGE)))
    files = tap.streams["sf_Contact"]._files()  # type: ignore[attr-defined]
    first, _ = next(files).file.hand_over(), next(files)
    assert len(list(tmp_path.iterdir())) == 2

    files.close()

    assert [file.as_uri() for file in tmp_path.iterdir()] == [first]


# -- RECORD messages instead


@pytest.mark.parametrize(
    "option", [{"stream_maps": {"sf_Contact": {"Name": None}}}, {"flattening_enabled": True, "flattening_max_depth": 1}]
)
def test_mapped_and_flattened_streams_come_as_records(
    contacts: Org, server: Server, tmp_path: Path, option: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """One line says so; the others come in files."""
    contacts.insert("Account", {"Name": "in a file"}, at=NOW - timedelta(hours=1))
    with caplog.at_level(logging.WARNING):
        output = sync(server, streams=["Contact", "Account"], **option, **to(tmp_path))

    told = [record.getMessage() for record in caplog.records if "batch_config" in record.getMessage()]
    assert len(told) == 1
    assert "sf_Contact" in told[0]
    assert len(output.records("sf_Contact")) == ROWS
    assert batches(output, "sf_Contact") == []
    assert bool(batches(output, "sf_Account")) == ("stream_maps" in option)


def test_a_dry_run_writes_no_file(contacts: Org, server: Server, tmp_path: Path) -> None:
    """`--test` asks for a record of each stream."""
    assert make_tap(config(server, streams=["Contact"], **to(tmp_path))).run_connection_test()
    assert list(tmp_path.iterdir()) == []


def test_a_part_of_the_setting_asks_for_nothing(contacts: Org, server: Server, tmp_path: Path) -> None:
    """Settings managers send defaults to those who never asked for files."""
    output = sync(server, streams=["Contact"], batch_config={"storage": {"root": str(tmp_path)}, "batch_size": 10})

    assert len(output.records("sf_Contact")) == ROWS


# -- the SDK's own ways in


def test_the_sdk_s_own_ways_give_the_same_rows(contacts: Org, server: Server, tmp_path: Path) -> None:
    """`get_batches` and `get_record_batches` are what SDK 0.54 and 0.55 ask for."""
    truth = as_records(sync(server, streams=["Contact"], **to(tmp_path, "arrow"))).records("sf_Contact")
    tap = make_tap(config(server, streams=["Contact"], **to(tmp_path, "arrow", batch_size=40)))
    stream = tap.streams["sf_Contact"]
    batch_config = stream.get_batch_config(tap.config)
    assert batch_config is not None
    found = [
        {"encoding": {"format": encoding.format, "compression": encoding.compression}, "manifest": manifest}
        for encoding, manifest in stream.get_batches(batch_config)
    ]
    tap = make_tap(config(server, streams=["Contact"]))
    tables = tap.streams["sf_Contact"].get_record_batches(None)  # type: ignore[attr-defined]
    table = pa.Table.from_batches(tables)

    by_id = {row["Id"]: row for row in truth}
    assert [len(rows_of(message)) for message in found] == [40, 40, 15]
    assert {row["Id"]: row for message in found for row in rows_of(message)} == by_id
    assert set(table["Id"].to_pylist()) == by_id.keys()
    assert table.schema.field("SystemModstamp").type == pa.timestamp("ms", tz="UTC")


def test_rows_are_counted_for_the_metrics(
    contacts: Org, server: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The SDK's counters of records and batches tell what the files hold."""
    with caplog.at_level(logging.INFO):
        sync(server, streams=["Contact"], **to(tmp_path, batch_size=50))

    metrics = [json.loads(r.getMessage().split("METRIC: ")[1]) for r in caplog.records if "METRIC" in r.getMessage()]
    counted = {point["metric"]: point["value"] for point in metrics if point["type"] == "counter"}
    assert counted == {"record_count": ROWS, "batch_count": 2}


def test_numbers_that_need_more_digits_make_the_column_wider(org: Org, server: Server, tmp_path: Path) -> None:
    """From the first value that does not fit on, files are wider; each value is kept to its last digit."""
    digits = ["12.5", "3.3333333333333335E-4", "1.0E-26", "123456789012345678.9", "1.7976931348623157E308", "2.5"]
    for number, text in enumerate(digits):
        org.insert(
            "Every_Type__c",
            {"Number__c": Number(rest=text, bulk=text)},
            at=NOW - timedelta(hours=2) + timedelta(minutes=number),
        )
    org.rest_page_rows = 1

    output = sync(server, streams=["Every_Type__c"], api_type="rest", **to(tmp_path, "parquet"))

    columns = [table_of(message).column("Number__c") for message in batches(output)]
    assert [str(column.type) for column in columns] == [
        "decimal128(38, 18)",
        "decimal128(38, 24)",
        "decimal128(38, 30)",
        "decimal256(76, 38)",
        "string",
    ]
    assert [Decimal(value) for column in columns for value in column.to_pylist()] == [Decimal(text) for text in digits]


@pytest.mark.parametrize("format_", FORMATS)
def test_no_row_costs_a_call(tmp_path: Path, format_: str) -> None:
    """A thousand more rows in a page take fewer than a hundred more calls."""
    calls = []
    for rows in (FEW, MANY):
        with Server(leads(rows)) as server, CallCount() as count:
            output = sync(server, streams=["Lead"], api_type="bulk2", **to(tmp_path, format_, "none"))
        assert sum(len(rows_of(message)) for message in batches(output)) == rows
        calls.append(count.calls)

    assert calls[1] - calls[0] < (MANY - FEW) / 10
