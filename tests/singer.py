"""Runs the tap as a target's reader would see it, and rebuilds the tables from what it wrote."""

from __future__ import annotations

import io
import json
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tap_salesforce_ci.demo import oauth
from tap_salesforce_ci.demo.server import Server
from tap_salesforce_ci.errors import TapError
from tap_salesforce_ci.tap import SalesforceTap

Record = dict[str, Any]


def config(server: Server, **settings: Any) -> dict[str, Any]:
    """Return settings that log in to the emulated org with its refresh token."""
    return {
        "domain": server.url,
        "client_id": oauth.CLIENT_ID,
        "client_secret": oauth.CLIENT_SECRET,
        "refresh_token": oauth.REFRESH_TOKEN,
        **settings,
    }


@dataclass
class Output:
    """The messages of one run, and the error that ended it."""

    messages: list[dict[str, Any]]
    error: TapError | None = None

    @property
    def state(self) -> dict[str, Any]:
        """The last state that a target would have committed."""
        states = [message["value"] for message in self.messages if message["type"] == "STATE"]
        return states[-1] if states else {}

    def records(self, stream: str) -> list[Record]:
        """Return a stream's records in the order they were written."""
        return [
            message["record"]
            for message in self.messages
            if message["type"] == "RECORD" and message["stream"] == stream
        ]

    def schema(self, stream: str) -> dict[str, Any]:
        """Return a stream's last schema."""
        found = [each for each in self.messages if each["type"] == "SCHEMA" and each["stream"] == stream]
        schema: dict[str, Any] = found[-1]["schema"]
        return schema


@dataclass
class Warehouse:
    """The tables a target would hold: rows by key, full tables swapped when a version is activated."""

    tables: dict[str, dict[tuple[Any, ...], Record]] = field(default_factory=dict)
    _versions: dict[str, dict[tuple[Any, ...], int | None]] = field(default_factory=dict)
    _keys: dict[str, list[str]] = field(default_factory=dict)

    def load(self, output: Output) -> None:
        """Apply a run's messages in their order."""
        for message in output.messages:
            self._apply(message)

    def _apply(self, message: Mapping[str, Any]) -> None:
        stream = message.get("stream", "")
        if message["type"] == "SCHEMA":
            self._keys[stream] = message["key_properties"]
            self.tables.setdefault(stream, {})
        elif message["type"] == "RECORD":
            record = message["record"]
            key = tuple(record[name] for name in self._keys[stream]) or tuple(map(str, record.values()))
            self.tables[stream][key] = record
            self._versions.setdefault(stream, {})[key] = message.get("version")
        elif message["type"] == "ACTIVATE_VERSION":
            versions = self._versions.get(stream, {})
            for key in [key for key, version in versions.items() if version != message["version"]]:
                del versions[key]
                del self.tables[stream][key]

    def rows(self, stream: str) -> dict[tuple[Any, ...], Record]:
        """Return a table's rows by key."""
        return self.tables.get(stream, {})


def make_tap(
    settings: Mapping[str, Any], *, catalog: dict[str, Any] | None = None, state: dict[str, Any] | None = None
) -> SalesforceTap:
    """Make a tap whose retries don't wait; the process keeps its own signal handlers."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        tap = _Impatient(config=dict(settings), catalog=catalog, state=state)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    return tap


class _Impatient(SalesforceTap):
    def _sleep(self, seconds: float) -> None:
        """Wait a thousandth of what was asked for."""
        super()._sleep(seconds / 1000)


@contextmanager
def captured(into: io.BytesIO | None = None) -> Iterator[io.BytesIO]:
    """Take what is written to stdout, as bytes."""
    taken = io.BytesIO() if into is None else into
    with redirect_stdout(io.TextIOWrapper(taken, encoding="utf-8", write_through=True)):
        try:
            yield taken
        finally:
            sys.stdout.flush()
            sys.stdout.detach()  # type: ignore[union-attr]


def messages_in(lines: bytes) -> list[dict[str, Any]]:
    """Read messages; numbers keep their digits."""
    return [json.loads(line, parse_float=Decimal) for line in lines.decode("utf-8").split("\n") if line]


def discover(server: Server, **settings: Any) -> dict[str, Any]:
    """Return the org's catalog."""
    catalog: dict[str, Any] = make_tap(config(server, **settings)).catalog_dict
    return catalog


def sync(
    server: Server, *, catalog: dict[str, Any] | None = None, state: dict[str, Any] | None = None, **settings: Any
) -> Output:
    """Run the tap once against the emulated org."""
    error = None
    with captured() as taken:
        try:
            make_tap(config(server, **settings), catalog=catalog, state=state).sync_all()
        except TapError as caught:
            error = caught
    return Output(messages_in(taken.getvalue()), error)
