"""Promises of the log: what an engineer reads of a run that nobody watched."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from tap_salesforce_ci.demo.clock import Clock
from tap_salesforce_ci.demo.data import empty_org
from tap_salesforce_ci.demo.faults import RequestLimitExceeded
from tap_salesforce_ci.demo.org import Org
from tap_salesforce_ci.demo.server import Server
from tests.singer import discover
from tests.terminal import PATIENCE, environment
from tests.test_writer import write_settings

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=timezone.utc)
STREAMS = ["Account", "Contact"]
STRUCTURED: dict[str, Any] = {
    # The configuration that Meltano writes for its plugins.
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"structured": {"()": "singer_sdk.logging.StructuredFormatter"}},
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": "structured", "stream": "ext://sys.stderr"}
    },
    "root": {"level": "INFO", "handlers": ["console"]},
}


@pytest.fixture
def org() -> Org:
    org = empty_org(Clock(NOW))
    for n in range(450):
        org.insert("Account", {"Name": f"Account {n}"}, at=NOW - timedelta(minutes=n + 1))
    org.rest_page_rows = 200
    return org


@pytest.fixture
def server(org: Org) -> Iterator[Server]:
    with Server(org) as server:
        yield server


def logged(settings: Path, *words: str, **variables: str) -> list[dict[str, Any]]:
    """Run the real command as Meltano does, and return the lines of its log."""
    file = settings.with_name("log.json")
    file.write_text(json.dumps(STRUCTURED))
    said = run(settings, *words, SINGER_SDK_LOG_CONFIG=str(file), **variables)
    # The SDK's own handler stays beside the configured one where that names no root.
    return [json.loads(line) for line in said.splitlines() if line.startswith('{"level"')]


def run(settings: Path, *words: str, **variables: str) -> str:
    """Run the real command without a terminal, and return what it says on stderr."""
    command = [sys.executable, "-m", "tap_salesforce_ci", "--config", str(settings), *words]
    done = subprocess.run(
        command, capture_output=True, check=False, env=environment(variables), timeout=PATIENCE, text=True
    )
    return done.stderr


def of(lines: list[dict[str, Any]], stream: str) -> list[dict[str, Any]]:
    """The lines about a stream that are no metrics."""
    return [line for line in lines if line["stream_name"] == stream]


def metrics(lines: list[dict[str, Any]], name: str, stream: str) -> list[dict[str, Any]]:
    """The SDK's metrics of a kind for a stream."""
    found = [line["metric_info"] for line in lines if "metric_info" in line]
    return [point for point in found if point["metric"] == name and point["tags"]["stream"] == stream]


@pytest.mark.parametrize(("api", "named"), [("rest", "REST"), ("bulk2", "Bulk API 2.0")])
def test_a_stream_is_told_when_it_begins_and_when_it_ends(
    org: Org, server: Server, tmp_path: Path, api: str, named: str
) -> None:
    """Two lines a stream, with fields a machine can read: the API, the window and the job; rows, cost and outcome."""
    lines = logged(write_settings(tmp_path, server, streams=STREAMS, api_type=api))

    begun, ended = of(lines, "sf_Account")
    assert begun["level"] == ended["level"] == "info"
    assert begun["extra"]["api"] == named
    assert begun["extra"]["since"] is None
    assert begun["extra"]["until"] == "2026-03-02T09:00:00.000+00:00"
    job = begun["extra"]["job_id"]
    assert api == "rest" or org.requests.to(f"/jobs/query/{job}/results")
    assert (job in begun["message"]) if api == "bulk2" else job is None
    assert ended["extra"]["rows"] == 450
    assert ended["extra"]["outcome"] == "whole"
    assert ended["extra"]["pages"] == (3 if api == "rest" else 1)
    assert ended["extra"]["api_calls"] >= 3


def test_the_next_window_begins_before_the_last_ones_end(org: Org, server: Server, tmp_path: Path) -> None:
    """An incremental read tells from when it reads, the lookback included."""
    settings = write_settings(tmp_path, server, streams=["Account"], api_type="rest")
    state = tmp_path / "state.json"
    bookmark = {"replication_key": "SystemModstamp", "replication_key_value": "2026-03-02T08:00:00.000Z"}
    state.write_text(json.dumps({"bookmarks": {"sf_Account": bookmark}}))

    begun, _ = of(logged(settings, "--state", str(state)), "sf_Account")

    assert begun["extra"]["since"] == "2026-03-02T07:50:00.000+00:00"


