"""
The org's wire: a threaded HTTP/1.1 server on loopback.

It holds no state of the org; every answer comes from `routes.respond`.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import socket
import struct
import sys
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from tap_salesforce_ci.demo.request_log import Request
from tap_salesforce_ci.demo.routes import respond
from tap_salesforce_ci.demo.wire import Response, framed, head, http_date, pretty

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from typing_extensions import Self

    from tap_salesforce_ci.demo.org import Org

# https://developer.salesforce.com/docs/atlas.en-us.salesforce_app_limits_cheatsheet.meta/
# salesforce_app_limits_cheatsheet/salesforce_app_limits_platform_api.htm
LONGEST_URL = 16_384
_WORTH_ZIPPING = 512
_STANDING = {
    "Strict-Transport-Security": "max-age=63072000; includeSubDomains",
    "X-Content-Type-Options": "nosniff",
    "X-XSS-Protection": "1; mode=block",
    "X-Robots-Tag": "none",
    "Cache-Control": "no-cache,must-revalidate,max-age=0,no-store,private",
    "Set-Cookie": "BrowserId=demoOrgBrowserIdAcmeWi; path=/; Max-Age=31536000",
}
_TOO_LONG = "<html><head><title>Error {0}</title></head><body><h2>HTTP ERROR {0}</h2><p>{1}</p></body></html>"


class Server:
    """
    The wire of one org.

    ```python
    with Server(Org()) as server:
        requests.get(f"{server.url}/services/data")
    ```
    """

    def __init__(self, org: Org, *, port: int = 0) -> None:
        self.org = org
        self._http = _Http(("127.0.0.1", port), org)
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        org.instance_url = self.url

    @property
    def url(self) -> str:
        """Where the org is."""
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Hang up on everybody and answer no more."""
        self._http.stopping.set()
        self._http.shutdown()
        self._http.hang_up()
        self._http.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], org: Org) -> None:
        self.org = org
        self.stopping = threading.Event()
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def close_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
        super().close_request(request)

    def hang_up(self) -> None:
        """End the connections kept alive."""
        with self._lock:
            for each in self._open:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hung up is no error of ours."""
        if not isinstance(sys.exc_info()[1], (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body leave in one send, so that a kept connection never waits for a delayed acknowledgement.
    disable_nagle_algorithm = True
    server: _Http

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it
        """Say nothing: `org.requests` is the log."""

    def _answer(self) -> None:
        request = self._request()
        org = self.server.org
        if org.latency:
            self.server.stopping.wait(org.latency)
        response = self._response(request)
        request.status = response.status
        org.requests.append(request)
        if response.delivery:
            response.delivery(self, self._dressed(request, response))
        else:
            dressed = self._dressed(request, response)
            self.send(head(dressed) + framed(dressed))

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = do_HEAD = _answer  # noqa: N815 - the base class names them

    def _request(self) -> Request:
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length") or 0))
        return Request(self.command, self.path, headers, body)

    def _response(self, request: Request) -> Response:
        too_long = _too_long(request)
        return too_long or respond(self.server.org, request)

    def _dressed(self, request: Request, response: Response) -> Response:
        """The answer with the headers every answer has, printed and packed as the client asked."""
        headers = {"Date": http_date(self.server.org.clock.now()), **_STANDING, **response.headers}
        body = response.body
        if response.is_json and body and request.headers.get("x-prettyprint", "0") != "0":
            body = pretty(body.decode("utf-8", "surrogatepass")).encode("utf-8", "surrogatepass")
        headers["Vary"] = "Accept-Encoding"
        zipped = "gzip" in request.headers.get("accept-encoding", "") and len(body) >= _WORTH_ZIPPING
        if zipped and "Content-Encoding" not in headers:
            body = gzip.compress(body, 1)
            headers |= {"Content-Encoding": "gzip", "Transfer-Encoding": "chunked"}
        if request.method == "HEAD":
            body = b""
        return replace(response, body=body, headers=headers)

    def send(self, data: bytes) -> None:
        """Put bytes on the line."""
        self.wfile.write(data)

    def close(self) -> None:
        """Hang up as one does at the end."""
        self.close_connection = True

    def reset(self) -> None:
        """Hang up in mid-word."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        # Closed by hand: an orderly shutdown first would look like an orderly end.
        os.close(self.connection.detach())

    def wait(self, released: Callable[[], bool]) -> None:
        """Keep the line open, silent, until released or the server stops."""
        while not released() and not self.server.stopping.wait(0.01):
            pass


def _too_long(request: Request) -> Response | None:
    size = len(request.target)
    if size > LONGEST_URL:
        return _html(414, "URI Too Long")
    total = size + sum(len(name) + len(value) + 4 for name, value in request.headers.items())
    return _html(431, "Request Header Fields Too Large") if total > LONGEST_URL else None


def _html(status: int, reason: str) -> Response:
    text = _TOO_LONG.format(status, reason)
    return Response(status, text.encode(), {"Content-Type": "text/html; charset=UTF-8"})
