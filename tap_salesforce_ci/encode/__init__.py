"""
Pages of rows to lines and typed columns: the hot room.

`result_pages` (CSV) and `json_records` read what Salesforce sent into columns of text (`pages`), `lines` writes
columns as lines, `typed` gives them true types; `forwarded` writes a query page without columns where nothing in it
is unusual. `plain` says the same cell by cell, slowly and obviously; tests hold them equal. Nothing is imported here:
only what reads rows needs pyarrow.
"""