def test_each_page_has_its_metrics(server: Server, tmp_path: Path) -> None:
    """How long Salesforce took for each page, how many records there were, and how long the stream took."""
    lines = logged(write_settings(tmp_path, server, streams=STREAMS, api_type="rest"))

    requests = metrics(lines, "http_request_duration", "sf_Account")
    assert [point["tags"]["endpoint"] for point in requests] == ["/queryAll", "/query", "/query"]
    assert {point["tags"]["http_status_code"] for point in requests} == {200}
    assert sum(point["value"] for point in metrics(lines, "record_count", "sf_Account")) == 450
    assert len(metrics(lines, "sync_duration", "sf_Account")) == 1


def test_a_job_has_its_metrics(server: Server, tmp_path: Path) -> None:
    """How long a job took is a metric; asking for its state is none."""
    lines = logged(write_settings(tmp_path, server, streams=["Account"], api_type="bulk2"))

    (job,) = metrics(lines, "job_duration", "sf_Account")
    assert job["tags"]["status"] == "succeeded"
    requests = metrics(lines, "http_request_duration", "sf_Account")
    assert [point["tags"]["endpoint"] for point in requests] == ["/jobs/query/results"]


def test_a_stream_that_fails_is_an_error_in_the_log(org: Org, server: Server, tmp_path: Path) -> None:
    """An engineer finds it by its level, at the moment it happened, not only in the summary."""
    org.refuse_query("Contact", "INSUFFICIENT_ACCESS", "not yours")

    lines = logged(write_settings(tmp_path, server, streams=STREAMS, api_type="rest"))

    (failed,) = [line for line in of(lines, "sf_Contact") if line["level"] == "error"]
    assert "INSUFFICIENT_ACCESS" in failed["message"]


def test_what_stops_a_run_is_one_error_in_the_log(org: Org, server: Server, tmp_path: Path) -> None:
    """The streams behind the one that met it are in the summary; their lines would hide the one that counts."""
    org.faults.add(RequestLimitExceeded(), path="/queryAll", count=None)

    lines = logged(write_settings(tmp_path, server, streams=[*STREAMS, "Lead"], api_type="rest"))

    assert [line["stream_name"] for line in lines if line["level"] == "error"] == ["sf_Account"]


def test_tables_that_nobody_selected_take_one_line(server: Server, tmp_path: Path) -> None:
    """A catalog of a thousand objects does not fill the log with those that are not read."""
    settings = write_settings(tmp_path, server)
    catalog = discover(server, streams=["Account", "Contact", "Lead"])
    for entry in catalog["streams"][1:]:
        next(each for each in entry["metadata"] if not each["breadcrumb"])["metadata"]["selected"] = False
    file = tmp_path / "catalog.json"
    file.write_text(json.dumps(catalog))

    said = run(settings, "--catalog", str(file))

    assert "2 streams of the catalog are not selected." in said
    assert "Skipping deselected" not in said


def test_a_log_level_keeps_its_meaning(server: Server, tmp_path: Path) -> None:
    """WARNING leaves nothing but the table, which no level asks for."""
    said = run(write_settings(tmp_path, server, streams=["Account"]), TAP_SALESFORCE_CI_LOGLEVEL="warning")

    assert said.startswith("stream ")


def test_quiet_silences_structured_logs_too(server: Server, tmp_path: Path) -> None:
    """Meltano's configuration makes no difference to it."""
    assert logged(write_settings(tmp_path, server, streams=["Account"], quiet=True)) == []


def test_a_log_file_gets_everything(server: Server, tmp_path: Path) -> None:
    """What is kept off stderr is kept off stderr only."""
    file, written = tmp_path / "config_of_log.json", tmp_path / "run.log"
    handlers = {"file": {"class": "logging.FileHandler", "filename": str(written)}}
    file.write_text(json.dumps({**STRUCTURED, "handlers": handlers, "root": {"level": "INFO", "handlers": ["file"]}}))

    said = run(
        write_settings(tmp_path, server, streams=["Account"], quiet=True, api_type="rest"),
        SINGER_SDK_LOG_CONFIG=str(file),
    )

    assert said == ""
    assert "sf_Account: reading over REST" in written.read_text()
