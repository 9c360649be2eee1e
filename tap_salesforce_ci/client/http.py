"""The only module that speaks HTTP: one answer at a time, whole or not at all."""

from __future__ import annotations

import copy
import json
import ssl
import threading
import time
import zlib
from collections.abc import Callable
from contextlib import closing
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NoReturn, TypeVar
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter

from tap_salesforce_ci.client.auth import Auth
from tap_salesforce_ci.client.limits import Allowance
from tap_salesforce_ci.client.messages import Request, Response, Session
from tap_salesforce_ci.client.refusals import refusal
from tap_salesforce_ci.client.retry import RetryPolicy
from tap_salesforce_ci.errors import BrokenPromise, LoginRefused, SessionExpired, TransientError, UserError

CONNECT_SECONDS = 30
CHUNK = 1 << 18
LONGEST_BODY = 2 << 30
"""Bytes; Salesforce's own bound for one result file is 1 GB (Bulk API 2.0 limits)."""

LONGEST_DOWNLOAD = 20 * 60.0
"""Seconds; Bulk API 2.0 limits, "maximum time for retrieving results"."""

LEAST_PROGRESS = 256
"""Bytes that must come within each `request_timeout` for a download not to count as stalled."""

NOT_MODIFIED = 304
OK_STATUSES = range(200, 300)
PASSING = frozenset({408, 420, 429})
SERVER_ERRORS = 500

Send = Callable[[Request], Response]
Answer = TypeVar("Answer")


class Transport:
    """
    Sends one request and returns the whole answer, over pooled connections.

    Raises TransientError where the connection failed or the body was cut, UserError for a bad certificate or address.
    """

    def __init__(
        self,
        user_agent: str,
        timeout: float,
        connections: int = 8,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._monotonic = monotonic
        self._timeout = (min(CONNECT_SECONDS, timeout), timeout)
        self._session = requests.Session()
        self._session.headers.update({"User-Agent": user_agent, "Accept-Encoding": "gzip"})
        adapter = HTTPAdapter(pool_connections=4, pool_maxsize=connections)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)

    def __call__(self, request: Request) -> Response:
        """Send the request; redirects are not followed, so that a session never travels to another host."""
        try:
            with self._session.request(
                request.method,
                request.url,
                headers=dict(request.headers),
                data=request.body,
                timeout=self._timeout,
                stream=True,
                allow_redirects=False,
                auth=_no_netrc,
            ) as answer:
                stall = _StallWatch(self._timeout[1], self._monotonic)
                body, wire_bytes = _read(answer.raw, answer.headers.get("Content-Encoding", ""), stall)
                headers = {name.lower(): value for name, value in answer.headers.items()}
                return Response(answer.status_code, body, headers, wire_bytes)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            _explain(error, request)

    def close(self) -> None:
        """Close the pooled connections."""
        self._session.close()


