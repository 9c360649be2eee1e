"""Reads the files that BATCH messages name, as a target would, and gives them back as the records they stand for."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from datetime import date, datetime, time, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa
from pyarrow import parquet

from tests.singer import Output, Record

VERSION = "_sdc_table_version"


def path_of(url: str) -> Path:
    """Return where a file is."""
    assert url.startswith("file:///"), url
    return Path(urlsplit(url).path)


def table_of(message: Mapping[str, Any]) -> pa.Table:
    """Return a typed file's table."""
    (url,) = message["manifest"]
    if message["encoding"]["format"] == "parquet":
        return parquet.read_table(path_of(url))
    with pa.ipc.open_file(path_of(url)) as file:
        return file.read_all()


def rows_of(message: Mapping[str, Any]) -> list[Record]:
    """Return the rows of a message's one file, spelled as records are."""
    (url,) = message["manifest"]
    if message["encoding"]["format"] != "jsonl":
        return [{name: spelled(value) for name, value in row.items()} for row in table_of(message).to_pylist()]
    content = path_of(url).read_bytes()
    if message["encoding"]["compression"] == "gzip":
        content = gzip.decompress(content)
    return [json.loads(line, parse_float=Decimal) for line in content.decode("utf-8").split("\n")[:-1]]


def spelled(value: Any) -> Any:
    """Return a typed value as a record has it."""
    if isinstance(value, datetime):
        return f"{value.astimezone(timezone.utc).replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"
    if isinstance(value, time):
        return f"{value.isoformat(timespec='milliseconds')}Z"
    return value.isoformat() if isinstance(value, date) else value


def as_records(output: Output) -> Output:
    """Return a run's messages as they would be without files; numbers that are text in a file are numbers again."""
    messages: list[dict[str, Any]] = []
    properties: dict[str, Any] = {}
    for message in output.messages:
        if message["type"] == "SCHEMA":
            properties[message["stream"]] = message["schema"]["properties"]
        if message["type"] != "BATCH":
            messages.append(message)
            continue
        stream = message["stream"]
        numbers = {name for name, each in properties[stream].items() if "number" in each["type"]}
        for row in rows_of(message):
            version = row.pop(VERSION, None)
            record = {name: Decimal(value) if name in numbers and value else value for name, value in row.items()}
            messages.append({"type": "RECORD", "stream": stream, "record": record, "version": version})
    return Output(messages, output.error)


def batches(output: Output, stream: str | None = None) -> list[dict[str, Any]]:
    """Return the BATCH messages of a stream, or of all."""
    return [m for m in output.messages if m["type"] == "BATCH" and stream in (None, m["stream"])]
