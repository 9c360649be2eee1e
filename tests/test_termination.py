"""Promises of a run's end by a signal: soon, at a message boundary, with the last state, and the terminal as it was."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tap_salesforce_ci.demo.faults import Stall
from tap_salesforce_ci.demo.org import Org
from tap_salesforce_ci.demo.server import Server
from tap_salesforce_ci.tap import SalesforceTap
from tests.mortal import handlers_kept
from tests.singer import Output, Warehouse, captured, config, make_tap, messages_in, sync
from tests.terminal import PATIENCE, Terminal, output_of, started
from tests.test_faults import Announced
from tests.test_writer import read_lines, write_settings
from tests.truth import expected

SIGNALS = pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
ROWS = 600


@pytest.fixture
def org(org: Org) -> Org:
    """The org, with more rows than a pipe holds."""
    org.rest_page_rows = 200
    for number in range(ROWS):
        org.insert("Contact", {"LastName": f"Contact {number}", "Description": "x" * 2000})
        org.clock.advance(timedelta(seconds=1))
    return org


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    with Terminal() as terminal:
        yield terminal


def assert_ended_by(number: int, process: subprocess.Popen[bytes], terminal: Terminal) -> None:
    """Assert that the command said which signal ended it, and left the terminal to the shell."""
    assert process.wait(PATIENCE) == 128 + number
    terminal.hang_up()
    left = "\n".join(terminal.screen)
    assert f"Ended by {signal.Signals(number).name}." in left
    assert "Traceback" not in left
    assert "at work" not in left
    assert terminal.cursor_is_visible


def assert_table(terminal: Terminal, outcome: str) -> None:
    """Assert that the last thing on the screen is the table of the run."""
    *_, heading, row, totals = [line for line in terminal.screen if line.strip()]
    assert heading.split()[:3] == ["stream", "rows", "bytes"]
    assert row.startswith("sf_Contact ")
    assert row.rstrip().endswith(outcome)
    assert "API calls" in totals


@SIGNALS
def test_a_signal_while_describes_are_waited_for(
    org: Org, server: Server, tmp_path: Path, terminal: Terminal, number: int
) -> None:
    """Discovery ends at once; nothing stands on stdout."""
    came = threading.Event()
    org.faults.add(Announced(came), path="describe")
    org.faults.add(Stall(), path="describe", count=None)
    settings = write_settings(tmp_path, server, streams=["Contact"])

    with started(settings, terminal) as process:
        assert came.wait(PATIENCE)
        terminal.wait_for("Describing")
        process.send_signal(number)
        assert_ended_by(number, process, terminal)

    assert output_of(settings).read_bytes() == b""


@SIGNALS
def test_a_signal_while_a_job_is_waited_for(
    org: Org, server: Server, tmp_path: Path, terminal: Terminal, number: int
) -> None:
    """The job stands in the last state, and the next run reads its rows."""
    org.bulk_polls = 1_000_000
    settings = write_settings(tmp_path, server, streams=["Contact"], api_type="bulk2")

    with started(settings, terminal) as process:
        terminal.wait_for("job InProgress")
        process.send_signal(number)
        assert_ended_by(number, process, terminal)
        assert_table(terminal, "unfinished")

    output = Output(messages_in(output_of(settings).read_bytes()))
    (job,) = org.jobs.every()
    assert output.state["bookmarks"]["sf_Contact"]["reading"]["job"]["id"] == job.id
    job.polls_left, org.bulk_polls = 0, 1
    assert_rest_follows(org, server, output, api_type="bulk2")


def assert_rest_follows(org: Org, server: Server, output: Output, **settings: Any) -> None:
    """Assert that the next run brings all that a killed one did not write."""
    warehouse = Warehouse()
    warehouse.load(output)
    rest = sync(server, streams=["Contact"], state=output.state, **settings)
    warehouse.load(rest)
    assert warehouse.rows("sf_Contact") == expected(org, "Contact", rest.schema("sf_Contact"))


@pytest.mark.parametrize("variables", [{}, {"PYTHONUNBUFFERED": "1"}], ids=["buffered", "unbuffered"])
@SIGNALS
def test_a_signal_while_the_target_does_not_read(  # noqa: PLR0917 - fixtures
    org: Org, server: Server, tmp_path: Path, terminal: Terminal, number: int, variables: dict[str, str]
) -> None:
    """A block that stdout has taken in part is written to its end, then the state; saying it again changes nothing."""
    settings = write_settings(tmp_path, server, streams=["Contact"], api_type="rest")

    with started(settings, terminal, variables=variables, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        # The second line belongs to a block that is longer than a pipe.
        read = b"".join(read_lines(process.stdout, 2))
        process.send_signal(number)
        process.send_signal(number)
        read += process.stdout.read()
        assert_ended_by(number, process, terminal)
        assert_table(terminal, "unfinished")

    assert read.endswith(b"\n")
    output = Output(messages_in(read))
    assert output.messages[-1]["type"] == "STATE"
    assert 0 < len(output.records("sf_Contact")) < ROWS
    assert_rest_follows(org, server, output, api_type="rest")


def test_a_reader_that_goes_away_leaves_the_terminal_as_it_was(
    server: Server, tmp_path: Path, terminal: Terminal
) -> None:
    """A target that died ends the run quietly, with a shell's exit code for it."""
    settings = write_settings(tmp_path, server, streams=["Contact"], api_type="rest")

    with started(settings, terminal, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        process.stdout.close()
        assert process.wait(PATIENCE) == 141
        terminal.hang_up()

    left = "\n".join(terminal.screen)
    assert "Traceback" not in left
    assert "at work" not in left
    assert terminal.cursor_is_visible


@SIGNALS
def test_a_run_that_was_told_to_end_goes_on_in_no_case(org: Org, server: Server, number: int) -> None:
    """Where a signal comes while Python tidies up, its exception is swallowed; no stream is called failed for it."""
    org.rest_page_rows = 1
    tap = make_tap(config(server, streams=["Contact", "Account"], api_type="rest", quiet=True))
    with handlers_kept(), captured():
        items = tap.run.items("sf_Contact")
        next(items)
        with suppress(SystemExit):
            tap._handle_termination(number, None)

        with pytest.raises(SystemExit) as first:
            for _ in items:
                pass
        with pytest.raises(SystemExit) as second:
            next(tap.run.items("sf_Account"))

    assert first.value.code == second.value.code == 128 + number
    assert not any(report.error for report in tap.run.reports.values())


@SIGNALS
@pytest.mark.parametrize("end", [SalesforceTap.sync_all, SalesforceTap.run_discovery], ids=["sync", "discovery"])
def test_a_tap_that_was_told_to_end_begins_nothing(
    server: Server, number: int, end: Callable[[SalesforceTap], object]
) -> None:
    """The same before the first row: no catalog is printed, and no stream is begun."""
    tap = make_tap(config(server, streams=["Contact", "Account"], quiet=True))
    with handlers_kept(), captured() as printed:
        with suppress(SystemExit):
            tap._handle_termination(number, None)

        with pytest.raises(SystemExit) as ended:
            end(tap)

    assert ended.value.code == 128 + number
    assert b"RECORD" not in printed.getvalue()
    assert b"streams" not in printed.getvalue()


def test_ctrl_c_before_the_tap_is_loaded_is_no_traceback() -> None:
    """Most of the first second is spent on loading."""
    early = "from tap_salesforce_ci import cli\ndef load(words): raise KeyboardInterrupt\ncli._run = load\ncli.main([])"
    ended = subprocess.run([sys.executable, "-c", early], capture_output=True, check=False)

    assert ended.returncode == 130
    assert ended.stderr == b""


@SIGNALS
def test_a_second_signal_does_not_disturb_the_end_that_the_first_began(server: Server, number: int) -> None:
    """While the last things are done, both signals are heard no more: the end is on its way."""
    tap = make_tap(config(server, streams=["Contact"]))
    with handlers_kept():
        with pytest.raises(SystemExit) as end:
            tap._handle_termination(number, None)
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)

    assert end.value.code == 128 + number
