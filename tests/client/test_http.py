"""Requests over a line that fails in every way it can."""

from __future__ import annotations

import gzip
import itertools
import json
import random
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from tap_salesforce_ci.client import messages
from tap_salesforce_ci.client.http import Client, Tally, tally
from tap_salesforce_ci.client.messages import Request
from tap_salesforce_ci.client.transport import Transport
from tap_salesforce_ci.demo.faults import (
    CorruptGzip,
    CutBody,
    Fault,
    HtmlError,
    NotAcceptable,
    Refused,
    RequestLimitExceeded,
    ResetConnection,
    RetryAfter,
    ServerError,
    Stall,
)
from tap_salesforce_ci.demo.org import Org
from tap_salesforce_ci.demo.server import Server
from tap_salesforce_ci.demo.wire import Response
from tap_salesforce_ci.errors import BrokenPromise, TapError, TransientError, UserError
from tests.client.staged import Answers
from tests.conftest import NOW, Connect

ACCOUNT = "/sobjects/Account/describe"


def describe(client: Client) -> str:
    body = json.loads(client.get(f"{client.data_path}{ACCOUNT}").body)
    name: str = body["name"]
    return name


def asked(org: Org) -> int:
    return len(org.requests.to(ACCOUNT))


# What passes

PASSING: list[Fault] = [
    *(HtmlError(status) for status in (408, 420, 429, 500, 502, 503, 504)),
    ServerError(500),
    ServerError(503),
    Refused(400, "UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record"),
    Refused(500, "", ""),
    RequestLimitExceeded("concurrent"),
    RequestLimitExceeded("long"),
    NotAcceptable(),
    ResetConnection(),
    ResetConnection(at=0.5),
    CutBody(length="whole"),
    CutBody(length="chunked"),
    CorruptGzip(),
]


@pytest.mark.parametrize("fault", PASSING, ids=repr)
def test_what_passes_is_asked_again(client: Client, org: Org, slept: list[float], fault: Fault) -> None:
    """One failure costs one wait, and the caller gets the whole answer."""
    org.faults.add(fault, path=ACCOUNT)

    assert describe(client) == "Account"
    assert asked(org) == 2
    assert len(slept) == 1


@pytest.mark.parametrize("fault", PASSING, ids=repr)
def test_what_does_not_pass_is_given_up_with_a_remedy(
    client: Client, org: Org, slept: list[float], fault: Fault
) -> None:
    """Six attempts, each after a longer wait than the one before; then the error says what to do."""
    org.faults.add(fault, path=ACCOUNT, count=None)

    with pytest.raises(TransientError) as given_up:
        describe(client)
    assert asked(org) == 6
    assert slept == sorted(set(slept))
    assert given_up.value.remedy
    assert ACCOUNT in given_up.value.where


@pytest.mark.parametrize("at", [0.0, 0.5])
def test_a_stalled_answer_is_given_up_and_asked_for_again(connect: Connect, org: Org, at: float) -> None:
    """Silence for `request_timeout` seconds, before the answer or within it, is a failure like another."""
    client = connect(timeout=0.2)
    _ = client.server_time
    stall = Stall(at)
    org.faults.add(stall, path=ACCOUNT)

    try:
        assert describe(client) == "Account"
    finally:
        stall.release()
    assert asked(org) == 2


