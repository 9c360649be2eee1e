"""SOQL text to its syntax tree, refusing what Salesforce refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from tap_salesforce_ci.demo.refusals import SalesforceError
from tap_salesforce_ci.demo.soql.syntax import (
    Call,
    Children,
    Comparison,
    Condition,
    Item,
    Junction,
    Negation,
    Order,
    Path,
    Select,
    TypeOf,
    Value,
)
from tap_salesforce_ci.demo.soql.tokens import Token, tokens

if TYPE_CHECKING:
    from collections.abc import Callable

_Part = TypeVar("_Part")

_COMPARISONS = frozenset({"=", "!=", "<>", "<", "<=", ">", ">="})
_CLAUSES = frozenset({
    "FOR", "FROM", "GROUP", "HAVING", "LIMIT", "OFFSET", "ORDER", "USING", "WHERE", "WITH",
})  # fmt: skip
_FUNCTIONS = frozenset({"AVG", "COUNT", "COUNT_DISTINCT", "FIELDS", "MAX", "MIN", "SUM"})
_LITERALS = frozenset({"moment", "date", "time", "number", "text", "name", "period"})
LARGEST_OFFSET = 2_000


def parse(soql: str) -> Select:
    """The syntax tree of a query."""
    if not soql.strip():
        raise SalesforceError("MALFORMED_QUERY", "A query string has to be specified")
    return _Parser(soql).whole()


class _Parser:
    def __init__(self, soql: str) -> None:
        self._soql = soql
        self._tokens = tokens(soql)
        self._at = 0

    @property
    def _next(self) -> Token:
        return self._tokens[self._at]

    def whole(self) -> Select:
        query = self._select()
        if self._next.kind != "end":
            raise self._unexpected()
        return query

    def _select(self) -> Select:
        self._expect("SELECT")
        items = self._list(self._item)
        self._expect("FROM")
        source = self._object()
        where = group = order = None
        alias = self._alias()
        if self._take("WHERE"):
            where = self._condition()
        if self._take("GROUP"):
            self._expect("BY")
            group = self._list(self._path)
        if self._take("ORDER"):
            self._expect("BY")
            order = self._list(self._order)
        limit = self._count() if self._take("LIMIT") else None
        offset = self._offset() if self._take("OFFSET") else None
        return Select(self._soql, items, source, alias, where, group or (), order or (), limit, offset)

    def _item(self) -> Item:
        if self._take("("):
            query = self._select()
            self._expect(")")
            return Children(query)
        if self._next.word == "TYPEOF" and self._tokens[self._at + 1].kind == "name":
            return self._type_of()
        if self._next.word in _FUNCTIONS and self._tokens[self._at + 1].text == "(":
            return self._call()
        return self._path()

    def _call(self) -> Call:
        token = self._name()
        self._expect("(")
        argument = None if self._next.text == ")" else self._path()
        self._expect(")")
        return Call(token, argument, self._alias())

    def _type_of(self) -> TypeOf:
        token = self._next
        while not self._take("END"):
            if self._next.kind == "end":
                raise self._unexpected()
            self._at += 1
        return TypeOf(token)

    def _condition(self) -> Condition:
        """
        Conditions joined by one word only.

        Salesforce refuses `a AND b OR c`: it wants parentheses where both words meet.
        """
        first = self._factor()
        word = self._next.word
        if word not in {"AND", "OR"}:
            return first
        conditions = [first]
        while self._take(word):
            conditions.append(self._factor())
        if self._next.word in {"AND", "OR"}:
            raise self._unexpected()
        return Junction(word, tuple(conditions))

    def _factor(self) -> Condition:
        if self._take("NOT"):
            return Negation(self._factor())
        if self._take("("):
            inner = self._condition()
            self._expect(")")
            return inner
        return self._comparison()

    def _comparison(self) -> Comparison:
        path = self._path()
        token = self._next
        if token.text in _COMPARISONS:
            self._at += 1
            return Comparison(path, "!=" if token.text == "<>" else token.text, (self._value(),))
        if self._take("LIKE"):
            return Comparison(path, "LIKE", (self._value(),))
        if self._take("NOT"):
            self._expect("IN")
            return Comparison(path, "NOT IN", self._values())
        if token.word in {"IN", "INCLUDES", "EXCLUDES"}:
            self._at += 1
            return Comparison(path, token.word, self._values())
        raise self._unexpected()

    def _values(self) -> tuple[Value, ...]:
        self._expect("(")
        values = self._list(self._value)
        self._expect(")")
        return values

    def _value(self) -> Value:
        token = self._next
        if token.kind not in _LITERALS:
            raise self._unexpected()
        self._at += 1
        return token

    def _order(self) -> Order:
        path = self._path()
        descending = self._take("DESC")
        if not descending:
            self._take("ASC")
        nulls_last = False
        if self._take("NULLS"):
            nulls_last = self._next.word == "LAST"
            if not (self._take("FIRST") or self._take("LAST")):
                raise self._unexpected()
        return Order(path, descending, nulls_last)

    def _count(self) -> int:
        token = self._next
        if token.kind != "number" or not token.text.isdigit():
            raise self._unexpected()
        self._at += 1
        return int(token.text)

    def _offset(self) -> int:
        offset = self._count()
        if offset > LARGEST_OFFSET:
            raise SalesforceError("NUMBER_OUTSIDE_VALID_RANGE", f"Maximum SOQL offset allowed is {LARGEST_OFFSET}")
        return offset

    def _path(self) -> Path:
        token = self._next
        if token.kind != "name" or token.word in _CLAUSES:
            raise self._unexpected()
        self._at += 1
        return Path(token)

    def _object(self) -> Token:
        """The object's name, which may be a clause's word: Group and Order are objects."""
        token = self._next
        if token.kind != "name":
            raise self._unexpected()
        self._at += 1
        return token

    def _name(self) -> Token:
        return self._path().token

    def _alias(self) -> str | None:
        token = self._next
        if token.kind != "name" or token.word in _CLAUSES or "." in token.text:
            return None
        self._at += 1
        return token.text

    def _list(self, part: Callable[[], _Part]) -> tuple[_Part, ...]:
        parts = [part()]
        while self._take(","):
            parts.append(part())
        return tuple(parts)

    def _take(self, word: str) -> bool:
        taken = self._next.word == word and self._next.kind in {"name", "sign"}
        self._at += taken
        return taken

    def _expect(self, word: str) -> None:
        if not self._take(word):
            raise self._unexpected()

    def _unexpected(self) -> SalesforceError:
        token = self._next
        shown = token.text if self._at == 0 else f"'{token.text}'"
        return SalesforceError("MALFORMED_QUERY", f"unexpected token: {shown}")
