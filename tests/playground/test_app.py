"""What the playground's page asks for, and who is refused."""

from __future__ import annotations

import http.client
import json
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import pytest

from phi_azure import ConflictError, NotFoundError
from phi_azure.cli.playground import side
from phi_azure.emulator.wire import WireError
from phi_azure.playground import Kept, Playground, PromptFile, served

if TYPE_CHECKING:
    from pathlib import Path

    from phi_azure import Workspace
    from phi_azure.testing import Azure

ASKED = {"side": 0, "prompt": "Hello", "system": "Be short.", "temperature": 0.5, "max_tokens": 7}


class Got(NamedTuple):
    """An answer of the page's server."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def events(self) -> list[dict[str, Any]]:
        """The lines of a streamed answer."""
        return [json.loads(line) for line in self.body.splitlines()]


def send(url: str, method: str, path: str, body: object = None, headers: dict[str, str] | None = None) -> Got:
    """Sends a request as the page does, unless `headers` say otherwise."""
    parts = urlsplit(url)
    given = {"Origin": f"http://{parts.netloc}", "Content-Type": "application/json"} | (headers or {})
    connection = http.client.HTTPConnection(parts.netloc, timeout=20)
    try:
        connection.request(method, parts.path + path, None if body is None else json.dumps(body), given)
        response = connection.getresponse()
        return Got(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
    finally:
        connection.close()


def test_the_page_and_its_files(url: str) -> None:
    """All that the page needs comes from here, and its policy allows no other host and no markup that acts."""
    page = send(url, "GET", "")

    names = [part.partition(b'"')[0].decode() for attribute in (b'src="', b'href="') for part in
             page.body.split(attribute)[1:]]  # fmt: skip
    assert sorted(names) == ["app.js", "icon.svg", "style.css"]
    assert {send(url, "GET", name).status for name in names} == {200}
    assert page.headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'")
    assert page.headers["cache-control"] == "no-store"


def test_an_answer_comes_in_pieces(url: str, emulator: Azure) -> None:
    """A line a piece, and at the end the time and the tokens; the settings reach the endpoint."""
    emulator.reply(lambda _: "one two")

    got = send(url, "POST", "ask", ASKED)

    assert [event.get("text") for event in got.events] == ["one", " two", None]
    done = got.events[-1]["done"]
    assert (done["text"], done["completion_tokens"], done["deployment"]) == ("one two", 1, "blue")
    sent = emulator.last("POST", "/v1/chat/completions")
    assert sent.json["messages"][0] == {"role": "system", "content": "Be short."}
    assert (sent.json["temperature"], sent.json["max_tokens"]) == (0.5, 7)
    assert sent.headers["Azureml-Model-Deployment"] == "blue"


def test_an_error_is_told_in_the_answer(url: str, emulator: Azure) -> None:
    """The page shows it in the answer's place."""

    def fail(_: list[dict[str, Any]]) -> str:
        raise WireError(500, "ModelError", "out of memory")

    emulator.reply(fail)

    got = send(url, "POST", "ask", ASKED)

    assert got.status == 200
    assert "out of memory" in got.events[-1]["error"]


