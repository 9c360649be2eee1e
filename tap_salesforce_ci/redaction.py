"""
Secrets never reach stderr, whoever prints them: a log line, a traceback, a server that echoes what it was sent.

stderr belongs to the whole process, and so does the list of what must not stand on it.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterable
from typing import TextIO
from urllib.parse import quote, quote_plus

SHORTEST = 4
"""Characters; a shorter secret would blot out half of any text."""

HIDDEN = "***"

_secrets: list[str] = []


def protect(secrets: Iterable[str]) -> None:
    """Keep these texts, and the ways they are written in URLs, off stderr from now on."""
    spelled = {form for secret in secrets if len(secret) >= SHORTEST for form in _forms(secret)}
    _secrets[:] = sorted(spelled.union(_secrets), key=len, reverse=True)


def _forms(secret: str) -> set[str]:
    lines = {line for line in secret.splitlines() if len(line) >= SHORTEST and not line.startswith("-----")}
    return {secret, quote(secret, safe=""), quote_plus(secret), repr(secret)[1:-1], *lines}


def redacted(text: str) -> str:
    """Return a text without any protected secret."""
    for secret in _secrets:
        text = text.replace(secret, HIDDEN)
    return text


class RedactedText(io.TextIOBase):
    """
    A text stream that passes on what it is given, without protected secrets.

    While it is diverted, someone else takes the texts and sees to it that they are written.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._sink: Callable[[str], None] | None = None
        # A signal may find it taken by the very thread that its work writes from.
        self._lock = threading.RLock()

    def write(self, text: str) -> int:
        """Write a text without its secrets."""
        with self._lock:
            (self._sink or self._stream.write)(redacted(text))
        return len(text)

    def flush(self) -> None:
        """Pass it on."""
        # Python flushes what it forgets, the stream beneath having been closed or not.
        if self._sink is None and not self._stream.closed:
            self._stream.flush()

    def divert(self, sink: Callable[[str], None]) -> None:
        """Hand all further texts to a sink, which must not wait for anything."""
        with self._lock:
            self._sink = sink

    def rejoin(self, left: Callable[[], str]) -> None:
        """Write what is left of the diverted texts, and from now on the texts themselves."""
        with self._lock:
            self._sink = None
            self._stream.write(left())
            self._stream.flush()

    def beneath(self) -> RedactedText:
        """Return a stream to the same end that is not diverted."""
        return RedactedText(self._stream)

    def isatty(self) -> bool:
        """Say what the stream says."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """Return the stream's own file."""
        return self._stream.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The stream's own encoding."""
        return self._stream.encoding
