"""The only module that speaks HTTP: one answer at a time, whole or not at all."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter

from tap_salesforce_ci.client.body import Body, TornBody
from tap_salesforce_ci.client.messages import Request, Response
from tap_salesforce_ci.errors import TapError, TransientError, UserError

CONNECT_SECONDS = 30
CHUNK = 1 << 18
LONGEST_DOWNLOAD = 20 * 60.0
"""Seconds; Bulk API 2.0 limits, "maximum time for retrieving results"."""

LEAST_PROGRESS = 256
"""Bytes that must come within each `request_timeout` for a download not to count as stalled."""

LONGEST_REFUSAL = 1 << 20
"""Bytes of an answer that is none of the expected kind, an error page of whatever stands in between included."""

FAILURES = (requests.RequestException, urllib3.exceptions.HTTPError, TornBody, OSError, UnicodeEncodeError)

# Python's own debugging prints requests, sessions included, to stdout, which belongs to the rows.
urllib3.connection.HTTPConnection.debuglevel = 0


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
                stall = StallWatch(self._timeout[1], self._monotonic)
                headers = {name.lower(): value for name, value in answer.headers.items()}
                expected = answer.status_code == requests.codes.ok
                into = request.into if expected else None
                body = into() if into else Body(longest=request.longest if expected else LONGEST_REFUSAL)
                body.gather(_chunks(answer.raw, stall), headers.get("content-encoding", ""))
                if into:
                    return Response(answer.status_code, b"", headers, body.wire_bytes, body)
                return Response(answer.status_code, body.whole(), headers, body.wire_bytes)
        except FAILURES as error:
            explained = _explained(error, request)
        # Raised out here, without a context: the library's errors know the request and its session.
        raise explained

    def close(self) -> None:
        """Close the pooled connections."""
        self._session.close()


def _no_netrc(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _explained(error: Exception, request: Request) -> TapError:
    host = urlsplit(request.url).netloc
    kind = type(error).__name__
    if _is_about_a_certificate(error):
        return UserError(
            f"The certificate of {host} is not trusted ({kind}).",
            where=f"{request.method} https://{host}",
            remedy="Behind an inspecting proxy, point REQUESTS_CA_BUNDLE at its certificate; else check `domain` and "
            "this machine's clock.",
        )
    if isinstance(error, requests.exceptions.InvalidHeader | UnicodeEncodeError):
        return UserError(
            "The session or the user agent has a sign that no HTTP header can carry, such as a line break.",
            where="setting: access_token or user_agent",
            remedy="Give it without spaces, line breaks and typographic signs around it.",
        )
    if isinstance(error, requests.exceptions.InvalidProxyURL):
        return UserError(
            "The address of the proxy is none.",
            where="environment: HTTPS_PROXY or HTTP_PROXY",
            remedy="Write it as http://HOST:PORT.",
        )
    if isinstance(error, requests.exceptions.InvalidURL | requests.exceptions.MissingSchema):
        return UserError(
            f"{host or request.url!r} is not an address.",
            where="setting: domain or instance_url",
            remedy="Give a host such as https://NAME.my.salesforce.com.",
        )
    return TransientError(
        f"The connection to {host} failed or the answer was cut ({kind}).",
        where=f"{request.method} {urlsplit(request.url).path}",
        remedy="Check the network, a proxy (HTTPS_PROXY) and `domain`, then run again; the state is kept.",
    )


def _is_about_a_certificate(error: BaseException | None) -> bool:
    """Say whether a certificate is at fault: a TLS connection that merely breaks off is an SSLError too."""
    while error is not None:
        reason = getattr(error, "reason", None)
        inner = reason if isinstance(reason, BaseException) else next(iter(error.args), None)
        if isinstance(error, ssl.SSLCertVerificationError) or "CA certificate bundle" in str(error):
            return True
        error = inner if isinstance(inner, BaseException) else error.__cause__ or error.__context__
    return False


class StallWatch:
    """Raises a timeout when a download all but stands still, or takes longer than Salesforce lets one take."""

    def __init__(self, seconds: float, monotonic: Callable[[], float]) -> None:
        self._seconds = seconds
        self._monotonic = monotonic
        self._began = self._mark = monotonic()
        self._since_mark = 0

    def saw(self, count: int) -> None:
        """Take note of bytes that came; raises TimeoutError where they are too few or too late."""
        now = self._monotonic()
        self._since_mark += count
        if now - self._began > LONGEST_DOWNLOAD:
            raise TimeoutError("the download takes too long")
        if now - self._mark < self._seconds:
            return
        if self._since_mark < LEAST_PROGRESS:
            raise TimeoutError("the download stands still")
        self._mark, self._since_mark = now, 0


def _chunks(raw: urllib3.BaseHTTPResponse, stall: StallWatch) -> Iterator[bytes]:
    """Yield the body as it comes over the wire; a cut one raises."""
    while chunk := raw.read1(CHUNK, decode_content=False):
        stall.saw(len(chunk))
        yield chunk
