"""The org's state, without a wire."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from tap_salesforce_ci.demo.ids import ALPHABET, canonical, long_form, record_id
from tap_salesforce_ci.demo.org import Clock, Number, Org

if TYPE_CHECKING:
    from pathlib import Path

UTC = timezone.utc


def test_long_ids_are_those_of_real_orgs(recordings: Path) -> None:
    """The checksum computed for 15 characters is the one real orgs print."""
    import json  # noqa: PLC0415

    answer = json.loads((recordings / "recorded" / "wiremock.query-with-next-records-url.json").read_text())
    records = json.loads(answer["response"]["body"])["records"]
    ids = [record["attributes"]["url"].rsplit("/", 1)[1] for record in records]

    assert len(ids) == 2000
    assert all(long_form(each[:15]) == each for each in ids)


def test_ids_ascend_with_their_number() -> None:
    """A later record has a greater id, in ASCII order, also where a digit turns over."""
    ids = [record_id("001", number) for number in range(len(ALPHABET) ** 2 + 2)]

    assert ids == sorted(ids)
    assert len(set(ids)) == len(ids)


def test_an_id_with_a_wrong_checksum_is_none() -> None:
    """Eighteen characters whose last three do not fit are not an id."""
    good = record_id("001", 37)

    assert canonical(good[:15]) == good
    assert canonical(good[:15] + "ZZZ") is None


def test_a_clock_with_a_start_stands_still_until_moved() -> None:
    """Time passes in the org only when a test says so."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    clock = Clock(start)

    assert clock.now() == clock.now() == start
    clock.advance(timedelta(days=2))
    assert clock.now() == start + timedelta(days=2)
    clock.set(start)
    assert clock.now() == start


def test_a_running_clock_keeps_what_it_was_moved_by() -> None:
    """A clock without a start runs on from wherever it is set."""
    clock = Clock()
    clock.set(datetime(2040, 1, 1, tzinfo=UTC))

    assert datetime(2040, 1, 1, tzinfo=UTC) <= clock.now() < datetime(2040, 1, 2, tzinfo=UTC)


def test_a_record_is_stamped_with_the_orgs_time(org: Org) -> None:
    """Every system field is filled, in whole seconds of the org's clock."""
    org.clock.set(datetime(2026, 2, 3, 4, 5, 6, 789_000, tzinfo=UTC))
    identifier = org.insert("Account", {"Name": "Acme"})

    (row,) = org.rows("Account")
    stamps = {row[name] for name in ("CreatedDate", "LastModifiedDate", "SystemModstamp")}
    assert stamps == {"2026-02-03T04:05:06.000Z"}
    assert row["Id"] == identifier
    assert row["IsDeleted"] is False
    assert row["CreatedById"] == row["OwnerId"] == org.users["admin@example.com"].id


def test_a_late_commit_bears_the_stamp_of_its_beginning(org: Org) -> None:
    """A record may become visible with a stamp older than records seen before."""
    early = org.clock.now() - timedelta(minutes=7)
    org.insert("Account", {"Name": "late"}, at=early)

    assert org.rows("Account")[0]["SystemModstamp"] == "2026-01-01T07:53:00.000Z"


def test_an_import_keeps_its_own_dates(org: Org) -> None:
    """Audit fields given with a record win over the org's clock."""
    org.insert("Account", {"Name": "old", "CreatedDate": datetime(1999, 12, 31, tzinfo=UTC)})

    (row,) = org.rows("Account")
    assert row["CreatedDate"] == "1999-12-31T00:00:00.000Z"
    assert row["SystemModstamp"] == "2026-01-01T08:00:00.000Z"


def test_a_formula_changes_without_a_stamp(org: Org) -> None:
    """Without touch, a value changes and no date tells."""
    identifier = org.insert("Account", {"Name": "a"})
    org.clock.advance(timedelta(hours=1))
    org.update("Account", identifier, {"Description": "computed"}, touch=False)
    untouched = org.rows("Account")[0]
    org.update("Account", identifier, {"Description": "written"})
    touched = org.rows("Account")[0]

    assert untouched["Description"] == "computed"
    assert untouched["SystemModstamp"] == "2026-01-01T08:00:00.000Z"
    assert touched["SystemModstamp"] == touched["LastModifiedDate"] == "2026-01-01T09:00:00.000Z"


def test_delete_and_undelete_move_the_stamp(org: Org) -> None:
    """Both ways through the Recycle Bin bump SystemModstamp, and a hard delete leaves nothing."""
    identifier = org.insert("Account", {"Name": "a"})
    org.clock.advance(timedelta(hours=1))
    org.delete("Account", identifier)
    (deleted,) = org.rows("Account")
    org.clock.advance(timedelta(hours=1))
    org.undelete("Account", identifier)
    (back,) = org.rows("Account", deleted=False)
    org.hard_delete("Account", identifier)

    assert (deleted["IsDeleted"], deleted["SystemModstamp"]) == (True, "2026-01-01T09:00:00.000Z")
    assert (back["IsDeleted"], back["SystemModstamp"]) == (False, "2026-01-01T10:00:00.000Z")
    assert org.rows("Account") == []


def test_values_are_kept_as_salesforce_keeps_them(org: Org) -> None:
    """Empty text is null, e-mail is lower-case, a person's name is made of its parts, booleans are never null."""
    org.insert("Contact", {"FirstName": "Ada", "LastName": "King", "Email": "ADA@Example.COM", "Title": ""})

    (row,) = org.rows("Contact")
    assert (row["Name"], row["Email"], row["Title"], row["IsDeleted"]) == ("Ada King", "ada@example.com", None, False)


def test_rows_tell_numbers_exactly(org: Org) -> None:
    """The truth has the digits that were put in, whichever way they are printed."""
    org.insert("Account", {"Name": "a", "AnnualRevenue": Decimal("1234567890123456.78")})
    org.insert("Account", {"Name": "b", "AnnualRevenue": Number(rest="950000000.0", bulk="9.5E8")})

    assert [row["AnnualRevenue"] for row in org.rows("Account")] == [
        Decimal("1234567890123456.78"),
        Number(rest="950000000.0", bulk="9.5E8"),
    ]


def test_a_field_nobody_described_is_refused(org: Org) -> None:
    """A test that misspells a field hears of it."""
    with pytest.raises(KeyError, match="Nmae"):
        org.insert("Account", {"Nmae": "a"})


def test_rows_come_in_id_order_however_they_were_put_in(org: Org) -> None:
    """Ids given by hand find their place among the others."""
    ids = [org.insert("Account", {"Name": str(number)}) for number in range(3)]
    before = org.insert("Account", {"Name": "first", "Id": long_form("001000000000001")})

    assert [row["Id"] for row in org.rows("Account")] == [before, *ids]
