"""Each format is made of a folder as Azure leaves it, and asked what the merged model is asked."""

from __future__ import annotations

import importlib.util
import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from phi_azure import edge
from phi_azure.cli import run
from phi_azure.engine import phi_tiny
from phi_azure.errors import ConfigError, DataError
from tests.edge.folders import TOKENIZER, logits, read, write_test_rows

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.engine
needs_genai = pytest.mark.skipif(
    importlib.util.find_spec("onnxruntime_genai") is None, reason="needs onnxruntime-genai, of the extra edge"
)
needs_gguf = pytest.mark.skipif(importlib.util.find_spec("gguf") is None, reason="needs gguf, of the extra edge")
HEADLINE = "Contoso recovers from a ransomware attack."
TEXT = f"<|user|>\n{HEADLINE}<|end|>\n<|assistant|>\nThe sentiment is positive<|end|>\n"


@needs_genai
def test_onnx_of_full_precision_says_every_token_of_the_merged_model(azure_folder: Path, tmp_path: Path) -> None:
    """The wordy answers of two dozen headlines are the same to the last token, and so are the prompts."""
    rows = write_test_rows(tmp_path, 24)

    made = edge.export(azure_folder, tmp_path / "out", edge.Order(precision="fp32"), edge.Trial(rows, require=1.0))

    assert made.proof is not None
    found = made.proof.agreement
    assert (found.exact, found.end_token, found.template, found.label) == (24, 24, 24, 24)
    assert (made.proof.export.tokens or 0) > 24 * 5
    assert read(made.folder / "parity.json")["passed"] is True
    assert "onnxruntime-genai" in (made.folder / "parity.md").read_text(encoding="utf-8")
    assert not list(tmp_path.glob(".out*"))


