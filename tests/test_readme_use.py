"""The README's other commands work as they stand, and its settings are the program's own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tap_salesforce_ci.demo.clock import Clock
from tap_salesforce_ci.demo.data import empty_org
from tap_salesforce_ci.demo.oauth import CLIENT_ID, CLIENT_SECRET
from tap_salesforce_ci.demo.org import Org
from tap_salesforce_ci.demo.server import Server
from tests.singer import messages_in

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [line for block in re.findall(r"```console\n(.*?)```", README, re.DOTALL) for line in block.splitlines()]


@pytest.fixture
def org() -> Org:
    org = empty_org(Clock())
    org.insert("Account", {"Name": "first"}, at=org.clock.now() - timedelta(hours=2))
    return org


@pytest.fixture
def url(org: Org) -> Iterator[str]:
    with Server(org) as server:
        yield server.url


def typed(command: str, folder: Path, url: str) -> subprocess.CompletedProcess[str]:
    """Type a command into a shell whose browser is somebody who logs in and allows."""
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": str(ROOT),
        "BROWSER": f"{sys.executable} -m tests.connect.person allow %s",
        "TAP_SALESFORCE_CI_DOMAIN": url,
        "TAP_SALESFORCE_CI_CLIENT_ID": CLIENT_ID,
        "TAP_SALESFORCE_CI_CLIENT_SECRET": CLIENT_SECRET,
    }
    return subprocess.run(
        command,
        shell=True,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_the_commands_do_what_is_said_of_them(org: Org, url: str, tmp_path: Path) -> None:
    """Connect, discover, a first run, its state, and a second run that brings what came since."""
    for number, line in enumerate(COMMANDS):
        assert line.startswith("$ "), line
        if "--state" in line:
            org.insert("Account", {"Name": "second"})
            org.clock.advance(timedelta(minutes=1))
        done = typed(line[2:], tmp_path, url)
        assert done.returncode == 0, (number, line, done.stderr)

    names = {
        file: [each["record"].get("Name") for each in messages_in((tmp_path / file).read_bytes()) if "record" in each]
        for file in ("first.jsonl", "second.jsonl")
    }
    assert "first" in names["first.jsonl"]
    assert "second" in names["second.jsonl"]
    assert "first" not in names["second.jsonl"]


def test_the_settings_are_the_programs_own(tmp_path: Path) -> None:
    """The table between the marks is what `--about` prints."""
    about = typed("tap-salesforce-ci --about --format markdown", tmp_path, "").stdout
    table = about[about.index("| Setting") :].partition("\n\n")[0]

    assert f"-->\n{table}\n<!-- /settings -->" in README
