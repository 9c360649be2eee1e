"""
WHERE as a function of a record.

Text is compared without regard to case, ids with it; null is a value like others, so `!= 'x'` holds for it.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import reduce
from typing import TYPE_CHECKING, Any

from tap_salesforce_ci.demo.ids import canonical
from tap_salesforce_ci.demo.soql.dates import stretch
from tap_salesforce_ci.demo.soql.syntax import Comparison, Condition, Junction, Negation
from tap_salesforce_ci.demo.soql.tokens import pattern_of, text_of
from tap_salesforce_ci.demo.values import IDS, NUMBERS, Number, moment

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_salesforce_ci.demo.refusals import SalesforceError
    from tap_salesforce_ci.demo.sobject import Field, Row
    from tap_salesforce_ci.demo.soql.names import Names
    from tap_salesforce_ci.demo.soql.tokens import Token

    Predicate = Callable[[Row], bool]

_ORDERED: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_UNORDERED = frozenset({"boolean", "multipicklist"})
_NOT_TEXT = NUMBERS | {"boolean", "date", "datetime", "time"} | IDS
_LITERAL = {"time": "time", "boolean": "name"} | dict.fromkeys(NUMBERS, "number")
_SAID = {"datetime": "dateTime", "int": "int", "long": "long", "currency": "double", "percent": "double"}


def comparable(kind: str) -> Callable[[Any], Any]:
    """How a value of this type is seen when it is compared or sorted; never asked about null."""
    if kind in NUMBERS:
        return lambda value: value.value if isinstance(value, Number) else value
    if kind in _NOT_TEXT:
        return lambda value: value
    return lambda value: str(value).lower()


@dataclass(frozen=True)
class Conditions:
    """The conditions of one query, on one day."""

    names: Names
    today: date

    def predicate(self, condition: Condition | None) -> Predicate:
        """Whether a record satisfies the condition."""
        if condition is None:
            return lambda _: True
        if isinstance(condition, Negation):
            inner = self.predicate(condition.condition)
            return lambda row: not inner(row)
        if isinstance(condition, Junction):
            return _joined(condition.word, [self.predicate(each) for each in condition.conditions])
        return self._comparison(condition)

    def _comparison(self, comparison: Comparison) -> Predicate:
        column = self.names.column(comparison.path)
        read = column.reader(self.names.objects)
        test = self._test(comparison, column.field)
        return lambda row: test(read(row))

    def _test(self, comparison: Comparison, field: Field) -> Callable[[Any], bool]:
        self._check(comparison, field)
        if comparison.operator == "LIKE":
            return _like(comparison.values[0])
        literals = [self._literal(comparison, field, token) for token in comparison.values]
        if comparison.operator in {"INCLUDES", "EXCLUDES"}:
            return _includes(comparison.operator, literals)
        if comparison.operator in {"IN", "NOT IN"}:
            return _among(comparison.operator, literals, comparable(field.type))
        return _compare(comparison.operator, literals[0], comparable(field.type))

    def _check(self, comparison: Comparison, field: Field) -> None:
        token, word = comparison.path.token, comparison.operator
        if not field.filterable:
            text = f"field '{field.name}' can not be filtered in a query call"
            raise self.names.refuse(token, "INVALID_FIELD", text)
        invalid = (
            (word == "LIKE" and field.type in _NOT_TEXT)
            or (word in _ORDERED and field.type in _UNORDERED)
            or (word in {"INCLUDES", "EXCLUDES"} and field.type != "multipicklist")
        )
        if invalid:
            text = f"invalid operator on {_SAID.get(field.type, field.type)} field"
            raise self.names.refuse(token, "INVALID_QUERY_FILTER_OPERATOR", text)
        if word == "LIKE" and comparison.values[0].kind != "text":
            raise self._wrong_type(comparison, field, comparison.values[0])

    def _literal(self, comparison: Comparison, field: Field, token: Token) -> Any:
        """The value a literal means for this field: a plain value, or a half-open stretch of days."""
        if token.word == "NULL":
            return None
        if field.type in {"date", "datetime"} and token.kind != "text":
            return self._in_time(comparison, field, token)
        if token.kind == _LITERAL.get(field.type):
            return self._typed(comparison, field, token)
        if token.kind != "text" or field.type in _NOT_TEXT - IDS:
            raise self._wrong_type(comparison, field, token)
        return self._text(comparison, field, text_of(token.text))

    def _in_time(self, comparison: Comparison, field: Field, token: Token) -> Any:
        try:
            days = stretch(token.text.upper(), self.today)
            if days:
                return _Stretch(*(self._day(field, day) for day in days))
            if field.type == "datetime" and token.kind == "moment":
                return _moment_key(token.text)
            if field.type == "date" and token.kind == "date":
                return date.fromisoformat(token.text).isoformat()
        except (OverflowError, ValueError):
            raise self.names.refuse(token, "INVALID_FIELD", f"Invalid date: {token.text}") from None
        raise self._wrong_type(comparison, field, token)

    def _typed(self, comparison: Comparison, field: Field, token: Token) -> Any:
        if field.type in NUMBERS:
            return Decimal(token.text)
        if field.type == "boolean":
            if token.word not in {"TRUE", "FALSE"}:
                raise self._wrong_type(comparison, field, token)
            return token.word == "TRUE"
        return _time_key(token.text)

    def _text(self, comparison: Comparison, field: Field, text: str) -> Any:
        if not text:
            return None
        if field.type not in IDS:
            return text.lower()
        identifier = canonical(text)
        if identifier is None:
            message = f"invalid ID field: {text}"
            raise self.names.refuse(comparison.path.token, "INVALID_QUERY_FILTER_OPERATOR", message)
        return identifier

    def _wrong_type(self, comparison: Comparison, field: Field, token: Token) -> SalesforceError:
        kind = _SAID.get(field.type, field.type if field.type in _NOT_TEXT - IDS else "string")
        quotes = "should be enclosed in quotes" if kind == "string" else "should not be enclosed in quotes"
        text = f"value of filter criterion for field '{field.name}' must be of type {kind} and {quotes}"
        return self.names.refuse(comparison.path.token if token.kind == "text" else token, "INVALID_FIELD", text)

    @staticmethod
    def _day(field: Field, day: date) -> str:
        return day.isoformat() if field.type == "date" else f"{day.isoformat()}T00:00:00.000Z"


@dataclass(frozen=True)
class _Stretch:
    """Days between two, the second excluded."""

    start: str
    end: str

    def __eq__(self, value: object) -> bool:
        return isinstance(value, str) and self.start <= value < self.end

    def __hash__(self) -> int:
        return hash((self.start, self.end))

    def edge(self, word: str) -> tuple[str, str]:
        """The comparison with a single value that `word` means against the whole stretch."""
        return {"<": ("<", self.start), "<=": ("<", self.end), ">": (">=", self.end), ">=": (">=", self.start)}[word]


def _moment_key(text: str) -> str:
    when = moment(text)
    return when.strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0") + f".{when.microsecond // 1000:03d}Z"


def _time_key(text: str) -> str:
    whole, _, fraction = text.rstrip("Zz").partition(".")
    return f"{whole}.{fraction[:3].ljust(3, '0')}Z"


def _joined(word: str, parts: list[Predicate]) -> Predicate:
    return reduce(_both if word == "AND" else _either, parts)


def _both(one: Predicate, other: Predicate) -> Predicate:
    return lambda row: one(row) and other(row)


def _either(one: Predicate, other: Predicate) -> Predicate:
    return lambda row: one(row) or other(row)


def _like(token: Token) -> Callable[[Any], bool]:
    matches = pattern_of(token.text).fullmatch
    return lambda value: value is not None and matches(str(value)) is not None


def _includes(word: str, literals: list[Any]) -> Callable[[Any], bool]:
    wanted = [set(literal.split(";")) for literal in literals if literal]

    def includes(value: Any) -> bool:
        chosen = set(value.lower().split(";")) if value else set()
        return any(each <= chosen for each in wanted)

    return includes if word == "INCLUDES" else lambda value: not includes(value)


def _among(word: str, literals: list[Any], key: Callable[[Any], Any]) -> Callable[[Any], bool]:
    stretches = [each for each in literals if isinstance(each, _Stretch)]
    values = {each for each in literals if not isinstance(each, _Stretch)}

    def among(value: Any) -> bool:
        seen = None if value is None else key(value)
        return seen in values or any(each == seen for each in stretches)

    return among if word == "IN" else lambda value: not among(value)


def _compare(word: str, literal: Any, key: Callable[[Any], Any]) -> Callable[[Any], bool]:
    if word == "=":
        return lambda value: literal == (None if value is None else key(value))
    if word == "!=":
        return lambda value: literal != (None if value is None else key(value))
    if literal is None:
        return lambda _: False
    if isinstance(literal, _Stretch):
        word, literal = literal.edge(word)
    holds = _ORDERED[word]
    return lambda value: value is not None and holds(key(value), literal)
