"""
Stretches of Salesforce Ids, half open: `since <= Id < until`.

Source: Salesforce Help, "What is a Record ID": the first 15 characters of an Id count, each of 62, in the order of
ASCII. The rest of an 18-character Id is a checksum.
"""

from __future__ import annotations

import string
from dataclasses import dataclass

DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
LENGTH = 15


@dataclass(frozen=True, slots=True)
class IdRange:
    """What part of a table is read; an end that is None is open."""

    since: str | None = None
    until: str | None = None


def number_of(identifier: str) -> int | None:
    """Return an Id's place among all Ids; None for a text that is no Id."""
    number = 0
    if len(identifier) < LENGTH:
        return None
    for character in identifier[:LENGTH]:
        digit = DIGITS.find(character)
        if digit < 0:
            return None
        number = number * len(DIGITS) + digit
    return number


def id_at(number: int) -> str | None:
    """Return the Id (15 characters) at a place; None for a place behind all Ids."""
    if number >= len(DIGITS) ** LENGTH:
        return None
    characters = []
    for _ in range(LENGTH):
        number, digit = divmod(number, len(DIGITS))
        characters.append(DIGITS[digit])
    return "".join(reversed(characters))
