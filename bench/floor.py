"""
The least that a reader can do with the same pages: `python floor.py bulk|rest ADDRESS OBJECT FIELDS`.

Bulk: fetch each result page with gzip, read it with polars as text, write NDJSON. REST: fetch each query page with
gzip, decode it with msgspec, write its records as NDJSON. No types, no Singer, no counts, no retries; a page at a time.
"""

from __future__ import annotations

import json
import os
import sys
import zlib
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPResponse
from typing import Any
from urllib.parse import quote, urlsplit

DATA = "/services/data/v66.0"


class Wire:
    """One connection to the org."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        self._connection = HTTPConnection(parts.hostname or "", parts.port)

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> tuple[bytes, HTTPResponse]:
        """Send a request and return the unpacked body, and the answer it came with."""
        self._connection.request(method, path, json.dumps(body) if body else None, {"Accept-Encoding": "gzip"})
        answer = self._connection.getresponse()
        packed = answer.read()
        zipped = answer.headers.get("Content-Encoding") == "gzip"
        return zlib.decompress(packed, 16 + zlib.MAX_WBITS) if zipped else packed, answer


def bulk(wire: Wire, query: str) -> int:
    """Read a job's result pages; return how many rows they held."""
    import polars as pl  # noqa: PLC0415 - the other floor does without it

    told, _ = wire.ask("POST", f"{DATA}/jobs/query", {"operation": "queryAll", "query": query})
    path = f"{DATA}/jobs/query/{json.loads(told)['id']}"
    while json.loads(wire.ask("GET", path)[0])["state"] != "JobComplete":
        pass
    rows, locator = 0, ""
    while locator != "null":
        page, answer = wire.ask("GET", f"{path}/results{f'?locator={locator}' if locator else ''}")
        table = pl.read_csv(page, infer_schema=False)
        table.write_ndjson(os.devnull)
        rows += table.height
        locator = answer.headers["Sforce-Locator"]
    return rows


def rest(wire: Wire, query: str) -> int:
    """Read a query's pages; return how many rows they held."""
    import msgspec  # noqa: PLC0415 - the other floor does without it

    encoder = msgspec.json.Encoder()
    rows, path = 0, f"{DATA}/queryAll?q={quote(query)}"
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - it has no place among files
        while path:
            page = msgspec.json.decode(wire.ask("GET", path)[0])
            nowhere.write(encoder.encode_lines(page["records"]))
            rows += len(page["records"])
            path = page.get("nextRecordsUrl", "")
    return rows


def main(api: str, address: str, object_name: str, fields: str) -> None:
    """Read everything, and say how many rows there were."""
    query = f"SELECT {fields} FROM {object_name}"  # noqa: S608 - SOQL, and our own
    sys.stdout.write(f"{(bulk if api == 'bulk' else rest)(Wire(address), query)}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
