"""
Secrets never reach stderr, whoever prints them: a log line, a traceback, a server that echoes what it was sent.

stderr belongs to the whole process, and so does the list of what must not stand on it.
"""

from __future__ import annotations

import io
import json
import re
import threading
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from html import escape
from typing import TextIO
from urllib.parse import quote, quote_plus

SHORTEST = 4
"""Characters; a shorter secret would blot out half of any text."""

SHORTEST_IN_BASE64 = 8
"""Of fewer, too little is the same whatever stands around them."""

PIECE = 16
"""Characters in a row that are hidden: of a long secret, this much may be left where it is cut short or broken up."""

FRAMES = ("-----BEGIN ", "-----END ")
"""What a key's first and last line begin with; they are no secret, and messages name them."""

HIDDEN = "***"

_pieces: set[str] = set()
_short: list[str] = []


def protect(secrets: Iterable[str]) -> None:
    """Keep these texts, and the ways they are written in URLs, JSON, XML and base64, off stderr from now on."""
    short = set(_short)
    for secret in secrets:
        lines = [line for line in secret.splitlines() if not line.startswith(FRAMES)]
        for text in lines if secret.startswith(FRAMES) else (secret, *lines):
            for form in _forms(text) if len(text) >= SHORTEST else ():
                if len(form) < PIECE:
                    short.add(form)
                else:
                    _pieces.update(_pieces_of(form))
    _short[:] = sorted(short, key=len, reverse=True)


def _forms(secret: str) -> set[str]:
    quoted = {quote(secret, safe=""), quote_plus(secret)}
    of_urls = quoted | {re.sub("%..", lambda code: code[0].lower(), form) for form in quoted}
    of_json = {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    of_xml = {escape(secret), escape(secret, quote=False)}
    return {secret, repr(secret)[1:-1], *of_urls, *of_json, *of_xml, *_in_base64(secret.encode("utf-8", "replace"))}


def _in_base64(secret: bytes) -> Iterator[str]:
    """Yield what base64 makes of a text, wherever in other text it stands; its ends depend on what is beside them."""
    if len(secret) < SHORTEST_IN_BASE64:
        return
    for before in range(3):
        coded = b64encode(bytes(before) + secret).decode()
        whole = coded[-(-before * 8 // 6) : (before + len(secret)) * 8 // 6]
        yield from {whole, whole.translate(_OF_URLS)}


_OF_URLS = str.maketrans("+/", "-_")


def _pieces_of(text: str) -> list[str]:
    return [text[at : at + PIECE] for at in range(len(text) - PIECE + 1)]


def redacted(text: str) -> str:
    """Return a text without any protected secret, and without pieces of one."""
    shown, end = "", 0
    for at in [at for at, piece in enumerate(_pieces_of(text)) if piece in _pieces]:
        if at > end or not shown:
            shown += text[end:at] + HIDDEN
        end = at + PIECE
    shown += text[end:]
    for secret in _short:
        shown = shown.replace(secret, HIDDEN)
    return shown


def quoted(told: str, most: int) -> str:
    """Return the beginning of what a server says; it may say what it was sent, and half a secret is not found."""
    return redacted(told)[:most]


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
