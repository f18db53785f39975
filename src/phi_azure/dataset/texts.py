"""What a text should not hold: hidden characters, broken encodings, control tokens, secrets, personal data."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from phi_azure.dataset.finding import Finding, info, warning

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# A pattern that may run far begins where no letter of its own stands before: else a megabyte of `x` takes hours.
_SECRETS = (
    ("a storage or service key", re.compile(r"(?:Account|SharedAccess|Access)Key=[A-Za-z0-9+/]{20,}")),
    ("a shared access signature", re.compile(r"\bsig=[A-Za-z0-9%+/]{20,}")),
    ("an API key (sk-...)", re.compile(r"\bsk-[A-Za-z0-9_-]{20,}")),
    ("an API key", re.compile(r"(?i)api[-_]?key\W{1,4}[0-9a-z]{32,}")),
    ("a GitHub token", re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{30,})")),
    ("an AWS access key", re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b")),
    ("a private key", re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")),
    ("a JSON Web Token", re.compile(r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*")),
)
_MAIL = re.compile(r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}")
_PHONE = re.compile(
    r"(?<![\w.+])(?:\+[1-9](?:[ .()-]{0,2}\d){9,14}|\(?[2-9]\d\d\)?[ .-]{1,2}[2-9]\d\d[ .-]\d{4})(?!\w)",
    re.ASCII,
)
_CARD = re.compile(
    r"(?<![\w.-])(?:[3-6]\d{12,18}|[3-6]\d{3}[ -]\d{4}[ -]\d{4}[ -]\d{1,7}|3\d{3}[ -]\d{6}[ -]\d{5})(?![\w-])",
    re.ASCII,
)
_SPECIAL = re.compile(r"<\|/?[a-z_]{2,20}\|>")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_INVISIBLE = re.compile(
    "[\u00ad\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]"
    "|(?<![^\x00-\x7f])[\u200c\u200d]"  # joiners belong to emoji and to Persian or Indian words, not to ASCII
    "|(?<![\U0001f3f4\U000e0020-\U000e007f])[\U000e0000-\U000e007f]"  # tags belong to flags alone
)
_MOJIBAKE = re.compile(  # the two or three letters that a UTF-8 letter becomes in Latin-1 or Windows-1252
    "[ÂÃ][\u0080-\u00bf]|ï»¿|â[€\u0080][\u0080-\u00bf\u02dc\u2122\u0153\u017e\u0161\u0178\u201c\u201d\u2022\u2013\u2014]"
)
_SURROGATE = re.compile("[\ud800-\udfff]")


def findings(text: str, field: str) -> Iterator[Finding]:
    """Yields what is doubtful in one content; never repeats what may be a secret."""
    if not text.isascii():
        yield from _encoding(text, field)
    if control := _CONTROL.search(text):
        yield warning(
            "control-character", field, f"{field} holds {_named(control)}, which no one types.", "Remove or replace it."
        )
    if "|" in text and (special := _SPECIAL.search(text)):
        yield warning(
            "special-token", field, f"{field} holds {special[0]}, which steers some chat templates.",
            "Remove it; the template adds its own.",
        )  # fmt: skip
    yield from _private(text, field)


def _encoding(text: str, field: str) -> Iterator[Finding]:
    if hidden := _INVISIBLE.search(text):
        yield warning("invisible", field, f"{field} holds {_named(hidden)}, which nobody sees.", "Remove it.")
    if "\ufffd" in text:
        place = text.index("\ufffd") + 1
        yield warning(
            "replacement-character", field, f"{field} holds U+FFFD (character {place}): a letter was lost.",
            "Convert the source again, with its right encoding.",
        )  # fmt: skip
    if broken := _MOJIBAKE.search(text):
        yield warning(
            "mojibake", field,
            f"{field} looks wrongly decoded at character {broken.start() + 1}: UTF-8 read as Latin-1.",
            "Read the source as UTF-8.",
        )  # fmt: skip
    if "\u00a0" in text:
        place = text.index("\u00a0") + 1
        yield info("nbsp", field, f"{field} holds a no-break space (character {place}).", "A plain space is the usual.")


HALF = "half a character (a lone surrogate)"
"""What `surrogate` finds, in words."""


def surrogate(text: str) -> bool:
    """Whether a text holds half a character, which no UTF-8 file can."""
    return _SURROGATE.search(text) is not None


def _named(match: re.Match[str]) -> str:
    return f"U+{ord(match[0]):04X} (character {match.start() + 1})"


def _private(text: str, field: str) -> Iterator[Finding]:
    for what, pattern in _SECRETS:
        if pattern.search(text):
            yield warning(
                "secret", field, f"{field} seems to hold {what}.",
                "Remove it, and revoke it if it was real: a model can repeat it.",
            )  # fmt: skip
    for what, pattern, is_real in _PERSONAL:
        if any(is_real(found[0]) for found in pattern.finditer(text)):
            yield warning(
                "personal-data", field, f"{field} seems to hold {what}.",
                "Replace it by a made-up one if it is a person's.",
            )  # fmt: skip


def _always(_: str) -> bool:
    return True


def _is_card(number: str) -> bool:
    """Whether the check digit (Luhn) of 13 to 19 digits fits."""
    digits = [int(digit) for digit in reversed(number) if digit.isdigit()]
    doubled = sum(sum(divmod(2 * digit, 10)) for digit in digits[1::2])
    return 13 <= len(digits) <= 19 and (sum(digits[::2]) + doubled) % 10 == 0


_PERSONAL: tuple[tuple[str, re.Pattern[str], Callable[[str], bool]], ...] = (
    ("a mail address", _MAIL, _always),
    ("a phone number", _PHONE, _always),
    ("a payment card number", _CARD, _is_card),
)

# The sieve: what `findings` would report leaves one of these traces, so that text without any need not be looked at.
_TOKEN = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=_%.-"
_ODD = bytes(code for code in (*range(32), 127) if code not in b"\t\n\r")
_CLASSES = bytes(
    ord("x") if code in _TOKEN else 1 if code in _ODD else code if code in b"@|" else ord(" ") for code in range(256)
)
_DIGITS = bytes(
    ord("0") if code in b"0123456789" else ord(" ") if code in b" .-" else ord("+") if code == ord("+") else ord("x")
    for code in range(256)
)
_LONG_TOKEN = b"x" * 20
_NUMBERS = (b"000 0000", b"0" * 13)  # parts of phone and card numbers


def is_suspicious(text: str) -> bool:
    """Whether `findings` might report something; a few passes at C speed, so it may be asked of a megabyte at once."""
    if not text.isascii() and not _is_plain(text):
        return True
    raw = text.encode("utf-8", "surrogatepass")
    classes = raw.translate(_CLASSES)
    if _LONG_TOKEN in classes or b"\x01" in classes or b"@" in classes or b"|" in classes or b"PRIVATE KEY" in raw:
        return True
    digits = raw.translate(_DIGITS)
    return (b"+" in digits and b"+0" in digits) or any(number in digits for number in _NUMBERS)


def _is_plain(text: str) -> bool:
    """Whether no character is hidden, odd or a sign of a wrong encoding."""
    shown = text.replace("\n", " ").replace("\t", " ").replace("\r", " ")
    return shown.isprintable() and not any(sign in text for sign in ("\ufffd", "Ã", "Â", "â€", "ï»"))
