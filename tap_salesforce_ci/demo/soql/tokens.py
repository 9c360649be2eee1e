"""SOQL text as tokens."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from tap_salesforce_ci.demo.refusals import SalesforceError

Kind = Literal["moment", "date", "time", "number", "text", "name", "period", "sign", "end"]

_TOKEN = re.compile(
    r"""
    (?P<space>\s+)
  | (?P<moment>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)(?![\w:.]))
  | (?P<date>\d{4}-\d\d-\d\d(?![\w:.-]))
  | (?P<time>\d\d:\d\d:\d\d(?:\.\d+)?Z(?![\w:.]))
  | (?P<number>[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?![\w:.-]))
  | (?P<text>'(?:[^'\\]|\\.)*')
  | (?P<period>[A-Za-z]\w*:\d+)
  | (?P<name>[A-Za-z]\w*(?:\.[A-Za-z]\w*)*)
  | (?P<sign><=|>=|!=|<>|[=<>(),])
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_ESCAPED = {
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "b": "\b",
    "f": "\f",
    "'": "'",
    '"': '"',
    "\\": "\\",
    "_": "_",
    "%": "%",
}
_PIECE = re.compile(r"\\(?:u[0-9a-fA-F]{4}|.)|.", re.DOTALL)
_WILDCARDS = {"%": ".*", "_": "."}
# https://developer.salesforce.com/docs/atlas.en-us.salesforce_app_limits_cheatsheet.meta/
# salesforce_app_limits_cheatsheet/salesforce_app_limits_platform_soslsoql.htm
LONGEST_QUERY = 100_000
LONGEST_TEXT = 4_000


@dataclass(frozen=True)
class Token:
    """A word of a query and where in the text it stands."""

    kind: Kind
    text: str
    at: int

    @property
    def word(self) -> str:
        """The token as keywords are compared: without regard to case."""
        return self.text.upper() if self.kind == "name" else self.text


def tokens(soql: str) -> list[Token]:
    """Every token of a query, the end included."""
    if len(soql) > LONGEST_QUERY:
        raise SalesforceError("QUERY_TOO_COMPLICATED", "Query is either selecting too many fields or the filter "
                              "conditions are too complicated.")  # fmt: skip
    found: list[Token] = []
    at = 0
    while at < len(soql):
        match = _TOKEN.match(soql, at)
        if match is None:
            raise _unreadable(soql, at)
        if match.lastgroup != "space":
            found.append(Token(match.lastgroup, match.group(), at))  # type: ignore[arg-type]
        at = match.end()
    return [*found, Token("end", "<EOF>", len(soql))]


def _unreadable(soql: str, at: int) -> SalesforceError:
    line = soql.count("\n", 0, at) + 1
    column = at - (soql.rfind("\n", 0, at) + 1)
    char = "<EOF>" if soql[at] == "'" else soql[at]
    column = len(soql) if char == "<EOF>" else column
    return SalesforceError("MALFORMED_QUERY", f"line {line}:{column} no viable alternative at character '{char}'")


def text_of(literal: str) -> str:
    """
    The text a quoted literal stands for.

    https://developer.salesforce.com/docs/atlas.en-us.soql_sosl.meta/soql_sosl/sforce_api_calls_soql_select_quotedstringescapes.htm
    """
    text = _ESCAPE.sub(_char, literal[1:-1])
    if len(text) > LONGEST_TEXT:
        raise SalesforceError("INVALID_QUERY_FILTER_OPERATOR", "filter value exceeds the maximum length of 4000")
    return text


def pattern_of(literal: str) -> re.Pattern[str]:
    """What a LIKE literal matches: `%` for any text, `_` for any character, either taken literally when escaped."""
    pieces = (_pattern_piece(piece) for piece in _PIECE.finditer(literal[1:-1]))
    return re.compile("".join(pieces), re.IGNORECASE | re.DOTALL)


def _pattern_piece(piece: re.Match[str]) -> str:
    if piece.group() in _WILDCARDS:
        return _WILDCARDS[piece.group()]
    return re.escape(_ESCAPE.sub(_char, piece.group()))


def _char(match: re.Match[str]) -> str:
    escape = match.group(1)
    if len(escape) > 1:
        return chr(int(escape[1:], 16))
    if escape.lower() not in _ESCAPED:
        raise SalesforceError("MALFORMED_QUERY", f"Invalid string literal. Illegal character sequence '\\{escape}'.")
    return _ESCAPED[escape.lower()]
