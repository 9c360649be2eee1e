"""
Pages of rows to Singer RECORD lines: the hot room.

`result_pages` (CSV) and `json_records` read what Salesforce sent into columns of text (`pages`), `lines` writes
columns as lines, and `plain` says the same cell by cell, slowly and obviously; tests hold the two equal.
"""

from tap_salesforce_ci.encode.columns import Column, Kind
from tap_salesforce_ci.encode.json_records import RecordParser
from tap_salesforce_ci.encode.lines import JsonLines, RecordLines
from tap_salesforce_ci.encode.pages import Rows
from tap_salesforce_ci.encode.plain import records
from tap_salesforce_ci.encode.result_pages import PackedRows, ResultPageParser

__all__ = [
    "Column",
    "JsonLines",
    "Kind",
    "PackedRows",
    "RecordLines",
    "RecordParser",
    "ResultPageParser",
    "Rows",
    "records",
]
