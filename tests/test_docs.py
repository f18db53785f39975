"""README and documentation work: commands and Python are run against the emulator, links lead somewhere."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest
import yaml

from phi_azure import FineTune, testing
from phi_azure.cli import VERBS, run
from phi_azure.engine.headlines import write_dataset

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
APART = DOCS / "testing.md"  # it has tests of its own
PAGES = [ROOT / "README.md", *sorted(path for path in DOCS.rglob("*.md") if path != APART)]
WRITTEN = [*DOCS.rglob("*.md"), *ROOT.glob("*.md"), ROOT / "pipelines" / "README.md"]
HERE = [page for page in PAGES if "\n  local: true\n" in page.read_text(encoding="utf-8")]
ASKING = {"submit", "deploy", "down", "resume", "sweep", "cancel", "traffic"}
"""Verbs that ask before they act; nobody can answer here, so that --yes is added."""
_FENCE = re.compile(r"^( *)```(\w+)(?: title=\"([^\"]+)\")?\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)
_EXIT = re.compile(r"#.*\bexit code (\d+)")


@dataclass(frozen=True)
class Block:
    """One block of code: its language, the file that it stands for, its text, the line that it starts in."""

    language: str
    title: str | None
    text: str
    line: int


@dataclass
class Reader:
    """Does what a page says, in a folder of its own; keeps what the last block has printed."""

    capsys: pytest.CaptureFixture[str]
    run_name: str = "RUN"
    printed: str = ""
    done: list[str] = field(default_factory=list)

    def read_page(self, page: Path) -> None:
        """Does what comes before a page, then all of it."""
        for line in settings(page).get("before", []):
            self.command(line)
        for block in blocks(page):
            self.read(block)

    def read(self, block: Block) -> None:
        """Runs, writes, parses or compares one block."""
        getattr(self, f"_{block.language}")(block)
        self.done.append(block.language)

    def _bash(self, block: Block) -> None:
        subprocess.run(["bash", "-n", "-c", block.text], check=True)
        self.printed = ""
        for line in block.text.replace("\\\n", " ").splitlines():
            if line.startswith("phi-azure "):
                self.command(line)

    def command(self, line: str) -> None:
        """Runs a line of commands, which ends with the exit code that is said behind it."""
        wanted = int(found[1]) if (found := _EXIT.search(line)) else 0
        for part in line.partition(" #")[0].split("&&"):
            code = self._one(shlex.split(part)[1:])
            if code:
                break
        assert code == wanted, f"{line} ended with {code}:\n{self.printed}"

    def _one(self, words: list[str]) -> int:
        words = [self.run_name if word == "RUN" else word for word in words]
        asks = words[0] in ASKING and not {"--yes", "-y"} & set(words)
        code = run([*words, "--yes"] if asks else words)
        said = self.capsys.readouterr()
        self.printed += said.err + said.out
        if words[0] in {"submit", "resume"} and code == 0 and "--json" not in words:
            self.run_name = said.out.split()[-1]
        return code

    def _text(self, block: Block) -> None:
        if block.title:  # a table of cron: when, where, and the command
            for line in block.text.splitlines():
                self.command("phi-azure " + line.partition("phi-azure ")[2].replace("/srv/phi/", ""))
            return
        assert self.done[-1:] in (["bash"], ["python"]), "a text block shows what the block before it prints"
        parts = [re.escape(part.strip()) for part in " ".join(block.text.split()).split("...")]
        told = " ".join(self.printed.split())
        assert re.search(".*?".join(parts), told), f"printed was:\n{self.printed}"

    def _yaml(self, block: Block) -> None:
        document = yaml.safe_load(block.text)
        path = Path(block.title or "shown.yaml")
        path.write_text(block.text, encoding="utf-8")
        if "training_data" in document:
            FineTune.from_yaml(path)

    def _python(self, block: Block) -> None:
        if "testing.azure(" in block.text:  # there is one emulator in a process, and this block brings its own
            done = subprocess.run([sys.executable, "-c", block.text], capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            self.printed = done.stdout
        else:
            exec(compile(block.text, f"line {block.line}", "exec"), {"__name__": "__main__"})
            self.printed = self.capsys.readouterr().out

    def _json(self, block: Block) -> None:
        for line in block.text.splitlines():
            json.loads(line)
        if block.title:
            Path(block.title).write_text(block.text, encoding="utf-8")


def blocks(page: Path) -> Iterator[Block]:
    """Yields the blocks of code of a page."""
    text = page.read_text(encoding="utf-8")
    for found in _FENCE.finditer(text):
        body = "\n".join(line.removeprefix(found[1]) for line in found[4].splitlines())
        yield Block(found[2], found[3], body, text.count("\n", 0, found.start()) + 1)


def by_name(page: Path) -> str:
    """Returns what a page is called in the list of tests."""
    return str(page.relative_to(ROOT))


def settings(page: Path) -> dict[str, Any]:
    """Returns what the head of a page says of its tests.

    The Azure that it needs, or that it is read on this machine (`local`); how jobs go, what models answer, which
    deployments fail; commands that come before the page.
    """
    found = re.match(r"---\n(.*?)\n---\n", page.read_text(encoding="utf-8"), re.DOTALL)
    head: dict[str, Any] = yaml.safe_load(found[1]) if found else {}
    said: dict[str, Any] = head.get("test", {})
    return said


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Reader:
    """Reads pages in an empty folder but for rows."""
    monkeypatch.chdir(tmp_path)
    for name, value in {"COLUMNS": "100", "NO_COLOR": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("PHI_AZURE_LOCAL", raising=False)
    write_dataset(tmp_path, train=100, validation=20, test=30)
    return Reader(capsys)


@pytest.mark.parametrize("page", [page for page in PAGES if page not in HERE], ids=by_name)
def test_page_does_what_it_says(page: Path, reader: Reader, tmp_path: Path) -> None:
    """Commands end with the exit code that is said and print what is shown; Python runs; files are read."""
    said = settings(page)
    with testing.azure(**said.get("azure", {})) as azure:
        azure.write_config(tmp_path)
        if "script" in said:
            azure.jobs.script(**said["script"])
        for where, answer in said.get("answers", {}).items():
            azure.reply(lambda _, answer=answer: answer, None if where == "all" else where)  # type: ignore[misc]
        for where, fault in said.get("faults", {}).items():
            azure.faults.add(fault, where)
        with hurried(azure) if "faults" in said else nullcontext():
            reader.read_page(page)


@contextmanager
def hurried(azure: testing.Azure) -> Iterator[None]:
    """Turns the clock of Azure while commands wait by their own: what fails after ten minutes fails in a second."""
    over = Event()

    def turn() -> None:
        while not over.wait(0.1):
            azure.clock.turn(60)

    turning = Thread(target=turn)
    turning.start()
    try:
        yield
    finally:
        over.set()
        turning.join()


@pytest.mark.engine
@pytest.mark.parametrize("page", HERE, ids=by_name)
def test_page_does_on_this_machine_what_it_says(page: Path, reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same where a model is really trained and exported."""
    pytest.importorskip("onnxruntime_genai", reason="the extra `edge` is not installed")
    monkeypatch.setenv("PHI_AZURE_LOCAL", "1")

    reader.read_page(page)


