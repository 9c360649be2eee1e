"""
The promise, as a model: whatever an org does and however runs die, the tables become what the org has.

The org lives on (rows come, change, are deleted, restored and purged, commit late, fields come and go) while runs come,
meet faults, die at any byte of what they write, and come again with the state that a target has kept.
"""

from __future__ import annotations

import itertools
import os
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from tap_salesforce_ci.demo import faults
from tests.mortal import Cause, Death, DeathAtRequest
from tests.world import (
    ADDED,
    ANYWHERE,
    EVERYWHERE,
    LOOKBACK,
    MODIFIED,
    OF_JOBS,
    OF_ROWS,
    ROWS,
    SHARED,
    SKEW,
    WHOLE,
    Circumstances,
    Event,
    Strike,
    World,
)

APIS = ["rest", "bulk2", "auto"]
NTH = st.integers(1, 4)
COUNTS = st.sampled_from([1, 2, 3, 7, None, None])
STRIKES = st.one_of(
    st.builds(Strike, st.sampled_from(ANYWHERE), NTH, COUNTS, st.sampled_from([EVERYWHERE, ROWS])),
    st.builds(Strike, st.sampled_from(OF_ROWS), NTH, COUNTS, st.just(ROWS)),
    st.builds(Strike, st.sampled_from(OF_JOBS), NTH, COUNTS),
)


CIRCUMSTANCES = st.builds(
    Circumstances,
    api=st.sampled_from(APIS),
    most_rows=st.integers(1, 4),
    listed=st.booleans(),
    state_rows=st.integers(0, 4),
    strikes=st.just([]) | st.lists(STRIKES, min_size=1, max_size=2),
    batch=st.booleans(),
    death=st.none()
    | st.builds(Death, st.integers(1, 30), st.integers(0, 200), st.sampled_from(Cause))
    | st.builds(DeathAtRequest, st.integers(1, 60)),
    keeps_uncommitted=st.booleans(),
    verify_counts=st.booleans(),
)

LATE = st.integers(0, LOOKBACK - SKEW)
WHICH = st.integers(0, 1_000)


def _event(what: str, /, **given: st.SearchStrategy[Any]) -> st.SearchStrategy[Event]:
    return st.builds(Event, st.just(what), st.fixed_dictionaries(given))


EVENTS = st.one_of(
    _event("come", name=st.sampled_from([MODIFIED, ADDED, SHARED, WHOLE]), late=LATE, number=WHICH),
    _event("come_together", count=st.integers(2, 6), late=LATE, number=WHICH),
    _event("change", name=st.sampled_from([MODIFIED, WHOLE]), which=WHICH, late=LATE, number=WHICH),
    _event("delete", name=st.sampled_from([MODIFIED, WHOLE]), which=WHICH, late=LATE),
    _event("undelete", which=WHICH, late=LATE),
    _event("purge", name=st.sampled_from([MODIFIED, WHOLE]), which=WHICH, deleted=st.booleans()),
    _event("look_at_another_clock", seconds=st.integers(1, SKEW)),
    _event("change_fields"),
    _event("end_sessions"),
    _event("pass_time", seconds=st.sampled_from([1, LOOKBACK, 60, 3_600])),
)
"""What happens in an org."""