@needs_genai
def test_a_gate_that_is_not_passed_leaves_the_export_beside(
    azure_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four bits change words of long answers: asked for all of them, the command ends in 9 and the target stays."""
    monkeypatch.chdir(tmp_path)
    words = ["export", str(azure_folder), "--out", "edge", "--require", "1", "--json"]

    code = run(words)

    document = json.loads(capsys.readouterr().out)
    assert code == 9
    assert (document["format"], document["precision"]) == ("onnx", "int4")
    assert document["proof"]["passed"] is False
    assert document["proof"]["agreement"]["template"] == 20
    assert not (tmp_path / "edge").exists()
    assert (tmp_path / "edge.not-passed" / "genai_config.json").is_file()


@needs_genai
def test_foundry_local_finds_the_model_by_its_file(azure_folder: Path, tmp_path: Path, capsys: Any) -> None:
    """A folder of models, with ONNX files and a template around {Content} in each; it can be asked and measured."""
    out = tmp_path / "models"

    made = edge.export(azure_folder, out, edge.Order(to="foundry-local", name="Headline Sentiment"))

    described = read(out / "headline-sentiment" / "inference_model.json")
    assert made.manifest["name"] == described["Name"] == "headline-sentiment"
    assert described["PromptTemplate"] == {
        "system": "<|system|>\n{Content}<|end|>\n",
        "user": "<|user|>\n{Content}<|end|>\n",
        "assistant": "<|assistant|>\n{Content}<|end|>\n",
        "prompt": "<|user|>\n{Content}<|end|>\n<|assistant|>\n",
    }
    assert run(["chat", str(out), HEADLINE, "--max-tokens", "4"]) == 0
    assert len(capsys.readouterr().out.split()) > 1
    assert run(["bench", str(out), "--limit", "2", "--json"]) == 0
    (figures,) = json.loads(capsys.readouterr().out)
    assert figures["answers"] == 2
    assert min(figures["tokens_per_s"], figures["subject"]["peak_bytes"], figures["subject"]["disk_bytes"]) > 0


@needs_gguf
def test_gguf_holds_the_weights_and_the_words(azure_folder: Path, tmp_path: Path) -> None:
    """Every matrix is there under llama.cpp's name; Ollama's file says the template; what is unproven is said."""
    import gguf
    import torch
    from transformers import AutoModelForCausalLM

    made = edge.export(azure_folder, tmp_path / "out", edge.Order(to="ollama", precision="fp32"), edge.Trial(limit=3))

    file = gguf.GGUFReader(str(tmp_path / "out" / "out-fp32.gguf"))
    tensors = {tensor.name: torch.tensor(tensor.data) for tensor in file.tensors}
    model = AutoModelForCausalLM.from_pretrained(str(azure_folder / "mlflow_model_folder" / "data" / "model"))
    assert len(tensors) == 4 * 6 + 2
    assert torch.equal(tensors["blk.3.ffn_up.weight"], model.model.layers[3].mlp.gate_up_proj.weight.float())
    assert torch.equal(tensors["token_embd.weight"], model.model.embed_tokens.weight.float())
    words = file.fields["tokenizer.ggml.tokens"]
    assert bytes(words.parts[words.data[2046]]) == b"<|end|>"
    assert "FROM ./out-fp32.gguf" in (tmp_path / "out" / "Modelfile").read_text(encoding="utf-8")
    if importlib.util.find_spec("llama_cpp"):
        assert made.proof is not None
        assert made.proof.agreement.exact == made.proof.agreement.template == 3
    else:
        assert made.unproven is not None
        assert "pip install llama-cpp-python" in made.unproven


def test_an_adapter_and_its_base_are_the_merged_model(azure_folder: Path, tmp_path: Path) -> None:
    """Logits at every position: the same within rounding in 32 bits, within 2e-2 of the 16 bits that Azure stores."""
    import torch

    from phi_azure.engine.export.merged import with_adapter
    from phi_azure.engine.weights import load_model

    base = phi_tiny.path()
    order, trial = edge.Order(to="adapter", base=base), edge.Trial(write_test_rows(tmp_path, 4))
    proven = edge.export(azure_folder, tmp_path / "adapter", order, trial)
    edge.export(tmp_path / "adapter", tmp_path / "merged", edge.Order(to="merged", base=base))

    beside = with_adapter(load_model(base), tmp_path / "adapter").eval()
    apart = logits(beside, TEXT)
    in_azure = logits(load_model(azure_folder / "mlflow_model_folder").eval(), TEXT)
    again = logits(load_model(tmp_path / "merged").eval(), TEXT)
    in_memory = logits(beside.merge_and_unload(), TEXT)
    assert torch.allclose(in_memory, apart, atol=1e-4, rtol=0)
    assert torch.allclose(in_azure, apart, atol=2e-2, rtol=0)
    assert torch.equal(in_azure, again)
    assert not torch.allclose(logits(load_model(base).eval(), TEXT), apart, atol=1e-1, rtol=0)
    assert proven.proof is not None
    assert proven.proof.agreement.label == proven.proof.agreement.template == 4


def test_an_adapter_without_its_base_says_why_it_is_not_proven(azure_folder: Path, tmp_path: Path) -> None:
    """The export is there: adapter, tokenizer, manifest; what could not be asked is said, with the way out."""
    made = edge.export(azure_folder, tmp_path / "out", edge.Order(to="adapter"), edge.Trial())

    assert made.proof is None
    assert "--base DIR" in str(made.unproven)
    files = {"adapter_config.json", "adapter_model.safetensors", "export.json", *TOKENIZER}
    assert {path.name for path in made.folder.iterdir()} == files


def test_merged_folder_loads_with_transformers_and_with_mlflow(azure_folder: Path, tmp_path: Path) -> None:
    """Plain transformers take the folder as it is, and so do MLflow's transformers flavour and its pyfunc."""
    pytest.importorskip("mlflow", reason="needs mlflow-skinny")
    import mlflow.pyfunc
    import mlflow.transformers
    from transformers import AutoModelForCausalLM, AutoTokenizer

    edge.export(azure_folder, tmp_path / "merged", edge.Order(to="merged"))
    folder = str(tmp_path / "merged")

    plain, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    asked = [{"role": "user", "content": HEADLINE}]
    prompt = tokenizer.apply_chat_template(asked, add_generation_prompt=True, tokenize=False)
    ids = tokenizer(prompt, return_tensors="pt", add_special_tokens=False).input_ids
    wanted = tokenizer.decode(plain.generate(ids, max_new_tokens=12)[0, ids.shape[1] :], skip_special_tokens=True)
    pipe = mlflow.transformers.load_model(folder)
    (from_function,) = mlflow.pyfunc.load_model(folder).predict(prompt)
    assert pipe(asked, max_new_tokens=12)[0]["generated_text"][-1]["content"].strip() == wanted.strip()
    assert wanted.strip() in from_function  # which says more: it has no limit


def test_what_cannot_be_made_here_says_how_to_get_it(azure_folder: Path, tmp_path: Path, capsys: Any) -> None:
    """A provider that is not there, an adapter that nobody trained."""
    with pytest.raises(ConfigError, match="no adapter"):
        edge.export(phi_tiny.path(), tmp_path / "c", edge.Order(to="adapter"))
    code = run(["export", str(azure_folder), "--out", str(tmp_path / "a"), "--provider", "dml"])

    assert code == 2
    assert "pip install" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@needs_genai
def test_weights_are_asked_before_an_export_that_lies_in_them(azure_folder: Path, tmp_path: Path) -> None:
    """A folder of weights is itself, whatever somebody has put into it."""
    edge.export(azure_folder, tmp_path / "edge", edge.Order("onnx"))
    shutil.copytree(azure_folder, tmp_path / "model")
    (tmp_path / "edge").rename(tmp_path / "model" / "edge")

    with edge.Player(tmp_path / "model") as weights, edge.Player(tmp_path / "model" / "edge") as export:
        assert "onnxruntime" not in weights.runtime
        assert "onnxruntime" in export.runtime


NO_CONVERSATION: list[tuple[Any, int]] = [
    ([], 8),
    ("hello", 8),
    ([{"role": "user"}], 8),
    ([{"role": "robot", "content": "hi"}], 8),
    ([{"role": "user", "content": "hi"}], 0),
]


def test_player_refuses_what_is_no_conversation(azure_folder: Path) -> None:
    """It is said, not answered as if it were one; the next question is answered."""
    with edge.Player(azure_folder) as player:
        for messages, max_tokens in NO_CONVERSATION:
            with pytest.raises(ConfigError):
                player.ask(messages, max_tokens=max_tokens)

        assert player.ask([{"role": "user", "content": "hi"}]).text


def test_row_that_is_too_long_is_named(azure_folder: Path, tmp_path: Path) -> None:
    """The proof says which, and nothing is left of the export."""
    rows = write_test_rows(tmp_path, 2)
    long = {"messages": [{"role": "user", "content": "word " * 900}, {"role": "assistant", "content": "neutral"}]}
    rows.write_text(rows.read_text() + json.dumps(long) + "\n")

    with pytest.raises(DataError, match=r"question 3: the question has .* tokens"):
        edge.export(azure_folder, tmp_path / "out", edge.Order("merged"), edge.Trial(rows))

    assert not (tmp_path / "out").exists()


def test_base_that_would_not_be_used_is_refused(azure_folder: Path, tmp_path: Path) -> None:
    """It is for an adapter alone."""
    (tmp_path / "base").mkdir()

    with pytest.raises(ConfigError, match="--base is for an adapter alone"):
        edge.export(azure_folder, tmp_path / "out", edge.Order("merged", base=tmp_path / "base"))
