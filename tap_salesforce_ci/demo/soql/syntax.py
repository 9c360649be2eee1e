"""The syntax tree of a query: what was written, before anyone asked whether it makes sense."""

from __future__ import annotations

from dataclasses import dataclass

from tap_salesforce_ci.demo.soql.tokens import Token

Value = Token


@dataclass(frozen=True)
class Path:
    """A field, perhaps of a parent: `Name`, `Account.Owner.Name`."""

    token: Token

    @property
    def steps(self) -> tuple[str, ...]:
        """The names between the dots."""
        return tuple(self.token.text.split("."))


@dataclass(frozen=True)
class Call:
    """A function over a field: `COUNT()`, `COUNT(Id) total`, `FIELDS(ALL)`."""

    token: Token
    argument: Path | None
    alias: str | None

    @property
    def name(self) -> str:
        """The function's name in upper case."""
        return self.token.word


@dataclass(frozen=True)
class Children:
    """A query of the child records: `(SELECT Id FROM Contacts)`."""

    query: Select


@dataclass(frozen=True)
class TypeOf:
    """A choice of fields by what a reference points to."""

    token: Token


@dataclass(frozen=True)
class Comparison:
    """A field against one literal, or against several for IN."""

    path: Path
    operator: str
    values: tuple[Value, ...]


@dataclass(frozen=True)
class Negation:
    """NOT of a condition."""

    condition: Condition


@dataclass(frozen=True)
class Junction:
    """Conditions joined by AND or by OR."""

    word: str
    conditions: tuple[Condition, ...]


Condition = Comparison | Negation | Junction
Item = Path | Call | Children | TypeOf


@dataclass(frozen=True)
class Order:
    """One field to sort by."""

    path: Path
    descending: bool
    nulls_last: bool


@dataclass(frozen=True)
class Select:
    """A whole query."""

    soql: str
    items: tuple[Item, ...]
    source: Token
    alias: str | None
    where: Condition | None
    group: tuple[Path, ...]
    order: tuple[Order, ...]
    limit: int | None
    offset: int | None
