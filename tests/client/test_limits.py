"""The org's API allowance is read off every answer and never overdrawn."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_salesforce_ci.client.describe import describe_all
from tap_salesforce_ci.client.http import Client
from tap_salesforce_ci.client.limits import Allowance, Usage, usage_in
from tap_salesforce_ci.client.retry import RetryPolicy
from tap_salesforce_ci.demo.faults import Fault, Refused, RequestLimitExceeded, ResetConnection
from tap_salesforce_ci.demo.org import Org
from tap_salesforce_ci.demo.wire import Connection, Response, framed, head
from tap_salesforce_ci.errors import BudgetError, TransientError, UserError
from tests.conftest import Connect

COUNTS = st.integers(0, 10**9)


def limits(client: Client) -> int:
    return client.get(f"{client.data_path}/limits").status


def until_it_stops(client: Client) -> BudgetError:
    while True:
        try:
            limits(client)
        except BudgetError as stopped:
            return stopped


# The header


@pytest.mark.parametrize("form", ["plain", "per_app", "bursts"])
def test_the_header_is_read_in_each_of_its_forms(
    client: Client, org: Org, form: Literal["plain", "per_app", "bursts"]
) -> None:
    """What the org says of itself is known after one answer, whatever else stands beside it."""
    org.limits.header_form = form
    org.limits.daily_used, org.limits.daily_max = 41, 5_000

    limits(client)

    assert client.allowance.usage == Usage(42, 5_000)
    assert client.allowance.left == 4_958


def test_refusals_tell_the_usage_too(client: Client, org: Org) -> None:
    """A 4xx answer counts, and says so."""
    org.faults.add(Refused(400, "SOME_CODE", "no"), path="/limits")
    org.limits.daily_used = 77

    with pytest.raises(UserError):
        limits(client)
    assert client.allowance.usage == Usage(77, 100_000)


@dataclass(frozen=True)
class Afterwards(Fault):
    """Something happens when the org has answered, and before the answer arrives."""

    happens: Callable[[], None]

    def spoiled(self, org: Any, request: Any, response: Response) -> Response:
        def deliver(connection: Connection, response: Response) -> None:
            self.happens()
            connection.send(head(response) + framed(response))

        return replace(response, delivery=deliver)


@given(COUNTS, COUNTS, st.permutations(["per-app-api-usage=17/250(appName=api-usage)", "api-bursts=1/750"]))
def test_the_orgs_usage_is_found_wherever_it_stands(used: int, allowed: int, others: list[str]) -> None:
    """Neither the order of the parts nor an app's own usage misleads."""
    for place in range(3):
        parts = [*others[:place], f"api-usage={used}/{allowed}", *others[place:]]
        assert usage_in("; ".join(parts)) == Usage(used, allowed)
    assert usage_in("; ".join(others)) is None


@given(st.text())
def test_a_header_that_says_nothing_is_no_crash(header: str) -> None:
    """Any text is a usage or none."""
    found = usage_in(header)

    assert found is None or "api-usage=" in header


# The budget


@pytest.mark.parametrize(("percent", "stops_at"), [(80, 80), (79, 79), (100, 100), (1, 1)])
def test_the_share_of_everybody_is_never_overdrawn(connect: Connect, org: Org, percent: int, stops_at: int) -> None:
    """The run stops with the last call that `quota_percent_total` allows, not with the one after it."""
    org.limits.daily_max = 100
    org.limits.daily_used = stops_at - 1
    client = connect(allowance=Allowance(percent, 100))

    stopped = until_it_stops(client)

    assert org.limits.daily_used == stops_at
    assert stopped.exit_code == 3
    assert "quota_percent_total" in stopped.where
    assert "state is kept" in stopped.remedy


def test_the_share_of_one_run_is_never_overdrawn(connect: Connect, org: Org) -> None:
    """A run takes no more than `quota_percent_per_run` of the org's calls, however few others use."""
    org.limits.daily_max = 200
    client = connect(allowance=Allowance(100, 25))

    stopped = until_it_stops(client)

    assert org.limits.daily_used == 50
    assert "quota_percent_per_run" in stopped.where


