"""Promises of stdout: whole lines only, whatever takes them and whatever signal comes; and a run that can be killed."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

import pytest
from singer_sdk.singerlib import StateMessage

from tap_salesforce_ci.demo.faults import Stall
from tap_salesforce_ci.demo.org import Org
from tap_salesforce_ci.demo.server import Server
from tap_salesforce_ci.writer import BlockWriter
from tests.singer import Output, Warehouse, config, messages_in, sync
from tests.truth import expected

TERMINATED = 128 + signal.SIGTERM
PATIENCE = 60
ROWS = 1500

OnSignal = Callable[[Callable[[], None]], None]


class Sink(io.RawIOBase):
    """Takes at most `most` bytes at a time, after doing what a test wants done in between."""

    def __init__(self, most: int, meanwhile: Callable[[], None] = lambda: None) -> None:
        super().__init__()
        self.taken = b""
        self._most = most
        self._meanwhile = meanwhile

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._meanwhile()
        part = bytes(data[: self._most])
        self.taken += part
        return len(part)


@dataclass(frozen=True)
class Stdout:
    """As much of a text stream over a sink as the writer needs."""

    buffer: Sink


@pytest.mark.parametrize("most", [1, 7, 1000])
def test_a_stdout_that_takes_little_gets_all(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    """An unbuffered stdout may take a part of what it is given; the rest follows, in order."""
    sink = Sink(most)
    monkeypatch.setattr(sys, "stdout", Stdout(sink))
    writer = BlockWriter()

    writer.write_block(b'{"a":1}\n{"b":"\xc3\xa9"}\n')
    writer.write_message(StateMessage(value={"c": "é"}))

    first, second, third = sink.taken.decode().splitlines()
    assert [first, second] == ['{"a":1}', '{"b":"é"}']
    assert json.loads(third) == {"type": "STATE", "value": {"c": "é"}}


def test_a_stdout_of_text_is_written_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that replaced stdout by a text stream reads the same lines."""
    stdout = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stdout)

    BlockWriter().write_block('{"b":"é"}\n'.encode())

    assert stdout.getvalue() == '{"b":"é"}\n'


