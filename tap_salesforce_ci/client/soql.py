"""
A query as a value: quoting, and the length that a URL can carry.

Source: SOQL and SOSL Reference, "Quoted String Escape Sequences" and "Date Formats and Date Literals in WHERE".
Nothing else in the tap writes SOQL.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone

from tap_salesforce_ci.errors import UserError

NAME = re.compile(r"[A-Za-z]\w*(\.[A-Za-z]\w*)*", re.ASCII)
TOKEN = re.compile(r"'(?:\\.|[^'\\])*'|[()]|[A-Za-z_][\w.]*|\S", re.ASCII | re.DOTALL)
CLAUSES = frozenset({"GROUP", "HAVING", "ORDER", "LIMIT", "OFFSET", "FOR", "UPDATE", "WITH", "SELECT", "FROM", "WHERE"})


def name(text: str) -> str:
    """
    Return an object's or field's API name, once it is seen to be one.

    Raises UserError for a text that could be more than a name.
    """
    if NAME.fullmatch(text) is None:
        raise UserError(
            f"{text!r} is not the API name of an object or a field.",
            remedy="Refresh the catalog: a name has only letters, digits and underscores.",
        )
    return text


def moment(value: datetime) -> str:
    """Return a dateTime literal: UTC, whole seconds unless there is a fraction."""
    utc = value.astimezone(timezone.utc)
    text = utc.strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0")
    return f"{text}.{utc.microsecond // 1000:03d}Z" if utc.microsecond else f"{text}Z"


@dataclass(frozen=True, slots=True)
class Condition:
    """A piece of a WHERE clause, whole in itself; made only by the functions of this module."""

    text: str

    def __str__(self) -> str:
        return self.text


def at_least(field: str, value: datetime) -> Condition:
    """Say `field >= value`."""
    return Condition(f"{name(field)} >= {moment(value)}")


def before(field: str, value: datetime) -> Condition:
    """Say `field < value`."""
    return Condition(f"{name(field)} < {moment(value)}")


def is_null(field: str) -> Condition:
    """Say `field = null`."""
    return Condition(f"{name(field)} = null")


def is_not_null(field: str) -> Condition:
    """Say `field != null`."""
    return Condition(f"{name(field)} != null")


def is_id(value: str) -> Condition:
    """
    Say `Id = value`.

    Raises UserError for a text that is no Salesforce id.
    """
    return Condition(f"Id = {_id(value)}")


def id_at_least(value: str) -> Condition:
    """Say `Id >= value`; raises UserError for a text that is no Salesforce id."""
    return Condition(f"Id >= {_id(value)}")


def id_before(value: str) -> Condition:
    """Say `Id < value`; raises UserError for a text that is no Salesforce id."""
    return Condition(f"Id < {_id(value)}")


def _id(value: str) -> str:
    if not (value.isascii() and value.isalnum()):
        raise UserError(f"{value[:40]!r} is no Salesforce id.", remedy="Run again; report it if it stays.")
    return f"'{value}'"


def either(*conditions: Condition) -> Condition:
    """Say that one of the conditions holds."""
    return Condition("(" + " OR ".join(map(str, conditions)) + ")")


def both(*conditions: Condition) -> Condition:
    """Say that all of the conditions hold."""
    return conditions[0] if len(conditions) == 1 else Condition("(" + " AND ".join(map(str, conditions)) + ")")


def given(text: str, where: str) -> Condition:
    """
    Return a condition that the user wrote, in parentheses it can't break out of.

    Raises UserError, placed at `where`, for unbalanced quotes or parentheses and for other clauses than a condition.
    """
    depth = 0
    for word in TOKEN.findall(text):
        depth += {"(": 1, ")": -1}.get(word, 0)
        if depth < 0 or word == "'" or (depth == 0 and word.upper() in CLAUSES):
            depth = -1
            break
    if depth or not text.strip():
        raise UserError(
            "This is not one whole SOQL condition.",
            where=where,
            remedy="Write what would stand behind WHERE, for example: StageName = 'Closed Won'.",
        )
    return Condition(f"({text.strip()})")


@dataclass(frozen=True, slots=True)
class Query:
    """A SOQL query on one object. The order of `fields` is the order of the columns; without any, rows are counted."""

    object: str
    fields: Sequence[str]
    where: tuple[Condition, ...] = ()
    order: tuple[str, ...] = ()
    limit: int | None = None
    descending: bool = False

    def __str__(self) -> str:
        selected = ",".join(map(name, self.fields)) or "COUNT()"
        parts = [f"SELECT {selected} FROM {name(self.object)}"]  # noqa: S608 - every part is checked to be a name
        if self.where:
            parts.append("WHERE " + " AND ".join(map(str, self.where)))
        if self.order:
            parts.append("ORDER BY " + ", ".join(map(name, self.order)) + (" DESC" if self.descending else ""))
        if self.limit is not None:
            parts.append(f"LIMIT {self.limit:d}")
        return " ".join(parts)

    def split(self, most: int, *, keep: Sequence[str]) -> list[Query]:
        """
        Return queries whose fields together are ours, each no longer than `most` characters.

        Every one selects the `keep` fields too, so that the rows can be put together again.
        """
        room = most - len(str(replace(self, fields=tuple(keep))))
        parts: list[list[str]] = [[]]
        used = 0
        for field in (field for field in self.fields if field not in keep):
            if used + len(field) + 1 > room and parts[-1]:
                parts.append([])
                used = 0
            parts[-1].append(field)
            used += len(field) + 1
        return [replace(self, fields=(*keep, *part)) for part in parts]
