"""Promises of the display: a person sees the run move, nothing is torn, and nobody else notices."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from tap_salesforce_ci.demo.clock import Clock
from tap_salesforce_ci.demo.data import empty_org
from tap_salesforce_ci.demo.faults import Refused, Stall
from tap_salesforce_ci.demo.org import Org
from tap_salesforce_ci.demo.server import Server
from tap_salesforce_ci.progress import screen as screen_module
from tap_salesforce_ci.progress.picture import Picture
from tap_salesforce_ci.progress.screen import Screen, shown
from tap_salesforce_ci.redaction import RedactedText, protect
from tests.terminal import COLOUR, PATIENCE, Terminal, environment, output_of, started
from tests.test_secrets import secrets_of
from tests.test_writer import write_settings

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=timezone.utc)
STREAMS = ["Account", "Contact"]


@pytest.fixture
def org() -> Org:
    org = empty_org(Clock(NOW))
    for n in range(450):
        org.insert("Account", {"Name": f"Account {n}"}, at=NOW - timedelta(minutes=n + 1))
    for n in range(3):
        org.insert("Contact", {"LastName": f"Contact {n}"}, at=NOW - timedelta(minutes=n + 1))
    org.rest_page_rows = 200
    return org


@pytest.fixture
def server(org: Org) -> Iterator[Server]:
    with Server(org) as server:
        yield server


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    with Terminal() as terminal:
        yield terminal


def finish(process: subprocess.Popen[bytes], terminal: Terminal) -> None:
    """Wait until the command has ended and the terminal has taken everything."""
    process.wait(PATIENCE)
    terminal.hang_up()


def test_a_person_sees_rows_and_pages_as_they_come(
    org: Org, server: Server, tmp_path: Path, terminal: Terminal
) -> None:
    """While a page is waited for, its stream stands there with its rows, and which page of how many comes next."""
    page = Stall()
    org.faults.add(page, path=r"/query/")
    settings = write_settings(tmp_path, server, streams=STREAMS, api_type="rest")

    with started(settings, terminal) as process:
        terminal.wait_for(r"sf_Account +200[^\n]+page 2 of 3")
        terminal.wait_for(r"API calls, [\d,]+ left to the org")
        page.release()
        finish(process, terminal)

    assert process.returncode == 0


def test_a_person_sees_what_a_job_is_doing(org: Org, server: Server, tmp_path: Path, terminal: Terminal) -> None:
    """A stream whose job is not complete says so, and how many others are how far is counted below."""
    org.bulk_polls = 1_000_000
    settings = write_settings(tmp_path, server, streams=STREAMS, api_type="bulk2")

    with started(settings, terminal) as process:
        terminal.wait_for(r"sf_Account +0[^\n]+job InProgress")
        terminal.wait_for("streams: 2 at work")
        for job in org.jobs.every():
            job.polls_left = 0
        finish(process, terminal)

    assert process.returncode == 0


def test_a_person_sees_discovery_move(org: Org, server: Server, tmp_path: Path, terminal: Terminal) -> None:
    """While describes are waited for, it is told how many of how many have come."""
    describe = Stall()
    org.faults.add(describe, path="Contact/describe")
    settings = write_settings(tmp_path, server, streams=STREAMS)

    with started(settings, terminal, "--discover") as process:
        terminal.wait_for("Describing objects: 1 of 2")
        describe.release()
        finish(process, terminal)

    catalog = json.loads(output_of(settings).read_text())
    assert {each["stream"] for each in catalog["streams"]} == {"sf_Account", "sf_Contact"}
    assert terminal.cursor_is_visible
    assert "Describing" not in "\n".join(terminal.screen)


def test_at_the_end_the_table_stands_where_the_display_was(
    org: Org, server: Server, tmp_path: Path, terminal: Terminal
) -> None:
    """The display is gone, the table is whole, the cursor is back, and no secret was ever drawn."""
    settings = write_settings(tmp_path, server, streams=STREAMS, api_type="rest")

    with started(settings, terminal) as process:
        finish(process, terminal)

    left = terminal.screen
    table = left[left.index(next(line for line in left if line.startswith("stream "))) :]
    assert [line.split()[0] for line in table if line] == ["stream", "sf_Account", "sf_Contact", "453"]
    assert not any("at work" in line for line in left)
    assert terminal.cursor_is_visible
    assert [
        secret for secret in secrets_of(json.loads(settings.read_text()), org) if secret in str(terminal.said)
    ] == []


def test_log_lines_of_a_run_stand_above_the_display(
    org: Org, server: Server, tmp_path: Path, terminal: Terminal
) -> None:
    """A warning that comes while the display is there is whole, and stays; what the display shows is not logged too."""
    page = Stall()
    org.faults.add(Refused(500, "UNKNOWN", "no"), path="Nothing")
    org.faults.add(page, path=r"/query/")
    org.refuse_query("Contact", "INSUFFICIENT_ACCESS", "not yours")
    settings = write_settings(tmp_path, server, streams=["Contact", "Account"], api_type="rest")

    with started(settings, terminal) as process:
        terminal.wait_for(r"sf_Account +200")
        page.release()
        finish(process, terminal)

    assert process.returncode == 2
    lines = [line for line in terminal.screen if "ERROR" in line]
    assert len(lines) == 1
    assert "sf_Contact: FAILED" in lines[0]
    assert "METRIC" not in "\n".join(terminal.screen)


def test_a_log_level_that_someone_chose_is_kept(server: Server, tmp_path: Path, terminal: Terminal) -> None:
    """With LOGLEVEL set, a terminal gets every line of that level."""
    settings = write_settings(tmp_path, server, streams=STREAMS, api_type="rest")

    with started(settings, terminal, variables={"LOGLEVEL": "info"}) as process:
        finish(process, terminal)

    left = "\n".join(terminal.screen)
    assert left.count('"metric":"sync_duration"') == len(STREAMS)
    assert "sf_Account: reading over REST" in left


@pytest.mark.parametrize("variables", [{}, {"TERM": "dumb"}, {"TERM": ""}], ids=["pipe", "dumb", "no TERM"])
def test_elsewhere_nothing_is_drawn(
    server: Server, tmp_path: Path, terminal: Terminal, variables: dict[str, str]
) -> None:
    """Off a terminal, and on one that can only print lines, there is no control character, and the table is there."""
    settings = write_settings(tmp_path, server, streams=STREAMS, api_type="rest")
    if variables:
        with started(settings, terminal, variables=variables) as process:
            finish(process, terminal)
        said = terminal.said.replace(b"\r\n", b"\n")
    else:
        said = run_piped(settings).stderr

    assert re.search(rb"^sf_Account +450 ", said, re.MULTILINE)
    assert not re.search(rb"[\x00-\x09\x0b-\x1f\x7f]", said)


def run_piped(settings: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[bytes]:
    """Run the real command without any terminal."""
    command = [sys.executable, "-m", "tap_salesforce_ci", "--config", str(settings), *words]
    return subprocess.run(command, capture_output=True, check=False, env=environment(variables), timeout=PATIENCE)


def test_a_run_without_a_terminal_does_not_load_the_library(server: Server, tmp_path: Path) -> None:
    """Docker and Airflow pay nothing for what they do not show."""
    settings = write_settings(tmp_path, server, streams=STREAMS, api_type="rest")

    said = run_piped(settings, PYTHONPROFILEIMPORTTIME="1").stderr

    assert b" singer_sdk" in said
    assert b" rich" not in said


@pytest.mark.parametrize("no_color", [None, "1", ""])
def test_colours_can_be_switched_off(
    org: Org, server: Server, tmp_path: Path, terminal: Terminal, no_color: str | None
) -> None:
    """NO_COLOR, if it is not empty, takes the colours out of the display (https://no-color.org)."""
    page = Stall()
    org.faults.add(page, path=r"/query/")
    settings = write_settings(tmp_path, server, streams=STREAMS, api_type="rest")

    with started(settings, terminal, variables={} if no_color is None else {"NO_COLOR": no_color}) as process:
        terminal.wait_for("page 2 of 3")
        page.release()
        finish(process, terminal)

    assert bool(COLOUR.search(terminal.said)) != bool(no_color)


@pytest.mark.parametrize("words", [(), ("--discover",)], ids=["sync", "discover"])
@pytest.mark.parametrize("where", ["terminal", "pipe"])
def test_quiet_says_nothing_of_a_run_that_goes_well(
    server: Server, tmp_path: Path, terminal: Terminal, where: str, words: tuple[str, ...]
) -> None:
    """No progress, no table, no INFO, from the first line on."""
    settings = write_settings(tmp_path, server, streams=STREAMS, quiet=True)
    if where == "pipe":
        assert run_piped(settings, *words).stderr == b""
        return
    with started(settings, terminal, *words) as process:
        finish(process, terminal)

    assert output_of(settings).read_bytes()
    assert terminal.said == b""


def test_quiet_can_be_asked_for_by_environment(server: Server, tmp_path: Path) -> None:
    """The setting is heeded before the first line, wherever it comes from."""
    settings = write_settings(tmp_path, server, streams=STREAMS)

    done = run_piped(settings, "--config", "ENV", TAP_SALESFORCE_CI_QUIET="true")

    assert done.stdout
    assert done.stderr == b""


def test_quiet_tells_failures_all_the_same(org: Org, server: Server, tmp_path: Path) -> None:
    """A stream that failed is told with its remedy; one that did well is not."""
    org.refuse_query("Contact", "INSUFFICIENT_ACCESS", "not yours")
    settings = write_settings(tmp_path, server, streams=STREAMS, api_type="rest", quiet=True)

    done = run_piped(settings)

    assert done.returncode == 2
    assert b"sf_Contact failed:" in done.stderr
    assert b"sf_Account" not in done.stderr


def test_stdout_is_the_same_with_a_terminal_and_without(server: Server, tmp_path: Path, terminal: Terminal) -> None:
    """Not a byte of the messages depends on who looks at stderr, but for the moment of extraction."""
    settings = write_settings(tmp_path, server, streams=STREAMS, api_type="rest")
    piped = run_piped(settings).stdout

    with started(settings, terminal) as process:
        finish(process, terminal)

    watched = output_of(settings).read_bytes()
    extracted = re.compile(rb'"time_extracted":"[^"]+"')
    assert b"streams:" in terminal.said
    assert extracted.sub(b"", watched) == extracted.sub(b"", piped)
    assert watched.count(b"\n") > 453


def test_a_run_whose_records_go_to_the_terminal_is_not_drawn_over(
    server: Server, tmp_path: Path, terminal: Terminal
) -> None:
    """Without a pipe or a file behind it, stdout scrolls by, and a display would tear its lines."""
    settings = write_settings(tmp_path, server, streams=["Contact"], api_type="rest")
    command = [sys.executable, "-m", "tap_salesforce_ci", "--config", str(settings)]

    done = subprocess.run(
        command, stdout=terminal.slave, stderr=terminal.slave, env=environment(), check=False, timeout=PATIENCE
    )
    terminal.hang_up()

    assert done.returncode == 0
    assert b"streams:" not in terminal.said
    assert terminal.said.count(b'{"type":"RECORD"') == 3


# -- the region itself ----------------------------------------------------------------------------------------


@dataclass
class Watched:
    """A screen over a pty, with a picture that changes all the time."""

    terminal: Terminal
    stderr: RedactedText
    drawn: threading.Event = field(default_factory=threading.Event)
    drawings: int = 0

    def paint(self, height: int) -> Picture:
        """Return a picture with more or fewer lines than the last one."""
        self.drawings += 1
        self.drawn.set()
        return Picture(below=tuple(f"picture {n}" for n in range(1 + self.drawings % 3)))

    def wait_for_a_drawing(self) -> None:
        """Wait until something is drawn once more."""
        self.drawn.clear()
        assert self.drawn.wait(PATIENCE)


@pytest.fixture
def watched(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    monkeypatch.setenv("TERM", "xterm")
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(screen_module, "SECONDS", 0.001)
    with open(terminal.slave, "w", encoding="utf-8", closefd=False) as file:
        yield Watched(terminal, RedactedText(file))


def test_lines_of_many_threads_stay_whole_and_in_order(watched: Watched) -> None:
    """What is written while the display is there stands above it, each line whole, each thread's in their order."""
    protect(["fresh-s3cr3t"])

    def write(who: int) -> None:
        for n in range(50):
            if n % 10 == 0:
                watched.wait_for_a_drawing()
            # In one piece, as loggers write: `print` writes a line's end by itself, behind whatever came in between.
            watched.stderr.write(f"thread {who} line {n} fresh-s3cr3t {'x' * 3 * n}.\n")

    with shown(Screen(watched.stderr, watched.paint), nullcontext):
        threads = [threading.Thread(target=write, args=(who,)) for who in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        print("the last", end="", file=watched.stderr)
    print(" line", file=watched.stderr, flush=True)
    watched.terminal.hang_up()

    left = "".join(watched.terminal.screen)
    for who in range(2):
        written = re.findall(rf"thread {who} line (\d+) \*\*\* (x*)\.", left)
        assert [(int(n), len(xs)) for n, xs in written] == [(n, 3 * n) for n in range(50)]
    assert left.endswith("the last line")
    assert "picture" not in left
    assert watched.drawings
    assert watched.terminal.cursor_is_visible


def test_a_display_that_fails_does_no_harm(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault while drawing ends the drawing; the run goes on, and its lines are written."""
    failures: list[str] = []
    monkeypatch.setattr(threading, "excepthook", lambda failure: failures.append(str(failure.exc_value)))

    def paint(_height: int) -> Picture:
        raise ValueError("no picture")

    with shown(Screen(watched.stderr, paint), nullcontext):
        print("one", file=watched.stderr)
    print("two", file=watched.stderr, flush=True)
    watched.terminal.hang_up()

    assert set(failures) == {"no picture"}
    assert [line for line in watched.terminal.screen if line] == ["one", "two"]
    assert watched.terminal.cursor_is_visible


class Stopped(io.StringIO):
    """A terminal that takes nothing (Ctrl-S)."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.go_on = threading.Event(), threading.Event()

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.asked.set()
        assert self.go_on.wait(PATIENCE)
        return super().write(text)


def test_a_signal_ends_a_run_whose_terminal_takes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the work nor its end waits for a terminal that someone stopped."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(screen_module, "PATIENCE", 0.0)
    terminal = Stopped()
    stderr = RedactedText(terminal)

    def run() -> None:
        with shown(Screen(stderr, lambda _: Picture(below=("picture",))), nullcontext):
            assert terminal.asked.wait(PATIENCE)
            print("a line", file=stderr, flush=True)
            raise SystemExit(143)

    with pytest.raises(SystemExit):
        run()

    terminal.go_on.set()
