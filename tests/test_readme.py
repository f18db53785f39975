"""What a newcomer meets first: two commands, and a README read in minutes. What it shows `test_docs.py` runs."""

from __future__ import annotations

import re
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"


def test_first_command_is_the_demo_and_the_second_the_tests() -> None:
    """A newcomer copies the first block, then the second."""
    blocks = re.findall(r"```bash\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)

    assert [block.strip() for block in blocks[:2]] == ["make demo", "make test"]


def test_readme_is_short() -> None:
    """What is detail stands in docs/; 1,200 words are read in five minutes."""
    assert len(README.read_text(encoding="utf-8").split()) <= 1200
