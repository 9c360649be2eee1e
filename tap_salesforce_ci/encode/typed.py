"""
Columns of text to columns of true types, for files that have them (Parquet, Arrow); exact, or not at all.

The plain twin is `plain`: the typed columns hold the values of its records.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from decimal import Context, Decimal, InvalidOperation
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from tap_salesforce_ci.encode.columns import SPELLING, Column, Kind

NUMBERS = (
    pa.decimal128(38, 18),
    pa.decimal128(38, 24),
    pa.decimal128(38, 30),
    pa.decimal256(76, 38),
    pa.string(),
)
"""
What a column of numbers is, the first that holds all its values digit for digit.

Salesforce's own limit is 18 digits (Object Reference, "Primitive Data Types"), but formulas have more behind the point:
a third of a thousandth is 3.3333333333333335E-4, twenty. A double would keep 15 to 17 digits of 18. Text, with the
digits as they are printed, is for what fits nowhere, such as 1.7976931348623157E308.
"""

ORDINARY_LENGTH = 24
ORDINARY_LEAST = 1e-20
"""Numbers that Arrow reads rightly, and as long as any that Salesforce prints: -1.7976931348623157E+308."""

MOMENT = pa.timestamp("ms", tz="UTC")
TIME_OF_DAY = pa.time32("ms")
TYPES = {"integer": pa.int64(), "boolean": pa.bool_(), "number": NUMBERS[0], "string": pa.string()}
FORMATS = {"date-time": MOMENT, "date": pa.date32(), "time": TIME_OF_DAY}

SECONDS_TOLD = 24
"""Characters of a dateTime; a shorter one may lack its seconds, which Arrow would take for none."""

MIDNIGHT = "1970-01-01T"
TABLE_VERSION = "_sdc_table_version"
"""Where targets of Meltano's SDK keep the version of a row, to drop older ones on ACTIVATE_VERSION."""


def arrow_type(described: Mapping[str, Any]) -> pa.DataType:
    """Return what a property of a JSON Schema is in Arrow; a number may become wider (see NUMBERS)."""
    written = described.get("type", "string")
    kinds = {written} if isinstance(written, str) else set(written)
    if "string" in kinds:
        return FORMATS.get(described.get("format", ""), pa.string())
    return next((found for kind, found in TYPES.items() if kind in kinds), pa.string())


class TypedColumns:
    """
    Types the columns of a stream, page by page, as its JSON Schema's `properties` say.

    With a `version`, every row carries it in `_sdc_table_version`. A column of numbers becomes wider when a value needs
    it, and stays so.
    """

    def __init__(
        self, columns: Sequence[Column], properties: Mapping[str, Mapping[str, Any]], version: int | None = None
    ) -> None:
        self._columns = tuple(columns)
        self._version = version
        self._types = {column.name: arrow_type(properties.get(column.name, {})) for column in columns}

    def typed(self, block: pa.RecordBatch) -> pa.RecordBatch:
        """
        Return a block of text columns (empty where there is no value) with their true types.

        Raises ValueError, naming the field, for a value that is not what the describe says it is.
        """
        arrays = {column.name: self._array(column, block) for column in self._columns}
        if self._version is not None:
            arrays[TABLE_VERSION] = pa.repeat(pa.scalar(self._version, pa.int64()), block.num_rows)
        return pa.RecordBatch.from_arrays(list(arrays.values()), names=list(arrays))

    def _array(self, column: Column, block: pa.RecordBatch) -> pa.Array:
        type_ = self._types[column.name]
        if column.vanished:
            return pa.nulls(block.num_rows, type_)
        try:
            array = _typed(_with_nulls(block.column(column.name)), column.kind, type_)
        except ValueError as error:
            raise ValueError(f"field {column.name}: {error}") from None
        self._types[column.name] = array.type
        return array


def _with_nulls(texts: pa.Array) -> pa.Array:
    """Return texts with null for empty; the texts themselves are not copied."""
    is_there = pc.greater(pc.binary_length(texts), 0)
    if texts.offset or texts.null_count:
        # Not by `if_else`: of a slice it takes other rows' bytes (pyarrow 22 and before).
        return pc.replace_with_mask(texts, pc.invert(is_there), pa.scalar(None, pa.string()))
    _, offsets, data = texts.buffers()
    return pa.StringArray.from_buffers(len(texts), offsets, data, is_there.buffers()[1])


def _typed(texts: pa.Array, kind: Kind, type_: pa.DataType) -> pa.Array:
    """Return texts of a kind as values of a type; only numbers may become a wider one."""
    if kind is Kind.NUMBER and type_ in NUMBERS:
        return _number(texts, NUMBERS[NUMBERS.index(type_) : -1])
    cast = CASTS.get(type_)
    if cast is None:
        return texts if kind is Kind.TEXT else _spelled(texts, kind)
    try:
        return cast(texts)
    except pa.ArrowInvalid:
        return _cast_one_by_one(_spelled(texts, kind), cast, type_)


