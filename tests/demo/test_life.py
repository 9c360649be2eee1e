"""Promises of the company that lives in the demo org."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

from tap_salesforce_ci.demo.clock import Clock
from tap_salesforce_ci.demo.data import demo_org, empty_org, live_on
from tap_salesforce_ci.demo.life import FOUNDED, build_company

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_salesforce_ci.demo.org import Org

QUARTER = FOUNDED + timedelta(days=90)
TODAY = datetime(2026, 3, 2, 9, tzinfo=timezone.utc)

Row = dict[str, Any]


def everything(org: Org) -> dict[str, list[Row]]:
    """Every record of the org, by object."""
    return {source.name: org.rows(source.name) for source in org.objects.values()}


def records(org: Org) -> Iterator[tuple[str, Row]]:
    """Every record with its object's name."""
    for name, rows in everything(org).items():
        for row in rows:
            yield name, row


@pytest.fixture(scope="module")
def org() -> Org:
    """The demo org after fourteen months."""
    return demo_org(Clock(TODAY))


def test_the_same_seed_tells_the_same_history() -> None:
    """Two starts give the same records with the same ids, to the last value."""
    assert everything(demo_org(Clock(QUARTER))) == everything(demo_org(Clock(QUARTER)))


def test_another_seed_tells_another_history() -> None:
    """Chance is real."""
    assert demo_org(Clock(QUARTER)).rows("Lead") != demo_org(Clock(QUARTER), seed=2).rows("Lead")


def test_a_later_start_tells_the_same_and_what_happened_since() -> None:
    """A company that lived on is the one that a later start would find."""
    lived_on = demo_org(Clock(QUARTER))
    live_on(lived_on, days=30)

    assert everything(demo_org(Clock(QUARTER + timedelta(days=30)))) == everything(lived_on)


def test_where_one_stops_to_look_changes_nothing() -> None:
    """Days or hours at a time, the history is the same."""
    by_hours = demo_org(Clock(QUARTER))
    for _ in range(20):
        live_on(by_hours, days=1 / 4)

    assert everything(demo_org(Clock(QUARTER + timedelta(days=5)))) == everything(by_hours)


def test_history_is_not_rewritten() -> None:
    """What was there keeps its id and its CreatedDate for as long as it is not purged."""
    org = demo_org(Clock(QUARTER))
    before = {row["Id"]: row["CreatedDate"] for _, row in records(org) if "Id" in row and "CreatedDate" in row}
    live_on(org, days=14)
    after = {row["Id"]: row["CreatedDate"] for _, row in records(org) if "Id" in row and "CreatedDate" in row}

    assert {key: after[key] for key in before if key in after} == {key: before[key] for key in before if key in after}
    assert 0.98 * len(before) < len(before.keys() & after.keys())


def test_a_day_changes_some_records_and_leaves_most() -> None:
    """A second run has something to load, and far less than everything."""
    org = demo_org(Clock(QUARTER))
    for _ in range(14):
        before = dict(iter_stamps(org))
        live_on(org, days=1)
        changed = {key for key, stamp in iter_stamps(org) if before.get(key) != stamp}
        assert 0 < len(changed) < 0.1 * len(before)


def test_automated_processes_move_the_system_stamp_alone(org: Org) -> None:
    """Some lead changed after its LastModifiedDate: who reads by that date misses the change."""
    stamps = [(lead["LastModifiedDate"], lead["SystemModstamp"]) for lead in org.rows("Lead")]

    assert all(modified <= stamp for modified, stamp in stamps)
    assert any(modified < stamp and not modified.startswith(stamp[:10]) for modified, stamp in stamps)


def iter_stamps(org: Org) -> Iterator[tuple[str, str]]:
    """The id and SystemModstamp of every record that has both."""
    for _, row in records(org):
        if row.get("SystemModstamp") and "Id" in row:
            yield row["Id"], row["SystemModstamp"]


def test_nothing_is_stamped_with_a_time_to_come(org: Org) -> None:
    """The clock stands where it was told to, and no record knows more."""
    assert org.clock.now() == TODAY
    assert max(stamp for _, stamp in iter_stamps(org)) <= f"{TODAY:%Y-%m-%dT%H:%M:%S}.000Z"


