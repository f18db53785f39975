"""Exports a model: made, proven, and put in place whole."""

from __future__ import annotations

import hashlib
import importlib.util
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from time import monotonic
from typing import TYPE_CHECKING, Any, Literal

from phi_azure.asking.batch import BatchProgress
from phi_azure.edge import placing
from phi_azure.edge.parity import agreement
from phi_azure.edge.player import Player
from phi_azure.edge.process import EngineProcess
from phi_azure.edge.proof import Proof, Subject, figures
from phi_azure.edge.questions import questions_of
from phi_azure.errors import ConfigError, DataError, GateNotPassed, PhiAzureError

if TYPE_CHECKING:
    from pathlib import Path

    from phi_azure.asking.batch import OnBatchProgress
    from phi_azure.compare.rows import Turns
    from phi_azure.edge.player import Spoken
    from phi_azure.edge.proof import Figures
    from phi_azure.edge.questions import Questions
    from phi_azure.events import OnProgress

Format = Literal["merged", "adapter", "onnx", "ollama", "foundry-local"]
FORMATS: tuple[Format, ...] = ("onnx", "merged", "adapter", "ollama", "foundry-local")
_PRECISIONS = ("int4", "int8", "fp16", "fp32")
_PROVIDERS = ("cpu", "cuda", "dml", "webgpu")
OnSide = Callable[[str], "OnBatchProgress"]
"""Is given what happens next, and returns whom to tell how far it is."""


@dataclass(frozen=True)
class Order:
    """What is to be made."""

    to: Format = "onnx"
    precision: str | None = None
    """int4, int8, fp16 or fp32, of ONNX [int4] and GGUF [fp16]; merged weights and adapters stay as they are."""
    provider: str = "cpu"
    """Of ONNX Runtime: cpu, cuda, dml or webgpu; it has to be there."""
    base: Path | None = None
    """The weights that an adapter alone goes on."""
    name: str | None = None
    """What the model is called in the format; None takes the target's name."""

    def __post_init__(self) -> None:
        """Refuses words that there are not."""
        _one_of("format", self.to, FORMATS)
        _one_of("provider", self.provider, _PROVIDERS)
        if self.precision is not None:
            _one_of("precision", self.precision, _PRECISIONS)
            if self.to in {"merged", "adapter"}:
                raise ConfigError(f"{self.to} keeps the precision of the model; leave --precision away.")


@dataclass(frozen=True)
class Trial:
    """What the proof asks."""

    data: Path | None = None
    """Rows that were kept apart; None takes twenty built-in questions."""
    limit: int | None = None
    max_tokens: int = 128
    require: float | None = None
    """The least share that agrees: of labels where the rows have labels, else of whole answers."""
    reference: Callable[[list[Turns], int], list[Spoken]] | None = None
    """Answers in the place of the merged model here: an endpoint's, given conversations and the length."""
    reference_name: str = "merged model"

    def __post_init__(self) -> None:
        """Refuses numbers that ask nothing, or for what cannot be."""
        if self.limit is not None and self.limit < 1:
            raise ConfigError(f"limit is {self.limit}; it takes a whole number of 1 or more.")
        if self.max_tokens < 1:
            raise ConfigError(f"max_tokens is {self.max_tokens}; it takes a whole number of 1 or more.")
        if self.require is not None and not 0 <= self.require <= 1:
            raise ConfigError(f"require is {self.require}; it takes a share from 0 to 1.")


@dataclass(frozen=True)
class Export:
    """What was made."""

    folder: Path
    """Where it lies: the target; beside it, as TARGET.not-passed, where the gate was not passed."""
    manifest: dict[str, Any]
    proof: Proof | None
    unproven: str | None = None
    """Why there is no proof, where one was wanted."""

    @property
    def passed(self) -> bool:
        """Whether it lies at the target."""
        return self.proof is None or self.proof.passed is not False

    def to_dict(self) -> dict[str, Any]:
        """Returns plain values."""
        return {
            "folder": str(self.folder),
            **self.manifest,
            "proof": self.proof.to_dict() if self.proof else None,
            "unproven": self.unproven,
        }


def export(
    source: Path,
    out: Path,
    order: Order | None = None,
    trial: Trial | None = None,
    *,
    force: bool = False,
    on_side: OnSide | None = None,
) -> Export:
    """Makes another format of a model and proves that it answers alike; it appears whole or not at all.

    Args:
        source: a folder as it comes: Hugging Face, MLflow with nested data/model, a job's outputs, an adapter.
        out: the folder to make.
        order: the format, and how.
        trial: the proof; None makes none.
        force: put it in the place of what lies at `out`.
        on_side: see `OnSide`.

    Raises:
        ConfigError: `out` holds something, or the source, or lies in it; the source is no whole model; this machine
            lacks something, and the remedy says how to get it.
        GateNotPassed: what the gate asks for cannot be shown here.
        DataError: the rows are not what they should be, or one is longer than the model reads.
    """
    order, on_side = order or Order(), on_side or _untold
    order = replace(order, name=_plain(order.name or out.name))
    out = placing.target_of(out)
    placing.clear_after_killed(out)
    placing.refuse_target(out, force=force)
    if not source.is_dir():
        raise ConfigError(f"{source} is no folder.")
    placing.refuse_overlap(out, [source, *([order.base] if order.base else [])])
    _refuse_unshowable(order, trial)
    asked = questions_of(trial.data, trial.limit) if trial else None
    with placing.draft_of(out) as draft:
        made = draft / "export"
        on_side(f"making {order.to}")
        manifest = _make(source, made, order)
        proof, unproven = None, None
        if trial and asked:
            proof, unproven = _prove(source, made, order, trial, asked, on_side, manifest)
        target = out
        if proof:
            proof.write(made)
            target = out if proof.passed is not False else placing.beside(out)
        placing.refuse_target(out, force=force)  # once more: it took a while
        placing.put_in_place(made, target, draft)
    return Export(target, manifest, proof, unproven)


