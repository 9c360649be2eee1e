"""What a run notes of its Bulk jobs, for the run after one that died."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tap_salesforce_ci.client.job_notes import KEPT_BY_SALESFORCE, JobNotes, belonging_to

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there are no such locks")

NOW = 1_800_000_000.0
NAME = "abc"

DYING = """
import os, sys
from pathlib import Path
from tap_salesforce_ci.client.job_notes import JobNotes

notes = JobNotes(Path(sys.argv[1]), sys.argv[2], now=0)
for job in ("750A", "750B", "750C"):
    notes.made(job)
notes.gone("750B")
os._exit(9)
"""


def die(place: Path, name: str = NAME) -> None:
    """Have a process make three jobs, delete one, and be no more."""
    ended = subprocess.run([sys.executable, "-c", DYING, place, name], check=False)
    assert ended.returncode == 9
    for path in place.iterdir():
        os.utime(path, (NOW, NOW))


def notes(place: Path, name: str = NAME, now: float = NOW) -> JobNotes:
    return JobNotes(place, name, now=now)


def test_jobs_of_a_run_that_died_are_found_once(tmp_path: Path) -> None:
    """What it had not deleted is handed to one later run, whose own it is then."""
    die(tmp_path)

    assert notes(tmp_path).left_behind() == {"750A", "750C"}
    assert notes(tmp_path).left_behind() == set()
    assert list(tmp_path.iterdir()) == []


def test_jobs_of_a_run_that_lives_are_let_alone(tmp_path: Path) -> None:
    """Nobody takes them, as long as it has not ended; what it then leaves may be taken."""
    living = notes(tmp_path)
    living.made("750A")

    assert notes(tmp_path).left_behind() == set()
    living.close()
    assert notes(tmp_path).left_behind() == {"750A"}


def test_a_run_that_leaves_no_job_leaves_no_file(tmp_path: Path) -> None:
    """Not even where it made one."""
    run = notes(tmp_path / "jobs")
    run.made("750A")
    run.made("750A")
    run.gone("750A")
    run.close()
    notes(tmp_path / "none").close()

    assert list(tmp_path.rglob("*.jobs")) == []
    assert not (tmp_path / "none").exists()


def test_jobs_of_another_configuration_are_let_alone(tmp_path: Path) -> None:
    """Its own next run takes them up, until Salesforce has deleted them anyway."""
    die(tmp_path, "other")

    assert notes(tmp_path).left_behind() == set()
    assert len(list(tmp_path.iterdir())) == 1
    assert notes(tmp_path, now=NOW + KEPT_BY_SALESFORCE + 1).left_behind() == set()
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_job_is_not_asked_about(tmp_path: Path) -> None:
    """A file that someone else wrote leads to no address."""
    (tmp_path / f"{NAME}-1.jobs").write_bytes(b"+750A\n+../sobjects\n+\n\n+\xff\n-750B\n750C\n")

    assert notes(tmp_path).left_behind() == {"750A"}


def test_where_nothing_can_be_written_nothing_is_noted(tmp_path: Path) -> None:
    """The run goes on without."""
    (tmp_path / "file").touch()
    run = notes(tmp_path / "file" / "jobs")

    run.made("750A")
    run.gone("750A")
    run.close()

    assert run.left_behind() == set()


def test_a_file_is_its_owners_alone(tmp_path: Path) -> None:
    """Whatever the umask."""
    place = tmp_path / "cache" / "jobs"
    before = os.umask(0)
    try:
        notes(place).made("750A")
    finally:
        os.umask(before)

    (file,) = place.iterdir()
    assert [path.stat().st_mode & 0o777 for path in (place.parent, place, file)] == [0o700, 0o700, 0o600]


def test_the_name_tells_configurations_and_orgs_apart() -> None:
    """And says nothing of them."""
    names = {belonging_to({"streams": [each]}, url) for each in "ab" for url in ("https://a", "https://b")}

    assert len(names) == 4
    assert belonging_to({"a": 1, "b": 2}, "https://a") == belonging_to({"b": 2, "a": 1}, "https://a")
    assert all(name.isalnum() for name in names)
