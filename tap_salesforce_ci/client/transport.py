"""The only module that speaks HTTP: one answer at a time, whole or not at all."""

from __future__ import annotations

import ssl
import time
import zlib
from collections.abc import Callable
from typing import NoReturn
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter

from tap_salesforce_ci.client.messages import Request, Response
from tap_salesforce_ci.errors import BrokenPromise, TransientError, UserError

CONNECT_SECONDS = 30
CHUNK = 1 << 18
LONGEST_BODY = 2 << 30
"""Bytes; Salesforce's own bound for one result file is 1 GB (Bulk API 2.0 limits)."""

LONGEST_DOWNLOAD = 20 * 60.0
"""Seconds; Bulk API 2.0 limits, "maximum time for retrieving results"."""

LEAST_PROGRESS = 256
"""Bytes that must come within each `request_timeout` for a download not to count as stalled."""


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


def _read(raw: urllib3.BaseHTTPResponse, encoding: str, stall: StallWatch) -> tuple[bytes, int]:
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
