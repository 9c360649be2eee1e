"""Doors: certificates, listeners and XML let nobody in."""

from __future__ import annotations

import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from tap_salesforce_ci.client.auth import GivenSession
from tap_salesforce_ci.connect.listener import Listener
from tap_salesforce_ci.demo.org import Org
from tap_salesforce_ci.demo.server import Server
from tap_salesforce_ci.demo.wire import Response as Answer
from tap_salesforce_ci.errors import BrokenPromise, UserError
from tests.client.staged import Answers
from tests.client.test_proxy_and_tls import Certificate, https
from tests.conftest import Connect
from tests.security.flows import PERSON, SignedIn, limits

# TLS


@pytest.mark.parametrize(
    "variables",
    [
        {"REQUESTS_CA_BUNDLE": ""},
        {"CURL_CA_BUNDLE": ""},
        {"REQUESTS_CA_BUNDLE": "", "CURL_CA_BUNDLE": "", "SSL_CERT_FILE": "", "SSL_CERT_DIR": ""},
        {"PYTHONHTTPSVERIFY": "0", "PYTHONWARNINGS": "ignore", "NODE_TLS_REJECT_UNAUTHORIZED": "0"},
    ],
    ids=" ".join,
)
def test_no_variable_switches_the_check_of_certificates_off(
    connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    """What is said to help elsewhere sends no session to a host that nobody vouches for."""
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    org = Org()

    with https(org, Certificate(tmp_path / "tls.pem")), pytest.raises(UserError, match="is not trusted"):
        limits(connect(GivenSession(org.instance_url, org.open_session())))
    assert org.requests == []


# What listens


def test_the_pretend_org_is_heard_on_this_machine_only(server: Server) -> None:
    """Another address of the machine, even a loopback one, finds nobody listening."""
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.2", int(urlsplit(server.url).port or 0)), timeout=5)


@pytest.mark.parametrize(
    "query", ["", "?state=guessed&code=x", "?state=&code=x", "?state=%FF&error=x", "?code=x&state"]
)
def test_a_page_of_another_origin_gets_nothing_out_of_the_listener(query: str) -> None:
    """Under any name that leads here, without the login's state nothing is taken, and nothing of it is shown."""
    with Listener(0, "the-state") as listener:
        there = listener.redirect_uri.replace("localhost", "127.0.0.1")
        attack = f"{query}{'&' if query else '?'}error_description=<script>alert(1)</script>"
        page = requests.get(there + attack, headers={"Host": "evil.example"}, timeout=10)

        assert page.status_code == 400
        assert "script>" not in page.text
        assert "Access-Control-Allow-Origin" not in page.headers
        assert not listener._server.redirect.done()


# XML

LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
XML = {
    "a billion laughs": f'<!DOCTYPE a [<!ENTITY l0 "lol">{LAUGHS}]><a><sessionId>&l9;</sessionId>{{url}}</a>',
    "an entity": '<!DOCTYPE a [<!ENTITY x "00D!AQ.a-session">]><a><sessionId>&x;</sessionId>{url}</a>',
    "a file": '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a><sessionId>&x;</sessionId>{url}</a>',
    "another host": '<!DOCTYPE a [<!ENTITY x SYSTEM "{elsewhere}/x">]><a><sessionId>&x;</sessionId>{url}</a>',
    "a declaration elsewhere": '<!DOCTYPE a [<!ENTITY % x SYSTEM "{elsewhere}/x"> %x;]><a><sessionId/>{url}</a>',
    "depth": "<a>" * 50_000,
    "no XML": "<a><sessionId>x</a>",
}


@pytest.mark.parametrize("kind", XML)
def test_xml_is_read_without_what_it_refers_to(signed_in: SignedIn, org: Org, elsewhere: Server, kind: str) -> None:
    """A SOAP answer of entities is no session; none is expanded, no file is read, and no other host is asked."""
    url = f"<serverUrl>{org.instance_url}/services/Soap/u/64.0</serverUrl>"
    text = XML[kind].replace("{url}", url).replace("{elsewhere}", elsewhere.url)
    org.faults.add(Answers(Answer(200, text.encode(), {"Content-Type": "text/xml"})), path="/Soap/", count=None)

    with pytest.raises(BrokenPromise, match="holds no session") as refused:
        limits(signed_in(PERSON))
    assert "root:" not in str(refused.value)
