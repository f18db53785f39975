"""Every client that a user of Azure may hold reaches the emulator, and nothing else leaves the process."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
import tracemalloc
import urllib.request
import warnings
from typing import TYPE_CHECKING, Any

import pytest
import requests
import urllib3

from phi_azure.emulator.network import Interception, guard, intercept, is_azure, is_telemetry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

URL = "https://management.azure.com/subscriptions/%3CID%3E?api-version=1"
IMDS = "http://169.254.169.254/metadata/identity/oauth2/token?resource=x"
ELSEWHERE = "https://example.com/"
MIB = 1 << 20


def echo(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer with what arrived."""
    size = 0
    while block := environ["wsgi.input"].read(MIB):
        size += len(block)
    names = ("REQUEST_METHOD", "wsgi.url_scheme", "HTTP_HOST", "PATH_INFO", "QUERY_STRING", "REQUEST_URI")
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps({name: environ[name] for name in names} | {"size": size}).encode()]


@pytest.fixture
def on() -> Iterator[Interception]:
    """Interception with the echo behind it."""
    with intercept(echo) as interception:
        yield interception


def _urllib(url: str) -> Any:
    with urllib.request.urlopen(url) as response:
        return json.load(response)


def _urllib3(url: str) -> Any:
    with urllib3.PoolManager() as pool:
        return pool.request("GET", url, retries=False).json()


def _httpx(url: str, library: str = "httpx") -> Any:
    return pytest.importorskip(library).get(url).json()


def _httpx_async(url: str, library: str = "httpx") -> Any:
    async def get() -> Any:
        async with pytest.importorskip(library).AsyncClient() as client:
            return (await client.get(url)).json()

    return asyncio.run(get())


def _aiohttp(url: str) -> Any:
    aiohttp = pytest.importorskip("aiohttp")

    async def get() -> Any:
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            return await response.json()

    return asyncio.run(get())


CLIENTS: dict[str, Callable[[str], Any]] = {
    "requests": lambda url: requests.get(url, timeout=5).json(),
    "urllib": _urllib,
    "urllib3": _urllib3,
    "httpx": _httpx,
    "httpx-async": _httpx_async,
    "httpx2": lambda url: _httpx(url, "httpx2"),
    "httpx2-async": lambda url: _httpx_async(url, "httpx2"),
    "aiohttp": _aiohttp,
}
each_client = pytest.mark.parametrize("get", CLIENTS.values(), ids=CLIENTS.keys())


@each_client
def test_client_reaches_the_emulator(get: Callable[[str], Any], on: Interception) -> None:
    """A client without any setting gets Azure's name answered by the application, over verified TLS."""
    answer = get(URL)

    assert answer["wsgi.url_scheme"] == "https"
    assert answer["HTTP_HOST"] == "management.azure.com"
    assert answer["PATH_INFO"] == "/subscriptions/<ID>"
    assert answer["QUERY_STRING"] == "api-version=1"
    assert answer["REQUEST_URI"] == "/subscriptions/%3CID%3E?api-version=1"
    assert on.refused == []


@each_client
def test_client_reaches_imds(get: Callable[[str], Any], on: Interception) -> None:
    """The metadata service has an address instead of a name, and no TLS."""
    answer = get(IMDS)

    assert (answer["wsgi.url_scheme"], answer["HTTP_HOST"]) == ("http", "169.254.169.254")


@each_client
def test_other_host_is_refused(get: Callable[[str], Any], on: Interception) -> None:
    """Any other host fails at once, with an error that names it, and is recorded."""
    started = time.monotonic()

    with pytest.raises(Exception, match=r"(?s)nothing leaves.*example\.com|example\.com.*nothing leaves"):
        get(ELSEWHERE)

    assert time.monotonic() - started < 2
    assert set(on.refused) == {"example.com:443"}


def _completion(_: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "neutral"}}
    start_response("200 OK", [("Content-Type", "application/json")])
    return [
        json.dumps({"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}).encode()
    ]


SCORING = {"api_key": "key", "base_url": "https://headlines.eastus2.models.ai.azure.com/v1", "max_retries": 0}
QUESTION: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "?"}]}


