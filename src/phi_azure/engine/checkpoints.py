"""Checkpoints of a training run: what is needed to go on exactly where a killed run stood."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from phi_azure.engine.folders import whole_folder

if TYPE_CHECKING:
    from pathlib import Path

_STATE = "state.json"
_WEIGHTS = "weights.safetensors"
_MACHINE = "machine.pt"  # optimizer and random numbers
_BEST = "best"


@dataclass
class Position:
    """Where a run stands, and the sums that its next report needs."""

    step: int = 0
    tokens: int = 0
    answer_tokens: int = 0
    window_loss: float = 0.0
    window_count: int = 0
    total_loss: float = 0.0
    total_count: int = 0
    seconds: float = 0.0
    best: float | None = None
    best_step: int = 0
    unimproved: int = 0
    stopped: bool = False


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints in one folder; each is complete or absent."""

    folder: Path
    keep: int = -1

    def clear(self) -> bool:
        """Removes what an earlier run left; tells whether there was anything."""
        there = self.folder.exists() and any(self.folder.iterdir())
        shutil.rmtree(self.folder, ignore_errors=True)
        return there

    def save(self, position: Position, model: Any, optimizer: Any) -> None:
        """Writes a checkpoint, then drops the oldest beyond the limit."""
        import torch
        from safetensors.torch import save_file

        with whole_folder(self._at(position.step)) as out:
            save_file(trainable(model), str(out / _WEIGHTS))
            random = {"cpu": torch.get_rng_state(), "cuda": torch.cuda.get_rng_state_all()}
            torch.save({"optimizer": optimizer.state_dict(), "random": random}, out / _MACHINE)
            (out / _STATE).write_text(json.dumps(asdict(position)), encoding="utf-8")
        if self.keep > 0:
            for step in self._steps()[: -self.keep]:
                shutil.rmtree(self._at(step))

    def load_last(self, model: Any, optimizer: Any) -> Position | None:
        """Puts model, optimizer and random numbers back, and returns where the run stood; None without a checkpoint."""
        import torch

        steps = self._steps()
        if not steps:
            return None
        home = self._at(steps[-1])
        _restore(model, home / _WEIGHTS)
        machine = torch.load(home / _MACHINE, weights_only=True)
        optimizer.load_state_dict(machine["optimizer"])
        torch.set_rng_state(machine["random"]["cpu"])
        if machine["random"]["cuda"]:
            torch.cuda.set_rng_state_all(machine["random"]["cuda"])
        return Position(**json.loads((home / _STATE).read_text(encoding="utf-8")))

    def save_best(self, model: Any) -> None:
        """Keeps the weights that were best in evaluation so far."""
        from safetensors.torch import save_file

        with whole_folder(self.folder / _BEST) as out:
            save_file(trainable(model), str(out / _WEIGHTS))

    def load_best(self, model: Any) -> None:
        """Puts the best weights into the model."""
        _restore(model, self.folder / _BEST / _WEIGHTS)

    def _at(self, step: int) -> Path:
        return self.folder / f"checkpoint-{step}"

    def _steps(self) -> list[int]:
        return sorted(int(path.name.split("-")[1]) for path in self.folder.glob("checkpoint-*"))


def trainable(model: Any) -> dict[str, Any]:
    """Returns the weights that training changes, by name."""
    return {name: weight.detach().contiguous() for name, weight in model.named_parameters() if weight.requires_grad}


def _restore(model: Any, path: Path) -> None:
    import torch
    from safetensors.torch import load_file

    saved = load_file(str(path))
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.requires_grad:
                weight.copy_(saved[name])