@contextmanager
def dripping() -> Iterator[str]:
    """The address of a host that sends byte after byte, for ever."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def drip() -> None:
            line, _ = listener.accept()
            with line, suppress(OSError):
                line.recv(1 << 16)
                line.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                while True:
                    line.sendall(b"1\r\nx\r\n")

        thread = threading.Thread(target=drip)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        thread.join()


def test_a_download_that_only_drips_is_given_up() -> None:
    """A byte now and then keeps a line from timing out; such a download counts as stalled all the same."""
    clock = itertools.count(step=100.0)
    transport = Transport("test", 30, monotonic=lambda: next(clock))

    with dripping() as url, pytest.raises(TransientError, match="TimeoutError"):
        transport(Request("GET", url))
    transport.close()


def test_a_download_that_takes_longer_than_salesforce_allows_is_given_up() -> None:
    """After twenty minutes Salesforce ends a download itself; ours ends then, however fast the bytes come."""
    clock = itertools.count(step=1.0)
    transport = Transport("test", 10**6, monotonic=lambda: next(clock))

    with dripping() as url, pytest.raises(TransientError, match="TimeoutError"):
        transport(Request("GET", url))
    transport.close()
    assert next(clock) > 20 * 60


def test_a_closed_port_is_told_by_its_host(connect: Connect, slept: list[float]) -> None:
    """Where nobody listens the error names the host, the proxy and the domain."""
    client = connect()
    server_url = client.session.instance_url
    transport = Transport("test", 5)

    with pytest.raises(TransientError, match=r"127\.0\.0\.1:1 failed") as refused:
        transport(Request("GET", "http://127.0.0.1:1/"))
    transport.close()
    assert "HTTPS_PROXY" in refused.value.remedy
    assert server_url


def test_a_host_of_no_name_is_told(connect: Connect) -> None:
    """A name that resolves to nothing is told like a failed connection."""
    transport = Transport("test", 5)

    with pytest.raises(TapError) as refused:
        transport(Request("GET", "http://no-such-host.invalid/"))
    transport.close()
    assert "no-such-host.invalid" in str(refused.value)


# Retry-After


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_in_seconds_is_honoured(client: Client, org: Org, slept: list[float], status: int) -> None:
    """The wait is the one Salesforce asked for."""
    org.faults.add(RetryAfter(status, seconds=17), path=ACCOUNT)  # type: ignore[arg-type]

    assert describe(client) == "Account"
    assert slept == [17]


def test_retry_after_as_a_date_is_held_against_the_servers_clock(client: Client, org: Org, slept: list[float]) -> None:
    """The machine's own clock, years away, plays no part."""
    later = format_datetime(NOW + timedelta(seconds=42), usegmt=True)
    org.faults.add(Answers(Response(503, b"", {"Retry-After": later})), path=ACCOUNT)

    assert describe(client) == "Account"
    assert slept == [42]


@pytest.mark.parametrize("value", ["soon", "-5", "", "1e3", "Mon, 99 Foo 2026 09:00:00 GMT", "²"])
def test_a_retry_after_that_says_nothing_is_overlooked(
    client: Client, org: Org, slept: list[float], value: str
) -> None:
    """The usual wait is kept."""
    org.faults.add(Answers(Response(503, b"", {"Retry-After": value.encode().decode("latin-1")})), path=ACCOUNT)

    assert describe(client) == "Account"
    assert len(slept) == 1
    assert 0 < slept[0] <= 1


def test_a_retry_after_of_hours_is_not_waited_for(client: Client, org: Org, slept: list[float]) -> None:
    """Who is told to come back tomorrow ends the run with the state kept, and says so."""
    org.faults.add(RetryAfter(503, seconds=86_400), path=ACCOUNT, count=None)

    with pytest.raises(TransientError) as given_up:
        describe(client)
    assert slept == []
    assert "state is kept" in given_up.value.remedy


# Bodies


def test_gzip_is_asked_for_and_unpacked(client: Client, org: Org) -> None:
    """A describe travels packed, and the caller gets it unpacked, with both sizes known."""
    answer = client.get(f"{client.data_path}{ACCOUNT}")

    assert org.requests[-1].headers["accept-encoding"] == "gzip"
    assert json.loads(answer.body)["name"] == "Account"
    assert 0 < answer.wire_bytes < len(answer.body)


def test_gzip_in_several_members_is_unpacked_to_its_end(client: Client, org: Org) -> None:
    """RFC 1952 lets a body be several gzip members one behind the other; all of them count."""
    whole = random.Random(1).randbytes(700_000)
    packed = gzip.compress(whole[:5]) + gzip.compress(b"") + gzip.compress(whole[5:])
    org.faults.add(Answers(Response(200, packed, {"Content-Encoding": "gzip"})), path=ACCOUNT)

    assert client.get(f"{client.data_path}{ACCOUNT}").body == whole


