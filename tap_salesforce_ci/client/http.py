"""
Requests as the signed-in user: renewed, retried, within the allowance, and every refusal named for its remedy.

How a request travels is `transport`'s business.
"""

from __future__ import annotations

import copy
import json
import threading
import time
from collections.abc import Callable
from contextlib import closing
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlsplit

from tap_salesforce_ci.client.auth import Auth
from tap_salesforce_ci.client.body import Body
from tap_salesforce_ci.client.limits import Allowance
from tap_salesforce_ci.client.messages import Request, Response, Session
from tap_salesforce_ci.client.refusals import refusal
from tap_salesforce_ci.client.retry import RetryPolicy
from tap_salesforce_ci.client.room import Room
from tap_salesforce_ci.errors import BrokenPromise, LoginRefused, SessionExpired, TapError, TransientError, UserError
from tap_salesforce_ci.unbroken import unbroken

NOT_MODIFIED = 304
OK_STATUSES = range(200, 300)
PASSING = frozenset({408, 420, 429})
SERVER_ERRORS = 500
MOST_RENEWALS = 2
"""Times that one request may find its session ended: more is not bad luck."""

Send = Callable[[Request], Response]
Answer = TypeVar("Answer")


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

    `answered` is told of every request, its answer and the seconds it took by the clock `monotonic`. Safe for many
    threads: at most `max_workers` requests are under way (`slots`), and a dead session is renewed once for all, or
    fails to be for all.
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
        answered: Callable[[Request, Response, float], None] = lambda *_: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.api_version = api_version
        self.allowance = allowance
        self.max_workers = max_workers
        self.sleep = sleep
        self._auth = auth
        self._send = send
        self._retry = retry
        self._answered = answered
        self._monotonic = monotonic
        self.slots = Room(max_workers)
        self._renewal = threading.Lock()
        self._session: Session | None = None
        self._refused_login: LoginRefused | None = None
        self._failures = 0
        self._failure: TapError | None = None
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

    def get(
        self,
        path: str,
        *,
        headers: dict[str, str] | None = None,
        counted: int = 1,
        into: Callable[[], Body] | None = None,
        longest: int | None = None,
    ) -> Response:
        """GET a path on the instance; with `into`, the answer's content goes there."""
        return self.request("GET", path, headers=headers, counted=counted, into=into, longest=longest)

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
        patient: bool = True,
        into: Callable[[], Body] | None = None,
        longest: int | None = None,
    ) -> Response:
        """
        Send a request and return its answer, 304 included.

        `counted` is how many API calls Salesforce will count; an impatient request is not tried again; `into` makes
        what gathers the content of an answer (`Request.into`), which is shorter than `longest` bytes.
        Raises the TapError of the refusals table.
        """
        sent = {"Accept": "application/json", **(headers or {})}
        if body is not None:
            sent["Content-Type"] = "application/json; charset=UTF-8"
        data = None if body is None else json.dumps(body).encode()
        renewals = 0
        while True:
            failures = self._failures
            session = self._session or self.renew(None, failures)
            authorised = {**sent, "Authorization": f"Bearer {session.token}"}
            request = Request(method, self._url(session, path), authorised, data, into, longest)
            try:
                send = partial(self._once, request, path, counted)
                return self._with_retries(send) if patient else send()
            except SessionExpired as error:
                if renewals >= MOST_RENEWALS or not self._auth.renewable:
                    raise self._not_accepted(error) from None
                self.renew(session, failures)
                renewals += 1

    def _not_accepted(self, error: SessionExpired) -> LoginRefused:
        what = f"Salesforce does not accept the session: {error.what}"
        return LoginRefused(what, where=error.where, remedy=self._auth.remedy, code=error.code)

    def renew(self, stale: Session | None, failures: int | None = None) -> Session:
        """
        Return a session newer than the stale one; only the first of many threads opens it.

        A login that was refused is not tried again: that is how users get locked out. One that failed for another
        reason is not tried again by those who asked before it failed; `failures` is how many had failed by then.
        """
        failures = self._failures if failures is None else failures
        with self._renewal:
            if self._refused_login is not None:
                raise copy.copy(self._refused_login)
            if self._session is None or self._session is stale:
                if self._failure is not None and self._failures != failures:
                    raise copy.copy(self._failure)
                self._session = self._opened_anew()
            return self._session

    def _opened_anew(self) -> Session:
        """Open a session; what becomes of it if that fails is noted for those who wait."""
        try:
            # A rotated token lies in the answer alone: a signal must not come between it and its store.
            return self._with_retries(partial(unbroken, self._login))
        except UserError as error:
            refused = LoginRefused(error.what, where=error.where, remedy=error.remedy, code=error.code)
            self._refused_login = refused
            raise refused from None
        except TapError as error:
            self._failure = copy.copy(error)
            self._failures += 1
            raise

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

    def _once(self, request: Request, path: str, counted: int) -> Response:
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
        with self.slots.turn():
            began = self._monotonic()
            answer = self._send(request)
        self._answered(request, answer, self._monotonic() - began)
        if (counts := tally.get()) is not None:
            counts.wire_bytes += answer.wire_bytes
        return answer
