"""
The org's API allowance: read from every answer, and kept before it is overdrawn.

Source: REST API Developer Guide, "Limit Info Header" (`headers_api_usage.htm`).
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tap_salesforce_ci.errors import BudgetError

API_USAGE = re.compile(r"(?<![\w-])api-usage=(\d{1,15})/(\d{1,15})(?!\d)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Usage:
    """Calls used in the last 24 hours, and how many the org may make."""

    used: int
    allowed: int


def usage_in(header: str) -> Usage | None:
    """Read `Sforce-Limit-Info` in any of its forms; None where it holds no `api-usage`."""
    match = API_USAGE.search(header)
    return Usage(int(match[1]), int(match[2])) if match else None


class Allowance:
    """
    The share of the org's daily API calls that this run may use, guarded for all threads.

    `percent_total` of the org's calls may be used up by everybody, `percent_per_run` by this run. Calls under way count
    from their beginning. Until the first answer tells what the org's calls are nothing is refused, so that only the
    calls made before it may be too many.
    """

    def __init__(self, percent_total: float = 80, percent_per_run: float = 25) -> None:
        self.percent_total = percent_total
        self.percent_per_run = percent_per_run
        self.calls = 0
        self.usage: Usage | None = None
        self._under_way = 0
        self._lost = 0
        self._lost_known = 0
        self._tellings = 0
        self._lock = threading.Lock()

    @contextmanager
    def spending(self, calls: int = 1) -> Iterator[Callable[[str], None]]:
        """
        Take calls from the allowance before they are made; what is yielded takes the answer's `Sforce-Limit-Info`.

        Raises BudgetError where they would overdraw it.
        """
        told: list[str] = []
        with self._lock:
            if self.usage is not None and self.usage.allowed > 0:
                self._refuse_overdraft(self.usage, calls)
            self.calls += calls
            self._under_way += calls
            known, lost = self._tellings, self._lost
        try:
            yield told.append
        finally:
            with self._lock:
                self._under_way -= calls
                usage = usage_in("".join(told))
                if usage is None:
                    self._lost += calls
                else:
                    self._take_note(usage, lost, fresh=known == self._tellings)

    def _take_note(self, usage: Usage, lost: int, *, fresh: bool) -> None:
        """
        Believe what an answer tells, unless it is older than what is known.

        Answers of calls made at the same time arrive in any order. Fewer used calls than known are news only from a
        call made since: those of a day ago are counted no more. `lost` is how many calls had ended without telling
        when the answer's call was made: it tells of those for certain, and not of later ones.
        """
        if fresh or self.usage is None or usage.used >= self.usage.used:
            self.usage = usage
            self._lost_known = max(self._lost_known, lost)
            self._tellings += 1

    @property
    def _untold(self) -> int:
        return self._lost - self._lost_known

    def _refuse_overdraft(self, usage: Usage, calls: int) -> None:
        expected = usage.used + self._untold + self._under_way + calls
        if expected * 100 > self.percent_total * usage.allowed:
            raise BudgetError(
                f"Stopped before the org's API calls are overdrawn: {usage.used:,} of {usage.allowed:,} are used.",
                where=f"setting: quota_percent_total = {self.percent_total:g} %",
                remedy="Run again later, or raise `quota_percent_total`; the state is kept.",
            )
        if (self.calls + calls) * 100 > self.percent_per_run * usage.allowed:
            raise BudgetError(
                f"Stopped before this run takes more than its share: {self.calls:,} of {usage.allowed:,} calls.",
                where=f"setting: quota_percent_per_run = {self.percent_per_run:g} %",
                remedy="Run again later, or raise `quota_percent_per_run`; the state is kept.",
            )

    @property
    def left(self) -> int | None:
        """How many calls the org has left in its 24 hours, as far as known."""
        usage = self.usage
        return None if usage is None else max(0, usage.allowed - usage.used - self._untold - self._under_way)
