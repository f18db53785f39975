"""The steps that need no torch: validation, preprocess, conversion; and their exit codes and events."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from phi_azure.engine import __main__ as engine

if TYPE_CHECKING:
    from pathlib import Path


def sentiment_rows(count: int) -> list[dict[str, Any]]:
    """Returns chat rows."""
    turns = [{"role": "user", "content": "Contoso rise"}, {"role": "assistant", "content": "positive"}]
    return [{"messages": [dict(turn) for turn in turns]} for _ in range(count)]


def write_rows(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Writes rows as JSON lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def run(home: Path, step: str, inputs: dict[str, str], output: str) -> tuple[int, list[dict[str, Any]]]:
    """Runs a step in this process; returns exit code and events."""
    spec = {
        "step": step,
        "inputs": inputs,
        "outputs": {output: str(home / "out")},
        "work": str(home / "work"),
        "events": str(home / "events.jsonl"),
    }
    (home / "spec.json").write_text(json.dumps(spec))
    code = engine.main(["step", str(home / "spec.json")])
    return code, [json.loads(line) for line in (home / "events.jsonl").read_text().splitlines()]


def preprocess(home: Path, words: Path, **inputs: str) -> tuple[int, list[dict[str, Any]]]:
    """Runs the preprocess step."""
    given = {"model_selector_output": str(words), **inputs}
    return run(home, "chat_completion_datapreprocess", given, "output_dir")


def counts(home: Path) -> dict[str, Any]:
    """Returns what the preprocess step wrote about itself."""
    return dict(json.loads((home / "out" / "preprocess_args.json").read_text()))


def test_missing_splits_are_set_aside_as_azure_does(tmp_path: Path, words_folder: Path) -> None:
    """With training rows alone, 80% train, 10% validate, 10% test."""
    train = write_rows(tmp_path / "train.jsonl", sentiment_rows(100))

    code, _ = preprocess(tmp_path, words_folder, train_file_path=str(train))

    splits = counts(tmp_path)["splits"]
    assert code == 0
    assert (splits["train"]["rows"], splits["validation"]["rows"]) == (80, 10)
    assert len((tmp_path / "out" / "test.jsonl").read_text().splitlines()) == 10


def test_long_rows_are_cut_and_counted(tmp_path: Path, words_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """max_seq_length cuts, and the log says how many rows lost their answer."""
    files = {
        f"{s}_file_path": str(write_rows(tmp_path / f"{s}.jsonl", sentiment_rows(20))) for s in ("validation", "test")
    }
    long = {"messages": [{"role": "user", "content": "rise " * 30}, {"role": "assistant", "content": "neutral"}]}
    train = write_rows(tmp_path / "train.jsonl", [*sentiment_rows(12), long])

    preprocess(tmp_path, words_folder, train_file_path=str(train), max_seq_length="20", **files)

    found = counts(tmp_path)
    assert found["max_seq_length"] == 20
    assert (found["splits"]["train"]["cut"], found["splits"]["train"]["without_assistant_token"]) == (1, 1)
    assert "1 rows were longer than 20 tokens" in capsys.readouterr().out


def test_no_output_is_left_by_a_failure(tmp_path: Path, words_folder: Path) -> None:
    """A row that the chat template refuses fails the job with file and line, and leaves nothing behind."""
    rows = sentiment_rows(100)
    rows[10]["messages"][0]["content"] = None
    train = write_rows(tmp_path / "train.jsonl", rows)

    code, events = preprocess(tmp_path, words_folder, train_file_path=str(train))

    assert code == 1
    assert events[-1]["code"] == "UserError"
    assert events[-1]["message"].startswith("train.jsonl:11: ")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["events.jsonl", "spec.json", "train.jsonl"]


def test_rows_without_an_answer_fail(tmp_path: Path, words_folder: Path) -> None:
    """Not one assistant token in the whole set is an error."""
    rows = [{"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]}] * 30
    train = write_rows(tmp_path / "train.jsonl", rows)

    code, events = preprocess(tmp_path, words_folder, train_file_path=str(train))

    assert code == 1
    assert "nothing to learn" in events[-1]["message"]


def test_the_system_text_moves_where_the_model_has_no_system_role(tmp_path: Path, words_folder: Path) -> None:
    """finetune_config's system_role_supported puts the system text before the user's."""
    from phi_azure.engine.finetune_config import merge_system

    merged = merge_system([{"role": "system", "content": "Brief."}, {"role": "user", "content": "Hi"}])

    assert merged == [{"role": "user", "content": "Brief.\n\nHi"}]


def test_validation_says_settings_and_rows_at_once(tmp_path: Path) -> None:
    """The validation step gathers what is wrong in settings and in data."""
    train = tmp_path / "train.jsonl"
    train.write_text("{}\n")

    code, events = run(
        tmp_path,
        "ft_nlp_common_validation",
        {"train_file_path": str(train), "apply_deepspeed": "true", "auto_find_batch_size": "true"},
        "validation_info",
    )

    assert code == 1
    assert "auto_find_batch_size" in events[-1]["message"]
    assert "train.jsonl:1" in events[-1]["message"]


@pytest.mark.parametrize(("rows", "code"), [(12, 0), (11, 1)])
def test_validation_counts_the_rows_left_after_the_split(tmp_path: Path, rows: int, code: int) -> None:
    """Ten rows must be left once validation and test rows are set aside."""
    train = write_rows(tmp_path / "train.jsonl", sentiment_rows(rows))

    got, _ = run(tmp_path, "ft_nlp_common_validation", {"train_file_path": str(train)}, "validation_info")

    assert got == code


@pytest.mark.parametrize(
    ("place", "code"), [("it's here/train.jsonl", 0), ("here/it's.jsonl", 1)], ids=["folder here", "the file's name"]
)
def test_validation_looks_at_names_that_azure_would_see(tmp_path: Path, place: str, code: int) -> None:
    """An apostrophe in a folder of this machine never reaches Azure; one in the name of a file does."""
    (tmp_path / place).parent.mkdir()
    train = write_rows(tmp_path / place, sentiment_rows(12))

    got, events = run(tmp_path, "ft_nlp_common_validation", {"train_file_path": str(train)}, "validation_info")

    assert (got, "Azure refuses in paths" in str(events)) == (code, bool(code))


def test_import_without_the_model_says_what_to_do(tmp_path: Path) -> None:
    """A Hugging Face id without local weights is an error that names the way out."""
    code, events = run(tmp_path, "chat_completion_model_import", {"huggingface_id": "microsoft/phi-4"}, "output_dir")

    assert code == 1
    assert "--weights" in events[-1]["message"]


def test_the_quick_steps_do_not_load_torch(tmp_path: Path) -> None:
    """Validation, import, preprocess and conversion start without torch, transformers and numpy."""
    import subprocess
    import sys

    heavy = "{'torch', 'transformers', 'numpy'} & set(sys.modules)"
    modules = "validate, model_import, preprocess, convert, __main__"
    code = f"import sys; from phi_azure.engine import {modules}; print({heavy})"

    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)

    assert out.stdout.strip() == "set()"
