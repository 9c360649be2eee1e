"""
Record ids: 15 case-sensitive characters, and the 18-character form that survives a spreadsheet.

The last three characters say which of the first fifteen are upper-case
(https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/field_types.htm).
"""

from __future__ import annotations

from string import ascii_lowercase, ascii_uppercase, digits

# Ids ascend in ASCII order, which is why keyset paging on Id works.
ALPHABET = digits + ascii_uppercase + ascii_lowercase
_CHECK = ascii_uppercase + "012345"
_POD = "Hs0000"
SHORT, LONG = 15, 18


def record_id(prefix: str, number: int) -> str:
    """The 18-character id of an object's nth record."""
    tail = ""
    for _ in range(SHORT - len(prefix) - len(_POD)):
        number, digit = divmod(number, len(ALPHABET))
        tail = ALPHABET[digit] + tail
    return long_form(prefix + _POD + tail)


def long_form(short: str) -> str:
    """The 18-character form of a 15-character id."""
    check = ""
    for start in range(0, SHORT, 5):
        bits = sum(1 << place for place, char in enumerate(short[start : start + 5]) if char in ascii_uppercase)
        check += _CHECK[bits]
    return short + check


def canonical(text: str) -> str | None:
    """The 18-character form of a valid id of either length, None for anything else."""
    if len(text) not in {SHORT, LONG} or not all(char in ALPHABET for char in text):
        return None
    whole = long_form(text[:SHORT])
    return whole if len(text) == SHORT or whole.upper() == text.upper() else None
