"""
Pages of rows to Singer RECORD lines: the hot room.

`result_pages` (CSV) and `json_records` read what Salesforce sent into columns of text (`pages`), `lines` writes
columns as lines, and `plain` says the same cell by cell, slowly and obviously; tests hold the two equal. Nothing is
imported here: only what reads rows needs pyarrow.
"""
