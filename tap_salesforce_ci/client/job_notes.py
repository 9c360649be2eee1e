"""
Which Bulk jobs a run has made and not deleted yet, in a file for the run after one that died.

Its last state may never have reached a target, and Salesforce keeps a job and its results for seven days.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO
from uuid import uuid4

if sys.platform != "win32":
    import fcntl

KEPT_BY_SALESFORCE = 7 * 86_400.0
"""Seconds after which a job is gone by itself (Bulk API 2.0, "Limits": results and jobs are deleted after 7 days)."""

OWNER_ONLY, OWNERS_FOLDER = 0o600, 0o700
NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND

logger = logging.getLogger(__name__)


def folder() -> Path:
    """Return the folder in the user's cache folder where runs keep their notes."""
    from platformdirs import user_cache_path  # noqa: PLC0415 - only where something is kept

    return user_cache_path("tap-salesforce-ci", appauthor=False) / "jobs"


def belonging_to(config: Mapping[str, Any], instance_url: str) -> str:
    """Return a name that runs of the same configuration and org have in common; the config is to hold no secrets."""
    told = json.dumps([instance_url, config], sort_keys=True, default=str)
    return hashlib.sha256(told.encode()).hexdigest()[:24]


class JobNotes:
    """
    The notes of one run, held locked as long as it lives; runs of the same `name` read those of one that died.

    They are a convenience: where they can't be written, or the system has no such locks (Windows), there are none.
    `now` is the machine's time in seconds since 1970.
    """

    def __init__(self, place: Path, name: str, *, now: float) -> None:
        self._place = place
        self._name = name
        self._now = now
        self._path = place / f"{name}-{uuid4().hex}.jobs"
        self._file: BinaryIO | None = None
        self._left: set[str] = set()
        self._writing = threading.Lock()
        self._usable = sys.platform != "win32"

    def made(self, job: str) -> None:
        """Note a job that is to be deleted some day."""
        with self._writing:
            if job not in self._left:
                self._left.add(job)
                self._write(f"+{job}\n")

    def gone(self, job: str) -> None:
        """Note that a job is deleted."""
        with self._writing:
            if job in self._left:
                self._left.discard(job)
                self._write(f"-{job}\n")

    def left_behind(self) -> set[str]:
        """Return the jobs of runs that died; there they are forgotten."""
        found: set[str] = set()
        for path in self._place.glob("*.jobs") if self._usable else ():
            mine = path.name.startswith(f"{self._name}-")
            with suppress(OSError):
                if mine or self._now - path.stat().st_mtime > KEPT_BY_SALESFORCE:
                    left = _taken_from(path)
                    found |= left if mine else set()
        return found

    def close(self) -> None:
        """End the run; what it left to the next one stays noted."""
        with self._writing:
            self._usable = False
            if self._file is not None:
                self._file.close()
            if self._file is not None and not self._left:
                with suppress(OSError):
                    self._path.unlink()

    def _write(self, line: str) -> None:
        if not self._usable:
            return
        try:
            self._opened().write(line.encode())
        except OSError as error:
            logger.info("Bulk jobs can't be noted in %s: %s", self._place, error.strerror or type(error).__name__)
            self._usable = False

    def _opened(self) -> BinaryIO:
        if self._file is None:
            for each in (self._place.parent, self._place):
                # The one above is the kept describes' too, whose folder is nobody else's to write in.
                each.mkdir(OWNERS_FOLDER, parents=True, exist_ok=True)
            self._file = os.fdopen(os.open(self._path, NEW_FILE, OWNER_ONLY), "ab", buffering=0)
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return self._file


def _taken_from(path: Path) -> set[str]:
    """Return the jobs that a run left, and remove its file; none where it still lives."""
    with path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        left: set[str] = set()
        for line in file.read().decode("ascii", "replace").splitlines():
            job = line[1:]
            # It becomes a part of an address.
            if job.isascii() and job.isalnum():
                left = left | {job} if line[0] == "+" else left - {job}
        path.unlink()
    return left