def test_no_key_leaves_the_process(url: str, emulator: Azure) -> None:
    """Whatever is asked of it, the page never sees one."""
    answers = [send(url, "GET", path).body for path in ("", "about", "prompts", "app.js")]
    answers.append(send(url, "POST", "ask", ASKED).body)

    documents = emulator.emulator.store.find("endpoint")
    keys = [key for document in documents for key in document["keys"].values()]
    assert len(keys) == 2
    assert not [key for key in keys for answer in answers if key.encode() in answer]


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        pytest.param("POST", "ask", {"Origin": "https://evil.example"}, 403, id="another page's post"),
        pytest.param("POST", "ask", {"Origin": "null"}, 403, id="a sandboxed page's post"),
        pytest.param("POST", "ask", {"Content-Type": "text/plain"}, 400, id="a form's post"),
        pytest.param("GET", "about", {"Host": "evil.example"}, 403, id="a name that leads here (DNS rebinding)"),
        pytest.param("GET", "about", {"Host": "evil.example:80"}, 403, id="the same with a port"),
        pytest.param("DELETE", "prompts/x", {"Origin": "https://evil.example"}, 403, id="another page's delete"),
        pytest.param("GET", "../about", {}, 404, id="without the token"),
        pytest.param("GET", "../x/about", {}, 404, id="with another token"),
        pytest.param("GET", "app.py", {}, 404, id="a file that is not the page's"),
        pytest.param("GET", "..%2Fapp.py", {}, 404, id="a way out of the folder"),
        pytest.param("PUT", "prompts", {}, 405, id="another method"),
    ],
)
def test_strangers_are_refused(url: str, method: str, path: str, headers: dict[str, str], status: int) -> None:
    """Only this machine's own page is answered."""
    got = send(url, method, path, ASKED if method == "POST" else None, headers)

    assert got.status == status


@pytest.mark.parametrize(
    "change",
    [
        {"side": 2},
        {"side": "0"},
        {"prompt": " "},
        {"temperature": 3},
        {"temperature": "0"},
        {"max_tokens": 0},
        {"system": 1},
    ],
    ids=str,
)
def test_what_is_no_question_is_refused(url: str, emulator: Azure, change: dict[str, object]) -> None:
    """Nothing is sent to the endpoint."""
    got = send(url, "POST", "ask", ASKED | change)

    assert got.status == 400
    assert not [request for request in emulator.requests if "completions" in request.path]


def test_a_request_that_is_too_large_is_refused(url: str) -> None:
    """A page has no use for it."""
    assert send(url, "POST", "ask", ASKED | {"prompt": "x" * (2 << 20)}).status == 413


def test_a_taken_port_is_said(url: str, tmp_path: Path) -> None:
    """In one sentence."""
    port = urlsplit(url).port or 0

    with (
        pytest.raises(ConflictError, match=f"port {port} is taken"),
        served(Playground([], PromptFile(tmp_path / "p.jsonl")), port),
    ):
        pass


def test_prompts_are_kept_newest_first(url: str, tmp_path: Path) -> None:
    """What is asked again moves to the top; what is removed goes; the file is JSONL that a person can read."""
    for text in ("a", "b", "a"):
        send(url, "POST", "prompts", {"prompt": text, "max_tokens": 9})
    first = json.loads(send(url, "GET", "prompts").body)["prompts"]
    send(url, "DELETE", f"prompts/{first[1]['id']}")

    left = json.loads(send(url, "GET", "prompts").body)["prompts"]
    lines = (tmp_path / "prompts.jsonl").read_text(encoding="utf-8").splitlines()
    assert [kept["prompt"] for kept in first[:2]] == ["a", "b"]
    assert [kept["prompt"] for kept in left] == ["a", "Contoso system breached.", "Contoso recovers from an attack."]
    assert json.loads(lines[-1]) == {"prompt": "a", "system": "", "temperature": 0.0, "max_tokens": 9}


def test_an_edited_file_is_respected(tmp_path: Path) -> None:
    """Lines that are no prompts are named, and stay as they are."""
    path = tmp_path / "prompts.jsonl"
    path.write_text('{"prompt": "by hand"}\n# a note\n\n', encoding="utf-8")
    file = PromptFile(path)

    file.add(Kept("new"))
    prompts, problem = file.read()

    assert [kept.prompt for kept in prompts] == ["new", "by hand"]
    assert "line 2" in problem
    assert path.read_text(encoding="utf-8").splitlines()[1] == "# a note"


def test_unknown_deployment_is_refused_before_the_page_opens(workspace: Workspace) -> None:
    """What would fail at each question is said at once, with the deployments that there are."""
    workspace.deploy_base(name="base-endpoint")

    with pytest.raises(NotFoundError, match=r"no deployment green; it has: blue"):
        side(workspace, "base-endpoint/green")
