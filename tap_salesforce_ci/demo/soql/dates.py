"""
SOQL's named stretches of time, `TODAY` to `LAST_N_YEARS:3`.

https://developer.salesforce.com/docs/atlas.en-us.soql_sosl.meta/soql_sosl/sforce_api_calls_soql_select_dateformats.htm
"""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_COUNTED = re.compile(r"(LAST|NEXT)_N_(DAY|WEEK|MONTH|QUARTER|YEAR)S:(\d+)|N_(DAY|WEEK|MONTH|QUARTER|YEAR)S_AGO:(\d+)")
_NAMED = re.compile(r"(LAST|THIS|NEXT)_(WEEK|MONTH|QUARTER|YEAR)")
_SINGLE = {"YESTERDAY": -1, "TODAY": 0, "TOMORROW": 1}
_SIDE = {"LAST": -1, "THIS": 0, "NEXT": 1}
_NINETY = timedelta(days=90)
_DAY = timedelta(days=1)


def stretch(word: str, today: date) -> tuple[date, date] | None:
    """The first day of a named stretch and the first day after it; None when the word names none."""
    if word in _SINGLE:
        start = today + _SINGLE[word] * _DAY
        return start, start + _DAY
    if word == "LAST_90_DAYS":
        return today - _NINETY, today + _DAY
    if word == "NEXT_90_DAYS":
        return today + _DAY, today + _DAY + _NINETY
    named = _NAMED.fullmatch(word)
    if named:
        step = _STEPS[named[2]]
        return step(today, _SIDE[named[1]]), step(today, _SIDE[named[1]] + 1)
    counted = _COUNTED.fullmatch(word)
    return _counted(counted, today) if counted else None


def _counted(parts: re.Match[str], today: date) -> tuple[date, date]:
    side, unit, count, ago_unit, ago = parts.groups()
    if ago_unit:
        step = _STEPS[ago_unit]
        return step(today, -int(ago)), step(today, 1 - int(ago))
    step, number = _STEPS[unit], int(count)
    if side == "NEXT":
        return step(today, 1), step(today, 1 + number)
    # LAST_N_DAYS runs to the end of today; longer units end where the present one begins.
    return step(today, -number), step(today, 1 if unit == "DAY" else 0)


def _day(today: date, by: int) -> date:
    return today + timedelta(days=by)


def _week(today: date, by: int) -> date:
    sunday = today - timedelta(days=(today.weekday() + 1) % 7)
    return sunday + timedelta(weeks=by)


def _month(today: date, by: int) -> date:
    months = today.year * 12 + today.month - 1 + by
    return date(months // 12, months % 12 + 1, 1)


def _quarter(today: date, by: int) -> date:
    return _month(today.replace(month=(today.month - 1) // 3 * 3 + 1, day=1), by * 3)


def _year(today: date, by: int) -> date:
    return date(today.year + by, 1, 1)


_STEPS: dict[str, Callable[[date, int], date]] = {
    "DAY": _day,
    "WEEK": _week,
    "MONTH": _month,
    "QUARTER": _quarter,
    "YEAR": _year,
}
