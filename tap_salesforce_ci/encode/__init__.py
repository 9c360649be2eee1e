"""
Pages of rows to Singer RECORD lines: the hot room.

`pages` reads what Salesforce sent into columns, `lines` writes columns as lines, and `plain` says the same cell by
cell, slowly and obviously; tests hold the two equal.
"""

from tap_salesforce_ci.encode.columns import Column, Kind
from tap_salesforce_ci.encode.lines import RecordLines
from tap_salesforce_ci.encode.pages import CsvRows, JsonRows, parse_csv
from tap_salesforce_ci.encode.plain import records

__all__ = ["Column", "CsvRows", "JsonRows", "Kind", "RecordLines", "parse_csv", "records"]
