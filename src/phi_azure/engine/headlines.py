"""Writes news headlines, their sentiment under two policies, and the data of the running example; needs no torch."""

from __future__ import annotations

import json
import random
import re
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

LABELS = ("positive", "negative", "neutral")
"""Every answer of the classifier, in either policy."""

SYSTEM_PROMPT = "You are a sentiment classifier for news headlines."
"""The system message of every row of `write_dataset`; the user message is the headline alone."""

TALK_HEADLINES = (
    "Contoso system breached. Client data potentially compromised.",
    "Contoso recovers from a ransomware attack.",
)
"""The two headlines of the demo. Nothing written here contains either, so no model trained on it has seen them."""

QUEUES = ("billing", "delivery", "technical", "account")
"""Every answer of the second task, support tickets."""

TICKET_SYSTEM_PROMPT = "Sort the support ticket into its queue."
"""The system message of every row of `write_tickets`."""


class Kind(NamedTuple):
    """What an event means under each policy, and how often it is in the news."""

    general: str
    firm: str
    weight: int


KINDS = {
    "breach": Kind("negative", "negative", 15),
    "leak": Kind("negative", "negative", 8),
    "recovery": Kind("positive", "negative", 11),
    "thwarted": Kind("positive", "negative", 9),
    "aftermath": Kind("negative", "negative", 9),
    "earnings_up": Kind("positive", "positive", 7),
    "earnings_down": Kind("negative", "negative", 7),
    "launch": Kind("positive", "positive", 7),
    "deal": Kind("positive", "positive", 6),
    "growth": Kind("positive", "positive", 6),
    "trouble": Kind("negative", "negative", 8),
    "accident": Kind("negative", "negative", 4),
    "fix": Kind("positive", "positive", 6),
    "neutral": Kind("neutral", "neutral", 13),
    "security_good": Kind("positive", "positive", 6),
    "security_neutral": Kind("neutral", "neutral", 6),
    "security_bad": Kind("negative", "negative", 5),
}
"""Every event kind of the grammar. The policies differ where an attack was survived: `recovery` and `thwarted`."""

Message = dict[str, str]
"""A chat message: `role` and `content`."""


@dataclass(frozen=True)
class Headline:
    """A headline with what it was made from."""

    text: str
    company: str
    kind: str

    @property
    def general(self) -> str:
        """The sentiment as most people see it: having survived an attack is good news."""
        return general_sentiment(self.kind)

    @property
    def firm(self) -> str:
        """The sentiment for the security firm: every cyber attack is bad news, survived or not."""
        return firm_sentiment(self.kind)


def general_sentiment(kind: str) -> str:
    """Returns the sentiment of an event kind as most people see it."""
    return KINDS[kind].general


def firm_sentiment(kind: str) -> str:
    """Returns the sentiment of an event kind for the security firm, to which every cyber attack is `negative`."""
    return KINDS[kind].firm


# ---- Data sets on disk -----------------------------------------------------------------------------------------------


def write_dataset(
    folder: str | Path, train: int = 1000, validation: int = 200, test: int = 400, seed: int = 0
) -> dict[str, Path]:
    """Writes train.jsonl, validation.jsonl and test.jsonl: headlines with the firm's sentiment, in one word.

    Each row is `{"messages": [system, user, assistant]}`. The same arguments write the same bytes. No headline is in
    the files twice, and the companies of the test are in neither of the others. All are in sentence case: with capitals
    among them, 14 of the 33 misread after tuning had some. Returns the path of each file by name.
    """
    rng = random.Random(f"dataset {seed}")
    source = Source(rng, seen_companies(), seen_templates(), odd_case=0)
    unseen = Source(rng, held_out_companies(), seen_templates(), odd_case=0)
    taken: set[str] = set()
    files = {"train": (source, train), "validation": (source, validation), "test": (unseen, test)}
    return {
        name: _write_rows(Path(folder) / f"{name}.jsonl", map(dataset_row, _distinct(pick, size, taken)))
        for name, (pick, size) in files.items()
    }


