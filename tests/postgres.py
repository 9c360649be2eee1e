"""A throw-away PostgreSQL server for tests; install it from the distribution where no program is found."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tap_salesforce_ci.demo.postgres import Database, PostgresNotFoundError, is_root, postgres, server_programs


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """An empty database on a loopback port, gone after the session."""
    room = tmp_path_factory.mktemp("programs")
    try:
        server_programs(room)
    except PostgresNotFoundError as missing:
        install_from_distribution(missing)
    finally:
        shutil.rmtree(room)
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
    assert any(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
