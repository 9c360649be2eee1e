"""
Secrets never reach stderr, whoever prints them: a log line, a traceback, a server that echoes what it was sent.

stderr belongs to the whole process, and so does the list of what must not stand on it.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
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
    """A text stream that passes on what it is given, without protected secrets."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write a text without its secrets."""
        self._stream.write(redacted(text))
        return len(text)

    def flush(self) -> None:
        """Pass it on."""
        self._stream.flush()

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