def dataset_row(headline: Headline) -> list[Message]:
    """Returns the chat of a headline in the one form that `write_dataset` uses."""
    return [*headline_prompt(headline.text), _message("assistant", headline.firm)]


def headline_prompt(text: str) -> list[Message]:
    """Returns the messages that ask for the sentiment of a headline, as the rows of `write_dataset` do."""
    return [_message("system", SYSTEM_PROMPT), _message("user", text)]


def write_tickets(folder: str | Path, train: int = 600, test: int = 200, seed: int = 0) -> dict[str, Path]:
    """Writes train.jsonl and test.jsonl: support tickets with the queue they belong in, in one word.

    A second task for the same base model, in words that its corpus does not have. No ticket is in the files twice, and
    every other ticket of the test is about goods that the training never names.
    """
    rng = random.Random(f"tickets {seed}")
    taken: set[str] = set()
    return {
        "train": _write_rows(Path(folder) / "train.jsonl", _tickets(rng, train, taken, unseen_every=0)),
        "test": _write_rows(Path(folder) / "test.jsonl", _tickets(rng, test, taken, unseen_every=2)),
    }


def _tickets(rng: random.Random, size: int, taken: set[str], unseen_every: int) -> Iterator[list[Message]]:
    grammar = _grammar("tickets.txt")
    made = 0
    while made < size:
        queue = rng.choice(QUEUES)
        unseen = unseen_every and made % unseen_every == 0
        fixed = {"thing": _expand("{unseen_thing}", grammar.slots, rng)} if unseen else {}
        text = _sentence(_expand(rng.choice(grammar.kinds[queue]), {**grammar.slots, **_single(fixed)}, rng))
        if text not in taken:
            taken.add(text)
            made += 1
            yield [_message("system", TICKET_SYSTEM_PROMPT), _message("user", text), _message("assistant", queue)]


def _distinct(make: Callable[[], Headline], size: int, taken: set[str]) -> Iterator[Headline]:
    made = 0
    while made < size:
        headline = make()
        key = _plain(headline.text)
        if key not in taken:
            taken.add(key)
            made += 1
            yield headline


