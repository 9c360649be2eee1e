"""The values that travel between the rooms of the client: requests, answers, sessions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

from tap_salesforce_ci import redaction
from tap_salesforce_ci.client.body import Body


@dataclass(frozen=True, slots=True)
class Request:
    """
    One HTTP request. Headers and body may hold secrets, so neither shows in a `repr`.

    `into` makes what gathers the content of an answer that is no refusal, anew for each try. Where an answer is known
    to be short, `longest` says how many bytes it doesn't reach.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)
    into: Callable[[], Body] | None = field(default=None, repr=False)
    longest: int | None = None


@dataclass(frozen=True, slots=True)
class Response:
    """
    One whole HTTP answer; `body` is already unpacked, `wire_bytes` is what travelled.

    Header names are in lower case. What was gathered elsewhere (`Request.into`) is the `content`, instead of a body.
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
            moment = parsedate_to_datetime(self.headers.get("date", ""))
        except (ValueError, TypeError):
            return None
        # A zone that isn't known (-0000) is UTC all the same.
        return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


@dataclass(frozen=True, slots=True)
class Session:
    """
    Who we are, and the host that knows us.

    `refresh_token` is the one that Salesforce sent along because the app rotates them; `identity` the address of the
    user's identity (`.../id/ORG/USER`), where the login told it. Its secrets are kept off stderr.
    """

    instance_url: str
    token: str = field(repr=False)
    refresh_token: str | None = field(default=None, repr=False)
    identity: str | None = None

    def __post_init__(self) -> None:
        redaction.protect(filter(None, (self.token, self.refresh_token)))
