"""Text that is not ours, made harmless: what steers a terminal, hides or turns other text is shown by its number."""

from __future__ import annotations

_KEPT = "\n\t\u3000"  # lines, tabs, and the blank of Chinese and Japanese
_DROP_KEPT = str.maketrans("", "", _KEPT)


def is_harmless(text: str) -> bool:
    """Whether every sign of a text is one that a person sees."""
    return text.isprintable() or text.translate(_DROP_KEPT).isprintable()


def harmless(text: str) -> str:
    r"""Returns a text in which every sign can be seen: an escape becomes \x1b, a turn of direction \u202e."""
    if is_harmless(text):
        return text
    return "".join(sign if is_harmless(sign) else escaped(sign) for sign in text)


def escaped(sign: str) -> str:
    """Returns a character by its number, as Python and JSON write it."""
    return sign.encode("unicode_escape").decode()
