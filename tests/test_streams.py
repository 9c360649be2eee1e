"""Promises of one object's sync: valid records, and the same ones whichever way they are written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from tap_salesforce_ci.demo.data import demo_org
from tap_salesforce_ci.demo.server import Server
from tests.singer import Output, Record, config, make_tap, sync

NOW = datetime(2026, 3, 2, 9, tzinfo=timezone.utc)
MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)T([01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{3}Z", re.ASCII)
TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{3}Z", re.ASCII)
SDK_PATHS: dict[str, dict[str, Any]] = {
    "a map of all streams": {"stream_maps": {"*": {}}},
    "flattening": {"flattening_enabled": True, "flattening_max_depth": 3},
}


def is_date(value: object) -> bool:
    """Say whether a text is a day of the calendar; anything else is not for this check."""
    return not isinstance(value, str) or bool(date.fromisoformat(value))


def is_moment(value: object) -> bool:
    """Say whether a text is a moment in the one spelling that records have."""
    match = MOMENT.fullmatch(value) if isinstance(value, str) else None
    return not isinstance(value, str) or (match is not None and is_date(match[1]))


def is_time(value: object) -> bool:
    """Say whether a text is a time of day."""
    return not isinstance(value, str) or TIME.fullmatch(value) is not None


FORMATS = FormatChecker(())
for name, check in {"date": is_date, "date-time": is_moment, "time": is_time}.items():
    FORMATS.checks(name, ValueError)(check)


@pytest.fixture(scope="module")
def company() -> Iterator[Server]:
    """The demo company's org, hard values and all; only read."""
    with Server(demo_org(until=NOW - timedelta(days=330))) as server:
        yield server


@pytest.fixture(scope="module", params=["rest", "bulk2"])
def plain(request: pytest.FixtureRequest, company: Server) -> tuple[str, Output]:
    """What a run writes the fast way, over each API."""
    return request.param, sync(company, api_type=request.param)


def streams_of(output: Output) -> list[str]:
    """Return the streams that were read."""
    return [message["stream"] for message in output.messages if message["type"] == "SCHEMA"]


def by_key(records: list[Record]) -> dict[Any, Record]:
    """Return records by their key; Bulk's order is another one each time."""
    return {record.get("Id") or record["EventIdentifier"]: record for record in records}


def test_every_record_is_valid_by_its_streams_schema(plain: tuple[str, Output]) -> None:
    """What the SCHEMA promises every RECORD keeps, formats and keys included, and no property is left out."""
    _, output = plain

    assert len(streams_of(output)) > 30
    for stream in streams_of(output):
        schema = output.schema(stream)
        validator = Draft202012Validator(schema, format_checker=FORMATS)
        for record in output.records(stream):
            assert list(record) == list(schema["properties"])
            validator.validate(record)


def test_the_formats_are_really_checked() -> None:
    """A check that lets everything pass would prove nothing."""
    for name, wrong in {"date": "2024-13-01", "date-time": "2024-01-01T25:00:00.000Z", "time": "13:05"}.items():
        assert not Draft202012Validator({"format": name}, format_checker=FORMATS).is_valid(wrong)


@pytest.mark.parametrize("way", SDK_PATHS)
def test_the_sdks_own_path_writes_the_same_records(company: Server, plain: tuple[str, Output], way: str) -> None:
    """Under stream maps and flattening every stream has the records, schema and bookmark that it has without."""
    api, fast = plain
    with_maps = make_tap(config(company, streams=["User"], **SDK_PATHS[way])).streams["sf_User"]
    assert not with_maps.is_plain, "this would compare the fast way with itself"  # type: ignore[attr-defined]

    slow = sync(company, api_type=api, **SDK_PATHS[way])

    assert slow.error is None
    assert streams_of(slow) == streams_of(fast)
    for stream in streams_of(fast):
        assert by_key(slow.records(stream)) == by_key(fast.records(stream)), stream
        assert len(slow.records(stream)) == len(fast.records(stream))
        assert slow.schema(stream)["properties"].keys() == fast.schema(stream)["properties"].keys()
        assert where_it_is(slow, stream) == where_it_is(fast, stream)


def where_it_is(output: Output, stream: str) -> tuple[Any, ...]:
    """Return a stream's replication key, how many versions its records have, and how many were activated."""
    entry = output.state["bookmarks"][stream]
    own = [message for message in output.messages if message.get("stream") == stream]
    versions = {message.get("version") is None for message in own if message["type"] == "RECORD"}
    activated = [message for message in own if message["type"] == "ACTIVATE_VERSION"]
    return entry.get("replication_key"), "version" in entry, versions, len(activated)


def test_both_ways_say_when_a_record_was_extracted(company: Server) -> None:
    """`time_extracted` is a moment with a zone, with maps and without."""
    for options in ({}, SDK_PATHS["flattening"]):
        output = sync(company, streams=["User"], **options)
        for message in output.messages:
            if message["type"] == "RECORD":
                assert datetime.fromisoformat(message["time_extracted"].replace("Z", "+00:00")).tzinfo is not None


def test_a_map_may_change_what_is_written(company: Server) -> None:
    """Stream maps do what they say: a stream renamed, a field hashed, a field added, a row left out."""
    maps = {"sf_User": {"__alias__": "people", "Name": "md5(Name)", "upper": "Username.upper()", "Email": None}}

    mapped = sync(company, streams=["User"], stream_maps=maps).records("people")

    plain = sync(company, streams=["User"]).records("sf_User")
    assert [record["upper"] for record in mapped] == [record["Username"].upper() for record in plain]
    assert all(re.fullmatch("[0-9a-f]{32}", record["Name"]) for record in mapped)
    assert not any("Email" in record for record in mapped)
