"""Ways an answer fails to arrive."""

from __future__ import annotations

import gzip
import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from tap_salesforce_ci.demo.wire import framed, head

if TYPE_CHECKING:
    from tap_salesforce_ci.demo.wire import Connection, Response

# A gzip member ends in a checksum and a length of four bytes each (RFC 1952).
_TRAILER, _CHECKSUM = 8, 4
Length = Literal["whole", "cut", "none", "chunked"]


@dataclass(frozen=True)
class Cut:
    """
    The body ends early, and the line with it.

    What the headers say of its length: that of the whole, that of what was cut, nothing, or chunks without end.
    """

    at: float
    length: Length

    def __call__(self, connection: Connection, response: Response) -> None:
        """Send the headers and the first part of the body."""
        body = response.body[: int(len(response.body) * self.at)]
        headers = {name: value for name, value in response.headers.items() if name != "Transfer-Encoding"}
        if self.length == "whole":
            headers["Content-Length"] = str(len(response.body))
        elif self.length == "cut":
            headers["Content-Length"] = str(len(body))
        elif self.length == "chunked":
            headers["Transfer-Encoding"] = "chunked"
            body = b"%x\r\n%b" % (len(response.body), body)
        else:
            # Only the end of the line says where such a body ends; the header keeps a length from being added.
            headers |= {"Connection": "close", "Transfer-Encoding": "identity"}
        text = head(replace(response, headers=headers))
        connection.send(text.replace(b"Transfer-Encoding: identity\r\n", b"") + body)
        connection.close()


@dataclass
class Stalled:
    """The answer stops, or never begins, while the line stays open."""

    # How much of the whole answer is sent before; 0 sends not a byte.
    at: float = 0.0
    _released: threading.Event = field(default_factory=threading.Event, repr=False)

    def __call__(self, connection: Connection, response: Response) -> None:
        """Send the first part, keep still until released, send the rest."""
        data = head(response) + framed(response)
        cut = int(len(data) * self.at)
        if cut:
            connection.send(data[:cut])
        connection.wait(self._released.is_set)
        connection.send(data[cut:])

    def release(self) -> None:
        """Go on."""
        self._released.set()


@dataclass(frozen=True)
class Reset:
    """The line is torn down, before the answer or within it."""

    at: float = 0.0

    def __call__(self, connection: Connection, response: Response) -> None:
        """Send the first part and hang up in mid-word."""
        data = head(response) + framed(response)
        connection.send(data[: int(len(data) * self.at)])
        connection.reset()


@dataclass(frozen=True)
class Corrupted:
    """The body is compressed, and its checksum is that of another."""

    def __call__(self, connection: Connection, response: Response) -> None:
        """Send the body with its checksum turned over, well-framed."""
        zipped = response.body if "Content-Encoding" in response.headers else gzip.compress(response.body)
        end = len(zipped) - _TRAILER
        turned = bytes(byte ^ 0xFF for byte in zipped[end : end + _CHECKSUM])
        body = zipped[:end] + turned + zipped[end + _CHECKSUM :]
        spoiled = replace(response, body=body, headers={**response.headers, "Content-Encoding": "gzip"})
        connection.send(head(spoiled) + framed(spoiled))
