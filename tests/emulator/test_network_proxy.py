"""The proxy leads other processes to the application, and to nobody else."""

from __future__ import annotations

import json
import os
import socket
import ssl
import stat
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest
import requests

from phi_azure.emulator.network import ProxyServer, serve
from phi_azure.emulator.network.certificates import Authority

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

URL = "https://phi-4.eastus2.models.ai.azure.com/v1/chat?x=1"
IMDS = "http://169.254.169.254/metadata/identity/oauth2/token"


def echo(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer with what arrived."""
    body = environ["wsgi.input"].read().decode()
    start_response("200 OK", [("Content-Type", "application/json")])
    names = ("wsgi.url_scheme", "HTTP_HOST", "REQUEST_URI")
    return [json.dumps([*(environ[name] for name in names), body]).encode()]


@pytest.fixture
def server() -> Iterator[ProxyServer]:
    """A proxy with the echo behind it."""
    with serve(echo) as it:
        yield it


def _run(script: str, server: ProxyServer) -> list[str]:
    child = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, **server.environment()},
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    return child.stdout.splitlines()


@pytest.mark.parametrize(
    ("library", "call"),
    [
        ("requests", "requests.get(url).text"),
        ("urllib.request", "urllib.request.urlopen(url).read().decode()"),
        ("httpx", "httpx.get(url).text"),
        ("httpx2", "httpx2.get(url).text"),
    ],
)
def test_child_reaches_the_application(library: str, call: str, server: ProxyServer) -> None:
    """A child's client, told by the environment only, gets Azure and IMDS answered, with and without TLS."""
    pytest.importorskip(library)

    lines = _run(f"import {library}\nfor url in ({URL!r}, {IMDS!r}): print({call})", server)

    assert [json.loads(line) for line in lines] == [
        ["https", "phi-4.eastus2.models.ai.azure.com", "/v1/chat?x=1", ""],
        ["http", "169.254.169.254", "/metadata/identity/oauth2/token", ""],
    ]


def _proxies(server: ProxyServer) -> dict[str, str]:
    return {"http": server.url, "https": server.url}


def test_body_arrives_through_the_tunnel(server: ProxyServer) -> None:
    """A request with a body, and a second one on the same connection."""
    with requests.Session() as session:
        session.proxies, session.verify = _proxies(server), str(server.certificate)
        session.trust_env = False

        bodies = [session.put(URL, data=text, timeout=5).json()[3] for text in ("first", "second")]

    assert bodies == ["first", "second"]


def test_other_hosts_are_refused(server: ProxyServer) -> None:
    """Any other host is a 403 that names it, in a tunnel and without."""
    plain = requests.get("http://example.com/", proxies=_proxies(server), timeout=5)
    with pytest.raises(requests.exceptions.ProxyError, match=r"403 example\.org is not Azure's"):
        requests.get("https://example.org/", proxies=_proxies(server), timeout=5)

    assert plain.status_code == 403
    assert "example.com was refused" in plain.text
    assert server.refused == ["example.com", "example.org:443"]


def test_request_to_the_server_itself_reaches_the_application(server: ProxyServer) -> None:
    """A browser that opens the server's address is served with that host, directly or through the proxy."""
    host = server.url.removeprefix("http://")

    direct = requests.get(f"{server.url}/page?x", timeout=5).json()
    proxied = requests.get(f"{server.url}/page?x", proxies=_proxies(server), timeout=5).json()

    assert direct == proxied == ["http", host, "/page?x", ""]


def test_authority_is_kept(tmp_path: Path) -> None:
    """A server started again on the same folder is trusted by those who trusted the first."""
    with serve(echo, ca_dir=tmp_path) as first:
        before = first.certificate.read_bytes()
    with serve(echo, ca_dir=tmp_path) as second:
        answer = requests.get(URL, proxies=_proxies(second), verify=str(first.certificate), timeout=5)

    assert answer.ok
    assert second.certificate.read_bytes() == before
    assert stat.S_IMODE((tmp_path / "ca-key.pem").stat().st_mode) & 0o077 == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ca-key.pem", "ca.pem"]


def test_authority_is_made_once(tmp_path: Path) -> None:
    """Servers that start on an empty folder at the same time agree on one authority."""
    made: list[str] = []
    threads = [threading.Thread(target=lambda: made.append(Authority.stored(tmp_path).certificate)) for _ in range(8)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(made) == 8
    assert len(set(made)) == 1


def test_contexts_are_remembered_within_bounds() -> None:
    """A name's certificate is made once, and names that were not asked for lately are forgotten."""
    authority = Authority.fresh()

    first = authority.server_context("First.azure.com")
    again = authority.server_context("first.azure.com")
    for number in range(256):
        authority.server_context(f"{number}.azure.com")

    assert first is again
    assert authority.server_context("first.azure.com") is not first


def test_port_is_free_again() -> None:
    """The next server can have the port at once, though a client kept its connection open."""
    with requests.Session() as session:
        with serve(echo) as first:
            session.get(first.url, timeout=5)
        with serve(echo, port=first.port) as second:
            answer = session.get(second.url, timeout=5)

    assert answer.ok
    assert second.url == first.url


def test_client_that_does_not_trust_us_harms_nobody(server: ProxyServer) -> None:
    """A failed handshake and a connection broken in the middle leave the server at work and silent."""
    with pytest.raises(requests.exceptions.SSLError):
        requests.get(URL, proxies=_proxies(server), verify=True, timeout=5)
    with socket.create_connection(("127.0.0.1", server.port)) as sock:
        sock.sendall(b"PUT /x HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc")
    with socket.create_connection(("127.0.0.1", server.port)) as sock:
        sock.sendall(b"\x16\x03")

    assert requests.get(server.url, timeout=5).ok


def test_tunnel_works_without_a_name(server: ProxyServer) -> None:
    """A client that sends neither SNI nor Host is told by the tunnel where it is."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", server.port)) as sock:
        sock.sendall(b"CONNECT management.azure.com:443 HTTP/1.1\r\n\r\n")
        sock.recv(100)

        with context.wrap_socket(sock) as secured:
            secured.sendall(b"GET / HTTP/1.0\r\n\r\n")
            answer = b"".join(iter(lambda: secured.recv(1000), b""))

    assert b'["https", "management.azure.com", "/", ""]' in answer


WAITING_SERVER = """
import os, signal, threading
from phi_azure.emulator.network import serve
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
with serve(lambda environ, start_response: []) as server:
    print(server.certificate)
    threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
    server.serve_until_interrupted()
print("done")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGINT to a single process")
def test_ctrl_c_ends_the_server_cleanly() -> None:
    """Ctrl-C is an end, not an error, and the temporary folder goes."""
    child = subprocess.run(
        [sys.executable, "-c", WAITING_SERVER], capture_output=True, text=True, check=True, timeout=30
    )

    certificate, last = child.stdout.splitlines()
    assert (last, child.stderr) == ("done", "")
    assert not os.path.exists(certificate)  # noqa: PTH110


def test_server_can_be_interrupted_from_elsewhere(server: ProxyServer) -> None:
    """A signal handler or another thread can end the wait."""
    threading.Timer(0.02, server.interrupt).start()

    server.serve_until_interrupted()
