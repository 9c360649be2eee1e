"""The promise of a revoked grant: the run says `connect`, the state is intact, and connecting again goes on from it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tap_salesforce_ci.demo.oauth import CLIENT_ID, CLIENT_SECRET
from tap_salesforce_ci.demo.org import Org
from tap_salesforce_ci.demo.server import Server
from tests.singer import messages_in

PROGRAM = [sys.executable, "-m", "tap_salesforce_ci"]
ROOT = Path(__file__).parents[2]


@dataclass
class Shell:
    """Types commands in one folder; in this shell a browser is somebody who decides at once."""

    folder: Path
    url: str
    decision: str = "allow"

    def tap(self, *words: str) -> subprocess.CompletedProcess[bytes]:
        """Run the program."""
        browser = f"{sys.executable} -m tests.connect.person {self.decision} %s"
        environment = {
            **os.environ,
            "BROWSER": browser,
            "PYTHONPATH": str(ROOT),
            "TAP_SALESFORCE_CI_CLIENT_SECRET": CLIENT_SECRET,
        }
        return subprocess.run(
            [*PROGRAM, *words],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=120,
        )

    def connect(self) -> subprocess.CompletedProcess[bytes]:
        """Connect through the demo's app."""
        where = ["--domain", self.url, "--client-id", CLIENT_ID, "--port", "0"]
        return self.tap("connect", "--config", "config.json", "--timeout", "60", *where)

    def sync(self, *words: str) -> subprocess.CompletedProcess[bytes]:
        """Run the tap with what was connected."""
        return self.tap("--config", "config.json", "--catalog", "catalog.json", *words)


@pytest.fixture
def shell(server: Server, tmp_path: Path) -> Shell:
    """A shell in an empty folder."""
    (tmp_path / "config.json").write_text('{"streams": ["Account"], "api_type": "rest", "lookback_window": 0}')
    return Shell(tmp_path, server.url)


def names(output: bytes) -> list[str]:
    return [each["record"]["Name"] for each in messages_in(output) if each["type"] == "RECORD"]


def last_state(output: bytes) -> dict[str, Any]:
    states = [each["value"] for each in messages_in(output) if each["type"] == "STATE"]
    return dict(states[-1])


def test_a_revoked_grant_names_connect_and_the_next_run_goes_on_from_the_same_state(
    shell: Shell, org: Org, server: Server
) -> None:
    """Exit code 2 with `connect` as the remedy, no other state written; reconnected, only the new row is read."""
    org.insert("Account", {"Name": "Before"})
    org.clock.advance(timedelta(hours=1))
    assert shell.connect().returncode == 0
    (shell.folder / "catalog.json").write_bytes(shell.tap("--config", "config.json", "--discover").stdout)
    first = shell.sync()
    state = last_state(first.stdout)
    (shell.folder / "state.json").write_text(json.dumps(state))
    org.revoke_grants()
    org.clock.advance(timedelta(hours=1))
    org.insert("Account", {"Name": "After"})
    org.clock.advance(timedelta(hours=1))

    refused = shell.sync("--state", "state.json")
    again = shell.connect()
    second = shell.sync("--state", "state.json")

    assert names(first.stdout) == ["Before"]
    assert refused.returncode == 2
    assert b"tap-salesforce-ci connect" in refused.stderr
    assert b"the state is kept" in refused.stderr
    assert all(each["value"] == state for each in messages_in(refused.stdout) if each["type"] == "STATE")
    assert again.returncode == 0
    assert second.returncode == 0
    assert names(second.stdout) == ["After"]


def test_a_denial_at_the_command_line_is_exit_code_2(shell: Shell) -> None:
    """The error is three lines on stderr, and the config file is as it was."""
    before = (shell.folder / "config.json").read_bytes()
    shell.decision = "deny"

    denied = shell.connect()

    assert denied.returncode == 2
    assert len(denied.stderr.splitlines()) == 3
    assert b"access_denied" in denied.stderr
    assert CLIENT_SECRET.encode() not in denied.stdout + denied.stderr
    assert (shell.folder / "config.json").read_bytes() == before
