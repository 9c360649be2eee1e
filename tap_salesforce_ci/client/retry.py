"""Which errors are worth another try, after how long."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tap_salesforce_ci.errors import TransientError


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """
    Exponential backoff with full jitter, in seconds; `Retry-After` is honoured up to `longest_asked`.

    `chance` gives numbers in [0, 1).
    """

    chance: Callable[[], float]
    attempts: int = 6
    first: float = 0.5
    longest: float = 60.0
    longest_asked: float = 900.0

    def wait(self, error: TransientError, attempt: int) -> float | None:
        """Return the seconds to wait after the given failed attempt (the first is 1), or None to give up."""
        if attempt >= self.attempts:
            return None
        if error.wait is not None:
            return error.wait if error.wait <= self.longest_asked else None
        ceiling = min(self.longest, self.first * 2.0 ** (attempt - 1))
        return ceiling * (0.5 + self.chance() / 2)