def _number(texts: pa.Array, types: Sequence[pa.DataType]) -> pa.Array:
    """Return numbers as the first of the decimal types that holds them all, else as text."""
    greatest = _greatest(texts)
    if greatest is not None:
        for type_ in types:
            if greatest >= _bound(type_):
                continue
            with suppress(pa.ArrowInvalid):
                return pc.cast(texts, type_)
    spelled = _spelled(texts, Kind.NUMBER)
    for type_ in types:
        with suppress(InvalidOperation):
            return pa.array([text and _quantized(text, type_) for text in spelled.to_pylist()], type_)
    return spelled


def _greatest(texts: pa.Array) -> float | None:
    """
    Return about the greatest absolute value, or None where Arrow can't be trusted to read decimals.

    Arrow reads more digits than a decimal has, and exponents far off, as another number, without a word (pyarrow 26).
    """
    try:
        values = pc.abs(pc.cast(texts, pa.float64()))
    except pa.ArrowInvalid:
        return None
    least, greatest = pc.min_max(values).as_py().values()
    if least is None:
        return 0
    if pc.max(pc.binary_length(texts)).as_py() > ORDINARY_LENGTH:
        return None
    small = texts.filter(pc.less(values, ORDINARY_LEAST)) if least < ORDINARY_LEAST else texts[:0]
    # What is small and no plain zero.
    return None if _has_any(small, "123456789eE") else float(greatest)


def _has_any(texts: pa.Array, characters: str) -> bool:
    return any(pc.any(pc.match_substring(texts, each), min_count=0).as_py() for each in characters)


def _bound(type_: pa.DataType) -> float:
    return float(10 ** (type_.precision - type_.scale))


def _quantized(text: str, type_: pa.DataType) -> Decimal:
    """Return a number with a type's digits behind the point; raises InvalidOperation where it has others."""
    value = Decimal(text)
    found = value.quantize(Decimal(1).scaleb(-type_.scale), context=Context(prec=type_.precision))
    if found != value:
        raise InvalidOperation
    return found


def _spelled(texts: pa.Array, kind: Kind) -> pa.Array:
    """Put each value in its usual form; the slow way, for the rare page that has an unusual one."""
    spell = SPELLING.get(kind, str)
    return pa.array([None if text is None else spell(text) for text in texts.to_pylist()], pa.string())


def _cast_one_by_one(texts: pa.Array, cast: Callable[[pa.Array], pa.Array], type_: pa.DataType) -> pa.Array:
    """Cast what could not be cast at once; raises ValueError for the first value that the type does not hold."""
    try:
        return cast(texts)
    except pa.ArrowInvalid:
        for number, text in enumerate(texts.to_pylist()):
            try:
                cast(texts.slice(number, 1))
            except pa.ArrowInvalid:
                raise ValueError(f"{text[:40]!r} is no {type_}") from None
        raise


def _integer(texts: pa.Array) -> pa.Array:
    # Arrow reads 0x1F and 0X1F as well.
    if _has_any(texts, "xX"):
        raise pa.ArrowInvalid("one is hexadecimal")
    return pc.cast(texts, pa.int64())


def _truth(texts: pa.Array) -> pa.Array:
    true = pc.equal(texts, "true")
    if not pc.all(pc.or_(true, pc.equal(texts, "false")), min_count=0).as_py():
        raise pa.ArrowInvalid("not all are true or false")
    return true


def _moment(texts: pa.Array) -> pa.Array:
    shortest = pc.min(pc.binary_length(texts)).as_py()
    if shortest is not None and shortest < SECONDS_TOLD:
        raise pa.ArrowInvalid("one is short")
    return pc.cast(texts, MOMENT)


def _date(texts: pa.Array) -> pa.Array:
    return pc.cast(texts, pa.date32())


def _time_of_day(texts: pa.Array) -> pa.Array:
    on_a_day = pc.binary_join_element_wise(MIDNIGHT, pc.utf8_rtrim(texts, characters="Z"), "")
    return pc.cast(pc.cast(on_a_day, pa.timestamp("ms")), TIME_OF_DAY)


CASTS: Mapping[pa.DataType, Callable[[pa.Array], pa.Array]] = {
    pa.int64(): _integer,
    pa.bool_(): _truth,
    MOMENT: _moment,
    pa.date32(): _date,
    TIME_OF_DAY: _time_of_day,
}
"""How texts become values of each type; raises ArrowInvalid where one is not in its usual form, or does not fit."""