def test_each_message_is_flushed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A target sees a block as soon as it is written."""
    sink = Sink(1000)
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BufferedWriter(sink)))

    BlockWriter().write_block(b"{}\n")

    assert sink.taken == b"{}\n"


@pytest.mark.skipif(not hasattr(os, "set_blocking"), reason="this system has no pipes that do not block")
@pytest.mark.parametrize("buffering", [0, -1], ids=["unbuffered", "buffered"])
def test_a_stdout_that_does_not_block_gets_all(monkeypatch: pytest.MonkeyPatch, buffering: int) -> None:
    """A pipe that its reader made non-blocking is waited for when it is full, and no line is torn."""
    lines = b"".join(b'{"a":%d}\n' % number for number in range(50_000))
    reading, writing = os.pipe()
    os.set_blocking(writing, False)

    with ThreadPoolExecutor(1) as threads, os.fdopen(reading, "rb") as reader:
        taken = threads.submit(reader.read)
        with os.fdopen(writing, "wb", buffering) as out:
            monkeypatch.setattr(sys, "stdout", SimpleNamespace(buffer=out))
            BlockWriter().write_block(lines)
            BlockWriter().write_block(b"{}\n")
        assert taken.result() == lines + b"{}\n"


@pytest.fixture
def on_signal() -> Iterator[OnSignal]:
    """Install what is done on SIGUSR1, for the time of a test."""

    def install(work: Callable[[], None]) -> None:
        signal.signal(signal.SIGUSR1, lambda *_: work())

    before = signal.getsignal(signal.SIGUSR1)
    yield install
    signal.signal(signal.SIGUSR1, before)


def test_a_signal_in_the_midst_of_a_block_waits_for_its_end(
    monkeypatch: pytest.MonkeyPatch, on_signal: OnSignal
) -> None:
    """What a signal sets off happens when the block is written to its last byte, and only once."""
    sink = Sink(3, lambda: signal.raise_signal(signal.SIGUSR1))
    monkeypatch.setattr(sys, "stdout", Stdout(sink))
    writer = BlockWriter()
    taken_then: list[bytes] = []
    on_signal(lambda: writer.when_free(lambda: taken_then.append(sink.taken)))

    writer.write_block(b'{"a":1}\n')

    assert taken_then == [b'{"a":1}\n']


def test_a_signal_waits_for_the_outermost_end() -> None:
    """A bookmark and its STATE line belong together, though each is undisturbed by itself."""
    writer, order = BlockWriter(), []

    with writer.undisturbed():
        with writer.undisturbed():
            writer.when_free(lambda: order.append("signal"))
        order.append("state")
    order.append("next")

    assert order == ["state", "signal", "next"]


def test_a_signal_outside_of_a_block_is_heeded_at_once() -> None:
    """Nothing waits for a block that may never come."""
    writer, order = BlockWriter(), []

    writer.when_free(lambda: order.append("signal"))

    assert order == ["signal"]


def test_a_signal_may_end_the_program_behind_the_block() -> None:
    """The end that a signal asks for is not swallowed, and the writer is free afterwards."""
    writer, order = BlockWriter(), []

    def leave() -> None:
        raise SystemExit(TERMINATED)

    def write() -> None:
        with writer.undisturbed():
            writer.when_free(leave)
            order.append("written")

    with pytest.raises(SystemExit):
        write()
    writer.when_free(lambda: order.append("free"))

    assert order == ["written", "free"]


# -- the real command, killed ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Killed:
    """What a run left that was killed after some lines."""

    lines: bytes
    code: int

    @property
    def messages(self) -> list[dict[str, Any]]:
        """Its messages; a torn line is an error."""
        assert self.lines.endswith(b"\n")
        return messages_in(self.lines)


def start(settings: Path) -> subprocess.Popen[bytes]:
    """Start the real command; an unbuffered pipe would hide nothing."""
    command = [sys.executable, "-m", "tap_salesforce_ci", "--config", str(settings)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=dict(os.environ))


def killed_after(settings: Path, lines: int) -> Killed:
    """Return what a run writes that is told to end once it has written some lines."""
    with start(settings) as process:
        assert process.stdout is not None
        read = b"".join(read_lines(process.stdout, lines))
        process.send_signal(signal.SIGTERM)
        read += process.stdout.read()
        return Killed(read, process.wait(PATIENCE))


def read_lines(stdout: IO[bytes], most: int) -> Iterator[bytes]:
    """Yield so many lines."""
    for _ in range(most):
        yield stdout.readline()


def write_settings(room: Path, server: Server, **settings: Any) -> Path:
    """Write a config file."""
    path = room / "config.json"
    path.write_text(json.dumps(config(server, **settings)))
    return path


@pytest.mark.parametrize("api", ["rest", "bulk2"])
def test_a_run_that_is_killed_leaves_whole_lines_and_its_last_state(
    org: Org, server: Server, tmp_path: Path, api: str
) -> None:
    """Killed at any moment, a run ends its line, writes its state, says so, and the next run brings all the rest."""
    org.rest_page_rows = 200
    for number in range(ROWS):
        org.insert("Contact", {"LastName": f"Contact {number}", "Description": "x" * 2000})
        org.clock.advance(timedelta(seconds=1))
    settings = write_settings(tmp_path, server, streams=["Contact"], api_type=api)

    with ThreadPoolExecutor(3) as pool:
        runs = list(pool.map(lambda lines: killed_after(settings, lines), [1, 150, 700]))

    for run in runs:
        output = Output(run.messages)
        assert run.code == TERMINATED
        assert output.state or not output.records("sf_Contact")
        warehouse = Warehouse()
        warehouse.load(output)
        rest = sync(server, streams=["Contact"], api_type=api, state=output.state)
        warehouse.load(rest)
        assert warehouse.rows("sf_Contact") == expected(org, "Contact", rest.schema("sf_Contact"))
    assert all(0 < len(Output(run.messages).records("sf_Contact")) < ROWS for run in runs[1:])


def test_a_run_that_waits_for_salesforce_can_be_killed(org: Org, server: Server, tmp_path: Path) -> None:
    """A run whose answer does not come ends at once when it is told to."""
    org.faults.add(Stall(), path="/queryAll")
    settings = write_settings(tmp_path, server, streams=["Contact"], api_type="rest", request_timeout=600)

    # Its SCHEMA line is out, so the first query is on its way.
    run = killed_after(settings, 1)

    assert run.code == TERMINATED
    assert [message["type"] for message in run.messages] == ["SCHEMA"]
