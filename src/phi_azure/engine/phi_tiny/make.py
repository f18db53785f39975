"""Makes phi-tiny from nothing, tokenizer and weights: `python -m phi_azure.engine.phi_tiny.make --out DIR`."""

from __future__ import annotations

import argparse
import json
import math
import random
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch
from safetensors.torch import save_file
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import Phi3Config, Phi3ForCausalLM

from phi_azure.engine.headlines import LABELS, base_corpus

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from phi_azure.engine.headlines import Message

VOCABULARY = 2048
CONTEXT = 512
CHAT_TOKENS = ("<|endoftext|>", "<|assistant|>", "<|system|>", "<|end|>", "<|user|>")
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>\\n' + message['content'] + '<|end|>\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% else %}{{ eos_token }}{% endif %}"
)
BEGIN = 1
END_OF_TEXT, END_OF_TURN = (VOCABULARY - len(CHAT_TOKENS) + CHAT_TOKENS.index(t) for t in ("<|endoftext|>", "<|end|>"))
IGNORED = -100  # the target of padding


class Recipe(NamedTuple):
    """What the weights follow from, with the versions of torch and tokenizers."""

    rows: int = 110_000
    seed: int = 0
    fictional: float = 0.0  # the share of rows about Contoso and the like
    matrix_rate: float = 5e-3  # Muon's, for the matrices: in a short trial it read unseen phrasings 3 points better
    other_rate: float = 3e-3  # AdamW's, for the embedding and the norms
    warm_up: int = 60
    batch: int = 64
    weight_decay: float = 0.05
    prompt_weight: float = 0.1  # prompts teach the words; answers are what counts
    label_weight: float = 6.0  # the one word of an answer that is hard: worth 7 points in a short trial


FIRST = Recipe()
"""Everything is learned here, in 11 minutes on two cores."""

SECOND = Recipe(rows=12_000, seed=1, fictional=0.25, matrix_rate=1.5e-3, other_rate=1e-3, warm_up=20)
"""The names are learned that people type most: after the first pass alone, Contoso came out as "Contos"."""


def make(out: Path) -> None:
    """Makes the tokenizer and the model, and writes both to `out`; about a quarter of an hour on two cores."""
    rows = _rows(FIRST)
    tokenizer = train_tokenizer(message["content"] for row in rows for message in row)
    write_tokenizer(tokenizer, out)
    write_model(train(new_model(FIRST.seed), tokenizer, rows, FIRST), out)
    polish(out, out)


def polish(first: Path, out: Path) -> None:
    """Does the second pass, from the folder of the first as it was written, fp16."""
    tokenizer = Tokenizer.from_file(str(first / "tokenizer.json"))
    torch.manual_seed(SECOND.seed)
    model = Phi3ForCausalLM.from_pretrained(first, dtype=torch.float32)
    write_model(train(model, tokenizer, _rows(SECOND), SECOND), out)


def _rows(recipe: Recipe) -> list[list[Message]]:
    return list(base_corpus(recipe.rows, recipe.seed, recipe.fictional))


# ---- Tokenizer -------------------------------------------------------------------------------------------------------


def train_tokenizer(texts: Iterable[str]) -> Tokenizer:
    """Learns a byte-fallback BPE as Llama and Phi-3 have it, that other runtimes read to the same ids.

    Merges never cross a space, a digit or a mark, and a newline is never in the vocabulary: llama.cpp and
    onnxruntime-genai split there in their own ways, and so had other ids in up to 96 of 100 prompts.
    """
    special = ("<unk>", "<s>", "</s>")
    fallback = tuple(f"<0x{byte:02X}>" for byte in range(256))
    learned = Tokenizer(models.BPE())
    learned.normalizer = _normalizer()
    learned.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex("\u2581"), "merged_with_next"),
            pre_tokenizers.Split(Regex(r"\p{P}|\p{S}(?<!\u2581)"), "isolated"),
            pre_tokenizers.Digits(individual_digits=True),
        ]
    )
    room = VOCABULARY - len(special) - len(fallback) - len(CHAT_TOKENS)
    trainer = trainers.BpeTrainer(vocab_size=room, show_progress=False)
    learned.train_from_iterator((text.replace("\n", " ") for text in texts), trainer)
    state = json.loads(learned.to_str())["model"]
    pieces = sorted(state["vocab"], key=state["vocab"].__getitem__)
    vocabulary = {piece: index for index, piece in enumerate((*special, *fallback, *pieces, *CHAT_TOKENS))}
    return _assemble(vocabulary, [(left, right) for left, right in state["merges"]])