def test_openai_reaches_an_endpoint() -> None:
    """The usual client of a serverless endpoint gets there."""
    openai = pytest.importorskip("openai")

    with intercept(_completion), openai.OpenAI(**SCORING) as client:
        answer = client.chat.completions.create(**QUESTION)

    assert answer.choices[0].message.content == "neutral"


def test_asynchronous_openai_reaches_an_endpoint() -> None:
    """And so does its asynchronous twin."""
    openai = pytest.importorskip("openai")

    async def ask() -> Any:
        async with openai.AsyncOpenAI(**SCORING) as client:
            return await client.chat.completions.create(**QUESTION)

    with intercept(_completion):
        answer = asyncio.run(ask())

    assert answer.choices[0].message.content == "neutral"


def _sign_in(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    base = f"https://{environ['HTTP_HOST']}/tenant"
    answer = {
        "access_token": "header.e30.signature",
        "expires_in": 3600,
        "expires_on": str(int(time.time()) + 3600),
        "resource": "r",
        "token_type": "Bearer",
        "issuer": f"{base}/v2.0",
        "authorization_endpoint": f"{base}/authorize",
        "token_endpoint": f"{base}/token",
    }
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(answer).encode()]


TENANT = "11111111-1111-1111-1111-111111111111"
SCOPE = "https://ml.azure.com/.default"


@pytest.mark.parametrize(
    ("credential", "arguments"),
    [("ClientSecretCredential", (TENANT, "client", "secret")), ("ManagedIdentityCredential", ())],
)
def test_azure_identity_signs_in(credential: str, arguments: tuple[str, ...]) -> None:
    """A service principal and a managed identity get their token."""
    identity = pytest.importorskip("azure.identity")

    with intercept(_sign_in), getattr(identity, credential)(*arguments) as signed:
        token = signed.get_token(SCOPE)

    assert token.token == "header.e30.signature"


@pytest.mark.parametrize(
    ("credential", "arguments"),
    [("ClientSecretCredential", (TENANT, "client", "secret")), ("ManagedIdentityCredential", ())],
)
def test_asynchronous_azure_identity_signs_in(credential: str, arguments: tuple[str, ...]) -> None:
    """The same for the asynchronous credentials, which speak through aiohttp."""
    identity = pytest.importorskip("azure.identity.aio")

    async def sign_in() -> Any:
        async with getattr(identity, credential)(*arguments) as signed:
            return await signed.get_token(SCOPE)

    with intercept(_sign_in):
        token = asyncio.run(sign_in())

    assert token.token == "header.e30.signature"


