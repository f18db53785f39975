"""Every page of the documentation works: commands and Python are run against the emulator, links lead somewhere."""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import click
import pytest
import yaml

from phi_azure import FineTune, testing
from phi_azure.cli import group, run
from phi_azure.cli.session import Session
from phi_azure.engine.headlines import write_dataset

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(path for path in DOCS.rglob("*.md") if path != DOCS / "testing.md")  # that one has tests of its own
WRITTEN = [*DOCS.rglob("*.md"), *ROOT.glob("*.md"), ROOT / "pipelines" / "README.md"]
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
    """Does what a page says, in a folder of its own; keeps what the last block of commands has printed."""

    capsys: pytest.CaptureFixture[str]
    acts: bool = True
    """Whether there is an Azure; without one commands are parsed, and Python brings its own."""
    run_name: str = "RUN"
    printed: str = ""
    done: list[str] = field(default_factory=list)

    def read(self, block: Block) -> None:
        """Runs, writes, parses or compares one block."""
        getattr(self, f"_{block.language}")(block)
        self.done.append(block.language)

    def _bash(self, block: Block) -> None:
        subprocess.run(["bash", "-n", "-c", block.text], check=True)
        self.printed = ""
        for line in block.text.replace("\\\n", " ").splitlines():
            if line.startswith("phi-azure "):
                self._command(line)

    def _command(self, line: str) -> None:
        wanted = int(found[1]) if (found := _EXIT.search(line)) else 0
        for part in line.partition(" #")[0].split("&&"):
            code = self._one(shlex.split(part)[1:])
            if code:
                break
        assert code == wanted, f"{line} ended with {code}:\n{self.printed}"

    def _one(self, words: list[str]) -> int:
        words = [self.run_name if word == "RUN" else word for word in words]
        if not self.acts:
            command = group.get_command(click.Context(group), words[0])
            assert command is not None
            command.make_context(words[0], words[1:], obj=Session())
            return 0
        asks = words[0] in ASKING and not {"--yes", "-y"} & set(words)
        code = run([*words, "--yes"] if asks else words)
        said = self.capsys.readouterr()
        self.printed += said.err + said.out
        if words[0] in {"submit", "resume"} and code == 0 and "--json" not in words:
            self.run_name = said.out.split()[-1]
        return code

    def _text(self, block: Block) -> None:
        if block.title:
            assert all(shlex.split(line) for line in block.text.splitlines())
            return
        assert self.done[-1:] == ["bash"], "a text block shows what the commands before it print"
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
        if block.title:
            Path(block.title).write_text(block.text, encoding="utf-8")
            ast.parse(block.text)
        else:
            exec(compile(block.text, f"line {block.line}", "exec"), {"__name__": "__main__"})
            self.capsys.readouterr()

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


def settings(page: Path) -> dict[str, Any]:
    """Returns what the head of a page says of its tests: the Azure that it needs, how jobs go, what models answer."""
    found = re.match(r"---\n(.*?)\n---\n", page.read_text(encoding="utf-8"), re.DOTALL)
    head: dict[str, Any] = yaml.safe_load(found[1]) if found else {}
    said: dict[str, Any] = head.get("test", {})
    return said


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_page_does_what_it_says(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Commands end with the exit code that is said and print what is shown; Python runs; files are read."""
    monkeypatch.chdir(tmp_path)
    for name, value in {"COLUMNS": "100", "NO_COLOR": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("PHI_AZURE_LOCAL", raising=False)
    write_dataset(tmp_path, train=100, validation=20, test=30)
    said = settings(page)
    if said.get("azure") is False:
        _read(Reader(capsys, acts=False), page)
        return
    with testing.azure(**said.get("azure", {})) as azure:
        ids = {"subscription_id": azure.subscription_id, "resource_group": azure.resource_group}
        (tmp_path / "config.json").write_text(json.dumps({**ids, "workspace_name": azure.workspace}), encoding="utf-8")
        if "script" in said:
            azure.jobs.script(**said["script"])
        for where, answer in said.get("answers", {}).items():
            azure.reply(lambda _, answer=answer: answer, None if where == "all" else where)  # type: ignore[misc]
        _read(Reader(capsys), page)


def _read(reader: Reader, page: Path) -> None:
    for block in blocks(page):
        reader.read(block)


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
    assert not [page for page in pages if _foreign(tmp_path / "site" / page)]


def _foreign(page: Path) -> list[str]:
    """Returns what a page would fetch from other hosts."""
    return re.findall(r"<(?:script|img|link)[^>]+(?:src|href)=\"?(https?://[^\s\">]+)", page.read_text("utf-8"))


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: str(page.relative_to(ROOT)))
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
