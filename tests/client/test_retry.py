"""How long to wait, and when to stop: a pure function of what failed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tap_salesforce_ci.client.retry import RetryPolicy
from tap_salesforce_ci.errors import TransientError

CHANCES = st.floats(0, 1, exclude_max=True)
FAILED = TransientError("no")


@given(CHANCES, st.integers(1, 100))
def test_every_wait_is_between_half_and_all_of_a_bounded_ceiling(chance: float, attempts: int) -> None:
    """Chance spreads the waits, and never past a minute or below half of what is due."""
    policy = RetryPolicy(lambda: chance, attempts=attempts)

    for attempt in range(1, attempts):
        wait = policy.wait(FAILED, attempt)
        due = min(policy.longest, policy.first * 2 ** (attempt - 1))
        assert wait is not None
        assert due / 2 <= wait <= due


@given(CHANCES, st.integers(1, 20), st.integers(0, 10), st.none() | st.floats(0, 10_000))
def test_attempts_come_to_an_end(chance: float, attempts: int, more: int, asked: float | None) -> None:
    """After the last attempt there is no wait, whatever Salesforce asked for."""
    policy = RetryPolicy(lambda: chance, attempts=attempts)

    assert policy.wait(TransientError("no", wait=asked), attempts + more) is None


@given(st.floats(0, 10_000))
def test_what_is_asked_for_is_waited_for_or_given_up(asked: float) -> None:
    """`Retry-After` is kept to the second, or is too long to wait for at all."""
    policy = RetryPolicy(lambda: 0.0)

    assert policy.wait(TransientError("no", wait=asked), 1) == (asked if asked <= policy.longest_asked else None)