def _assemble(vocabulary: dict[str, int], merges: list[tuple[str, str]]) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True))  # noqa: S106
    tokenizer.normalizer = _normalizer()
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token in ("<unk>", "<s>", "</s>")])
    # As in Phi-3, the newline after a chat token belongs to it.
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, rstrip=True) for token in CHAT_TOKENS])
    return tokenizer


def _normalizer() -> normalizers.Normalizer:
    return normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])


def write_tokenizer(tokenizer: Tokenizer, out: Path) -> None:
    """Writes tokenizer.json and tokenizer_config.json, the chat template in the latter."""
    out.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(out / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": CONTEXT,
        "clean_up_tokenization_spaces": False,
        "add_bos_token": False,
        "add_eos_token": False,
        "bos_token": "<s>",
        "eos_token": "<|endoftext|>",
        "pad_token": "<|endoftext|>",
        "unk_token": "<unk>",
        "padding_side": "left",
        "chat_template": CHAT_TEMPLATE,
    }
    _write_json(out / "tokenizer_config.json", config)


# ---- Rows ------------------------------------------------------------------------------------------------------------


class Example(NamedTuple):
    """The ids of a chat, and how many of them are the prompt."""

    ids: list[int]
    prompt: int


def encode(tokenizer: Tokenizer, rows: list[list[Message]]) -> list[Example]:
    """Encodes chats that end in the assistant's answer, in the form of the chat template."""
    prompts = tokenizer.encode_batch([chat(row[:-1]) + "<|assistant|>\n" for row in rows])
    answers = tokenizer.encode_batch([row[-1]["content"] + "<|end|>\n<|endoftext|>" for row in rows])
    return [Example(p.ids + a.ids, len(p.ids)) for p, a in zip(prompts, answers, strict=True)]


def chat(messages: list[Message]) -> str:
    """Returns the text of messages as the chat template writes them."""
    return "".join(f"<|{message['role']}|>\n{message['content']}<|end|>\n" for message in messages)


def batches(examples: list[Example], recipe: Recipe) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    """Yields ids, targets and weights, each (batch, length); rows of like length together, batches in random order."""
    rng = random.Random(recipe.seed)
    order = sorted(range(len(examples)), key=lambda i: (len(examples[i].ids), rng.random()))
    groups = [order[start : start + recipe.batch] for start in range(0, len(order), recipe.batch)]
    rng.shuffle(groups)
    for group in groups:
        yield collate([examples[i] for i in group], recipe.prompt_weight)


