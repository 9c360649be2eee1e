"""The real command with a terminal for its stderr, and what a person would see there."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from typing_extensions import Self

PATIENCE = 60
SHOW_CURSOR, HIDE_CURSOR = b"\x1b[?25h", b"\x1b[?25l"
COLOUR = re.compile(rb"\x1b\[[\d;]*?(?<!\d)(?:[349]\d|10[0-7])(?!\d)[\d;]*m")
"""A control sequence that sets a colour, foreground or background (ECMA-48 and its usual extensions)."""

CONTROL = re.compile(
    r"\x1b\[(?P<numbers>[\d;?]*)(?P<final>[A-Za-z])|(?P<newline>\n)|(?P<return>\r)|(?P<text>[^\x1b\r\n]+)"
)


class Terminal:
    """A terminal of a given size; `said` is every byte that came, `screen` what it shows."""

    def __init__(self, *, lines: int = 40, columns: int = 160) -> None:
        self.said = b""
        self._columns = columns
        self._master, self.slave = pty.openpty()
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> Self:
        self._reader.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.hang_up()
        os.close(self._master)

    def hang_up(self) -> None:
        """Let go of the writing end, and take all that was written."""
        if self.slave >= 0:
            os.close(self.slave)
            self.slave = -1
        self._reader.join(PATIENCE)

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self._master, 65_536)
            except OSError:
                # Linux's way to say that nobody holds the other end any more.
                return
            with self._changed:
                self.said += data
                self._changed.notify_all()

    def wait_for(self, pattern: str) -> None:
        """Wait until the terminal was told something."""
        with self._changed:
            seen = self._changed.wait_for(lambda: re.search(pattern.encode(), self.said), PATIENCE)
        assert seen, self.screen

    @property
    def cursor_is_visible(self) -> bool:
        """Whether the cursor is shown at the end."""
        return self.said.rfind(SHOW_CURSOR) >= self.said.rfind(HIDE_CURSOR)

    @property
    def screen(self) -> list[str]:
        """The lines that are there at the end, those that scrolled out of sight included."""
        rows, row, column = [""], 0, 0
        for found in CONTROL.finditer(self.said.decode("utf-8")):
            if found["newline"]:
                row += 1
            elif found["return"]:
                column = 0
            elif found["text"]:
                for character in found["text"]:
                    if column == self._columns:
                        row, column = row + 1, 0
                    rows += [""] * (row + 1 - len(rows))
                    rows[row] = rows[row][:column].ljust(column) + character + rows[row][column + 1 :]
                    column += 1
            elif found["final"] == "A":
                row = max(0, row - int(found["numbers"] or 1))
            elif found["final"] == "K":
                rows[row] = ""
            rows += [""] * (row + 1 - len(rows))
        return [each.rstrip() for each in rows]


@contextmanager
def started(
    settings: Path,
    terminal: Terminal,
    *words: str,
    variables: Mapping[str, str] | None = None,
    stdout: int | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """
    Start the real command with the terminal for its stderr; it is killed if a test leaves it running.

    Its stdout is a file, unless a test wants it elsewhere: `printed` returns what is in there.
    """
    command = [sys.executable, "-m", "tap_salesforce_ci", "--config", str(settings), *words]
    with (
        output_of(settings).open("wb") as file,
        subprocess.Popen(command, stdout=stdout or file, stderr=terminal.slave, env=environment(variables)) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


def output_of(settings: Path) -> Path:
    """Where the stdout of a command with these settings goes."""
    return settings.with_name("stdout.jsonl")


def environment(variables: Mapping[str, str] | None = None) -> dict[str, str]:
    """The variables of a person's shell, without what the tests' own shell may say of terminals and logs."""
    theirs = ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "LOGLEVEL", "SINGER_SDK_LOG_CONFIG")
    kept = {name: value for name, value in os.environ.items() if name not in theirs and not name.startswith("TTY_")}
    # The SDK warns of a Python near its end of life, rightly; what the tap says is asked for here.
    own = {"TERM": "xterm-256color", "PYTHONWARNINGS": "ignore:Python 3"}
    return {**kept, **own, **(variables or {})}