def _no_netrc(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _explain(error: Exception, request: Request) -> NoReturn:
    host = urlsplit(request.url).netloc
    kind = type(error).__name__
    if _is_about_a_certificate(error):
        raise UserError(
            f"The certificate of {host} is not trusted ({kind}).",
            where=f"{request.method} https://{host}",
            remedy="Behind an inspecting proxy, point REQUESTS_CA_BUNDLE at its certificate; else check `domain`.",
        ) from None
    if isinstance(error, requests.exceptions.InvalidProxyURL):
        raise UserError(
            "The address of the proxy is none.",
            where="environment: HTTPS_PROXY or HTTP_PROXY",
            remedy="Write it as http://HOST:PORT.",
        ) from None
    if isinstance(error, requests.exceptions.InvalidURL | requests.exceptions.MissingSchema):
        raise UserError(
            f"{host or request.url!r} is not an address.",
            where="setting: domain or instance_url",
            remedy="Give a host such as https://NAME.my.salesforce.com.",
        ) from None
    raise TransientError(
        f"The connection to {host} failed or the answer was cut ({kind}).",
        where=f"{request.method} {urlsplit(request.url).path}",
        remedy="Check the network, a proxy (HTTPS_PROXY) and `domain`, then run again; the state is kept.",
    ) from None


def _is_about_a_certificate(error: BaseException | None) -> bool:
    """Say whether a certificate is at fault: a TLS connection that merely breaks off is an SSLError too."""
    while error is not None:
        reason = getattr(error, "reason", None)
        inner = reason if isinstance(reason, BaseException) else next(iter(error.args), None)
        if isinstance(error, ssl.SSLCertVerificationError) or "CA certificate bundle" in str(error):
            return True
        error = inner if isinstance(inner, BaseException) else error.__cause__ or error.__context__
    return False


class _StallWatch:
    """Raises a timeout when a download all but stands still, or takes longer than Salesforce lets one take."""

    def __init__(self, seconds: float, monotonic: Callable[[], float]) -> None:
        self._seconds = seconds
        self._monotonic = monotonic
        self._began = self._mark = monotonic()
        self._since_mark = 0

    def saw(self, count: int) -> None:
        now = self._monotonic()
        self._since_mark += count
        if now - self._began > LONGEST_DOWNLOAD:
            raise TimeoutError("the download takes too long")
        if now - self._mark < self._seconds:
            return
        if self._since_mark < LEAST_PROGRESS:
            raise TimeoutError("the download stands still")
        self._mark, self._since_mark = now, 0


def _read(raw: urllib3.BaseHTTPResponse, encoding: str, stall: _StallWatch) -> tuple[bytes, int]:
    """Return the unpacked body and its length on the wire; a cut one raises."""
    gzip = _Gzip() if encoding.lower() == "gzip" else None
    parts: list[bytes] = []
    wire_bytes = size = 0
    while chunk := raw.read1(CHUNK, decode_content=False):
        stall.saw(len(chunk))
        wire_bytes += len(chunk)
        part = gzip.unpacked(chunk, LONGEST_BODY - size) if gzip else chunk
        size += len(part)
        if size >= LONGEST_BODY:
            raise BrokenPromise(
                f"An answer is longer than {LONGEST_BODY:,} bytes.",
                remedy="Check that `domain` or `instance_url` is a Salesforce host.",
            )
        parts.append(part)
    if gzip and wire_bytes and not gzip.whole:
        raise urllib3.exceptions.DecodeError("gzip body ends early")
    return b"".join(parts), wire_bytes


class _Gzip:
    """Unpacks a gzip body: one member, or several one behind the other (RFC 1952)."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(16 + zlib.MAX_WBITS)

    @property
    def whole(self) -> bool:
        """Whether the body may end here."""
        return self._member.eof

    def unpacked(self, chunk: bytes, room: int) -> bytes:
        """Return what a chunk holds, or as much of it as there is room for."""
        parts: list[bytes] = []
        try:
            while chunk and room > 0:
                if self._member.eof:
                    self._member = zlib.decompressobj(16 + zlib.MAX_WBITS)
                parts.append(self._member.decompress(chunk, room))
                room -= len(parts[-1])
                chunk = self._member.unused_data
        except zlib.error as error:
            raise urllib3.exceptions.DecodeError("corrupt gzip body") from error
        return b"".join(parts)


@dataclass(slots=True)
class Tally:
    """What the requests of one stretch of work cost."""

    calls: int = 0
    wire_bytes: int = 0


tally: ContextVar[Tally | None] = ContextVar("tally", default=None)
"""Where the requests of the present context are counted."""


class Client:
    """
    Requests as the signed-in user; every refusal leaves as a TapError.

    `opened` is told of every new session before it is used. Safe for many threads: at most `max_workers` requests are
    under way, and a dead session is renewed once for all.
    """

    def __init__(
        self,
        auth: Auth,
        send: Send,
        *,
        api_version: str,
        allowance: Allowance,
        retry: RetryPolicy,
        sleep: Callable[[float], None],
        max_workers: int = 8,
        opened: Callable[[Session], None] = lambda _session: None,
    ) -> None:
        self.api_version = api_version
        self.allowance = allowance
        self.max_workers = max_workers
        self.sleep = sleep
        self._auth = auth
        self._send = send
        self._retry = retry
        self._opened = opened
        self._slots = threading.BoundedSemaphore(max_workers)
        self._renewal = threading.Lock()
        self._session: Session | None = None
        self._refused_login: LoginRefused | None = None
        self._server_time: datetime | None = None

    @property
    def data_path(self) -> str:
        """The path below which this API version lives."""
        return f"/services/data/v{self.api_version}"

    @property
    def session(self) -> Session:
        """The session in use; opened on demand."""
        return self._session or self.renew(None)

    @property
    def server_time(self) -> datetime:
        """
        A moment on the org's clock (`Date` header) that is not later than now.

        Raises BrokenPromise where no answer carries a date.
        """
        if self._server_time is None:
            self.get("/services/data", counted=0)
        if self._server_time is None:
            raise BrokenPromise(
                "Salesforce's answers carry no Date header, so no window of time can be closed.",
                remedy="Have the proxy between here and Salesforce pass the Date header on.",
            )
        return self._server_time

    def get(self, path: str, *, headers: dict[str, str] | None = None, counted: int = 1) -> Response:
        """GET a path on the instance."""
        return self.request("GET", path, headers=headers, counted=counted)

    def post(self, path: str, body: Any, *, counted: int = 1) -> Response:
        """POST a JSON body to a path on the instance."""
        return self.request("POST", path, body=body, counted=counted)

    def request(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        headers: dict[str, str] | None = None,
        counted: int = 1,
    ) -> Response:
        """
        Send a request and return its answer, 304 included.

        `counted` is how many API calls Salesforce will count. Raises the TapError of the refusals table.
        """
        sent = {"Accept": "application/json", **(headers or {})}
        if body is not None:
            sent["Content-Type"] = "application/json; charset=UTF-8"
        data = None if body is None else json.dumps(body).encode()
        renewed = False
        while True:
            session = self.session
            authorised = {**sent, "Authorization": f"Bearer {session.token}"}
            request = Request(method, self._url(session, path), authorised, data)
            try:
                return self._persistently(request, path, counted)
            except SessionExpired as error:
                if renewed or not self._auth.renewable:
                    kind = UserError if self._auth.renewable else LoginRefused
                    raise kind(
                        f"Salesforce does not accept the session: {error.what}",
                        where=error.where,
                        remedy=self._auth.remedy,
                        code=error.code,
                    ) from None
                self.renew(session)
                renewed = True

    def renew(self, stale: Session | None) -> Session:
        """
        Return a session newer than the stale one; only the first of many threads opens it.

        A login that was refused is not tried again: that is how users get locked out.
        """
        with self._renewal:
            if self._refused_login is not None:
                raise copy.copy(self._refused_login)
            if self._session is None or self._session is stale:
                try:
                    self._session = self._with_retries(self._login)
                except UserError as error:
                    refused = LoginRefused(error.what, where=error.where, remedy=error.remedy, code=error.code)
                    self._refused_login = refused
                    raise refused from None
            return self._session

    def _login(self) -> Session:
        """Log in once, from the flow's beginning; whatever passes by itself is raised as TransientError."""
        # Closed at once when it fails: a flow may hold a lock.
        with closing(self._auth.login()) as flow:
            try:
                request = next(flow)
                while True:
                    request = flow.send(self._login_answer(request))
            except StopIteration as done:
                session: Session = done.value
                self._opened(session)
                return session

    def _login_answer(self, request: Request) -> Response:
        """Return the login's answer, whatever its status, unless it is that of a failing server."""
        answer = self._exchange(request)
        if answer.status in PASSING or (answer.status >= SERVER_ERRORS and b"Fault>" not in answer.body):
            raise refusal(answer, f"{request.method} {urlsplit(request.url).path}")
        return answer

    def _url(self, session: Session, path: str) -> str:
        if not path.startswith("/") or path.startswith("//"):
            raise BrokenPromise(
                "Salesforce pointed to an address outside the org; the session is not sent there.",
                where=path[:100],
            )
        return session.instance_url + path

    def _persistently(self, request: Request, path: str, counted: int) -> Response:
        def once() -> Response:
            with self.allowance.spending(counted) as told:
                if (counts := tally.get()) is not None:
                    counts.calls += counted
                answer = self._exchange(request)
                told(answer.headers.get("sforce-limit-info", ""))
            if answer.status in OK_STATUSES or answer.status == NOT_MODIFIED:
                # Only the org itself is believed: an error page may come from a proxy with a clock of its own.
                self._server_time = answer.date or self._server_time
                return answer
            raise refusal(answer, f"{request.method} {path.partition('?')[0]}")

        return self._with_retries(once)

    def _with_retries(self, once: Callable[[], Answer]) -> Answer:
        attempt = 0
        while True:
            attempt += 1
            try:
                return once()
            except SessionExpired:
                raise
            except TransientError as error:
                wait = self._retry.wait(error, attempt)
                if wait is None:
                    raise
                self.sleep(wait)

    def _exchange(self, request: Request) -> Response:
        with self._slots:
            answer = self._send(request)
        if (counts := tally.get()) is not None:
            counts.wire_bytes += answer.wire_bytes
        return answer
