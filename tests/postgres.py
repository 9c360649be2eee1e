"""A throw-away PostgreSQL server for tests, installed from the distribution where no program is found."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tap_salesforce_ci.demo.postgres import Database, PostgresNotFoundError, is_root, postgres, server_programs


@contextmanager
def throw_away_database() -> Iterator[Database]:
    """An empty database on a loopback port, gone when the block ends; the test is skipped where there can be none."""
    with tempfile.TemporaryDirectory() as room:
        try:
            server_programs(Path(room))
        except PostgresNotFoundError as missing:
            install_from_distribution(missing)
    with postgres() as running:
        yield running


def install_from_distribution(missing: PostgresNotFoundError) -> None:
    """Have apt install the server, or skip with the reason why it can't."""
    if shutil.which("apt-get") is None or not is_root():
        pytest.skip(f"{missing}, and only root with apt-get can install one")
    for command in (["update"], ["install", "--yes", "--no-install-recommends", "postgresql"]):
        done = subprocess.run(["apt-get", *command], check=False, capture_output=True, text=True)
        if done.returncode != 0:
            pytest.skip(f"{missing}, and apt-get {command[0]} failed: {done.stderr[-500:]}")
