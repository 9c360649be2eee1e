"""What a client asks of the prepared org, and what it is answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from bench.shapes import json_bytes

CSV = "text/csv; charset=UTF-8"
"""Of a result page; without the charset, taps that go by it read its texts as Latin-1."""


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked: `target` is path and query, header names are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def path(self) -> str:
        """The path alone."""
        return urlsplit(self.target).path

    def argument(self, name: str) -> str | None:
        """Return an argument of the query."""
        return parse_qs(urlsplit(self.target).query).get(name, [None])[0]


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered; `gzip` says that the body is packed."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] | None = None
    gzip: bool = False


def as_json(value: Any, status: int = 200) -> Answer:
    """Answer a JSON value."""
    return Answer(json_bytes(value), status)


NOT_FOUND = as_json([{"errorCode": "NOT_FOUND", "message": "The requested resource does not exist"}], 404)
