"""The values that travel between the rooms of the client: requests, answers, sessions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime

from tap_salesforce_ci.client.body import Body


@dataclass(frozen=True, slots=True)
class Request:
    """
    One HTTP request. Headers and body may hold secrets, so neither shows in a `repr`.

    Where `room` is given, the answer's content is gathered as there is room for it (see `Body`).
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)
    room: Callable[[int], bool] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Response:
    """
    One whole HTTP answer; `body` is already unpacked, `wire_bytes` is what travelled.

    Header names are in lower case. An answer that was asked for with `room` has its `content` instead of a body.
    """

    status: int
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    wire_bytes: int = 0
    content: Body | None = field(default=None, repr=False)

    @property
    def date(self) -> datetime | None:
        """The moment on the server's clock at which it answered, if it tells."""
        try:
            return parsedate_to_datetime(self.headers.get("date", ""))
        except (ValueError, TypeError):
            return None


@dataclass(frozen=True, slots=True)
class Session:
    """
    Who we are, and the host that knows us.

    `refresh_token` is the one that Salesforce sent along because the app rotates them.
    """

    instance_url: str
    token: str = field(repr=False)
    refresh_token: str | None = field(default=None, repr=False)
