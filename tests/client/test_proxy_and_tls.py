"""The way to Salesforce leads through the company's proxy, and only to a host that proves who it is."""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tap_salesforce_ci.client.auth import GivenSession
from tap_salesforce_ci.client.http import Client
from tap_salesforce_ci.client.messages import Request
from tap_salesforce_ci.client.transport import Transport
from tap_salesforce_ci.demo.org import Org
from tap_salesforce_ci.demo.server import Server
from tap_salesforce_ci.errors import TransientError, UserError
from tests.conftest import Connect

PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's own proxy plays no part."""
    for name in PROXY_VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


# Proxies


class Proxy(ThreadingHTTPServer):
    """A proxy that passes requests on and notes them."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), PassingOn)
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class PassingOn(BaseHTTPRequestHandler):
    server: Proxy

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        address = urlsplit(self.path)
        onward = http.client.HTTPConnection(address.netloc)
        onward.request("GET", address.path, headers=dict(self.headers))
        answer = onward.getresponse()
        body = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name not in {"Transfer-Encoding", "Content-Length"}:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        onward.close()

    def do_CONNECT(self) -> None:
        self.server.asked.append(self.path)
        self.send_error(403, "no tunnels here")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
        pass


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with Proxy() as proxy:
        thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield proxy
        proxy.shutdown()
        thread.join()


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_the_proxy_of_the_environment_is_used(
    client: Client, server: Server, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """The request travels through the proxy and its answer comes back whole."""
    monkeypatch.setenv(variable, proxy.url)

    assert client.get(f"{client.data_path}/limits").status == 200
    assert proxy.asked == [f"{server.url}/services/data/v66.0/limits"]


def test_a_host_that_needs_no_proxy_is_asked_directly(
    client: Client, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NO_PROXY is honoured."""
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    assert client.get(f"{client.data_path}/limits").status == 200
    assert proxy.asked == []


def test_a_proxy_that_opens_no_tunnel_is_told(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    """HTTPS goes through CONNECT; a refusal of the proxy names the proxy as what to look at."""
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    transport = Transport("test", 5)

    with pytest.raises(TransientError, match="ProxyError") as refused:
        transport(Request("GET", "https://acme.my.salesforce.com/services/data"))
    transport.close()
    assert proxy.asked == ["acme.my.salesforce.com:443"]
    assert "HTTPS_PROXY" in refused.value.remedy


def test_the_password_of_a_proxy_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """An unreachable proxy is told without its credentials."""
    monkeypatch.setenv("HTTPS_PROXY", "http://somebody:proxy-secret@127.0.0.1:1")
    transport = Transport("test", 5)

    with pytest.raises(TransientError) as refused:
        transport(Request("GET", "https://acme.my.salesforce.com/services/data"))
    transport.close()
    assert "proxy-secret" not in str(refused.value)


def test_an_address_that_is_no_proxys_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The remedy is about the variable, not about `domain`."""
    monkeypatch.setenv("HTTPS_PROXY", "http:///")
    transport = Transport("test", 5)

    with pytest.raises(UserError) as refused:
        transport(Request("GET", "https://acme.my.salesforce.com/services/data"))
    transport.close()
    assert "HTTPS_PROXY" in refused.value.where


# TLS


@dataclass
class Certificate:
    """A self-signed certificate in a file, with its key."""

    file: Path
    until: timedelta = field(default=timedelta(days=1))
    host: str = "127.0.0.1"

    def write(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "an org of nobody's")])
        now = datetime.now(timezone.utc)  # noqa: TID251 - certificates are held against the machine's clock
        built = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=9))
            .not_valid_after(now + self.until)
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(self.host))]), critical=False
            )
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(key, hashes.SHA256())
        )
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        self.file.write_bytes(private + built.public_bytes(serialization.Encoding.PEM))


@contextmanager
def https(org: Org, certificate: Certificate) -> Iterator[Server]:
    """Serve an org over TLS."""
    certificate.write()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.file)
    server = Server(org)
    server._http.socket = context.wrap_socket(server._http.socket, server_side=True)
    with server:
        org.instance_url = server.url.replace("http://", "https://")
        yield server


def refused_by(connect: Connect, org: Org) -> UserError:
    client = connect(GivenSession(org.instance_url, org.open_session()))
    with pytest.raises(UserError, match="is not trusted") as refused:
        client.get("/services/data")
    return refused.value


def test_a_certificate_of_nobodys_is_refused(connect: Connect, tmp_path: Path, slept: list[float]) -> None:
    """The session is not sent; the remedy names the variable for a company's own certificate; nothing is retried."""
    org = Org()
    with https(org, Certificate(tmp_path / "tls.pem")):
        error = refused_by(connect, org)

    assert error.exit_code == 2
    assert "REQUESTS_CA_BUNDLE" in error.remedy
    assert org.requests == []
    assert slept == []


@pytest.mark.parametrize("wrong", ["expired", "of another host"])
def test_a_trusted_certificate_must_be_valid_and_the_hosts_own(
    connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    """An expired certificate, or that of another host, is refused though its issuer is trusted."""
    file = tmp_path / "tls.pem"
    certificate = (
        Certificate(file, until=timedelta(days=-1)) if wrong == "expired" else Certificate(file, host="127.0.0.2")
    )
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(file))
    org = Org()

    with https(org, certificate):
        refused_by(connect, org)
    assert org.requests == []


def test_a_companys_own_certificate_is_trusted_on_request(
    connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """REQUESTS_CA_BUNDLE, the remedy that was given, works."""
    file = tmp_path / "tls.pem"
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(file))
    org = Org()

    with https(org, Certificate(file)):
        client = connect(GivenSession(org.instance_url, org.open_session()))
        assert client.get(f"{client.data_path}/limits").status == 200


def test_a_bundle_that_is_not_there_is_told(
    connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slept: list[float]
) -> None:
    """A REQUESTS_CA_BUNDLE that leads nowhere is a setting to correct, not a failing network."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "nothing"))
    org = Org()

    with https(org, Certificate(tmp_path / "tls.pem")):
        refused_by(connect, org)
    assert slept == []


def test_a_handshake_that_breaks_off_is_no_certificate_of_nobodys() -> None:
    """A line that ends within TLS is a failing network, which may be asked again."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def hang_up() -> None:
            line, _ = listener.accept()
            line.recv(1)
            line.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        transport = Transport("test", 5)
        with pytest.raises(TransientError):
            transport(Request("GET", f"https://127.0.0.1:{listener.getsockname()[1]}/"))
        thread.join()
        transport.close()


def test_an_end_of_tls_before_the_handshake_is_asked_again() -> None:
    """A balancer that ends the line in an orderly way before it said hello is no certificate of nobody's either."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def say_nothing() -> None:
            line, _ = listener.accept()
            line.recv(1 << 16)
            line.shutdown(socket.SHUT_WR)
            line.close()

        thread = threading.Thread(target=say_nothing)
        thread.start()
        transport = Transport("test", 5)
        with pytest.raises(TransientError, match="SSLError"):
            transport(Request("GET", f"https://127.0.0.1:{listener.getsockname()[1]}/"))
        thread.join()
        transport.close()
