"""Every command of the README works as it stands, on a machine that has nothing but Python and pip."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.project import CHECKOUT

INSIDE = "RUN_BY_TEST_README"
NOT_IN_A_CLONE = (".git", ".venv", ".demo", ".meltano", ".env", "__pycache__", "output", "dist", ".*_cache")
NOT_ON_A_BARE_MACHINE = ("PYTEST_", "VIRTUAL_ENV", "PYTHONPATH", "MELTANO_", "TAP_SALESFORCE_CI_", "COV_")

pytestmark = [
    pytest.mark.skipif(INSIDE in os.environ, reason="the README's test command is running already"),
    pytest.mark.timeout(1200),
]


class BareMachine:
    """A copy of the checkout without what earlier commands left, a new home, and no terminal."""

    def __init__(self, room: Path) -> None:
        self.clone = room / "clone"
        self.home = room / "home"
        self.home.mkdir()
        shutil.copytree(CHECKOUT, self.clone, ignore=shutil.ignore_patterns(*NOT_IN_A_CLONE))

    def run(self, command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command line of the README in a shell; what it says on both streams is in `stdout`."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(NOT_ON_A_BARE_MACHINE)}
        python = str(Path(sys._base_executable).parent)  # type: ignore[attr-defined]
        path = os.pathsep.join([python, *without_venv(os.environ["PATH"])])
        own = {"HOME": str(self.home), "PATH": path, "PIP_CACHE_DIR": pip_cache(), INSIDE: "1"}
        return subprocess.run(
            command,
            shell=True,
            cwd=self.clone,
            env={**kept, **own, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> BareMachine:
    """One bare machine for all commands: each has to cope with what the ones before left."""
    return BareMachine(tmp_path_factory.mktemp("machine"))


def test_every_command_stands_in_a_section_whose_commands_are_tested() -> None:
    """A block marked `sh` anywhere else would be a command that nobody tries."""
    readme = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    assert readme.count("```sh\n") == len(commands("Try it")) + len(commands("Test"))
    assert readme.count("\n## Try it\n") == readme.count("\n## Test\n") == 1


def test_the_tests_run(machine: BareMachine) -> None:
    """The command under `Test` sets everything up, runs pytest and answers with its verdict."""
    (command,) = commands("Test")
    passed = machine.run(command, PYTEST_ADDOPTS="tests/demo/test_tryit.py")
    assert passed.returncode == 0, passed.stdout
    assert re.search(r"\d+ passed", passed.stdout)
    (machine.clone / "tests" / "test_planted.py").write_text("def test_planted():\n    assert False\n")
    failed = machine.run(command, PYTEST_ADDOPTS="tests/test_planted.py")
    assert failed.returncode == 1, failed.stdout
    assert "Setting up" not in failed.stdout


def test_it_can_be_tried(machine: BareMachine) -> None:
    """The command under `Try it` loads every table, the second time only what changed, whatever `.env` says."""
    (command,) = commands("Try it")
    first = machine.run(command)
    assert first.returncode == 0, first.stdout
    rows, loaded = totals(first.stdout)
    assert rows == loaded > 1000
    assert re.search(r"^sf_Lead +[\d,]+ +[\d,]+$", first.stdout, re.MULTILINE)
    assert re.search(r"^2025-0\d +\d+ +\d+ +\d+% +\d+ +\d+% +[\d,]+$", first.stdout, re.MULTILINE)
    (machine.clone / ".env").write_text("TAP_SALESFORCE_CI_ACCESS_TOKEN=another\nTAP_SALESFORCE_CI_DOMAIN=acme\n")
    second = machine.run(command)
    assert second.returncode == 0, second.stdout
    more_rows, changed = totals(second.stdout)
    assert more_rows >= rows
    assert 0 < changed < rows / 20
    assert f"Only {changed:,} changed rows of {more_rows:,} were loaded." in second.stdout


def commands(section: str) -> list[str]:
    """The blocks marked `sh` of one of the README's sections."""
    readme = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    (_, _, after) = readme.partition(f"\n## {section}\n")
    return re.findall(r"```sh\n(.*?)```", after.partition("\n## ")[0], re.DOTALL)


def totals(output: str) -> tuple[int, int]:
    """The rows of all tables, and those that the run loaded."""
    found = re.search(r"^\d+ tables +([\d,]+) +([\d,]+)$", output, re.MULTILINE)
    assert found, output
    return int(found[1].replace(",", "")), int(found[2].replace(",", ""))


def without_venv(path: str) -> list[str]:
    """The directories of a PATH, but for those of virtual environments."""
    return [entry for entry in path.split(os.pathsep) if not (Path(entry).parent / "pyvenv.cfg").exists()]


def pip_cache() -> str:
    """Where pip keeps what it fetched, so that a new home need not fetch it again."""
    asked = subprocess.run([sys.executable, "-m", "pip", "cache", "dir"], check=False, capture_output=True, text=True)
    return asked.stdout.strip() or str(Path.home() / ".cache" / "pip")