def test_an_empty_answer_is_no_cut_one(client: Client, org: Org) -> None:
    """204 with a Content-Encoding header holds nothing to unpack."""
    org.faults.add(Answers(Response(204, b"", {"Content-Encoding": "gzip"})), path=ACCOUNT)

    assert client.get(f"{client.data_path}{ACCOUNT}").body == b""


def test_a_torn_last_gzip_member_is_noticed(client: Client, org: Org) -> None:
    """A body that ends before its gzip trailer is cut, though its length is as announced."""
    packed = gzip.compress(random.Random(1).randbytes(5_000))[:-9]
    org.faults.add(Answers(Response(200, packed, {"Content-Encoding": "gzip"})), path=ACCOUNT)

    assert describe(client) == "Account"
    assert asked(org) == 2


HTML = b"<html><head><style>b{}</style><title>Oops</title></head><body><h1>We are down</h1></body></html>"
BULK_1_XML = (
    b'<?xml version="1.0" encoding="UTF-8"?><error xmlns="http://www.force.com/2009/06/asyncapi/dataload">'
    b"<exceptionCode>SOME_CODE</exceptionCode><exceptionMessage>m1</exceptionMessage></error>"
)
ERRORS: list[tuple[bytes, str, str]] = [
    (b'[{"message":"m1","errorCode":"SOME_CODE"}]', "SOME_CODE", "m1"),
    (b'[{"errorCode":"SOME_CODE","message":"m1","fields":[]}]', "SOME_CODE", "m1"),
    (b'{"errorCode":"SOME_CODE","message":"m1"}', "SOME_CODE", "m1"),
    (b'{"error":"SOME_CODE","error_description":"m1"}', "SOME_CODE", "m1"),
    (b'{"exceptionCode":"SOME_CODE","exceptionMessage":"m1"}', "SOME_CODE", "m1"),
    (b"<Errors><Error><errorCode>SOME_CODE</errorCode><message>m1</message></Error></Errors>", "SOME_CODE", "m1"),
    (BULK_1_XML, "SOME_CODE", "m1"),
    (HTML, "", "We are down"),
    (b"plain words", "", "plain words"),
    (b"", "", "empty answer"),
    (b"[]", "", "[]"),
    (b"{}", "", ""),
    (b"null", "", "null"),
    (b'["text"]', "", "text"),
    (b'[{"message":null,"errorCode":5}]', "5", ""),
    (b'[{"message":"cut', "", "cut"),
    (b"\xff\xfe\x00binary", "", "binary"),
    (b"[" * 5_000, "", "["),
]


@pytest.mark.parametrize(("body", "code", "message"), ERRORS, ids=[str(body[:40]) for body, _, _ in ERRORS])
def test_every_shape_of_error_body_is_understood(
    client: Client, org: Org, body: bytes, code: str, message: str
) -> None:
    """JSON array or object, OAuth's, Bulk 1.0's, XML, HTML, text, nothing: the code and the words are told."""
    org.faults.add(Answers(Response(400, body)), path=ACCOUNT)

    with pytest.raises(UserError) as refused:
        describe(client)
    assert refused.value.code == code
    assert message in refused.value.what
    assert "400" in refused.value.what
    assert len(refused.value.what) < 500
    assert "<" not in refused.value.what


def test_not_modified_is_an_answer(client: Client, org: Org) -> None:
    """304 is what a revalidated describe hopes for."""
    first = client.get(f"{client.data_path}{ACCOUNT}")
    again = client.get(f"{client.data_path}{ACCOUNT}", headers={"If-Modified-Since": first.headers["last-modified"]})

    assert (again.status, again.body) == (304, b"")


# Where the session goes


def test_a_redirect_is_not_followed(client: Client, org: Org, server: Server) -> None:
    """The session never travels to the host that a redirect names; the remedy is the org's own address."""
    with Server(Org()) as elsewhere:
        for status in (301, 302, 303, 307, 308):
            org.faults.add(Answers(Response(status, b"", {"Location": f"{elsewhere.url}/x"})), path=ACCOUNT)
            with pytest.raises(UserError) as refused:
                describe(client)
            assert "`domain`" in refused.value.remedy
        assert elsewhere.org.requests == []


