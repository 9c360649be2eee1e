"""Values that are hard to carry unharmed from Salesforce to a warehouse, one record of Every_Type__c each."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tap_salesforce_ci.demo.ids import long_form
from tap_salesforce_ci.demo.values import Number

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tap_salesforce_ci.demo.org import Org

LONG, LONGEST = 32_000, 131_072
TEXTS = (
    'a "quoted" word',
    '""',
    '"',
    "it's; a, comma",
    "line\nfeed",
    "carriage\r\nreturn",
    "old\rMac",
    "\ttab\tin\tbetween",
    "\x01\x07\x1b control",
    "back\\slash \\n \\u0041",
    "null",
    "NULL",
    "None",
    "N/A",
    "NA",
    "n/a",
    "NaN",
    "nan",
    "inf",
    "-",
    "true",
    "False",
    "007",
    "1e5",
    "0x1F",
    "1,234.50",
    "2024-01-01",
    "2024-01-01T00:00:00.000Z",
    "12:00:00",
    "=1+1",
    "\\N",
    "#N/A",
    " leading and trailing ",
    "\u00a0no break\u00a0",
    "astral \U0001f600\U00020000",
    "combining e\u0301 against \u00e9",
    "\u05e9\u05dc\u05d5\u05dd \u202eright to left\u202c",
    "line\u2028separator\u2029paragraph\u0085next",
    "zero\u200bwidth\ufeff",
    '{"json": [1, null]}',
    "<b>html & more</b>",
    "100 % %s {0} ${x}",
    "Id,Name\nheader,again",
)
NUMBERS: tuple[Decimal | Number | int, ...] = (
    0,
    Decimal("-0.0"),
    Decimal("0.1"),
    Decimal("1234567890123456.78"),
    Decimal("-1234567890123456.78"),
    Decimal(999_999_999_999_999_999),
    Decimal("0.123456789012345678"),
    Decimal("3.00"),
    Number(rest="950000000.0", bulk="9.5E8"),
    Number(rest="1.0E-7", bulk="1.0E-7"),
    Number(rest="1.7976931348623157E308", bulk="1.7976931348623157E308"),
)
INTEGERS = (0, -1, 7, 2_147_483_647, -2_147_483_648)
LONGS = (0, 9_007_199_254_740_993, 9_223_372_036_854_775_807, -9_223_372_036_854_775_808)
DATES = ("0001-01-01", "1582-10-15", "1700-01-01", "1969-12-31", "1970-01-01", "2000-02-29", "4000-12-31")
MOMENTS = (
    "1700-01-01T00:00:00.000Z",
    "1969-12-31T23:59:59.000Z",
    "1970-01-01T00:00:00.000Z",
    "2016-12-31T23:59:59.000Z",
    "2024-02-29T12:00:00.000Z",
    "4000-12-31T23:59:59.000Z",
)
TIMES = ("00:00:00.000Z", "13:05:30.000Z", "23:59:59.999Z")
ANYTHING = ("text", True, False, 7, Decimal("12.5"), None, "2024-01-01", "null", 'a "quoted" word')
PLACES = ((Decimal("37.775"), Decimal("-122.418")), (Decimal(0), Decimal("-0.5")), (None, None))
CASE_TWINS = ("a02Hs0000ZzZzZz", "a02Hs0000zZzZzZ")
"""Two ids that are one where upper and lower case are the same."""

WIDE_ROWS = 12
WIDE_VALUES: dict[str, tuple[Any, ...]] = {
    "string": (None, "yes, but", "0", 'so "so"'),
    "double": (None, Decimal("-0.0"), Decimal("12345678901234.56")),
    "boolean": (False, True),
    "date": (None, "1700-01-01", "2024-02-29"),
    "picklist": (None, "Yes", "No", "Do not know"),
    "textarea": (None, "first line\nsecond line", "n/a"),
}


def hard_rows() -> Iterator[dict[str, Any]]:
    """
    Records of Every_Type__c that hold every value above at least once.

    The first has nothing but what it must have; chance has no part in any.
    """
    for number, row in enumerate(_rows()):
        yield {**row, "Auto_Number__c": f"E-{number:05d}"}


def populate(org: Org) -> None:
    """
    The hard records of Every_Type__c and some of Wide__c.

    All bear one and the same SystemModstamp, so that wherever a page ends, it ends between equals.
    """
    moment = org.clock.now()
    for row in hard_rows():
        org.insert("Every_Type__c", row, at=moment)
    wide = [each for each in org.object("Wide__c").stored if each.custom]
    for number in range(WIDE_ROWS):
        answers = {each.name: _turn(WIDE_VALUES[each.type], number + place) for place, each in enumerate(wide)}
        org.insert("Wide__c", {"Name": f"Form {number + 1}", **answers}, at=moment)


def _rows() -> Iterator[dict[str, Any]]:
    yield {}
    for number in range(max(len(TEXTS), len(NUMBERS))):
        yield {**_texts(number), **_numbers(number), **_moments(number), **_structures(number)}
    yield from _long_texts()
    for twin in CASE_TWINS:
        yield {"Id": long_form(twin), "Name": twin}


def _turn(values: Sequence[Any], number: int) -> Any:
    return values[number % len(values)]


def _texts(number: int) -> dict[str, Any]:
    text = _turn(TEXTS, number)
    name = text.strip()[:80]
    return {
        "Name": name,
        "Text__c": text,
        "Text_Area__c": f"{text}\n{text}",
        "Long_Text__c": f"{text}\r\n" * 3,
        "Rich_Text__c": f"<p>{text}</p>",
        "Picklist__c": _turn((None, "first", "007", "null"), number),
        "Multi_Picklist__c": _turn((None, "four", "four;six", "four;five;six;a b"), number),
        "Combobox__c": text,
        "Phone__c": text[:40],
        "Url__c": f"https://example.com/?q={number}&text={text}",
        "Email__c": f"first.last+{number}@example.com",
        "Encrypted__c": f"********{number:04d}",
        "Data_Category__c": _turn((None, "Europe", "All"), number),
        "External_Key__c": f"Key-{number}",
        "Formula_Text__c": f"{name} / {text}",
        "Hologram__c": text,
        "Any_Value__c": _turn(ANYTHING, number),
    }


def _numbers(number: int) -> dict[str, Any]:
    exact = _turn(NUMBERS, number)
    return {
        "Checkbox__c": number % 2 == 1,
        "Currency__c": _turn((*NUMBERS[:5], None), number),
        "Wide_Currency__c": _turn((Decimal(999_999_999_999_999_999), NUMBERS[8], None), number),
        "Integer__c": _turn((*INTEGERS, None), number),
        "Long__c": _turn((*LONGS, None), number),
        "Number__c": exact,
        "Precise_Number__c": _turn((Decimal("0.12345678901234567"), NUMBERS[9], None), number),
        "Whole_Number__c": Decimal(number),
        "Percent__c": _turn((Decimal("12.5"), Decimal(100), Decimal("-0.0001"), None), number),
        "Formula_Number__c": exact,
    }


def _moments(number: int) -> dict[str, Any]:
    return {
        "Date__c": _turn((*DATES, None), number),
        "Date_Time__c": _turn((*MOMENTS, None), number),
        "Changed_At__c": _turn((None, MOMENTS[4]), number),
        "Time__c": _turn((*TIMES, None), number),
    }


def _structures(number: int) -> dict[str, Any]:
    latitude, longitude = _turn(PLACES, number)
    return {
        "Place__Latitude__s": latitude,
        "Place__Longitude__s": longitude,
        "HomeStreet": _turn((None, '1 "Old" Road\r\nFlat 2'), number),
        "HomeCity": _turn((None, "São Paulo", "東京"), number),
        "HomeLatitude": latitude,
        "HomeLongitude": longitude,
        "File__c": _turn((None, b"", bytes(range(256))), number),
        "Json__c": _turn((None, '{"a": [1, null, "x"]}'), number),
        "Complex__c": _turn((None, {"kind": "Custom", "values": [1, None, "x"]}), number),
        "Junction_Ids__c": _turn((None, [long_form(twin) for twin in CASE_TWINS]), number),
    }


def _long_texts() -> Iterator[dict[str, Any]]:
    for length in (LONG, LONGEST):
        text = 'a "long" story,\r\nü'
        story = (text * (length // len(text) + 1))[: length - 1] + "."
        yield {"Name": f"{length} characters", "Long_Text__c": story, "Rich_Text__c": story[:LONG]}
