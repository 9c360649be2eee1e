"""The prepared org's wire, in a process of its own: `python -m bench.server PLAN` prints its address and answers."""

from __future__ import annotations

import gzip
import json
import sys
import threading
import time
from collections.abc import Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from bench.answers import Answer, Request
from bench.org import Org, Plan

CHUNK = 32 << 10
"""Bytes of each chunk in which a packed body is sent, as Salesforce sends them: in chunks, without a length."""

LIMIT_INFO = "api-usage=1/100000000"
CALLS = "/bench/calls"
"""Answers how many requests there were; asking doesn't count."""


class Server(ThreadingHTTPServer):
    """Answers for an org, after the plan's latency."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, plan: Plan) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.latency = plan.latency
        self.org = Org(plan, time.monotonic)
        self.org.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.never = threading.Event()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Tell of an error, unless a client merely hung up."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
        """Say nothing."""

    def _respond(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length") or 0))
        if self.path == CALLS:
            return self._send(Answer(str(self.server.org.calls).encode()), headers)
        if self.server.latency:
            self.server.never.wait(self.server.latency)
        return self._send(self.server.org.respond(Request(self.command, self.path, headers, body)), headers)

    do_GET = do_POST = do_PATCH = do_DELETE = _respond  # noqa: N815 - the base class names them

    def _send(self, answer: Answer, asked: dict[str, str]) -> None:
        packed = answer.gzip and "gzip" in asked.get("accept-encoding", "")
        body = gzip.decompress(answer.body) if answer.gzip and not packed else answer.body
        told = {"Date": formatdate(usegmt=True), "Sforce-Limit-Info": LIMIT_INFO, **(answer.headers or {})}
        told.setdefault("Content-Type", "application/json;charset=UTF-8")
        if packed:
            told |= {"Content-Encoding": "gzip", "Transfer-Encoding": "chunked"}
        elif answer.status not in {204, 304}:
            told["Content-Length"] = str(len(body))
        lines = [f"HTTP/1.1 {answer.status} Told", *(f"{name}: {value}" for name, value in told.items())]
        head = "\r\n".join([*lines, "\r\n"]).encode()
        self.wfile.write(b"".join([head, *(_chunks(body) if packed else [body])]))


def _chunks(body: bytes) -> Iterator[bytes]:
    for start in range(0, len(body), CHUNK):
        part = body[start : start + CHUNK]
        yield b"%x\r\n%b\r\n" % (len(part), part)
    yield b"0\r\n\r\n"


def main(plan: str) -> None:
    """Answer until the parent ends this process."""
    server = Server(Plan(**json.loads(plan)))
    sys.stdout.write(f"{server.org.url}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1])
