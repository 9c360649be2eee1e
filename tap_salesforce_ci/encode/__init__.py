"""
Pages of rows to Singer RECORD lines: the hot room.

`pages` (CSV) and `json_records` read what Salesforce sent into columns, `lines` writes columns as lines, and `plain`
says the same cell by cell, slowly and obviously; tests hold the two equal.
"""

from tap_salesforce_ci.encode.columns import Column, Kind
from tap_salesforce_ci.encode.json_records import RecordParser
from tap_salesforce_ci.encode.lines import JsonLines, RecordLines
from tap_salesforce_ci.encode.pages import Rows, parse_csv
from tap_salesforce_ci.encode.plain import records

__all__ = ["Column", "JsonLines", "Kind", "RecordLines", "RecordParser", "Rows", "parse_csv", "records"]
