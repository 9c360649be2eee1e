"""What a process costs: seconds of a clock, seconds of a processor, bytes of memory."""

from __future__ import annotations

import os
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

RSS_UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes in which `ru_maxrss` counts."""

TOLD_OF_A_FAILURE = 2_000


class BenchError(Exception):
    """What was to be measured didn't do its work, so that a figure of it would be a lie."""


@dataclass(frozen=True, slots=True)
class Cost:
    """
    What one process and its children took; `peak` is the most memory that one of them held.

    Linux begins to count a process's peak with that of the process that started it, so nothing large may be imported
    here: the bench itself stays below what Python with a tap takes.
    """

    wall: float
    cpu: float
    peak: int


@dataclass(frozen=True, slots=True)
class Command:
    """A process to measure: what to run, in which folder, with which variables added to the environment."""

    words: Sequence[str]
    folder: Path
    variables: Mapping[str, str]

    def cost(self) -> Cost:
        """Run it with nobody reading what it writes."""
        with open(os.devnull, "wb") as nowhere, self._stderr.open("wb") as stderr:  # noqa: PTH123 - no place for a Path
            began = time.perf_counter()
            process = self._started(nowhere, stderr)
            _, status, usage = os.wait4(process.pid, 0)
            wall = time.perf_counter() - began
            process.returncode = os.waitstatus_to_exitcode(status)
        self._insist(process.returncode)
        return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * RSS_UNIT)

    def lines(self) -> Iterator[bytes]:
        """Run it and yield the lines it writes."""
        with self._stderr.open("wb") as stderr, self._started(subprocess.PIPE, stderr) as process:
            assert process.stdout is not None
            yield from process.stdout
        self._insist(process.returncode)

    @property
    def _stderr(self) -> Path:
        return self.folder / "stderr.txt"

    def _started(self, stdout: IO[bytes] | int, stderr: IO[bytes]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603 - our own commands, or the one the reader gave
            self.words,
            cwd=self.folder,
            env={**os.environ, **self.variables},
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
        )

    def _insist(self, code: int) -> None:
        if code:
            said = self._stderr.read_text(encoding="utf-8", errors="replace")[-TOLD_OF_A_FAILURE:]
            raise BenchError(f"{shlex.join(self.words)}\nended with exit code {code}, saying:\n{said}")


def medians(costs: Sequence[Cost]) -> Cost:
    """Return the median of each figure."""
    return Cost(
        wall=statistics.median(cost.wall for cost in costs),
        cpu=statistics.median(cost.cpu for cost in costs),
        peak=int(statistics.median(cost.peak for cost in costs)),
    )