class OrgAndTables(RuleBasedStateMachine):
    """A world in which anything may come next."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()

    def teardown(self) -> None:
        """Whatever happened, one run without faults makes the tables whole."""
        try:
            self.world.settle()
        finally:
            self.world.close()

    @initialize(rows=st.integers(0, 12))
    def begin(self, rows: int) -> None:
        self.world.begin(rows)

    @rule(events=st.lists(EVENTS, min_size=1, max_size=6))
    def live_on(self, events: list[Event]) -> None:
        self.world.live_on(events)

    @rule(seconds=st.sampled_from([1, 60, 3_600, 8 * 86_400]))
    def pass_time(self, seconds: int) -> None:
        """Time passes; after a week, jobs are gone."""
        self.world.pass_time(seconds)

    @rule(circumstances=CIRCUMSTANCES)
    def run(self, circumstances: Circumstances) -> None:
        self.world.run(circumstances)

    @rule(circumstances=CIRCUMSTANCES)
    def run_again(self, circumstances: Circumstances) -> None:
        """Runs come more often than anything else happens."""
        self.world.run(circumstances)


TIMES = int(os.environ.get("EXAMPLES_TIMES", "1"))
# The same examples each time, so that a change is judged by what it changes; who looks longer looks elsewhere.
UNHURRIED = settings(deadline=None, suppress_health_check=list(HealthCheck), derandomize=TIMES == 1)


def test_no_row_is_lost() -> None:
    """Whatever happens, in whatever order."""
    unhurried = settings(UNHURRIED, max_examples=30 * TIMES, stateful_step_count=12)
    run_state_machine_as_test(OrgAndTables, settings=unhurried)


@pytest.mark.parametrize("api", ["rest", "bulk2"])
def test_a_death_at_each_message(api: str) -> None:
    """What comes after it is read whole, what came since included."""
    life = None
    for message in itertools.count(1):
        with closing(World()) as world:
            world.begin(3)
            life = world.run(Circumstances(api, most_rows=1, death=Death(message, 1, Cause.KILLED)))
            world.live_on([Event("come", {"name": name, "late": 0, "number": 9}) for name in (MODIFIED, WHOLE)])
            world.settle()
        if not life.died:
            break


@pytest.mark.parametrize("api", ["rest", "bulk2"])
def test_a_death_at_each_request(api: str) -> None:
    """The same where nothing is being written: at each request that is sent."""
    life = None
    for request in itertools.count(1):
        with closing(World()) as world:
            world.begin(3)
            life = world.run(Circumstances(api, most_rows=2, death=DeathAtRequest(request)))
            world.live_on([Event("come", {"name": name, "late": 0, "number": 9}) for name in (MODIFIED, WHOLE)])
            world.settle()
        if not life.died:
            break


ALONE = [
    *[(fault, EVERYWHERE, 3) for fault in ANYWHERE],
    *[(fault, ROWS, 2) for fault in ANYWHERE],
    *[(fault, ROWS, nth) for fault in OF_ROWS for nth in (1, 2)],
    *[(fault, None, 1) for fault in OF_JOBS],
]
"""Each fault, the requests that it meets, and the first of them."""

ALWAYS, ONCE = None, 1
WAYS = [("rest", ONCE), ("rest", ALWAYS), ("bulk2", ALWAYS), ("listed", ONCE), ("listed", ALWAYS), ("auto", ONCE)]
"""An API, or Bulk with its pages listed, and how often the fault strikes."""


@pytest.mark.parametrize(("api", "count"), WAYS, ids=str)
def test_each_fault_alone(api: str, count: int | None) -> None:
    """It is survived, or it is said, and nothing is lost."""
    for fault, path, nth in ALONE:
        strike = Strike(fault, nth, count, path)
        with closing(World()) as world:
            world.begin(7)
            listed = api == "listed"
            life = world.run(Circumstances("bulk2" if listed else api, listed=listed, strikes=[strike]))
            if life.error is not None:
                world.settle()


SHORT = faults.ShortResults()


# What once lost a row is gone through again each time, before anything else.
@example(9, Circumstances("rest", state_rows=0), [Strike(SHORT, 2, 2, ROWS)])
@example(9, Circumstances("rest", state_rows=0), [Strike(SHORT, 3, 3, ROWS)])
@example(9, Circumstances("rest", state_rows=0, death=DeathAtRequest(14)), [Strike(SHORT, 2, None, ROWS)])
@example(7, Circumstances("bulk2", death=Death(6, 1, Cause.KILLED)), [Strike(faults.JobGone(), 2, 1)])
@settings(UNHURRIED, max_examples=30 * TIMES)
@given(rows=st.integers(3, 9), circumstances=CIRCUMSTANCES, strikes=st.lists(STRIKES, min_size=2, max_size=4))
def test_several_faults_at_once(rows: int, circumstances: Circumstances, strikes: list[Strike]) -> None:
    """The same, whatever comes together."""
    with closing(World()) as world:
        world.begin(rows)
        world.run(replace(circumstances, strikes=strikes))
        world.settle()
