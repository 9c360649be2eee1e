"""Answers as they go over the wire: bodies, headers, and the two ways Salesforce prints JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from http.client import responses
from typing import TYPE_CHECKING, Any, Protocol

from tap_salesforce_ci.demo.values import json_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from tap_salesforce_ci.demo.refusals import SalesforceError

JSON = "application/json;charset=UTF-8"


class Connection(Protocol):
    """The client's end of the line, as a misbehaving answer needs it."""

    def send(self, data: bytes) -> None:
        """Put bytes on the line."""

    def close(self) -> None:
        """Hang up as one does at the end."""

    def reset(self) -> None:
        """Hang up in mid-word."""

    def wait(self, released: Callable[[], bool]) -> None:
        """Keep the line open, silent, until released or the server stops."""


class Delivery(Protocol):
    """Another way to send an answer than whole and at once."""

    def __call__(self, connection: Connection, response: Response) -> None:
        """Send the answer, or what is to become of it."""


@dataclass(frozen=True)
class Response:
    """An answer."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    delivery: Delivery | None = None

    @property
    def is_json(self) -> bool:
        """Whether the body is JSON, which may be asked for in print."""
        return self.headers.get("Content-Type", "").startswith("application/json")


def json_response(body: Any, status: int = 200) -> Response:
    """An answer of a JSON value."""
    return json_bytes(json_text(body), status)


def json_bytes(text: str, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """An answer of JSON already written."""
    return Response(status, text.encode("utf-8", "surrogatepass"), {"Content-Type": JSON, **(headers or {})})


def refusal(error: SalesforceError) -> Response:
    """A refusal as REST and Bulk 2.0 give it."""
    return json_response(error.body, error.status)


def http_date(when: datetime) -> str:
    """A moment as HTTP headers print it."""
    day = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")[when.weekday()]
    month = "JanFebMarAprMayJunJulAugSepOctNovDec"[when.month * 3 - 3 : when.month * 3]
    return f"{day}, {when.day:02d} {month} {when.year:04d} {when:%H:%M:%S} GMT"


def head(response: Response) -> bytes:
    """The status line and headers, with the length of the body unless it is sent in chunks."""
    headers = dict(response.headers)
    if "Transfer-Encoding" not in headers and response.status not in {204, 304}:
        headers.setdefault("Content-Length", str(len(response.body)))
    reason = responses.get(response.status, "Unknown")
    lines = [f"HTTP/1.1 {response.status} {reason}", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def framed(response: Response) -> bytes:
    """The body as the headers announce it."""
    if "Transfer-Encoding" not in response.headers:
        return response.body
    return b"%x\r\n%b\r\n0\r\n\r\n" % (len(response.body), response.body)


class _Digits(str):
    """A number's own digits, which reading and printing must not change."""

    __slots__ = ()


def exact(text: str | bytes) -> Any:
    """The value of a JSON text, every number as its own digits."""
    return json.loads(text, parse_int=_Digits, parse_float=_Digits)


def compact(value: Any) -> str:
    """The JSON of a value read by `exact`, as Salesforce prints it."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{json_text(key)}:{compact(member)}" for key, member in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(compact, value)) + "]"
    return str(value) if isinstance(value, _Digits) else json_text(value)


def pretty(text: str) -> str:
    """The same JSON as `X-PrettyPrint: 1` asks for it, every digit kept."""
    return _printed(exact(text), "")


def _printed(value: Any, indent: str) -> str:
    if isinstance(value, dict):
        deeper = indent + "  "
        members = [f"{deeper}{json_text(key)} : {_printed(member, deeper)}" for key, member in value.items()]
        return "{\n" + ",\n".join(members) + f"\n{indent}}}" if members else "{ }"
    if isinstance(value, list):
        return "[ " + ", ".join(_printed(member, indent) for member in value) + " ]" if value else "[ ]"
    return str(value) if isinstance(value, _Digits) else json_text(value)