def export_downloaded(
    download: Callable[[Path, OnProgress | None], Path],
    of: str,
    out: Path,
    on_progress: OnProgress | None = None,
    **how: Any,
) -> Export:
    """Exports what has first to be downloaded; a download that was cut goes on when the same is asked again.

    Args:
        download: copies the model into a folder.
        of: the id of what is downloaded; another one has a folder of its own.
        out: the folder to make; the download lies beside it, hidden, until the export is there.
        on_progress: is told how far the download is.
        how: as for `export`.

    Raises:
        Everything that `export` and the download raise.
    """
    target = placing.target_of(out)
    placing.refuse_target(target, force=bool(how.get("force")))
    _refuse_unshowable(how.get("order") or Order(), how.get("trial"))
    mark = hashlib.sha256(of.encode()).hexdigest()[:8]
    kept = download(target.with_name(f".{target.name}.{mark}.source"), on_progress)
    try:
        made = export(kept, out, **how)
    except PhiAzureError as error:
        stays = f"The model stays in {kept} for the next try; remove it if there is none."
        error.remedy = f"{error.remedy or ''} {stays}".strip()
        raise
    shutil.rmtree(kept, ignore_errors=True)
    return made


def measure(
    folders: list[Path], trial: Trial, *, base: Path | None = None, on_side: OnSide | None = None
) -> list[Figures]:
    """Asks folders, one after another, and returns what was measured of each.

    Raises:
        ConfigError: one cannot be asked here, and the remedy says what is missing.
    """
    asked = questions_of(trial.data, trial.limit)
    tell = on_side or _untold
    names = [folder.name or folder.resolve().name for folder in folders]
    return [
        _ask(folder, name, base, asked, trial, tell(f"asking {folder}"))[0]
        for folder, name in zip(folders, names, strict=True)
    ]


def _refuse_unshowable(order: Order, trial: Trial | None) -> None:
    """Refuses a gate that nothing on this machine can open, before anything is made."""
    if trial and trial.require is not None and order.to == "ollama" and importlib.util.find_spec("llama_cpp") is None:
        raise GateNotPassed(
            "nothing can be shown here: asking a GGUF file needs llama-cpp-python, not installed.",
            remedy="pip install llama-cpp-python (it builds llama.cpp), or leave --require away.",
        )


def _make(source: Path, made: Path, order: Order) -> dict[str, Any]:
    base = ["--base", str(order.base)] if order.base else []
    precision = ["--precision", order.precision] if order.precision else []
    words = ["--to", order.to, "--provider", order.provider, "--name", str(order.name), *precision, *base]
    with EngineProcess("export", str(source), str(made), *words) as process:
        manifest: dict[str, Any] = process.hear()["made"]
    return manifest


def _prove(
    source: Path,
    made: Path,
    order: Order,
    trial: Trial,
    asked: Questions,
    on_side: OnSide,
    manifest: dict[str, Any],
) -> tuple[Proof | None, str | None]:
    """Asks both sides; returns the proof, or why there can be none here."""
    try:
        other, said = _ask(made, str(order.name), order.base, asked, trial, on_side("asking the export"))
    except ConfigError as error:
        if trial.require is not None:
            raise GateNotPassed(f"nothing can be shown here: {error}", remedy=error.remedy) from error
        return None, f"{error} {error.remedy or ''}".strip().replace(str(made), str(order.name))
    other = replace(other, subject=replace(other.subject, precision=manifest["precision"]))
    tell = on_side(f"asking the {trial.reference_name}")
    if trial.reference:
        wanted = trial.reference(list(asked.asked), trial.max_tokens)
        side = figures(Subject(trial.reference_name, "endpoint"), wanted)
    else:
        side, wanted = _ask(source, trial.reference_name, order.base, asked, trial, tell)
    found = agreement(asked, wanted, said)
    return Proof(datetime.now(timezone.utc), asked, trial.max_tokens, side, other, found, trial.require), None


def _ask(
    folder: Path, name: str, base: Path | None, asked: Questions, trial: Trial, tell: OnBatchProgress
) -> tuple[Figures, list[Spoken]]:
    with Player(folder, base) as player:
        _answer(player, asked.asked[0], trial, f"{asked.name}, question 1")  # the first of all is slower
        started, said = monotonic(), list[Any]()
        for number, messages in enumerate(asked.asked, 1):
            said.append(_answer(player, messages, trial, f"{asked.name}, question {number}"))
            rate = len(said) / max(monotonic() - started, 1e-9)
            tell(BatchProgress(len(said), len(asked.asked), 0, rate, 1))
        peak = player.finish()
    subject = Subject(name, player.runtime, player.threads, player.load_s, peak, _size(folder))
    return figures(subject, said), said


def _answer(player: Player, messages: Turns, trial: Trial, what: str) -> Spoken:
    try:
        return player.ask(messages, max_tokens=trial.max_tokens)
    except ConfigError as error:
        raise DataError(f"{what}: {error}", remedy="Leave that row out, or make it shorter.") from error


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _plain(name: str) -> str:
    """Returns a name that every format takes: lower case, digits, dots and dashes."""
    return re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-.") or "phi"


def _untold(_side: str) -> OnBatchProgress:
    return lambda _progress: None


def _one_of(what: str, word: str, known: tuple[str, ...]) -> None:
    if word not in known:
        raise ConfigError(f"there is no {what} {word!r}; there are {', '.join(known)}.")