def test_overdue_events_happen_now_when_the_clock_was_moved() -> None:
    """Whoever moves the clock by hand gets no stamps from a past that a reader has already passed."""
    org = demo_org(Clock(QUARTER))
    before = dict(iter_stamps(org))
    org.clock.advance(timedelta(days=10))
    passed = f"{org.clock.now():%Y-%m-%dT%H:%M:%S}.000Z"
    live_on(org, days=1)

    fresh = [stamp for key, stamp in iter_stamps(org) if before.get(key) != stamp]

    assert fresh
    assert min(fresh) >= passed


def test_the_funnel_is_plausible(org: Org) -> None:
    """About a quarter of the leads that had their time are converted, about three in ten of those won."""
    ripe = f"{TODAY - timedelta(days=180):%Y-%m-%d}"
    leads = [lead for lead in org.rows("Lead") if lead["CreatedDate"] < ripe]
    won = {deal["Id"] for deal in org.rows("Opportunity") if deal["IsWon"]}
    converted = [lead for lead in leads if lead["IsConverted"]]

    assert len({lead["CreatedDate"][:7] for lead in org.rows("Lead")}) >= 12
    assert 0.2 < len(converted) / len(leads) < 0.35
    assert 0.2 < sum(lead["ConvertedOpportunityId"] in won for lead in converted) / len(converted) < 0.4


def test_converted_leads_point_at_what_became_of_them(org: Org) -> None:
    """A converted lead knows its account, contact, opportunity and day; another knows none of them."""
    marks = ("ConvertedDate", "ConvertedAccountId", "ConvertedContactId", "ConvertedOpportunityId")

    for lead in org.rows("Lead"):
        assert {lead["IsConverted"]} == {lead[mark] is not None for mark in marks}


def test_closed_opportunities_agree_with_their_stage(org: Org) -> None:
    """IsClosed and IsWon say what StageName says."""
    for deal in org.rows("Opportunity"):
        assert deal["IsClosed"] == deal["StageName"].startswith("Closed")
        assert deal["IsWon"] == (deal["StageName"] == "Closed Won")


def test_records_are_deleted_restored_merged_and_purged() -> None:
    """Within a year the Recycle Bin sees every kind of traffic."""
    org = demo_org(Clock(FOUNDED))
    seen: Counter[str] = Counter()
    deleted: set[str] = set()
    for _ in range(60):
        live_on(org, days=5)
        rows = {row["Id"]: row for name in ("Lead", "Contact") for row in org.rows(name)}
        seen["restored"] += sum(key in rows and not rows[key]["IsDeleted"] for key in deleted)
        seen["purged"] += sum(key not in rows for key in deleted)
        seen["merged"] += sum(bool(row["IsDeleted"] and row["MasterRecordId"]) for row in rows.values())
        deleted = {key for key, row in rows.items() if row["IsDeleted"]}

    assert {"restored", "purged", "merged"} == {what for what, times in seen.items() if times}


def test_formulas_and_roll_ups_change_behind_the_stamp(org: Org) -> None:
    """Some invoice was paid after its SystemModstamp: only a recheck finds out."""
    paid = {payment["Invoice__c"]: payment["CreatedDate"] for payment in org.rows("Payment__c")}
    invoices = {invoice["Id"]: invoice for invoice in org.rows("Invoice__c")}

    assert any(invoices[key]["SystemModstamp"] < moment for key, moment in paid.items())
    for invoice in invoices.values():
        sums = (invoice["Paid_Amount__c"], invoice["Open_Amount__c"])
        assert sum(sums) == invoice["Net_Amount__c"]


def test_more_tasks_share_a_stamp_than_fit_a_page(org: Org) -> None:
    """A reader that pages by SystemModstamp alone meets equals on both sides of a page's edge."""
    times = Counter(task["SystemModstamp"] for task in org.rows("Task")).most_common(1)[0][1]

    assert times > org.rest_page_rows


def test_scale_multiplies_the_leads() -> None:
    """Four times the scale brings about four times the leads."""
    few, many = (len(demo_org(Clock(QUARTER), scale=scale).rows("Lead")) for scale in (1, 4))

    assert 3 < many / few < 5


def test_a_running_clock_gives_the_same_history() -> None:
    """With a clock that ticks while the history is told, no stamp differs."""
    ticking, standing = empty_org(Clock()), empty_org(Clock(QUARTER))
    for org in (ticking, standing):
        build_company(org, until=QUARTER)

    assert everything(standing) == everything(ticking)