def test_commands_are_all_told() -> None:
    """No verb is left out of the page that has a line for each."""
    text = (DOCS / "commands.md").read_text(encoding="utf-8")

    assert not [verb for verb in VERBS if not re.search(rf"^\|.*`{verb}\b.*\|.*\|$", text, re.MULTILINE)]


def test_site_is_built_without_a_warning(tmp_path: Path) -> None:
    """`make docs` holds every link, anchor, docstring and page of the navigation to what there is."""
    pytest.importorskip("mkdocs", reason="the extra `dev` is not installed")
    kept = {"PYTHONPATH": str(ROOT / "src"), "NO_MKDOCS_2_WARNING": "1"}

    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    built = subprocess.run(words, cwd=ROOT, env={**os.environ, **kept}, capture_output=True, text=True, check=False)

    assert built.returncode == 0, built.stdout + built.stderr
    assert built.stderr.strip() == ""
    pages = {path.relative_to(tmp_path / "site").as_posix() for path in (tmp_path / "site").rglob("*.html")}
    assert {
        "index.html",
        "notebooks/01_serverless.html",
        "reference/errors.html",
        "reference/python.html",
        "reference/emulator.html",
    } <= pages
    text = (tmp_path / "site" / "reference" / "python.html").read_text(encoding="utf-8")
    assert text.count("doc doc-heading") > 60
    shown = unescape((tmp_path / "site" / "notebooks" / "02_managed_compute.html").read_text(encoding="utf-8"))
    assert re.search(r"^✓ storage  .*\n✓ right to upload  ", shown, re.MULTILINE), "lines of a report run together"
    assert not [page for page in pages if _foreign(tmp_path / "site" / page)]


def _foreign(page: Path) -> list[str]:
    """Returns what a page would fetch from other hosts."""
    return re.findall(r"<(?:script|img|link)[^>]+(?:src|href)=\"?(https?://[^\s\">]+)", page.read_text("utf-8"))


@pytest.mark.parametrize("page", WRITTEN, ids=by_name)
def test_links_lead_somewhere(page: Path) -> None:
    """A relative link of a page names a file that is there, or one that is made; an anchor is a heading of it."""
    made = {f"docs/{name}" for name in _made_pages()}

    for target in re.findall(r"\]\(([^)\s]+)\)", _without_code(page.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = unquote(target).partition("#")
        path = (page.parent / name).resolve() if name else page
        inside = path.relative_to(ROOT).as_posix()
        assert path.exists() or inside in made, f"{page.name}: {target}"
        if anchor and path.exists():
            assert anchor in _anchors(path), f"{page.name}: {target}"


def _made_pages() -> list[str]:
    code = (DOCS / "made.py").read_text(encoding="utf-8")
    notebooks = [f"notebooks/{path.stem}.md" for path in (ROOT / "notebooks").glob("*.ipynb")]
    return notebooks + re.findall(r'^    "(reference/[\w-]+\.md)": ', code, re.MULTILINE)


def _without_code(text: str) -> str:
    return re.sub(r"`[^`\n]*`", "", _FENCE.sub("", text))


def _anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", _FENCE.sub("", path.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[\s]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower()) for heading in headings}
