"""
Pages of rows to lines and typed columns: the hot room.

`pages` reads what Salesforce sent into columns, `lines` writes columns as lines, `typed` gives them true types, and
`plain` says the same cell by cell, slowly and obviously; tests hold them equal.
"""

from tap_salesforce_ci.encode.blocks import text_blocks
from tap_salesforce_ci.encode.columns import Column, Kind
from tap_salesforce_ci.encode.lines import JsonLines, RecordLines
from tap_salesforce_ci.encode.pages import CsvRows, JsonRows, parse_csv
from tap_salesforce_ci.encode.plain import records
from tap_salesforce_ci.encode.typed import TypedColumns

__all__ = [
    "Column",
    "CsvRows",
    "JsonLines",
    "JsonRows",
    "Kind",
    "RecordLines",
    "TypedColumns",
    "parse_csv",
    "records",
    "text_blocks",
]