def collate(examples: list[Example], prompt_weight: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Pads on the right, where causal attention needs no mask: without one torch takes its fast path."""
    length = max(len(example.ids) for example in examples)
    ids = torch.zeros(len(examples), length, dtype=torch.long)
    targets = torch.full_like(ids, IGNORED)
    weights = torch.zeros(len(examples), length)
    for row, (tokens, prompt) in enumerate(examples):
        ids[row, : len(tokens)] = torch.tensor(tokens)
        targets[row, : len(tokens) - 1] = torch.tensor(tokens[1:])
        weights[row, : len(tokens) - 1] = 1.0
        weights[row, : prompt - 1] = prompt_weight
    return ids, targets, weights


# ---- Model -----------------------------------------------------------------------------------------------------------


def new_model(seed: int) -> Phi3ForCausalLM:
    """Makes a Phi-3 of 1.6 million parameters with random weights."""
    torch.manual_seed(seed)
    config = Phi3Config(
        vocab_size=VOCABULARY,
        hidden_size=160,
        intermediate_size=448,
        num_hidden_layers=4,
        num_attention_heads=5,
        num_key_value_heads=5,
        max_position_embeddings=CONTEXT,
        original_max_position_embeddings=CONTEXT,  # the same, or exporters take the long-context path
        tie_word_embeddings=True,
        initializer_range=0.05,
        bos_token_id=BEGIN,
        eos_token_id=END_OF_TEXT,
        pad_token_id=END_OF_TEXT,
    )
    return Phi3ForCausalLM(config)


def train(model: Phi3ForCausalLM, tokenizer: Tokenizer, rows: list[list[Message]], recipe: Recipe) -> Phi3ForCausalLM:
    """Trains every weight in one pass over the rows, and returns the model."""
    labels = torch.tensor([tokenizer.token_to_id(f"\u2581{label}") for label in LABELS])
    examples = encode(tokenizer, rows)
    steps = math.ceil(len(examples) / recipe.batch)
    optimizers = _optimizers(model, recipe)
    schedules = [
        torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _share(step, steps, recipe.warm_up))
        for optimizer in optimizers
    ]
    started = time.monotonic()
    model.train()
    for step, (ids, targets, weights) in enumerate(batches(examples, recipe)):
        answer_label = torch.isin(targets, labels) & (weights == 1)
        loss = _loss(model, ids, targets, torch.where(answer_label, recipe.label_weight, weights))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for turn in (*optimizers, *schedules):
            turn.step()
        model.zero_grad(set_to_none=True)
        if step % 50 == 0:
            print(f"step {step}/{steps}  loss {loss.item():.3f}  {time.monotonic() - started:.0f} s", flush=True)
    return model


def _optimizers(model: Phi3ForCausalLM, recipe: Recipe) -> list[torch.optim.Optimizer]:
    matrices: list[torch.nn.Parameter] = []
    others: list[torch.nn.Parameter] = []
    for name, parameter in model.named_parameters():
        (matrices if parameter.ndim == 2 and "embed" not in name else others).append(parameter)
    decay = recipe.weight_decay
    return [
        torch.optim.Muon(matrices, lr=recipe.matrix_rate, weight_decay=decay, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, lr=recipe.other_rate, betas=(0.9, 0.98), weight_decay=decay),
    ]


def _loss(model: Phi3ForCausalLM, ids: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    logits = model(input_ids=ids, use_cache=False).logits
    losses = torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), targets.flatten(), reduction="none", ignore_index=IGNORED
    )
    return (losses * weights.flatten()).sum() / weights.sum()


def _share(step: int, steps: int, warm_up: int) -> float:
    """Returns the share of the peak learning rate at a step: up in a line, down to 3 % along a cosine."""
    if step < warm_up:
        return (step + 1) / warm_up
    return 0.03 + 0.97 * 0.5 * (1 + math.cos(math.pi * (step - warm_up) / max(1, steps - warm_up)))


def write_model(model: Phi3ForCausalLM, out: Path) -> None:
    """Writes the weights as fp16, config.json and generation_config.json."""
    tensors = {
        name: tensor.detach().half().contiguous()
        for name, tensor in model.state_dict().items()
        if name != "lm_head.weight"  # tied to the embedding
    }
    out.mkdir(parents=True, exist_ok=True)
    save_file(tensors, str(out / "model.safetensors"), metadata={"format": "pt"})
    config = model.config.to_dict() | {"architectures": ["Phi3ForCausalLM"], "dtype": "float16"}
    (out / "model.safetensors").chmod(0o644)  # safetensors leaves it to its owner alone
    _write_json(out / "config.json", {key: value for key, value in config.items() if not key.startswith("_")})
    stops = [END_OF_TURN, END_OF_TEXT]
    generation = {"bos_token_id": BEGIN, "eos_token_id": stops, "pad_token_id": END_OF_TEXT, "do_sample": False}
    _write_json(out / "generation_config.json", generation)


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")


def main() -> None:
    """Reads the command line and makes the model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="the folder to write")
    make(parser.parse_args().out)


if __name__ == "__main__":
    main()
