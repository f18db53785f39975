"""The playground's page in a browser: type, send, see answers stream; stop; prompts that are kept."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from phi_azure.asking.answers import Piece
from phi_azure.asking.streams import Stream
from phi_azure.playground import Kept, Playground, PromptFile, Side, served
from tests.browser import WIDTHS, Visit, overflow

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

    from phi_azure.testing import Azure

pytestmark = pytest.mark.browser
expect.set_options(timeout=20_000)  # on a busy machine
MARKUP = "<img src=http://other.example/x.png onerror=alert(1)>"


class Speaker:
    """A side that says one word for each `go`, and notices when nobody listens any more."""

    def __init__(self, *words: str) -> None:
        self.words = words
        self.go = threading.Semaphore(0)
        self.asked: list[Kept] = []
        self.hung_up = threading.Event()

    def __call__(self, kept: Kept) -> Stream:
        """Begins to answer."""
        self.asked.append(kept)
        return Stream(self._pieces())

    def _pieces(self) -> Generator[Piece, None, None]:
        try:
            for word in self.words:
                self.go.acquire(timeout=20)
                yield Piece(word)
            yield Piece("", "stop", 7, len(self.words))
        finally:
            self.hung_up.set()


@pytest.fixture
def speakers() -> tuple[Speaker, Speaker]:
    """Two that speak when they are told to."""
    return Speaker("nega", "tive"), Speaker("The sentiment", " is ", MARKUP)


@pytest.fixture
def address(speakers: tuple[Speaker, Speaker], tmp_path: Path) -> Iterator[str]:
    """The address of a page that asks them."""
    sides = [Side(name, "managed", speaker) for name, speaker in zip(("tuned", "base"), speakers, strict=True)]
    prompts = PromptFile(
        tmp_path / "prompts.jsonl", [Kept("Contoso breached.", "Classify."), Kept("Contoso recovers.")]
    )
    with served(Playground(sides, prompts, "a workspace")) as url:
        yield url


@pytest.mark.parametrize("width", WIDTHS)
def test_both_answers_stream(width: int, address: str, speakers: tuple[Speaker, Speaker], visit: Visit) -> None:
    """What is typed is sent to both; words show as they come, markup in them is text, and the figures follow."""
    page = visit(address, width)
    tuned, base = (page.locator(".answer").nth(number) for number in (0, 1))

    expect(page.get_by_label("System prompt")).to_have_value("Classify.")  # of the first prompt that is kept
    page.get_by_label("Prompt", exact=True).fill("Contoso recovers from an attack.")
    page.get_by_label("Prompt", exact=True).press("Enter")
    speakers[0].go.release()
    speakers[1].go.release(3)

    expect(tuned.locator(".text")).to_have_text("nega")
    expect(tuned).to_have_class("answer streaming")
    expect(base.locator(".text")).to_have_text(f"The sentiment is {MARKUP}")
    expect(base.locator("dd").nth(2)).to_have_text("3")
    visit.picture(page, f"streaming-{width}")

    speakers[0].go.release()

    expect(tuned.locator(".text")).to_have_text("negative")
    expect(tuned.locator(".figures")).to_contain_text("first words")
    expect(page.locator(".streaming")).to_have_count(0)
    expect(page.get_by_role("button", name="Send")).to_be_visible()
    assert [speaker.asked[0].system for speaker in speakers] == ["Classify."] * 2
    assert overflow(page) == 0
    visit.picture(page, f"answered-{width}")


def test_stop_hangs_up(address: str, speakers: tuple[Speaker, Speaker], visit: Visit) -> None:
    """What was said stays, and the models are let go."""
    page = visit(address)
    page.get_by_role("button", name="Contoso recovers.").first.click()
    page.get_by_role("button", name="Send").click()
    for speaker in speakers:
        speaker.go.release()
    expect(page.locator(".text").nth(0)).to_have_text("nega")
    expect(page.locator(".text").nth(1)).to_have_text("The sentiment")

    page.get_by_role("button", name="Stop").click()
    expect(page.locator(".figures").first).to_contain_text("until stopped")
    for speaker in speakers:
        speaker.go.release(2)

    assert all(speaker.hung_up.wait(10) for speaker in speakers)
    expect(page.locator(".text").nth(0)).to_have_text("nega")
    expect(page.get_by_role("button", name="Send")).to_be_visible()


def test_settings_are_sent_and_kept(
    address: str, speakers: tuple[Speaker, Speaker], visit: Visit, tmp_path: Path
) -> None:
    """System prompt, temperature and length reach the endpoint, and the file."""
    page = visit(address)

    page.get_by_label("System prompt").fill("Be short.")
    page.get_by_label("Temperature").fill("0.7")
    page.get_by_label("Tokens at most").fill("9")
    page.get_by_label("Prompt", exact=True).fill("Hello")
    page.get_by_role("button", name="Send").click()
    for speaker in speakers:
        speaker.go.release(3)

    expect(page.locator(".figures").nth(1)).to_contain_text("tokens")
    expect(page.locator("#kept li").first).to_contain_text("Hello")
    assert speakers[1].asked == [Kept("Hello", "Be short.", 0.7, 9)]
    assert PromptFile(tmp_path / "prompts.jsonl").read()[0][0] == Kept("Hello", "Be short.", 0.7, 9)


def test_prompts_can_be_taken_and_removed(address: str, visit: Visit) -> None:
    """On a telephone they are behind a button."""
    page = visit(address, 390)

    page.get_by_role("button", name="Prompts").click()
    page.get_by_role("button", name="Remove: Contoso breached.").click()
    expect(page.locator("#kept li")).to_have_count(1)
    page.locator("#kept").get_by_role("button", name="Contoso recovers.").first.click()

    expect(page.get_by_label("Prompt", exact=True)).to_have_value("Contoso recovers.")
    expect(page.locator("#prompts")).to_be_hidden()


def test_endpoints_of_an_emulated_azure_answer(url: str, emulator: Azure, visit: Visit) -> None:
    """From the page through the server and Azure's wire to the container, and back."""
    emulator.reply(lambda messages: f"to {messages[-1]['content']} after {messages[0]['content']}")
    page = visit(url)

    page.locator("#examples button").first.click()

    for number in (0, 1):
        expect(page.locator(".text").nth(number)).to_have_text("to Contoso system breached. after Classify.")
    expect(page.locator(".answer h3").first).to_contain_text("base-endpoint/blue")