@pytest.mark.parametrize("path", ["//evil.example/x", "https://evil.example/x", "evil", "", "@evil.example/"])
def test_an_address_outside_the_org_is_not_asked(client: Client, org: Org, path: str) -> None:
    """What Salesforce names as the next page is a path, or it is not followed."""
    with pytest.raises(BrokenPromise, match="outside the org"):
        client.get(path)
    assert org.requests == []


def test_netrc_plays_no_part(
    client: Client, org: Org, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A password kept for the host in ~/.netrc does not take the session's place."""
    netrc = tmp_path_factory.mktemp("home") / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password secret\n", "utf-8")
    monkeypatch.setenv("NETRC", str(netrc))

    assert describe(client) == "Account"
    assert org.requests[-1].headers["authorization"].startswith("Bearer ")


def test_the_user_agent_names_the_tap(client: Client, org: Org) -> None:
    """An administrator finds the tap in the org's event log."""
    describe(client)

    assert org.requests[-1].headers["user-agent"] == "tap-salesforce-ci/test"


# Pooling and counting


def test_connections_are_kept(client: Client, server: Server) -> None:
    """Fifty requests one after the other travel over one connection."""
    opened = connections(server)
    for _ in range(50):
        client.get(f"{client.data_path}/limits")

    assert len(opened) == 1


def test_there_are_never_more_connections_than_workers(connect: Connect, server: Server, org: Org) -> None:
    """Sixty threads share the four connections that `max_workers` allows."""
    client = connect(workers=4)
    opened = connections(server)

    with ThreadPoolExecutor(60) as threads:
        statuses = list(threads.map(lambda _: client.get(f"{client.data_path}/limits").status, range(120)))

    assert set(statuses) == {200}
    assert 1 <= len(opened) <= 4


def connections(server: Server) -> list[Any]:
    """Return the list that every connection made from now on is added to."""
    opened: list[Any] = []
    accept = server._http.process_request

    def noted(request: Any, client_address: Any) -> None:
        opened.append(client_address)
        accept(request, client_address)

    server._http.process_request = noted  # type: ignore[method-assign]
    return opened


def test_what_a_stretch_of_work_costs_is_counted(client: Client, org: Org) -> None:
    """Calls and bytes are told per stream, retries included."""
    counts = Tally()
    token = tally.set(counts)
    org.faults.add(ServerError(503), path=ACCOUNT)

    describe(client)
    tally.reset(token)
    describe(client)

    assert counts.calls == 2
    assert counts.wire_bytes > 1_000


# The server's clock


def test_the_servers_time_is_salesforces(client: Client, org: Org) -> None:
    """It is the Date of the answers, asked for without costing a call when there was none yet."""
    assert client.server_time == NOW
    assert [request.path for request in org.requests] == ["/services/data"]
    org.clock.advance(timedelta(hours=1))
    describe(client)
    assert client.server_time == NOW + timedelta(hours=1)


def test_the_clock_of_an_error_page_is_not_believed(client: Client, org: Org) -> None:
    """A proxy's page may come with a clock of its own."""
    describe(client)
    org.faults.add(Answers(Response(503, b"busy", {"Date": "Tue, 02 Mar 2055 09:00:00 GMT"})), path=ACCOUNT)
    describe(client)

    assert client.server_time == NOW


def test_answers_without_a_date_are_told(client: Client, org: Org) -> None:
    """Without the server's clock no window can be closed, so nothing is guessed from the machine's."""
    org.faults.add(Answers(Response(200, b"[]", {"Date": ""})), path="", count=None)

    with pytest.raises(BrokenPromise, match="no Date header"):
        _ = client.server_time


def test_an_answer_with_an_odd_date_is_no_crash(client: Client, org: Org) -> None:
    """A Date nobody can read is overlooked."""
    org.faults.add(Answers(Response(200, b"[]", {"Date": "yesterday"})), path="/limits")

    assert client.get(f"{client.data_path}/limits").status == 200


@pytest.mark.parametrize("zone", ["GMT", "-0000", "+0000"])
def test_the_servers_time_has_a_zone(zone: str) -> None:
    """However a proxy spells UTC, the moment can be compared with others."""
    answer = messages.Response(200, b"", {"date": f"Mon, 02 Mar 2026 09:00:00 {zone}"})

    assert answer.date == NOW