def test_blob_client_uploads_and_downloads() -> None:
    """azure-storage-blob sends a file and reads it back raw."""
    blob = pytest.importorskip("azure.storage.blob")
    kept: list[bytes] = []

    def store(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        headers = [("ETag", '"1"'), ("Last-Modified", "Mon, 23 Nov 2026 21:00:00 GMT"), ("x-ms-blob-type", "BlockBlob")]
        if environ["REQUEST_METHOD"] == "PUT":
            kept.append(environ["wsgi.input"].read())
            start_response("201 Created", headers)
            return [b""]
        headers.append(("Content-Range", f"bytes 0-{len(kept[0]) - 1}/{len(kept[0])}"))
        start_response("206 Partial Content", headers)
        return kept

    client = blob.BlobClient("https://acc.blob.core.windows.net", "container", "rows", credential="a2V5")
    with intercept(store), client:
        client.upload_blob(b"rows\n" * 50_000)
        downloaded = client.download_blob().readall()

    assert downloaded == b"rows\n" * 50_000


def test_mlflow_reaches_its_tracking_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow's REST client, the one below azureml-mlflow, gets there."""
    credentials = pytest.importorskip("mlflow.utils.rest_utils")
    host = credentials.MlflowHostCreds("https://eastus.api.azureml.ms")

    with intercept(echo):
        answer = credentials.http_request(host, "/api/2.0/mlflow/runs/get", "GET", max_retries=0).json()

    assert answer["HTTP_HOST"] == "eastus.api.azureml.ms"


def test_context_of_the_user_is_left_alone() -> None:
    """The certificate is trusted by a context of ours; the user's own does not learn of it."""
    context = ssl.create_default_context()
    before = context.cert_store_stats()

    with intercept(echo), urllib.request.urlopen(URL, context=context) as response:
        response.read()

    assert context.cert_store_stats() == before


def test_certificate_stands_a_strict_check(on: Interception) -> None:
    """Python 3.13 checks certificates strictly; ours have all that it asks for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    context.load_verify_locations(on.environment()["SSL_CERT_FILE"])

    with (
        socket.create_connection(("127.0.0.1", on.port)) as sock,
        context.wrap_socket(sock, server_hostname="localhost") as secured,  # no name of Azure: no patch helps
    ):
        version = secured.version()

    assert version == "TLSv1.3"


def test_everything_is_restored() -> None:
    """After the block no patch, thread, variable or temporary file is left."""

    def state() -> tuple[object, ...]:
        patched = [(owner, dict(vars(owner))) for owner in (socket, socket.socket, ssl.SSLContext)]
        return patched, dict(os.environ), threading.active_count()

    before = state()

    with intercept(echo) as interception:
        requests.get(URL, timeout=5)
        certificate = interception.environment()["SSL_CERT_FILE"]
        assert os.path.exists(certificate)  # noqa: PTH110

    assert state() == before
    assert not os.path.exists(certificate)  # noqa: PTH110


def test_no_socket_is_leaked() -> None:
    """Python's own watch over unclosed resources stays silent."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ResourceWarning)

        with intercept(echo), requests.Session() as session:
            session.get(URL, timeout=5)

    assert [str(warning.message) for warning in caught] == []


def test_entering_and_leaving_is_cheap() -> None:
    """A test that turns the emulator on pays a few milliseconds for the network."""
    with intercept(echo):
        pass

    started = time.perf_counter()
    for _ in range(5):
        with intercept(echo):
            pass

    assert (time.perf_counter() - started) / 5 < 0.1  # about 5 ms; the bound is for crowded machines


def test_second_interception_is_refused(on: Interception) -> None:
    """Two emulators cannot both have the process, and the attempt leaves the first as it was."""
    with pytest.raises(RuntimeError, match="already on"), intercept(echo):
        pass

    assert requests.get(URL, timeout=5).ok


@pytest.fixture(autouse=True)
def _alone() -> None:
    """Waits for threads of other tests' interceptions, while which patches stay on."""
    for thread in list(guard._stragglers):
        thread.join(30)


def test_error_inside_the_block_ends_the_interception() -> None:
    """An exception passes through and the process is free again."""
    with pytest.raises(ValueError, match="mine"), intercept(echo):
        raise ValueError("mine")

    assert "connect" not in vars(socket.socket)


def test_proxies_of_the_user_are_passed_by(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy in the environment does not see the traffic, and is there again afterwards."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "intranet")

    with intercept(echo):
        answers = [CLIENTS[name](URL) for name in ("requests", "urllib", "httpx")] + [
            requests.get(IMDS, timeout=5).json()
        ]

    assert len(answers) == 4
    assert (os.environ["HTTPS_PROXY"], os.environ["NO_PROXY"]) == ("http://127.0.0.1:9", "intranet")


@contextlib.contextmanager
def _neighbour() -> Iterator[int]:
    """Another server on this machine."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_loopback_passes(on: Interception) -> None:
    """Servers on this machine stay reachable."""
    with _neighbour() as port, socket.create_connection(("localhost", port)) as sock:
        assert sock.getpeername()[1] == port


def test_loopback_is_refused_on_request() -> None:
    """With allow_loopback=False not even this machine is reached, while Azure is."""
    with _neighbour() as port, intercept(echo, allow_loopback=False) as interception:
        answer = requests.get(URL, timeout=5)
        with pytest.raises(ConnectionRefusedError, match="localhost"):
            socket.create_connection(("localhost", port))

    assert answer.ok
    assert interception.refused == [f"localhost:{port}"]


def test_addresses_and_datagrams_are_refused(on: Interception) -> None:
    """A bare address is refused where it would be connected to, or sent to without a connection."""
    with socket.socket() as stream, socket.socket(type=socket.SOCK_DGRAM) as datagrams:
        with pytest.raises(ConnectionRefusedError, match=r"192\.0\.2\.1"):
            stream.connect(("192.0.2.1", 443))
        code = stream.connect_ex(("192.0.2.2", 443))
        with pytest.raises(ConnectionRefusedError, match=r"192\.0\.2\.3"):
            datagrams.sendto(b"?", ("192.0.2.3", 53))

    assert os.strerror(code) == "Connection refused"
    assert on.refused == ["192.0.2.1:443", "192.0.2.2:443", "192.0.2.3:53"]


@pytest.mark.parametrize("look_up", [socket.getaddrinfo, socket.gethostbyname, socket.gethostbyname_ex])
def test_no_name_is_looked_up(look_up: Callable[..., object], on: Interception) -> None:
    """Not even a question to DNS leaves."""
    arguments = (443,) if look_up.__name__ == "getaddrinfo" else ()

    with pytest.raises(ConnectionRefusedError, match=r"example\.org"):
        getattr(socket, look_up.__name__)("example.org", *arguments)


def _poller(entered: threading.Event, go: threading.Event, errors: list[str]) -> None:
    requests.get(URL, timeout=5)
    entered.set()
    go.wait(5)
    try:
        requests.get(URL, timeout=5)
    except requests.ConnectionError as error:
        errors.append(str(error))


def test_thread_left_behind_is_refused() -> None:
    """A poller that outlives the interception is refused, everybody else is not, and the last patch goes with it."""
    entered, go, errors = threading.Event(), threading.Event(), list[str]()
    poller = threading.Thread(target=_poller, args=(entered, go, errors), name="poller")
    with intercept(echo):
        poller.start()
        entered.wait(5)

    with _neighbour() as port:
        socket.create_connection(("127.0.0.1", port)).close()
    go.set()
    poller.join()
    with _neighbour() as port:
        socket.create_connection(("127.0.0.1", port)).close()

    assert "poller was started under an emulator of phi_azure that is gone" in errors[0]
    assert "connect" not in vars(socket.socket)


def test_idle_connections_do_not_starve_a_new_one(on: Interception) -> None:
    """Forty pools that keep their connection open leave room for the next client."""
    with contextlib.ExitStack() as stack:
        for _ in range(40):
            stack.enter_context(requests.Session()).get(URL, timeout=5)
        started = time.perf_counter()

        answer = requests.get(URL, timeout=5)

        assert answer.ok
        assert time.perf_counter() - started < 1


def test_requests_run_at_the_same_time() -> None:
    """The application is called from several threads: eight requests that wait for each other all end."""
    together = threading.Barrier(8, timeout=5)
    answers: list[int] = []

    def meet(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        together.wait()
        return echo(environ, start_response)

    with intercept(meet):
        threads = [
            threading.Thread(target=lambda: answers.append(requests.get(URL, timeout=5).status_code)) for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert answers == [200] * 8


def test_large_upload_is_not_kept_in_memory(on: Interception) -> None:
    """A body is read as the application asks for it, not gathered first."""

    def blocks() -> Iterator[bytes]:
        block = bytes(MIB)
        for _ in range(32):
            yield block

    tracemalloc.start()
    answer = requests.put(URL, data=blocks(), timeout=30).json()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert answer["size"] == 32 * MIB
    assert peak < 12 * MIB


def test_answer_streams() -> None:
    """What the application yields arrives before the application is done."""
    arrived = threading.Event()

    def events(_: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", [("Content-Type", "text/event-stream")])
        yield b"data: 1\n\n"
        yield b"data: 2\n\n" if arrived.wait(5) else b"data: late\n\n"

    with intercept(events), requests.get(URL, stream=True, timeout=5) as response:
        lines = response.iter_lines()
        first = next(lines)
        arrived.set()
        rest = [line for line in lines if line]

    assert (first, rest) == (b"data: 1", [b"data: 2"])


def test_connection_is_kept_after_an_unread_body() -> None:
    """An application that does not read a request's body does not spoil the next request."""

    def ignore(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [])
        return [environ["REQUEST_METHOD"].encode()]

    with intercept(ignore), requests.Session() as session:
        answers = [session.put(URL, data=bytes(3 * MIB), timeout=5).text, session.get(URL, timeout=5).text]

    assert answers == ["PUT", "GET"]


def test_head_has_the_true_length_and_no_body() -> None:
    """The length that the application states for HEAD is passed on, and the next request is not disturbed."""

    def sized(_: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Length", "1234")])
        return []

    with intercept(sized), requests.Session() as session:
        answers = [session.head(URL, timeout=5) for _ in range(2)]

    assert [(answer.headers["Content-Length"], answer.content) for answer in answers] == [("1234", b"")] * 2


def test_client_is_invited_to_send_its_body(on: Interception) -> None:
    """A client that expects 100-continue gets it before it sends."""
    with socket.create_connection(("127.0.0.1", on.port)) as sock:
        sock.sendall(b"PUT /x HTTP/1.1\r\nHost: 169.254.169.254\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        invited = sock.recv(1000)
        sock.sendall(b"abc")
        answer = sock.recv(10_000)

    assert invited == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert b'"size": 3' in answer


def test_broken_connection_can_be_played() -> None:
    """A ConnectionError of the application is a broken connection to the client."""

    def broken(_: WSGIEnvironment, __: StartResponse) -> Iterable[bytes]:
        raise ConnectionResetError

    with intercept(broken), pytest.raises(requests.ConnectionError):
        requests.get(URL, timeout=5)


def test_mistake_of_the_application_is_a_500(caplog: pytest.LogCaptureFixture) -> None:
    """Any other exception reaches the client as an answer that names it, and the log with its traceback."""

    def wrong(_: WSGIEnvironment, __: StartResponse) -> Iterable[bytes]:
        raise KeyError("job")

    with intercept(wrong):
        answer = requests.get(URL, timeout=5)

    assert (answer.status_code, answer.text) == (500, "the emulator failed: KeyError('job')\n")
    assert "KeyError" in caplog.text


def test_nonsense_is_a_400(on: Interception) -> None:
    """What is not HTTP gets an answer and a closed connection."""
    with socket.create_connection(("127.0.0.1", on.port)) as sock:
        sock.sendall(b"hello\r\n\r\n")
        answer = b"".join(iter(lambda: sock.recv(1000), b""))

    assert answer.startswith(b"HTTP/1.1 400 ")


def test_child_process_reaches_the_same_emulator(on: Interception) -> None:
    """A child with the handle's environment speaks to the application of its parent, and to nobody else."""
    script = f"""
import requests, urllib.request
print(requests.get({URL!r}).json()["HTTP_HOST"])
print(urllib.request.urlopen({URL!r}).status)
print(requests.get({IMDS!r}).json()["wsgi.url_scheme"])
print(requests.get("http://example.com/").status_code)
"""

    child = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, **on.environment()},
        capture_output=True,
        text=True,
        check=True,
    )

    assert child.stdout.split() == ["management.azure.com", "200", "http", "403"]
    assert on.refused == ["example.com"]


@pytest.mark.parametrize(
    ("host", "azure", "telemetry"),
    [
        ("management.azure.com", True, False),
        ("Management.Azure.COM.", True, False),
        ("login.microsoftonline.com", True, False),
        ("eastus.api.azureml.ms", True, False),
        ("cert-eastus.experiments.azureml.net", True, False),
        ("phi-4.eastus2.inference.ml.azure.com", True, False),
        ("phi-4.eastus2.models.ai.azure.com", True, False),
        ("account.blob.core.windows.net", True, False),
        ("169.254.169.254", True, False),
        ("westus2-0.in.applicationinsights.azure.com", True, True),
        ("westus2.livediagnostics.monitor.azure.com", True, True),
        ("settings.sdk.monitor.azure.com", True, True),
        ("example.com", False, False),
        ("management.azure.com.example.com", False, False),
        ("notmanagement.azure.com", False, False),
        ("blob.core.windows.net", False, False),
        ("localhost", False, False),
        ("", False, False),
    ],
)
def test_names(host: str, azure: bool, telemetry: bool) -> None:
    """A host is Azure's by its whole name or by its domain, in any letter case."""
    assert (is_azure(host), is_telemetry(host)) == (azure, telemetry)