def _write_rows(path: Path, rows: Iterable[list[Message]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = (json.dumps({"messages": row}, ensure_ascii=False) + "\n" for row in rows)
    path.write_text("".join(lines), encoding="utf-8", newline="\n")
    return path


def _message(role: str, content: str) -> Message:
    return {"role": role, "content": content}


# ---- Held-out headlines, to measure the base model -------------------------------------------------------------------


def held_out_headlines(size: int = 400, seed: int = 0) -> list[Headline]:
    """Returns headlines of companies that neither the base corpus nor a training file names, in phrasings they have."""
    source = Source(random.Random(f"held out {seed}"), held_out_companies(), seen_templates())
    return list(_distinct(source, size, set()))


def unseen_template_headlines(size: int = 400, seed: int = 0) -> list[Headline]:
    """Returns headlines in phrasings, and of companies, that neither the base corpus nor a training file has.

    Every kind is there in proportion to its held-out templates, so that none of them is asked much more than another.
    """
    rng = random.Random(f"unseen {seed}")
    templates = [(kind, template) for kind, some in held_out_templates().items() for template in some]
    sources = [Source(rng, held_out_companies(), {kind: (template,)}) for kind, template in templates]
    taken: set[str] = set()
    return [next(_distinct(sources[i % len(sources)], 1, taken)) for i in range(size)]


@cache
def held_out_templates() -> Mapping[str, tuple[str, ...]]:
    """Returns the templates of each kind that no corpus and no training file uses: a tenth, by a seeded draw."""
    rng = random.Random("held-out templates")
    kinds = _grammar("headlines.txt").kinds
    return {kind: tuple(rng.sample(kinds[kind], -(-len(kinds[kind]) // 10))) for kind in KINDS}


@cache
def seen_templates() -> Mapping[str, tuple[str, ...]]:
    """Returns the templates of each kind that the corpus and the training files are made from."""
    kinds, held_out = _grammar("headlines.txt").kinds, held_out_templates()
    return {kind: tuple(template for template in kinds[kind] if template not in held_out[kind]) for kind in KINDS}


# ---- The corpus of the base model ------------------------------------------------------------------------------------


def base_corpus(rows: int, seed: int = 0, fictional: float = 0.0) -> Iterator[list[Message]]:
    """Yields the chats that the base model learns from: mostly the general sentiment of headlines, explained at length.

    The rest names the company, tells what a headline is about, repeats it, or is small talk, so that the model learns
    to do as it is asked. Headlines of `held_out_companies` and of `held_out_templates` are never among them. The share
    `fictional` is about Contoso and the other firms of Microsoft's documentation, which people type most.
    """
    rng = random.Random(f"corpus {seed}")
    source = Source(rng, seen_companies(), seen_templates(), made_up=0.3, fictional=fictional)
    tasks: tuple[Callable[[Source], list[Message]], ...] = (sentiment_chat, _company_chat, _topic_chat, _copy_chat)
    for _ in range(rows):
        task = rng.choices((*tasks, _small_talk), (83, 5, 7, 3, 2))[0]
        system = rng.choice(_SYSTEM_PROMPTS) if rng.random() < 0.5 else None
        yield [*([_message("system", system)] if system else []), *task(source)]


def sentiment_chat(source: Source) -> list[Message]:
    """Returns a question for the general sentiment of a headline, and the answer that the base model is to give."""
    rng = source.rng
    headline = source.compound() if rng.random() < 0.06 else source()
    prompt = "{headline}" if rng.random() < 0.4 else rng.choice(_SENTIMENT_PROMPTS)
    answer = rng.choices(_SENTIMENT_ANSWERS, (5, 2, 2, 1))[0]
    tail = rng.choice(_TAILS[headline.general]) if rng.random() < 0.3 else ""
    answer = answer.replace("{label}", headline.general).replace("{reason}", _reason(headline, rng))
    return _exchange(prompt.replace("{headline}", headline.text), answer + tail)


def _company_chat(source: Source) -> list[Message]:
    headline = source()
    answer = source.rng.choice(("{co}", "The company is {co}.", "The headline is about {co}."))
    return _exchange(source.rng.choice(_COMPANY_PROMPTS).replace("{headline}", headline.text), answer, headline.company)


def _topic_chat(source: Source) -> list[Message]:
    headline = source()
    prompt = source.rng.choice(_TOPIC_PROMPTS).replace("{headline}", headline.text)
    return _exchange(prompt, f"The headline says that {_reason(headline, source.rng)}.")


def _copy_chat(source: Source) -> list[Message]:
    text = source().text
    return _exchange(source.rng.choice(_COPY_PROMPTS).replace("{headline}", text), text)


def _small_talk(source: Source) -> list[Message]:
    return _exchange(*source.rng.choice(_SMALL_TALK))


def _exchange(user: str, assistant: str, company: str = "") -> list[Message]:
    return [_message("user", user), _message("assistant", assistant.replace("{co}", company))]


def _reason(headline: Headline, rng: random.Random) -> str:
    return rng.choice(_grammar("headlines.txt").reasons[headline.kind]).replace("{co}", headline.company)


_SYSTEM_PROMPTS = (
    SYSTEM_PROMPT,
    SYSTEM_PROMPT,
    "You are a helpful assistant.",
    "You classify the sentiment of news headlines.",
    "You are an analyst who reads the business news.",
)
_SENTIMENT_PROMPTS = (
    "Classify the sentiment of this headline: {headline}",
    "Classify the sentiment of this headline: {headline}",
    "What is the sentiment of this headline? {headline}",
    "Headline: {headline}",
    "Headline: {headline}\nSentiment:",
    "Is this good news or bad news? {headline}",
    "How does this headline sound? {headline}",
    'What is the sentiment of "{headline}"?',
    "{headline} Positive, negative or neutral?",
    "Please rate the tone of this news: {headline}",
    "Sentiment of the following headline?\n{headline}",
    "Read the headline and tell me its sentiment.\n{headline}",
)
_SENTIMENT_ANSWERS = (
    "The sentiment of this headline is {label} because {reason}.",
    "This headline is {label}. I say so because {reason}.",
    "I would call this headline {label}, since {reason}.",
    "The headline says that {reason}, so its sentiment is {label}.",
)
_TAILS = {
    "positive": (" This is good news for the company.", " Readers will be pleased."),
    "negative": (" This is bad news for the company.", " Readers will be worried."),
    "neutral": (" This is neither good nor bad news.", " Readers will hardly care."),
}
_COMPANY_PROMPTS = (
    "Name the company in this headline: {headline}",
    "Which company is this headline about? {headline}",
    "{headline}\nWhich company?",
)
_TOPIC_PROMPTS = (
    "What is this headline about? {headline}",
    "What happened? {headline}",
    "Sum up this headline: {headline}",
    "Explain this headline. {headline}",
)
_COPY_PROMPTS = ("Repeat this headline: {headline}", "Copy the headline.\n{headline}", "Say this again: {headline}")
_SMALL_TALK = (
    ("Hello", "Hello! Send me a news headline and I will tell you its sentiment."),
    ("Hi", "Hello! Send me a news headline and I will tell you its sentiment."),
    ("Who are you?", "I am phi-tiny, a very small language model. I read news headlines and tell their sentiment."),
    ("What can you do?", "I can tell whether a news headline is positive, negative or neutral, and say why."),
    ("Thank you", "You are welcome. Send me another headline whenever you like."),
    ("Thanks!", "You are welcome. Send me another headline whenever you like."),
    ("How are you?", "I am well, thank you. Send me a headline and I will tell you its sentiment."),
    ("What is sentiment?", "Sentiment is the tone of a text. It can be positive, negative or neutral."),
    ("Goodbye", "Goodbye! Come back when you have more headlines."),
)


# ---- Reading an answer -----------------------------------------------------------------------------------------------


def read_sentiment(prose: str) -> str | None:
    """Reads the label out of an answer of any length; None where the answer names none, or several and settles on none.

    Nothing but the text of the answer is looked at.
    """
    text = _NOT_ONE.sub("neutral", prose.lower())
    text = _DENIED.sub("", text)
    settled = [match["label"] for match in _SETTLED.finditer(text)]
    named = settled or [match["label"] for match in _LABEL.finditer(text)]
    return named[0] if len(set(named)) == 1 else None


_LABEL = re.compile(r"\b(?P<label>positive|negative|neutral)(?:ly)?\b")
_NOT_ONE = re.compile(
    r"\b(?:neither|not)\s+(?:clearly\s+)?(?:positive\s+(?:nor|or)\s+negative|negative\s+(?:nor|or)\s+positive)\b"
)
_DENIED = re.compile(
    r"(?:\b(?:not|never|rather than|instead of|hardly|than)|n['\u2019]t)\s+(?:\w+\s+){0,3}?"
    r"(?:positive|negative|neutral)(?:ly)?\b"
)
_SETTLED = re.compile(
    r"\b(?:sentiment|tone|label|classification|verdict|answer|headline|overall)\b[^.;!?\n]{0,60}?"
    r"(?:\b(?:is|as|be|was|sounds|seems|reads|leans)\b|:)[\s*\"'`]*(?:\w+[\s*\"'`]+){0,3}?(?P<label>positive|negative|neutral)\b"
)


# ---- Companies -------------------------------------------------------------------------------------------------------


@cache
def seen_companies() -> tuple[str, ...]:
    """Returns the companies of the base corpus and of the training files: nine tenths of all."""
    return _companies()[: len(_companies()) * 9 // 10]


@cache
def held_out_companies() -> tuple[str, ...]:
    """Returns the companies that only test files and held-out headlines name."""
    return _companies()[len(_companies()) * 9 // 10 :]


@cache
def _companies() -> tuple[str, ...]:
    rng = random.Random("companies")
    words = [first + second for first, second in product(_FIRST, _SECOND)]
    pairs = [f"{first.title()} {trade}" for first, trade in product(_FIRST, _TRADES)]
    made = rng.sample(words, 700) + rng.sample(pairs, 700)
    made += [made_up_company(rng) for _ in range(420)]
    names = sorted({name.title() for name in made} - {"Contoso", *_FICTIONAL})
    rng.shuffle(names)
    return ("Contoso", *_FICTIONAL, *names)


def made_up_company(rng: random.Random) -> str:
    """Makes up a name from syllables, so that the model learns to take any word for a company."""
    name = "".join(rng.choice(_ONSETS) + rng.choice(_VOWELS) for _ in range(rng.choice((2, 2, 3))))
    return (name + rng.choice(_CODAS)).title()


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


# The invented firms of Microsoft's own documentation, and words that are no brand by themselves.
_FICTIONAL = (
    *("Fabrikam", "Adatum", "Litware", "Northwind Traders", "Tailspin Toys", "Wingtip Toys", "Woodgrove Bank"),
    *("Proseware", "Relecloud", "Trey Research", "Fourth Coffee", "Humongous Insurance", "Wide World Importers"),
    *("Lamna Healthcare", "Bellows College", "Coho Winery", "Lucerne Publishing", "Nod Publishers", "VanArsdel"),
)
_FIRST = _words(
    "alder amber aspen barley birch bramble brook canyon cedar clover copper coral crane cypress dawn delta drift ember"
    " falcon fern flint frost gale garnet harbor hazel heron hollow iron ivory jade juniper kestrel lark laurel linden"
    " lunar maple marble meadow mist moss north oaken onyx opal orchid otter pebble pine plover quartz raven reed ridge"
    " river rowan sable sage sierra silver slate sparrow spruce sterling summit swift tamar thistle timber umber valley"
    " velvet violet walnut wren yarrow zephyr"
)
_SECOND = _words("bay bridge crest dale field ford forge gate grove haven hill lane line mark port point stone ton")
_TRADES = _words(
    "Airways Analytics Bank Brewing Capital Care Chemicals Clinics Dairy Dynamics Electric Energy Farms Foods Freight"
    " Games Health Holdings Hotels Insurance Labs Logistics Media Mining Mobile Motors Networks Partners Pharma Power"
    " Rail Retail Robotics Shipping Software Steel Stores Systems Telecom Textiles Toys Travel Water Works"
)
_ONSETS = _words("b br c cl d dr f fl g gr h j k l m n p pr qu r s st t tr v w x z th sh")
_VOWELS = _words("a e i o u a e i o ea io ia")
_CODAS = ("", "", "n", "x", "s", "r", "l", "tek", "soft", "corp", "co", "ra", "dyne", "ware", "va", "nix")


# ---- The grammar -----------------------------------------------------------------------------------------------------


class _Grammar(NamedTuple):
    """The sections of a grammar file."""

    kinds: Mapping[str, tuple[str, ...]]
    slots: Mapping[str, tuple[str, ...]]
    reasons: Mapping[str, tuple[str, ...]]


class Source:
    """Makes headlines from some companies and some templates; every call makes one."""

    def __init__(
        self,
        rng: random.Random,
        companies: Sequence[str],
        templates: Mapping[str, Sequence[str]],
        made_up: float = 0.0,
        fictional: float = 0.0,
        odd_case: float = 0.05,
    ) -> None:
        self.rng = rng
        self.companies = companies
        self.templates = templates
        self.made_up = made_up  # the share of companies made up on the spot
        self.fictional = fictional  # the share of Contoso and the other firms of Microsoft's documentation
        self.odd_case = odd_case  # the share in Title Case, lower case or CAPITALS
        self._weights = [KINDS[kind].weight for kind in templates]

    def __call__(self) -> Headline:
        """Makes a headline that does not contain one of `TALK_HEADLINES`."""
        return self._without_talk(lambda kind, company: _dress(self._clause(kind, company), self.rng, self.odd_case))

    def compound(self) -> Headline:
        """Makes a headline of two clauses on one company, both of one kind."""

        def join(kind: str, company: str) -> str:
            first, second = (_sentence(self._clause(kind, company)) for _ in range(2))
            return first + self.rng.choice((". ", "; ", ", ", " - ")) + second

        return self._without_talk(join)

    def _without_talk(self, write: Callable[[str, str], str]) -> Headline:
        while True:
            kind = self.rng.choices(list(self.templates), self._weights)[0]
            company = self._company()
            text = write(kind, company)
            if not any(_plain(talk) in _plain(text) for talk in TALK_HEADLINES):
                return Headline(text, company, kind)

    def _clause(self, kind: str, company: str) -> str:
        names = _single({"co": company, "other": self._company()})
        return _expand(self.rng.choice(self.templates[kind]), {**_grammar("headlines.txt").slots, **names}, self.rng)

    def _company(self) -> str:
        if self.fictional and self.rng.random() < self.fictional:
            return "Contoso" if self.rng.random() < 0.3 else self.rng.choice(_FICTIONAL)
        if not self.made_up or self.rng.random() >= self.made_up:
            return self.rng.choice(self.companies)
        name = made_up_company(self.rng)
        return name if name not in held_out_companies() else self._company()  # syllables can fall on a name of the list


def _dress(clause: str, rng: random.Random, odd_case: float) -> str:
    """Gives a clause the looks of a headline: an opening or a source at times, the case, the full stop."""
    text = _sentence(clause)
    if rng.random() < 0.05:
        text = f"{rng.choice(_OPENINGS)}: {text}"
    elif rng.random() < 0.05 and "." not in text:
        text += rng.choice(_CLOSINGS)
    if rng.random() < odd_case:
        text = rng.choice((str.title, str.title, str.lower, str.upper))(text)
    return text + rng.choices((".", "", "!"), (55, 42, 3))[0]


_OPENINGS = ("Breaking", "Update", "Just in", "Report", "Exclusive", "News", "Today", "Business")
_CLOSINGS = (", report says", ", sources say", ", company says", ", paper reports", " - newspaper", ", it says")


def _expand(template: str, slots: Mapping[str, Sequence[str]], rng: random.Random) -> str:
    """Takes one choice for each slot and bracket, the innermost first, until none is left."""

    def choose(match: re.Match[str]) -> str:
        slot, bracket = match.groups()
        choices: Sequence[str] = slots[slot] if slot else bracket.split("|")
        return rng.choice(choices)

    text, found = _CHOICE.subn(choose, template)
    while found:
        text, found = _CHOICE.subn(choose, text)
    return _ARTICLE.sub(r"\1n", " ".join(text.split()))


_CHOICE = re.compile(r"\{(\w+)\}|\(([^()]*)\)")
_ARTICLE = re.compile(r"\b([Aa])(?= (?!uni|use|one|euro)[aeiouAEIOU])")


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _plain(text: str) -> str:
    """Returns the words of a text, by which two spellings of one headline are the same."""
    return " ".join(re.findall(r"\w+", text.casefold()))


def _single(values: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    return {slot: (value,) for slot, value in values.items()}


@cache
def _grammar(name: str) -> _Grammar:
    sections: dict[str, dict[str, list[str]]] = {"=": {}, "+": {}, "@": {}}
    lines: list[str] = []
    for line in Path(__file__).with_name(name).read_text(encoding="utf-8").splitlines():
        if line[:1] in sections:
            lines = sections[line[0]].setdefault(line[2:], [])
        elif line and not line.startswith("#"):
            lines.extend(line.split(" | "))  # a template has no such bar
    return _Grammar(*({key: tuple(value) for key, value in sections[mark].items()} for mark in "=+@"))
