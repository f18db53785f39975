"""A Phi-3 of 30,000 random parameters with a real tokenizer, and its steps run as the emulator runs them."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

if TYPE_CHECKING:
    from pathlib import Path

WORDS = [
    "Contoso",
    "Fabrikam",
    "recovers",
    "from",
    "a",
    "ransomware",
    "attack",
    "rise",
    "positive",
    "negative",
    "neutral",
]
TEMPLATE = (
    "{% for message in messages %}{{ '<|' + message['role'] + '|>\n' + message['content'] + '<|end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}"
)
CHAT_TOKENS = ("<|endoftext|>", "<|assistant|>", "<|system|>", "<|end|>", "<|user|>")
CONTEXT = 64


def write_tokenizer(folder: Path) -> Tokenizer:
    """Trains a small tokenizer of Llama's kind, as Phi-3 has, and writes its files."""
    words = random.Random(0)
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    bytes_of_all = [f"<0x{i:02X}>" for i in range(256)]
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=["<unk>", "<s>", "</s>", *bytes_of_all], show_progress=False
    )
    tokenizer.train_from_iterator([" ".join(words.choices(WORDS, k=8)) for _ in range(200)], trainer)
    form = json.loads(tokenizer.to_str()) | {"pre_tokenizer": None}
    form["added_tokens"] = [token for token in form["added_tokens"] if not token["content"].startswith("<0x")]
    tokenizer = Tokenizer.from_str(json.dumps(form))
    tokenizer.add_special_tokens([AddedToken(t, rstrip=True, special=True, normalized=False) for t in CHAT_TOKENS])
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": "<|endoftext|>",
        "pad_token": "<|endoftext|>",
        "unk_token": "<unk>",
        "model_max_length": CONTEXT,
        "chat_template": TEMPLATE,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return tokenizer


def sentiment_rows(count: int) -> list[dict[str, Any]]:
    """Returns chat rows that can be learnt: the last word of the question is the answer."""
    words = random.Random(1)
    labels = ["positive", "negative", "neutral"]
    picked = [(words.choice(WORDS[:2]), words.choice(labels)) for _ in range(count)]
    return [
        {"messages": [{"role": "user", "content": f"{name} {label}"}, {"role": "assistant", "content": label}]}
        for name, label in picked
    ]


def write_rows(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Writes rows as JSON lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def words_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder without weights: tokenizer, chat template and config."""
    folder = tmp_path_factory.mktemp("words")
    write_tokenizer(folder)
    (folder / "config.json").write_text(json.dumps({"model_type": "phi3", "max_position_embeddings": CONTEXT}))
    return folder


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole model folder, with random weights in fp16."""
    import torch
    from transformers import Phi3Config, Phi3ForCausalLM

    folder = tmp_path_factory.mktemp("models") / "tiny-phi"
    folder.mkdir()
    tokenizer = write_tokenizer(folder)
    config = Phi3Config(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=CONTEXT,
        original_max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        bos_token_id=1,
        eos_token_id=tokenizer.token_to_id("<|end|>"),
        pad_token_id=tokenizer.token_to_id("<|endoftext|>"),
        initializer_range=0.1,
    )
    torch.manual_seed(0)
    Phi3ForCausalLM(config).to(torch.float16).save_pretrained(str(folder))
    return folder


class Steps:
    """Runs steps the way the emulator does: a spec file, a process, an exit code, files."""

    def __init__(self, home: Path, model: Path) -> None:
        self.home = home
        self.model = model
        self.data = {
            f"{split}_file_path": str(write_rows(home / f"{split}.jsonl", sentiment_rows(count)))
            for split, count in (("train", 60), ("validation", 12), ("test", 12))
        }

    def spec(self, step: str, inputs: dict[str, str], outputs: dict[str, str], *, resume: bool = False) -> Path:
        """Writes the spec file of a step."""
        spec = {
            "step": step,
            "inputs": inputs,
            "outputs": {name: str(self.home / file) for name, file in outputs.items()},
            "work": str(self.home / "work" / next(iter(outputs.values()))),
            "resume": resume,
            "events": str(self.home / f"{step}.events.jsonl"),
        }
        path = self.home / f"{step}.json"
        path.write_text(json.dumps(spec))
        return path

    def start(self, path: Path) -> subprocess.Popen[str]:
        """Starts a step in a process of its own."""
        command = [sys.executable, "-m", "phi_azure.engine", "step", str(path)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def run(self, path: Path) -> tuple[int, str]:
        """Runs a step to its end; returns exit code and log."""
        process = self.start(path)
        log, _ = process.communicate(timeout=300)
        return process.returncode, log

    def prepare(self) -> None:
        """Runs model import and preprocess in this process."""
        from phi_azure.engine import __main__ as engine

        brought = self.spec(
            "chat_completion_model_import", {"mlflow_model_path": str(self.model)}, {"output_dir": "base"}
        )
        assert engine.main(["step", str(brought)]) == 0
        inputs = {**self.data, "model_selector_output": str(self.home / "base")}
        assert (
            engine.main(["step", str(self.spec("chat_completion_datapreprocess", inputs, {"output_dir": "data"}))]) == 0
        )

    def finetune(self, out: str, settings: dict[str, str], *, resume: bool = False) -> Path:
        """Writes the spec of the fine-tune step, after prepare()."""
        inputs = {"model_selector_output": str(self.home / "base"), "preprocess_output": str(self.home / "data")}
        quick = {
            "apply_lora": "true",
            "learning_rate": "0.01",
            "per_device_train_batch_size": "8",
            "logging_steps": "2",
        }
        outputs = {"pytorch_model_folder": out}
        return self.spec("chat_completion_finetune", inputs | quick | settings, outputs, resume=resume)

    def events(self, step: str) -> list[dict[str, Any]]:
        """Returns the events of a step."""
        lines = (self.home / f"{step}.events.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]


@pytest.fixture
def steps(tmp_path: Path, tiny: Path) -> Steps:
    """Five steps, ready to run on the tiny model."""
    return Steps(tmp_path, tiny)
