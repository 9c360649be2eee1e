"""
The loopback address that Salesforce sends the browser back to: one login, answered once.

Source: RFC 8252, "OAuth 2.0 for Native Apps", sections 7.3 and 8.3.
"""

from __future__ import annotations

import os
import secrets
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import Future, InvalidStateError
from concurrent.futures import TimeoutError as NothingCame
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from tap_salesforce_ci.connect.page import ANOTHER_LOGIN, BROKEN_OFF, NOTHING_HERE, USED, Page
from tap_salesforce_ci.errors import UserError

if TYPE_CHECKING:
    from typing_extensions import Self

LOOPBACK = "127.0.0.1"
CALLBACK_PATH = "/OauthRedirect"
DELIVERY_SECONDS = 5.0
"""How long a browser may take to fetch the last page before the command ends."""

HEADERS = {
    "Content-Type": "text/html; charset=UTF-8",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}


def redirect_uri(port: int) -> str:
    """
    Return the callback address for a port, as the app must have it.

    `localhost` and not 127.0.0.1: Salesforce takes it without https, and apps made for the `sf` command have it.
    """
    return f"http://localhost:{port}{CALLBACK_PATH}"


class Listener:
    """
    Waits on loopback for the browser to come back with this login's `state`; all else is turned away.

    The browser is kept waiting until `show` says how the login ended. Port 0 takes any free one.
    """

    def __init__(self, port: int, state: str) -> None:
        try:
            self._server = _Server(port, state)
        except OSError as error:
            raise UserError(
                f"Port {port} can't be listened on ({error.strerror}).",
                where=f"callback address: {redirect_uri(port)}",
                remedy="End the program that uses it, or give `--port` another that the app has a callback URL for.",
            ) from None
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def redirect_uri(self) -> str:
        """The address that Salesforce is told to send the browser back to."""
        return redirect_uri(self._server.server_address[1])

    def wait(self, seconds: float) -> Mapping[str, str]:
        """
        Return what Salesforce sent the browser back with.

        Raises UserError where nobody came back in time.
        """
        try:
            return self._server.redirect.result(seconds)
        except NothingCame:
            raise UserError(
                f"Nobody finished the login in the browser within {seconds:g} seconds.",
                where=f"callback address: {self.redirect_uri}",
                remedy=(
                    "Run `tap-salesforce-ci connect` again. If Salesforce showed redirect_uri_mismatch, add that "
                    "address to the app's callback URLs; `--timeout` gives more time."
                ),
            ) from None

    def show(self, page: Page) -> None:
        """Show the browser how the login ended."""
        self._server.page.set_result(page)
        self._server.delivered.wait(DELIVERY_SECONDS)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server.redirect.done() and not self._server.page.done():
            self.show(BROKEN_OFF)
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    # On Windows this would let another program take the port, and the code with it.
    allow_reuse_address = os.name != "nt"
    server_address: tuple[str, int]

    def __init__(self, port: int, state: str) -> None:
        self._state = state.encode()
        self.redirect: Future[Mapping[str, str]] = Future()
        self.page: Future[Page] = Future()
        self.delivered = threading.Event()
        super().__init__((LOOPBACK, port), _Handler)

    def refused(self, path: str, sent: Mapping[str, str]) -> Page | None:
        """Return the page for a request that is not the awaited one; the first awaited one is taken."""
        if path != CALLBACK_PATH:
            return NOTHING_HERE
        if not secrets.compare_digest(sent.get("state", "").encode(), self._state) or not {"code", "error"} & set(sent):
            return ANOTHER_LOGIN
        try:
            self.redirect.set_result(sent)
        except InvalidStateError:
            return USED
        return None

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that hung up is no error of ours."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    # Browsers open connections ahead of need and say nothing on them.
    timeout = 60

    def do_GET(self) -> None:
        """Turn the request away, or hold it until the command knows how the login ended."""
        path, _, query = self.path.partition("?")
        page = self.server.refused(path, dict(parse_qsl(query)))
        if page:
            self._send(page)
            return
        try:
            self._send(self.server.page.result())
        finally:
            self.server.delivered.set()

    def _send(self, page: Page) -> None:
        body = page.html()
        self.send_response(page.status)
        for name, value in {**HEADERS, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def version_string(self) -> str:
        """Name the program, not the library."""
        return "tap-salesforce-ci"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it
        """Say nothing: the address asked for holds the code."""
