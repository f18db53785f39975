"""The step ft_nlp_common_validation: refuses early what the later steps would refuse.

Azure's own step only leaves a mark, and errors in the data come minutes later, in the preprocess step; here at once.
"""

from __future__ import annotations

import json
from itertools import count
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from phi_azure.engine.errors import ProblemsError, UserError
from phi_azure.engine.events import log
from phi_azure.engine.folders import huggingface_folder, write_whole
from phi_azure.engine.rows import MIN_TRAIN_ROWS, SPLITS, read_rows, require_rows, set_aside, split_file
from phi_azure.engine.settings import setting_problems

if TYPE_CHECKING:
    from phi_azure.engine.events import Events
    from phi_azure.engine.spec import Spec

_BAD_IN_PATHS = ("\\", "'")


def run(spec: Spec, _events: Events) -> None:
    """Checks settings, paths and rows; writes what it found as JSON."""
    problems = [*setting_problems(spec), *_path_problems(spec), *_model_problems(spec)]
    found: dict[str, Any] = {}
    for split in SPLITS:
        found[split] = _asked(spec, split, problems)
    if problems:
        raise ProblemsError(problems)
    write_whole(spec.output("validation_info"), json.dumps({"status": "valid", "data": found}, indent=2) + "\n")
    log("validation passed")


def _asked(spec: Spec, split: str, problems: list[str]) -> dict[str, Any] | None:
    """Returns what a split holds; adds to the problems what is wrong with it."""
    try:
        return _checked(spec, split)
    except UserError as error:
        problems.append(str(error))
        return None


def _checked(spec: Spec, split: str) -> dict[str, Any] | None:
    path = split_file(spec, split)
    if path is None and split == "train":
        raise UserError("training data is missing: give train_file_path or train_mltable_path.")
    if path is None:
        log(f"no {split} file: the preprocess step will set training rows aside")
        return None
    rows = read_rows(path)
    log(f"{split}: {path.name}, {len(rows.kept)} rows")
    for note in rows.notes():
        log(f"warning: {split}: {note}")
    require_rows(rows, split, _least(spec) if split == "train" else 1)
    return {"rows": len(rows.kept), "dropped": {why: len(at) for why, at in rows.dropped.items()}}


def _least(spec: Spec) -> int:
    """Returns how many training rows are needed so that enough are left when the missing splits have been served."""
    missing = sum(not (spec.text(f"{split}_file_path") or spec.text(f"{split}_mltable_path")) for split in SPLITS[1:])
    return next(n for n in count(MIN_TRAIN_ROWS) if n - set_aside(n, missing) * missing >= MIN_TRAIN_ROWS)


def _path_problems(spec: Spec) -> list[str]:
    """Looks at the files' own names, which Azure would see; the folders above them are of this machine."""
    names = [name for name in spec.inputs if name.endswith("_path")]
    return [
        f"{name} holds the character {char}, which Azure refuses in paths."
        for name in names
        for char in _BAD_IN_PATHS
        if char in PurePosixPath(spec.inputs[name]).name
    ]


def _model_problems(spec: Spec) -> list[str]:
    path = spec.path("mlflow_model_path")
    if path is None:
        return []
    try:
        huggingface_folder(path)
    except UserError as error:
        return [f"mlflow_model_path: {error}"]
    return []
