"""What people note down of their days: calls, letters and meetings."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from tap_salesforce_ci.demo.departments.vocabulary import CALL_NOTES
from tap_salesforce_ci.demo.diary import UTC

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_salesforce_ci.demo.diary import Company


def call(company: Company, about: Mapping[str, Any], *, by: str) -> str:
    """A call that was made; `about` holds WhoId, WhatId and AccountId as far as they are known."""
    chance = company.chance
    return company.record(
        "Task",
        {
            **about,
            "Subject": "Call",
            "ActivityDate": company.now.date(),
            "Status": "Completed",
            "Priority": "Normal",
            "IsClosed": True,
            "TaskSubtype": "Call",
            "CallType": "Outbound",
            "CallDurationInSeconds": chance.randrange(20, 1800),
            "CallDisposition": chance.choice(("Reached", "Voicemail", "No answer", None)),
            "Description": chance.choice((None, *CALL_NOTES)),
            "CompletedDateTime": company.now,
            "OwnerId": by,
        },
        by=by,
    )


def promise(company: Company, about: Mapping[str, Any], *, by: str) -> str:
    """Something to do within days, and usually done."""
    due = company.now + timedelta(days=company.chance.randrange(1, 8))
    subject = company.chance.choice(("Send Quote", "Send Letter", 'Ask for the "final" numbers', "Follow up"))
    task = company.record(
        "Task",
        {
            **about,
            "Subject": subject,
            "ActivityDate": due.date(),
            "Status": "Not Started",
            "Priority": company.chance.choice(("High", "Normal", "Normal", "Low")),
            "TaskSubtype": "Task",
            "OwnerId": by,
        },
        by=by,
    )
    if company.happens(0.9):
        company.plan_within((1, 9), lambda: keep_promise(company, task, by=by))
    return task


def keep_promise(company: Company, task: str, *, by: str) -> None:
    """Tick a task off."""
    done = {"Status": "Completed", "IsClosed": True, "CompletedDateTime": company.now}
    company.revise("Task", task, done, by=by)


def meeting(company: Company, about: Mapping[str, Any], *, by: str) -> str:
    """An appointment some days ahead, which may still be moved."""
    start = company.office_hour(company.now + timedelta(days=company.chance.randrange(1, 10)))
    minutes = company.chance.choice((30, 30, 45, 60, 90))
    event = company.record(
        "Event",
        {
            **about,
            **_slot(start, minutes),
            "Subject": company.chance.choice(("Meeting", "Demo", "Call", "Lunch & learn")),
            "Location": company.chance.choice((None, "Video call", "Our office, room 3/4", "Café Zoë")),
            "ShowAs": "Busy",
            "GroupEventType": "0",
            "EventSubtype": "Event",
            "OwnerId": by,
        },
        by=by,
    )
    if company.happens(0.15):
        later = start + timedelta(days=7)
        company.plan_within((0, 1), lambda: company.revise("Event", event, _slot(later, minutes), by=by))
    return event


def wait_for_new_year(company: Company) -> None:
    """Plan what happens in the next New Year's night."""
    night = datetime(company.now.year + 1, 1, 1, 3, tzinfo=UTC)
    company.plan(night, lambda: silence_reminders(company))


def silence_reminders(company: Company) -> None:
    """
    On New Year's night a process switches off the reminders of all tasks.

    One transaction, one SystemModstamp: more records share it than a page of REST holds.
    """
    for task, row in list(company.org.object("Task").rows.items()):
        if not row["IsDeleted"]:
            company.process("Task", task, {"IsReminderSet": False})
    wait_for_new_year(company)


def _slot(start: Any, minutes: int) -> dict[str, Any]:
    end = start + timedelta(minutes=minutes)
    return {
        "ActivityDateTime": start,
        "ActivityDate": start.date(),
        "StartDateTime": start,
        "EndDateTime": end,
        "EndDate": end.date(),
        "DurationInMinutes": minutes,
    }
