"""A request on its way to an answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_salesforce_ci.demo.grants import Session
    from tap_salesforce_ci.demo.org import Org
    from tap_salesforce_ci.demo.request_log import Request
    from tap_salesforce_ci.demo.wire import Response


@dataclass(frozen=True)
class Exchange:
    """A request and what is known of it: whose it is, of which version, and what the address named."""

    org: Org
    request: Request
    version: str = ""
    session: Session | None = None
    params: dict[str, str] = field(default_factory=dict)
    # How a request within this one is answered.
    inner: Callable[[Exchange, Request], Response] | None = None

    @property
    def root(self) -> str:
        """The address all resources of this version stand under."""
        return f"/services/data/v{self.version}"
