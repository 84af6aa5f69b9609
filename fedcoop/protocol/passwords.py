"""Which passwords are taken: long ones that are not among the first guesses (security design §3.2, OWASP).

There is no list of passwords that leaked somewhere; length and these few rules stand in for it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Final, Literal, TypeAlias

from fedcoop.protocol.limits import MAX_PASSWORD, MIN_PASSWORD

Flaw: TypeAlias = Literal["too-short", "too-long", "too-plain", "about-you"]

MIN_DIFFERENT: Final = 5
"""Different characters in a password: "aaaaaaaaaaaa" is one guess."""

ROWS: Final = (
    "abcdefghijklmnopqrstuvwxyz", "01234567890123456789", "qwertyuiopasdfghjklzxcvbnm",
    "azertyuiopqsdfghjklmwxcvbn",
)  # fmt: skip
"""The alphabet, the digits, and the keyboards of our readers: who walks along them is followed easily."""

FIRST_GUESSES: Final = (
    "password",
    "passwort",
    "motdepasse",
    "azerty",
    "qwerty",
    "bonjour",
    "welcome",
    "fedcoop",
    "soleil",
)
"""Words with which most lists of stolen passwords begin, in the languages of our readers."""

MIN_BESIDE: Final = 6
"""Signs that there must be beside what can be guessed."""


def normal(password: str) -> str:
    """Return a password in the one form in which it is hashed: the same keys give the same, whatever the machine.

    >>> normal("e\u0301") == normal("\u00e9")
    True
    """
    return unicodedata.normalize("NFKC", password)


def flaw_of(password: str, *, about: Iterable[str] = ()) -> Flaw | None:
    """Return what is wrong with a password, or None. `about`: names that whoever guesses it knows.

    >>> flaw_of("court"), flaw_of("motdepasse2026"), flaw_of("trois vélos bleus")
    ('too-short', 'too-plain', None)
    """
    text = normal(password)
    # (1) Whatever is shorter can be tried out.
    if len(text) < MIN_PASSWORD:
        return "too-short"
    # (2) Hashing is work that strangers can order.
    if len(text) > MAX_PASSWORD:
        return "too-long"
    letters = _joined(text)
    # (3) Few characters again and again, a walk along the keyboard, or one of the first guesses with something behind.
    if len(set(text)) < MIN_DIFFERENT or _walks(letters) or _without(letters, FIRST_GUESSES) < MIN_BESIDE:
        return "too-plain"
    # (4) Who one is and where is the next guess.
    if _without(letters, [name for name in map(_joined, about) if len(name) > 2]) < MIN_BESIDE:
        return "about-you"
    return None


def _joined(text: str) -> str:
    return re.sub(r"[\s._-]", "", text.casefold())


def _walks(letters: str) -> bool:
    """Tell whether all of it, or all but a few, is one stretch of a row, forwards or backwards."""
    longest = max((len(stretch) for row in ROWS for stretch in _stretches(letters, row + row)), default=0)
    return len(letters) - longest < MIN_BESIDE


def _stretches(letters: str, row: str) -> Iterable[str]:
    for way in (row, row[::-1]):
        for start in range(len(letters)):
            end = start
            while end < len(letters) and letters[start : end + 1] in way:
                end += 1
            if end - start > 3:
                yield letters[start:end]


def _without(letters: str, guesses: Iterable[str]) -> int:
    """Count the signs that are left without these words, and then without digits and exclamation marks around them."""
    left = letters
    for guess in sorted(guesses, key=len, reverse=True):
        left = left.replace(guess, "")
    return len(left) if left == letters else len(left.strip("0123456789!?*$+#"))
