"""
Pages of rows to lines and typed columns: the hot room.

`pages` (CSV) and `json_records` read what Salesforce sent into columns, `lines` writes columns as lines, `typed` gives
them true types, and `plain` says the same cell by cell, slowly and obviously; tests hold them equal.
"""

from tap_salesforce_ci.encode.columns import Column, Kind
from tap_salesforce_ci.encode.json_records import RecordParser
from tap_salesforce_ci.encode.lines import JsonLines, RecordLines
from tap_salesforce_ci.encode.pages import Rows, parse_csv
from tap_salesforce_ci.encode.plain import records
from tap_salesforce_ci.encode.typed import TypedColumns

__all__ = [
    "Column",
    "JsonLines",
    "Kind",
    "RecordLines",
    "RecordParser",
    "Rows",
    "TypedColumns",
    "parse_csv",
    "records",
]
