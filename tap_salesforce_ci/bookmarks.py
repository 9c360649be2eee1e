"""
The shape of the tap's state, read and written only here.

`bookmarks.<stream>` holds `replication_key` and `replication_key_value` (everything before that moment has been
written), `version` for a full-table read, and `reading` while a read is under way. Keys that are not ours survive.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from tap_salesforce_ci.errors import UserError

OURS = ("replication_key", "replication_key_value", "reading", "version")


@dataclass(frozen=True, slots=True)
class JobProgress:
    """A Bulk job under way: `locator` is where its next result page is (None: the first), `rows` came before it."""

    id: str
    api_version: str
    locator: str | None = None
    rows: int = 0


@dataclass(frozen=True, slots=True)
class Reading:
    """
    A read under way, to be taken up by the next run.

    `query` is the fingerprint of what is asked; `reached` is the key of the last row written by an ordered read.
    """

    since: datetime | None
    until: datetime
    query: str
    job: JobProgress | None = None
    reached: datetime | None = None


@dataclass(frozen=True, slots=True)
class Bookmark:
    """How far a stream has come: all rows whose `key` lies before `value` have been written."""

    key: str | None = None
    value: datetime | None = None
    reading: Reading | None = None
    version: int | None = None


def parse_moment(text: object) -> datetime | None:
    """Return the moment in any spelling that taps have written: `Z`, `+0000`, `+00:00`, with or without a fraction."""
    if not isinstance(text, str):
        return None
    iso = re.sub(r"[zZ]$", "+00:00", text.strip())
    iso = re.sub(r"([+-]\d\d)(\d\d)$", r"\1:\2", iso)
    iso = re.sub(r"\.(\d+)", lambda match: f".{match[1][:6].ljust(6, '0')}", iso)
    try:
        moment = datetime.fromisoformat(iso)
        return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).astimezone(timezone.utc)
    except (ValueError, OverflowError):
        return None


def print_moment(moment: datetime) -> str:
    """Return the one spelling that is written; as text it sorts as time does."""
    utc = moment.astimezone(timezone.utc)
    return f"{utc.isoformat(timespec='milliseconds')[:23]}Z"


def read(state: Mapping[str, Any], stream: str, object_name: str, key: str | None) -> Bookmark:
    """
    Return a stream's bookmark on a replication key.

    A state of singer-io's or MeltanoLabs' tap (`{"Account": {"SystemModstamp": "..."}}`) is understood. A bookmark on
    another key says nothing about this one: all is read again.
    Raises UserError for a value of this key that is no moment, and for a state that no tap has written.
    """
    bookmarks = _mapping(state.get("bookmarks"), "bookmarks")
    entry = _mapping(bookmarks.get(stream), f"bookmarks.{stream}")
    legacy = _mapping(bookmarks.get(object_name), f"bookmarks.{object_name}")
    version = entry.get("version")
    bookmark = Bookmark(key, _value(entry, legacy, stream, key), _reading(entry, key))
    return Bookmark(key, bookmark.value, bookmark.reading, version if isinstance(version, int) else None)


def adopted(state: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return a copy of a state that was given, as it is or as a whole STATE message.

    Raises UserError for what no tap has written.
    """
    if "bookmarks" not in state and isinstance(state.get("value"), Mapping):
        state = state["value"]
    taken = copy.deepcopy(dict(state))
    if "bookmarks" in taken:
        entries = _mapping(taken["bookmarks"], "bookmarks")
        taken["bookmarks"] = {name: dict(_mapping(entry, f"bookmarks.{name}")) for name, entry in entries.items()}
    return taken


def begin(state: MutableMapping[str, Any], stream: str, key: str | None, reading: Reading) -> None:
    """
    Note a read that has begun beside the stream's bookmark, unless another one is noted there.

    A table version is that of an earlier read: this one has written nothing yet and will get its own.
    """
    entry = entry_of(state, stream)
    if "reading" not in entry:
        entry.pop("version", None)
        entry["reading"] = _stored(reading, key)


