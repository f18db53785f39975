"""Exports a model: made and proven in a folder beside the target, which then takes the target's name in one move."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from time import monotonic
from typing import TYPE_CHECKING, Any, Literal

from phi_azure.asking.batch import BatchProgress
from phi_azure.edge.parity import agreement
from phi_azure.edge.player import Player
from phi_azure.edge.process import EngineProcess
from phi_azure.edge.proof import Proof, Subject, figures
from phi_azure.edge.questions import questions_of
from phi_azure.errors import ConfigError, GateNotPassed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from phi_azure.asking.batch import OnBatchProgress
    from phi_azure.compare.rows import Turns
    from phi_azure.edge.player import Spoken
    from phi_azure.edge.proof import Figures
    from phi_azure.edge.questions import Questions
    from phi_azure.events import OnProgress

Format = Literal["merged", "adapter", "onnx", "ollama", "foundry-local"]
FORMATS: tuple[Format, ...] = ("onnx", "merged", "adapter", "ollama", "foundry-local")
_REPLACED = "replaced"  # in a draft: what its target held
NOT_PASSED = "not-passed"
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
        ConfigError: `out` holds something; the source is no whole model; this machine lacks something, and the remedy
            says how to get it.
        GateNotPassed: what the gate asks for cannot be shown here.
        DataError: the rows are not what they should be.
    """
    order, on_side = order or Order(), on_side or _untold
    out = _named(out)
    _clear_after_killed(out)
    refuse_target(out, force=force)
    if not source.is_dir():
        raise ConfigError(f"{source} is no folder.")
    order = replace(order, name=_plain(order.name or out.name))
    asked = questions_of(trial.data, trial.limit) if trial else None
    with _draft(out) as draft:
        made = draft / "export"
        on_side(f"making {order.to}")
        manifest = _make(source, made, order)
        proof, unproven = None, None
        if trial and asked:
            proof, unproven = _prove(source, made, order, trial, asked, on_side, manifest)
        target = out
        if proof:
            proof.write(made)
            target = out if proof.passed is not False else out.with_name(f"{out.name}.{NOT_PASSED}")
        _put_in_place(made, target, draft)
    return Export(target, manifest, proof, unproven)


def export_downloaded(
    download: Callable[[Path, OnProgress | None], Path], out: Path, on_progress: OnProgress | None = None, **how: Any
) -> Export:
    """Exports what has first to be downloaded; a download that was cut goes on when the same is asked again.

    Args:
        download: copies the model into a folder.
        out: the folder to make; the download lies beside it, hidden, until the export is there.
        on_progress: is told how far the download is.
        how: as for `export`.

    Raises:
        Everything that `export` and the download raise.
    """
    out = _named(out)
    refuse_target(out, force=bool(how.get("force")))
    kept = out.with_name(f".{out.name}.source")
    made = export(download(kept, on_progress), out, **how)
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
    return [_ask(folder, folder.name, base, asked, trial, tell(f"asking {folder}"))[0] for folder in folders]


def refuse_target(out: Path, *, force: bool) -> None:
    """Raises ConfigError where something lies at the target that is not to be replaced."""
    if out.is_file() or (out.is_dir() and any(out.iterdir()) and not force):
        raise ConfigError(f"{out} holds something.", remedy="Give another folder with --out, or --force to replace it.")


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
        why = f"{error} {error.remedy or ''}".strip().replace(str(made), str(order.name))
        if trial.require is not None:
            raise GateNotPassed(f"nothing can be shown here: {why}") from error
        return None, why
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
        player.ask(asked.asked[0], max_tokens=trial.max_tokens)  # the first of all is slower
        started, said = monotonic(), list[Any]()
        for messages in asked.asked:
            said.append(player.ask(messages, max_tokens=trial.max_tokens))
            rate = len(said) / max(monotonic() - started, 1e-9)
            tell(BatchProgress(len(said), len(asked.asked), 0, rate, 1))
        peak = player.finish()
    subject = Subject(name, player.runtime, player.threads, player.load_s, peak, _size(folder))
    return figures(subject, said), said


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


@contextmanager
def _draft(out: Path) -> Iterator[Path]:
    """Gives a hidden folder beside the target, and removes it."""
    out.parent.mkdir(parents=True, exist_ok=True)
    draft = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    draft.mkdir()
    try:
        yield draft
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _clear_after_killed(out: Path) -> None:
    """Removes the drafts of killed exports; what one of them was about to replace goes back to its place."""
    for left in out.parent.glob(f".{out.name}.*.tmp"):
        if _is_alive(left.name.split(".")[-2]):
            continue
        for old in (left / _REPLACED).glob("*"):
            if not out.with_name(old.name).exists():
                old.rename(out.with_name(old.name))
        shutil.rmtree(left, ignore_errors=True)


def _is_alive(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except (ValueError, ProcessLookupError):
        return False
    except OSError:
        return True
    return True


def _put_in_place(made: Path, target: Path, draft: Path) -> None:
    """Renames; what lay there goes into the draft, and with it."""
    if target.exists():
        (draft / _REPLACED).mkdir()
        target.rename(draft / _REPLACED / target.name)
    made.rename(target)


def _named(out: Path) -> Path:
    """Returns a path that ends in a name, where it ends in `.` or `..`: something is put beside it."""
    return out if out.name not in {"", ".."} else out.resolve()


def _plain(name: str) -> str:
    """Returns a name that every format takes: lower case, digits, dots and dashes."""
    return re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-.") or "phi"


def _untold(_side: str) -> OnBatchProgress:
    return lambda _progress: None