@pytest.mark.parametrize("of", ["everybody", "one run"])
def test_many_threads_do_not_overdraw_it_together(connect: Connect, org: Org, of: str) -> None:
    """Calls under way are counted before their answers say so; at most these few calls are left unused."""
    org.limits.daily_max = 100
    org.limits.daily_used = 10
    client = connect(allowance=Allowance(60, 100) if of == "everybody" else Allowance(100, 50), workers=16)
    limits(client)

    def until_stopped(_: int) -> str:
        return until_it_stops(client).what

    with ThreadPoolExecutor(16) as threads:
        assert len(list(threads.map(until_stopped, range(16)))) == 16
    assert 60 - 16 < org.limits.daily_used <= 60


def test_what_others_use_meanwhile_counts(connect: Connect, org: Org) -> None:
    """Another program's calls show in the next answer, and stop the run as its own would."""
    org.limits.daily_max = 1_000
    client = connect(allowance=Allowance(80, 100))
    limits(client)
    org.limits.daily_used = 800

    limits(client)
    assert "quota_percent_total" in until_it_stops(client).where
    assert org.limits.daily_used == 801


def test_a_day_that_begins_anew_gives_new_calls(connect: Connect, org: Org) -> None:
    """A usage that fell, because a day went by, is believed."""
    org.limits.daily_max = 100
    client = connect(allowance=Allowance(80, 100))
    org.limits.daily_used = 78
    limits(client)
    org.limits.daily_used = 0

    assert [limits(client) for _ in range(70)] == [200] * 70
    assert client.allowance.usage == Usage(70, 100)


def test_retries_and_lost_answers_are_paid_for(connect: Connect, org: Org) -> None:
    """A call whose answer never came may have counted; it is held against the run."""
    org.limits.daily_max = 100
    client = connect(allowance=Allowance(100, 6))
    limits(client)
    org.faults.add(ResetConnection(), path="/limits", count=3)

    limits(client)

    assert client.allowance.calls == 5


def test_an_answer_says_nothing_of_a_call_that_was_lost_after_it(connect: Connect, org: Org) -> None:
    """What the org counted when an answer was on its way already is held against the run until another one tells."""
    client = connect(allowance=Allowance(100, 100))
    org.limits.daily_max = 100
    limits(client)
    impatient = RetryPolicy(lambda: 0.0, attempts=1)
    losing = connect(client._auth, allowance=client.allowance, retry=impatient)
    told: list[int | None] = []

    def lose() -> None:
        org.faults.add(ResetConnection(), path="/limits")
        with pytest.raises(TransientError):
            limits(losing)

    org.faults.add(Afterwards(lose), path="/limits")
    limits(client)
    told.append(client.allowance.left)
    limits(client)
    told.append(client.allowance.left)

    assert told == [97, 96]
    assert org.limits.daily_used == 4


def test_a_batch_is_paid_for_before_it_is_sent(connect: Connect, org: Org) -> None:
    """Each describe of a batch counts, so one that does not fit in the allowance is not begun."""
    org.limits.daily_max = 100
    client = connect(allowance=Allowance(20, 100), workers=1)
    limits(client)
    org.faults.add(Refused(404, "NOT_FOUND", "The requested resource does not exist"), path="/composite$")
    org.requests.clear()

    with pytest.raises(BudgetError):
        list(describe_all(client, ["Account"] * 24))
    assert [each.path.rpartition("/")[2] for each in org.requests] == ["composite"]


def test_an_allowance_used_up_by_others_is_told(client: Client, org: Org, slept: list[float]) -> None:
    """Salesforce's own refusal ends the run at once with exit code 3."""
    org.faults.add(RequestLimitExceeded("daily"), count=None)

    with pytest.raises(BudgetError, match="TotalRequests") as stopped:
        limits(client)
    assert stopped.value.exit_code == 3
    assert slept == []


def test_an_org_that_tells_no_usage_is_read_without_limit(connect: Connect) -> None:
    """Before the first answer, and in orgs that tell nothing, there is nothing to go by."""
    client = connect(allowance=Allowance(1, 1))

    assert client.get("/services/data", counted=0).status == 200
    assert client.allowance.left is None