def knows(state: Mapping[str, Any], stream: str) -> bool:
    """Say whether the state holds anything of a stream."""
    entries = state.get("bookmarks")
    return isinstance(entries, Mapping) and bool(entries.get(stream))


def jobs_in(state: Mapping[str, Any]) -> set[str]:
    """Return the Bulk jobs that a run which takes the state up may still read."""
    entries = state.get("bookmarks")
    readings = [entry.get("reading") for entry in entries.values()] if isinstance(entries, Mapping) else []
    jobs = [reading.get("job") for reading in readings if isinstance(reading, Mapping)]
    return {str(job.get("id")) for job in jobs if isinstance(job, Mapping)}


def entry_of(state: MutableMapping[str, Any], stream: str) -> MutableMapping[str, Any]:
    """Return a stream's entry in the state, to be written to."""
    for name in ("bookmarks", stream):
        if not isinstance(state.get(name), MutableMapping):
            state[name] = {}
        state = state[name]
    return state


def _mapping(value: object, where: str) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise UserError(
            "This is not a state that a Singer tap has written.",
            where=f"state: {where}",
            remedy="Give the last STATE of an earlier run, or none to read everything.",
        )
    return value


def _value(entry: Mapping[str, Any], legacy: Mapping[str, Any], stream: str, key: str | None) -> datetime | None:
    if key is None:
        return None
    text = entry.get("replication_key_value") if entry.get("replication_key") == key else None
    text = text or entry.get(key) or legacy.get(key)
    if text is None and legacy.get("replication_key") == key:
        text = legacy.get("replication_key_value")
    moment = parse_moment(text)
    if text is not None and moment is None:
        raise UserError(
            "The state's bookmark is no moment.",
            where=f"state: bookmarks.{stream}.{key}",
            remedy="Correct it (2024-01-01T00:00:00Z), or remove it to read the table from its beginning.",
        )
    return moment


def _reading(entry: Mapping[str, Any], key: str | None) -> Reading | None:
    stored = entry.get("reading")
    if not isinstance(stored, Mapping) or stored.get("replication_key") != key:
        return None
    until = parse_moment(stored.get("until"))
    if until is None or not isinstance(stored.get("query"), str):
        return None
    job = stored.get("job")
    return Reading(
        since=parse_moment(stored.get("since")),
        until=until,
        query=stored["query"],
        job=_job(job) if isinstance(job, Mapping) else None,
        reached=parse_moment(stored.get("reached")),
    )


def _job(stored: Mapping[str, Any]) -> JobProgress | None:
    rows, locator = stored.get("rows", 0), stored.get("locator")
    if not isinstance(stored.get("id"), str) or not isinstance(rows, int) or not isinstance(locator, str | None):
        return None
    return JobProgress(stored["id"], str(stored.get("api_version", "")), locator or None, rows)


def write(entry: MutableMapping[str, Any], bookmark: Bookmark) -> None:
    """Write a bookmark into a stream's entry; a value never goes back, and keys that are not ours stay."""
    earlier = parse_moment(entry.get("replication_key_value")) if entry.get("replication_key") == bookmark.key else None
    for name in OURS:
        entry.pop(name, None)
    value = max(filter(None, (earlier, bookmark.value)), default=None)
    if bookmark.key is not None and value is not None:
        entry["replication_key"] = bookmark.key
        entry["replication_key_value"] = print_moment(value)
    if bookmark.version is not None:
        entry["version"] = bookmark.version
    if bookmark.reading is not None:
        entry["reading"] = _stored(bookmark.reading, bookmark.key)


def _stored(reading: Reading, key: str | None) -> dict[str, Any]:
    stored: dict[str, Any] = {"replication_key": key, "until": print_moment(reading.until), "query": reading.query}
    if reading.since is not None:
        stored["since"] = print_moment(reading.since)
    if reading.reached is not None:
        stored["reached"] = print_moment(reading.reached)
    if reading.job is not None:
        job = reading.job
        stored["job"] = {"id": job.id, "api_version": job.api_version, "locator": job.locator, "rows": job.rows}
    return stored
