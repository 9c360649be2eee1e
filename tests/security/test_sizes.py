"""What never ends, or is too long, is left."""

from __future__ import annotations

import contextlib
import gzip
import socket
import threading
from collections.abc import Iterator

import pytest

from tap_salesforce_ci.client import auth, body
from tap_salesforce_ci.client.http import Client
from tap_salesforce_ci.client.messages import Request
from tap_salesforce_ci.client.transport import LONGEST_REFUSAL, Transport
from tap_salesforce_ci.demo.org import Org
from tap_salesforce_ci.demo.server import Server
from tap_salesforce_ci.demo.wire import Response as Answer
from tap_salesforce_ci.errors import BrokenPromise, TapError, TransientError
from tests.client.staged import Answers
from tests.security.flows import FLOWS, SignedIn, limits, sync_or_error

# Sizes


def bomb(size: int, status: int = 200) -> Answers:
    """An answer of few bytes that unpacks to many."""
    packed = gzip.compress(b'{"x": "' + bytes(size) + b'"}', 1)
    return Answers(Answer(status, packed, {"Content-Type": "application/json", "Content-Encoding": "gzip"}))


@pytest.mark.parametrize("flow", ["refresh token", "SOAP"])
def test_a_login_is_answered_in_a_megabyte_or_not_at_all(signed_in: SignedIn, org: Org, flow: str) -> None:
    """No login host says more, whatever its answer unpacks to."""
    org.faults.add(bomb(auth.LONGEST_ANSWER), path="/oauth2/token|/Soap/", count=None)

    with pytest.raises(BrokenPromise, match="longer than 1,048,576 bytes"):
        limits(signed_in(FLOWS[flow]))


@pytest.mark.parametrize("status", [302, 400, 401, 503])
def test_a_refusal_is_a_megabyte_or_is_not_read(client: Client, org: Org, status: int) -> None:
    """An error page of gigabytes is not unpacked to find its reason."""
    org.faults.add(bomb(LONGEST_REFUSAL, status), path="/limits", count=None)

    with pytest.raises(BrokenPromise, match="longer than 1,048,576 bytes"):
        limits(client)


@pytest.mark.parametrize("path", ["/sobjects/?$", "describe", r"/query(All)?\?"])
def test_no_answer_is_held_without_bound(org: Org, server: Server, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    """Each kind of answer that is held in one piece has a most, which a bomb reaches before it is unpacked whole."""
    monkeypatch.setattr(body, "LONGEST_IN_MEMORY", 2 << 20)
    org.faults.add(bomb(8 << 20), path=path, count=None)

    error = sync_or_error(server, streams=["Account"], api_type="rest", describe_cache="off")

    assert "longer than 2,097,152 bytes" in str(error)


@contextlib.contextmanager
def host_that_sends(head: bytes, over_and_over: bytes) -> Iterator[tuple[str, list[int]]]:
    """The address of a host that never ends, and the number of bytes it got rid of."""
    sent: list[int] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def send() -> None:
            line, _ = listener.accept()
            with line, contextlib.suppress(OSError):
                line.recv(1 << 16)
                line.sendall(head)
                while True:
                    sent.append(line.send(over_and_over))

        thread = threading.Thread(target=send)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/", sent
        thread.join()


@pytest.mark.parametrize(
    ("head", "over_and_over", "kind"),
    [
        (b"HTTP/1.1 200 OK\r\n", b"X-Header: x\r\n" * 50, TransientError),
        (b"HTTP/1.1 200 OK\r\nX: ", b"x" * 10_000, TransientError),
        (b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 100_000, BrokenPromise),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"186A0\r\n" + b"x" * 100_000 + b"\r\n",
            BrokenPromise,
        ),
    ],
    ids=["headers", "a header", "a body", "chunks"],
)
def test_what_never_ends_is_given_up(head: bytes, over_and_over: bytes, kind: type[TapError]) -> None:
    """Headers, one header, a body without a length, chunks: the line is hung up when it is enough."""
    transport = Transport("test", 30)

    with host_that_sends(head, over_and_over) as (url, sent):
        with pytest.raises(kind):
            transport(Request("GET", url, longest=4 << 20))
        transport.close()
    assert sum(sent) < 32 << 20
