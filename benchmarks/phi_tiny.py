"""Measures the committed phi-tiny as it is, untuned: `python benchmarks/phi_tiny.py` (a minute or two on two cores)."""

from __future__ import annotations

import time
from collections import Counter, defaultdict

import torch
from transformers import AutoTokenizer, Phi3ForCausalLM

from phi_azure.engine import phi_tiny
from phi_azure.engine.headlines import (
    LABELS,
    TALK_HEADLINES,
    Headline,
    Message,
    headline_prompt,
    held_out_headlines,
    read_sentiment,
    unseen_template_headlines,
)

# Written by hand, by the author of the grammar, before the weights were measured; nothing was tuned on them.
BY_HAND = {
    "negative": (
        "Thieves empty Fabrikam's customer wallets in midnight cyber heist",
        "Adatum tells 40,000 patients their medical history was stolen",
        "Hospital cancels surgeries after ransomware hits Lamna Healthcare",
        "Litware shares tumble as regulators open fraud probe",
        "Proseware to shed a tenth of its workforce",
        "Relecloud outage takes thousands of shops offline",
        "Fourth Coffee closes forty cafes as losses mount",
        "Woodgrove Bank customers wake up to empty accounts after hack",
        "Tailspin Toys pulls dolls from shelves over choking hazard",
        "Wingtip Toys boss steps down in bribery scandal",
        "Investors lose patience with Trey Research",
        "Fire guts Coho Winery cellar",
        "Dark web seller offers Northwind Traders passwords",
        "VanArsdel misses payroll for second month running",
        "Union calls strike at Wide World Importers",
        "Ransomware crew leaks Humongous Insurance files",
        "Lucerne Publishing sued for copying rival's atlas",
        "Weak quarter leaves Nod Publishers deep in debt",
    ),
    "positive": (
        "Fabrikam shakes off last month's hack and reopens every shop",
        "Adatum fights off ransomware without losing a file",
        "Lamna Healthcare back online after cyberattack",
        "Litware lifts profit forecast for third time this year",
        "Proseware to take on 300 graduates in Leeds",
        "Relecloud lands huge contract with Norwegian railways",
        "Fourth Coffee wins award for best place to work",
        "Woodgrove Bank foils midnight raid by hackers",
        "Tailspin Toys robot becomes the hit of the season",
        "Wingtip Toys and union settle long dispute",
        "Investors flock to Trey Research after drug trial success",
        "Coho Winery harvest best in twenty years",
        "Northwind Traders pays back its loans early",
        "VanArsdel unveils electric lorry to applause",
        "Wide World Importers doubles sales in Asia",
        "Court throws out case against Humongous Insurance",
        "Lucerne Publishing donates 5,000 books to schools",
        "Nod Publishers returns to profit after two lean years",
    ),
    "neutral": (
        "Fabrikam to hold annual meeting on 4 May",
        "Adatum moves its archive to a building in Ghent",
        "Lamna Healthcare names Rosa Keller to its board",
        "Litware keeps full-year forecast unchanged",
        "Proseware publishes guide to phishing",
        "Relecloud changes the colour of its logo",
        "Fourth Coffee shops to open an hour later in winter",
        "Woodgrove Bank shares flat in quiet trading",
        "Tailspin Toys to exhibit at Nuremberg fair",
        "Wingtip Toys declines to comment on takeover talk",
        "Trey Research hosts seminar on passwords",
        "Coho Winery switches to a new bottle supplier",
    ),
}
PROMPTS = {
    "system and headline": headline_prompt,
    "headline alone": lambda text: headline_prompt(text)[1:],
    "instruction": lambda text: [{"role": "user", "content": f"Classify the sentiment of this headline: {text}"}],
}


def main() -> None:
    model, tokenizer = load()
    held_out, unseen = held_out_headlines(400), unseen_template_headlines(520)
    for form, prompt in PROMPTS.items():
        report(f"unseen companies, {form}", held_out, answers(model, tokenizer, [prompt(h.text) for h in held_out]))
    report("unseen phrasings too", unseen, answers(model, tokenizer, [headline_prompt(h.text) for h in unseen]), True)
    by_hand(model, tokenizer)
    for text in TALK_HEADLINES:
        print(text, "->", answers(model, tokenizer, [headline_prompt(text)])[0])


def load() -> tuple[Phi3ForCausalLM, AutoTokenizer]:
    torch.manual_seed(0)
    model = Phi3ForCausalLM.from_pretrained(phi_tiny.path(), dtype=torch.float32).eval()
    return model, AutoTokenizer.from_pretrained(phi_tiny.path())


@torch.no_grad()
def answers(model: Phi3ForCausalLM, tokenizer: AutoTokenizer, prompts: list[list[Message]]) -> list[str]:
    """Returns the greedy answer to each prompt; prompts of one length go together, so that none is padded."""
    ids = [tokenizer.apply_chat_template(p, add_generation_prompt=True, return_dict=True)["input_ids"] for p in prompts]
    by_length = defaultdict(list)
    for index, tokens in enumerate(ids):
        by_length[len(tokens)].append(index)
    texts = [""] * len(ids)
    for length, group in by_length.items():
        batch = torch.tensor([ids[index] for index in group])
        made = model.generate(input_ids=batch, attention_mask=torch.ones_like(batch), max_new_tokens=48)
        for index, tokens in zip(group, made[:, length:], strict=True):
            texts[index] = tokenizer.decode(tokens, skip_special_tokens=True).strip()
    return texts


def report(name: str, headlines: list[Headline], texts: list[str], kinds: bool = False) -> None:
    right = [read_sentiment(text) == headline.general for text, headline in zip(texts, headlines, strict=True)]
    wordy = sum(len(text.split()) >= 6 for text in texts)
    named = sum(headline.company.lower() in text.lower() for text, headline in zip(texts, headlines, strict=True))
    print(
        f"{name}: right {sum(right) / len(right):.1%}  at length {wordy / len(right):.1%}  "
        f"names the company {named / len(right):.1%}  n {len(right)}"
    )
    if kinds:
        asked = Counter(headline.kind for headline in headlines)
        wrong = Counter(headline.kind for headline, ok in zip(headlines, right, strict=True) if not ok)
        print("  wrong by kind:", ", ".join(f"{kind} {n}/{asked[kind]}" for kind, n in wrong.most_common()))


def by_hand(model: Phi3ForCausalLM, tokenizer: AutoTokenizer) -> None:
    rows = [(label, text) for label in LABELS for text in BY_HAND[label]]
    texts = answers(model, tokenizer, [headline_prompt(text) for _, text in rows])
    wrong = [
        (label, text, said) for (label, text), said in zip(rows, texts, strict=True) if read_sentiment(said) != label
    ]
    print(f"written by hand: right {1 - len(wrong) / len(rows):.1%}  n {len(rows)}")
    for label, text, said in wrong:
        print(f"  {text} ({label}): {said}")


if __name__ == "__main__":
    started = time.perf_counter()
    main()
    print(f"{time.perf_counter() - started:.0f} s")
