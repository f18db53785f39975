"""The step ft_nlp_common_validation: refuses early what the later steps would refuse.

Azure's own step only leaves a mark, and its errors come 10 to 20 minutes later, in the preprocess step; here they come at once.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from phi_azure.engine.errors import ProblemsError, UserError
from phi_azure.engine.events import log
from phi_azure.engine.folders import huggingface_folder, write_whole
from phi_azure.engine.rows import Rows, read_rows, require_rows, split_file
from phi_azure.engine.settings import setting_problems

if TYPE_CHECKING:
    from phi_azure.engine.events import Events
    from phi_azure.engine.spec import Spec

_BAD_IN_PATHS = ("\\", "'")


def run(spec: Spec, _events: Events) -> None:
    """Checks settings, paths and rows; writes what it found as JSON."""
    problems = [*setting_problems(spec), *_path_problems(spec), *_model_problems(spec)]
    rows: dict[str, Rows] = {}
    for split in ("train", "validation", "test"):
        try:
            rows.update(_checked(spec, split))
        except UserError as error:
            problems.append(str(error))
    if problems:
        raise ProblemsError(problems)
    found = {split: {"rows": len(of.kept), "dropped": {why: len(at) for why, at in of.dropped.items()}} for split, of in rows.items()}
    write_whole(spec.output("validation_info"), json.dumps({"status": "valid", "data": found}, indent=2) + "\n")
    log("validation passed")


def _checked(spec: Spec, split: str) -> dict[str, Rows]:
    path = split_file(spec, split)
    if path is None and split == "train":
        raise UserError("training data is missing: give train_file_path or train_mltable_path.")
    if path is None:
        log(f"no {split} file: the preprocess step will set rows aside")
        return {}
    rows = read_rows(path)
    log(f"{split}: {path.name}, {len(rows.kept)} rows")
    for note in rows.notes():
        log(f"warning: {split}: {note}")
    require_rows(rows, split)
    return {split: rows}


def _path_problems(spec: Spec) -> list[str]:
    names = [name for name in spec.inputs if name.endswith("_path")]
    return [
        f"{name} holds the character {char}, which Azure refuses in paths."
        for name in names
        for char in _BAD_IN_PATHS
        if char in spec.inputs[name]
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
