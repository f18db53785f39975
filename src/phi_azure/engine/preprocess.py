"""The step chat_completion_datapreprocess: chat rows become token ids, with the assistant's own tokens marked.

Each split is one safetensors file of three flat lists: `ids`, `answer` (1 where the model learns) and `starts` (where
each row begins, and the end). Written without torch or numpy.
"""

from __future__ import annotations

import json
import random
from array import array
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from phi_azure.engine.errors import UserError
from phi_azure.engine.events import log
from phi_azure.engine.finetune_config import merge_system, read_config
from phi_azure.engine.folders import whole_folder
from phi_azure.engine.rows import MIN_TRAIN_ROWS, SPLITS, Row, Rows, read_rows, require_rows, set_aside, split_file
from phi_azure.engine.template import load_chat_tokenizer

if TYPE_CHECKING:
    from pathlib import Path

    from phi_azure.engine.events import Events
    from phi_azure.engine.spec import Spec
    from phi_azure.engine.template import ChatTokenizer

ARGS = "preprocess_args.json"
_SEED = 0  # Azure's split is shuffled with a fixed seed too


@dataclass
class Encoded:
    """The tokens of a split, and how many rows were cut or teach nothing."""

    ids: array[int] = field(default_factory=lambda: array("i"))
    answer: array[int] = field(default_factory=lambda: array("B"))
    starts: array[int] = field(default_factory=lambda: array("q", [0]))
    cut: int = 0
    silent: int = 0

    def add(self, ids: list[int], answer: list[bool], limit: int) -> None:
        """Adds one row, cut at the limit."""
        self.cut += len(ids) > limit
        self.silent += not any(answer[:limit])
        self.ids.extend(ids[:limit])
        self.answer.extend(answer[:limit])
        self.starts.append(len(self.ids))


def run(spec: Spec, _events: Events) -> None:
    """Reads, splits, renders, tokenises and writes."""
    model = spec.path("model_selector_output")
    if model is None:
        raise UserError("model_selector_output is missing.")
    if spec.flag("trust_remote_code"):
        log("trust_remote_code=true is left out: this engine runs no code that comes with a model")
    config = read_config(model)
    tokenizer = load_chat_tokenizer(model, config.get("finetune_chat_template"))
    limit = _limit(spec.integer("max_seq_length", -1), tokenizer.context)
    merge = str(config.get("system_role_supported")).lower() == "false"
    splits = _splits(spec)
    with whole_folder(spec.output("output_dir")) as out:
        encoded = {
            split: _encode(split, rows.kept, tokenizer, limit, merge)
            for split, rows in splits.items()
            if split != "test"
        }
        for split, tokens in encoded.items():
            _write(tokens, out / f"{split}.safetensors")
        _write_test(splits.get("test"), out)
        args = {
            "max_seq_length": limit,
            "pad_to_max_length": spec.flag("pad_to_max_length"),
            "splits": {split: _counts(tokens) for split, tokens in encoded.items()},
        }
        (out / ARGS).write_text(json.dumps(args, indent=2) + "\n", encoding="utf-8")


def _limit(asked: int, context: int) -> int:
    limit = min(asked, context) if asked > 0 else context
    log(f"longest row: {limit} tokens (max_seq_length {asked}, the model's own limit {context})")
    return limit


def _splits(spec: Spec) -> dict[str, Rows]:
    """Reads the files given, and sets training rows aside for those that are missing, by Azure's shares."""
    paths = {split: split_file(spec, split) for split in SPLITS}
    if paths["train"] is None:
        raise UserError("training data is missing: give train_file_path or train_mltable_path.")
    splits = {split: _read(split, path) for split, path in paths.items() if path}
    missing = [split for split in ("validation", "test") if split not in splits]
    if missing:
        splits.update(_set_aside(splits["train"], missing))
    require_rows(splits["train"], "training", MIN_TRAIN_ROWS)
    require_rows(splits["validation"], "validation")
    return splits


def _read(split: str, path: Path) -> Rows:
    rows = read_rows(path)
    log(f"{split}: {len(rows.kept)} rows from {path.name}")
    for note in rows.notes():
        log(f"warning: {split}: {note}")
    return rows


def _set_aside(train: Rows, missing: list[str]) -> dict[str, Rows]:
    """Takes 20% of the training rows: for the one split that is missing, or half each."""
    rows = train.kept.copy()
    random.Random(_SEED).shuffle(rows)
    share = set_aside(len(rows), len(missing))
    parts = {split: Rows(rows[i * share : (i + 1) * share]) for i, split in enumerate(missing)}
    for split, part in parts.items():
        log(f"no {split} file: {len(part.kept)} training rows set aside for it, as Azure does")
    if "test" in missing:
        log("warning: nothing uses the test rows. Give test_file_path to train on them too")
    parts["train"] = Rows(rows[share * len(missing) :], train.dropped)
    return parts


def _encode(split: str, rows: list[Row], tokenizer: ChatTokenizer, limit: int, merge: bool) -> Encoded:
    encoded = Encoded()
    for row in rows:
        try:
            messages = merge_system(row.messages) if merge else row.messages
            tokens = tokenizer.example(messages, row.tools)
        except UserError as error:
            raise UserError(f"{row.where}: {error}") from error
        encoded.add(tokens.ids, tokens.answer, limit)
    counts = _counts(encoded)
    log(f"{split}: {json.dumps(counts)}")
    if encoded.cut:
        log(f"warning: {split}: {encoded.cut} rows were longer than {limit} tokens and were cut")
    if not counts["assistant_tokens"]:
        raise UserError(f"{split}: not one assistant token in the whole set, so there is nothing to learn.")
    if encoded.silent:
        log(f"warning: {split}: {encoded.silent} rows have no assistant token (or it was cut off) and teach nothing")
    return encoded


def _counts(tokens: Encoded) -> dict[str, int]:
    return {
        "rows": len(tokens.starts) - 1,
        "tokens": len(tokens.ids),
        "assistant_tokens": sum(tokens.answer),
        "cut": tokens.cut,
        "without_assistant_token": tokens.silent,
    }


def _write(tokens: Encoded, path: Path) -> None:
    """Writes a safetensors file: the length of its header, the header in JSON, then the numbers."""
    lists = {"ids": ("I32", tokens.ids), "starts": ("I64", tokens.starts), "answer": ("U8", tokens.answer)}
    header, at = {}, 0
    for name, (kind, values) in lists.items():
        size = len(values) * values.itemsize
        header[name] = {"dtype": kind, "shape": [len(values)], "data_offsets": [at, at + size]}
        at += size
    head = json.dumps(header).encode()
    data = b"".join(values.tobytes() for _, values in lists.values())
    path.write_bytes(len(head).to_bytes(8, "little") + head + data)


def _write_test(rows: Rows | None, out: Path) -> None:
    """Keeps the test rows as they are: like Azure's, this step does not tokenise them."""
    if rows is None:
        return
    records: list[dict[str, Any]] = [{"messages": row.messages} for row in rows.kept]
    lines = [json.dumps(record, ensure_ascii=False) + "\n" for record in records]
    (out / "test.jsonl").write_text("".join(lines), encoding="utf-8")
