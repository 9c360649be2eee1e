"""What a fault is, and when it strikes."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from tap_salesforce_ci.demo.soql.names import Objects

if TYPE_CHECKING:
    from tap_salesforce_ci.demo.cursors import Cursors
    from tap_salesforce_ci.demo.jobs import Jobs
    from tap_salesforce_ci.demo.request_log import Request
    from tap_salesforce_ci.demo.wire import Response


class Struck(Objects, Protocol):
    """The org, as far as faults reach into it."""

    jobs: Jobs
    cursors: Cursors

    def expire_sessions(self) -> None:
        """End every session."""

    def revoke_grants(self) -> None:
        """End every refresh token and session."""


class Fault:
    """A misbehaviour: it may answer instead of the org, or spoil the org's answer."""

    @property
    def strikes(self) -> str:
        """The expression of the addresses it strikes when nothing else is said."""
        return ""

    @property
    def method(self) -> str | None:
        """The one method it strikes, if there is only one."""
        return None

    def instead(self, org: Struck, request: Request) -> Response | None:
        """The answer given before the org looks at the request; None lets it."""
        del org, request
        return None

    def spoiled(self, org: Struck, request: Request, response: Response) -> Response:
        """What becomes of the org's answer."""
        del org, request
        return response


@dataclass
class Trigger:
    """When a fault strikes: from the nth request that fits, so many times."""

    fault: Fault
    path: re.Pattern[str]
    method: str | None
    nth: int
    count: int | None
    seen: int = 0
    hits: int = 0

    def fits(self, request: Request) -> bool:
        """Whether the request is one this trigger counts."""
        return self.path.search(request.target) is not None and self.method in {None, request.method}

    def pull(self) -> bool:
        """Count a request that fits; whether the fault strikes it."""
        self.seen += 1
        due = self.seen >= self.nth and (self.count is None or self.hits < self.count)
        self.hits += due
        return due


class Faults:
    """
    The misbehaviours waiting to happen.

    ```python
    org.faults.add(ServerError(503), path="/query")  # the next query
    org.faults.add(ExpireSession(), path="results", nth=3)  # the third result page
    org.faults.add(RetryAfter(429, seconds=1), count=None)  # everything, for ever
    ```
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._triggers: list[Trigger] = []

    def add(
        self,
        fault: Fault,
        *,
        path: str | None = None,
        method: str | None = None,
        nth: int = 1,
        count: int | None = 1,
    ) -> Trigger:
        """
        Strike the nth request whose address matches the expression `path`, and those after it.

        `count` is how many are struck in all, None for every one. Returns the trigger, whose `hits` tell.
        Requests within a composite one are struck like any other.
        """
        pattern = re.compile(fault.strikes if path is None else path, re.IGNORECASE)
        trigger = Trigger(fault, pattern, method or fault.method, nth, count)
        with self._lock:
            self._triggers.append(trigger)
        return trigger

    def clear(self) -> None:
        """Let everything go well again."""
        with self._lock:
            self._triggers.clear()

    def striking(self, request: Request) -> list[Fault]:
        """The faults that strike this request."""
        with self._lock:
            return [each.fault for each in self._triggers if each.fits(request) and each.pull()]
