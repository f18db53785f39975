"""A mount answers the requests that are claimed for it, in the process, and lets all others go."""

from __future__ import annotations

import io
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import pytest
import requests
from requests.adapters import HTTPAdapter

from phi_azure.emulator.network import Mount, mount

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

URL = "https://management.azure.com/subscriptions/%3CID%3E?api-version=1"


def echo(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer with what arrived."""
    names = (
        "REQUEST_METHOD",
        "wsgi.url_scheme",
        "HTTP_HOST",
        "PATH_INFO",
        "QUERY_STRING",
        "REQUEST_URI",
        "HTTP_X_MINE",
    )
    body = environ["wsgi.input"].read().decode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Set-Cookie", "a=b")])
    return [json.dumps({name: environ.get(name) for name in names} | {"body": body}).encode()]


def is_management(request: requests.PreparedRequest) -> bool:
    """Claim what goes to Azure's management."""
    return str(request.url).startswith("https://management.azure.com/")


@pytest.fixture
def mounted() -> Iterator[Mount]:
    """The echo, mounted for management."""
    with mount(echo, is_management) as it:
        yield it


@pytest.fixture
def neighbour() -> Iterator[str]:
    """A real server, in place of the real network."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "4")
            self.end_headers()
            self.wfile.write(b"real")

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def test_claimed_request_is_answered(mounted: Mount) -> None:
    """The application sees the request as a server would have seen it."""
    response = requests.get(URL, headers={"x-mine": "1"}, timeout=5)

    assert response.json() == {
        "REQUEST_METHOD": "GET",
        "wsgi.url_scheme": "https",
        "HTTP_HOST": "management.azure.com",
        "PATH_INFO": "/subscriptions/<ID>",
        "QUERY_STRING": "api-version=1",
        "REQUEST_URI": "/subscriptions/%3CID%3E?api-version=1",
        "HTTP_X_MINE": "1",
        "body": "",
    }
    assert (response.reason, response.url, response.cookies["a"]) == ("OK", URL, "b")


def test_other_requests_pass(mounted: Mount, neighbour: str) -> None:
    """What nobody claims goes to the network as before."""
    assert requests.get(neighbour, timeout=5).text == "real"


@pytest.mark.parametrize(
    "body",
    [b"rows", "rows", io.BytesIO(b"rows"), io.StringIO("rows"), iter([b"ro", b"ws"]), bytearray(b"rows")],
    ids=["bytes", "str", "file", "text file", "iterator", "bytearray"],
)
def test_every_kind_of_body_arrives(body: Any, mounted: Mount) -> None:
    """All that requests takes as a body can be read by the application."""
    assert requests.put(URL, data=body, timeout=5).json()["body"] == "rows"


def test_patch_comes_and_goes_with_the_mounts() -> None:
    """The last mount to be closed takes the patch with it, in whatever order they are closed."""
    untouched = HTTPAdapter.send

    first, second = mount(echo, is_management), mount(echo, is_management)
    first.close()
    first.close()
    still = requests.get(URL, timeout=5).ok
    second.close()

    assert still
    assert HTTPAdapter.send is untouched


def test_first_mount_that_claims_answers(mounted: Mount) -> None:
    """Mounts side by side keep apart what belongs to each."""

    def other(_: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [])
        return [b"other"]

    with mount(other, lambda request: "azure" in str(request.url)):
        answers = [requests.get(url, timeout=5).text for url in (URL, "https://graph.azure.com/")]

    assert answers[0].startswith("{")
    assert answers[1] == "other"


def test_patch_of_somebody_else_survives(monkeypatch: pytest.MonkeyPatch, neighbour: str) -> None:
    """Whoever patches over ours keeps the patch when the mount is closed, and a later mount works below it."""
    first = mount(echo, is_management)
    below = HTTPAdapter.send

    def above(self: HTTPAdapter, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        return below(self, request, **options)

    monkeypatch.setattr(HTTPAdapter, "send", above)
    first.close()
    passed = requests.get(neighbour, timeout=5).text
    with mount(echo, is_management):
        answered = requests.get(URL, timeout=5).ok

    assert (passed, answered, HTTPAdapter.send) == ("real", True, above)
    monkeypatch.undo()
    mount(echo, is_management).close()  # ours is on top again, and goes


def test_head_has_the_true_length_and_no_body() -> None:
    """The length stated for HEAD is kept, with nothing to read."""

    def sized(_: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Length", "1234")])
        return []

    with mount(sized, is_management):
        response = requests.head(URL, timeout=5)

    assert (response.headers["Content-Length"], response.content) == ("1234", b"")


def test_raw_body_can_be_read() -> None:
    """A download reads the urllib3 response itself, piece by piece."""

    def blob(_: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Length", "200000")])
        return [bytes(200_000)]

    with mount(blob, is_management), requests.get(URL, stream=True, timeout=5) as response:
        sizes = [len(piece) for piece in response.raw.stream(65_536, decode_content=False)]

    assert sum(sizes) == 200_000
    assert len(sizes) == 4


def test_answer_streams_and_is_closed() -> None:
    """What is yielded arrives before the application is done; a client that leaves early ends the application."""
    events: list[str] = []

    def stream(_: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", [("Content-Type", "text/event-stream")])
        try:
            for number in range(10):
                events.append(f"yield {number}")
                yield f"data: {number}\n\n".encode()
        finally:
            events.append("closed")

    with mount(stream, is_management), requests.get(URL, stream=True, timeout=5) as response:
        first = next(response.iter_lines())

    assert first == b"data: 0"
    assert events == ["yield 0", "closed"]


def test_exception_of_the_application_reaches_the_caller() -> None:
    """A mistake shows where it happened; a ConnectionError is what requests makes of a broken connection."""

    def wrong(_: WSGIEnvironment, __: StartResponse) -> Iterable[bytes]:
        raise errors.pop()

    errors: list[Exception] = [ConnectionResetError("gone"), KeyError("job")]
    with mount(wrong, is_management):
        with pytest.raises(KeyError, match="job"):
            requests.get(URL, timeout=5)
        with pytest.raises(requests.ConnectionError, match="gone"):
            requests.get(URL, timeout=5)


def test_redirect_is_followed(mounted: Mount) -> None:
    """The session above the mount does what it does with any response."""

    def elsewhere(_: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("302 Found", [("Location", URL)])
        return [b""]

    with mount(elsewhere, lambda request: "login" in str(request.url)):
        response = requests.get("https://login.microsoftonline.com/", timeout=5)

    assert response.json()["HTTP_HOST"] == "management.azure.com"
    assert len(response.history) == 1


def test_threads_share_a_mount(mounted: Mount) -> None:
    """Requests of several threads, with mounts coming and going beside them, are all answered."""
    answers: list[int] = []

    def ask() -> None:
        for _ in range(20):
            with mount(echo, lambda _: False):
                answers.append(requests.get(URL, timeout=5).status_code)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert answers == [200] * 160
