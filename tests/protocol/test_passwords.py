"""Which passwords are taken."""

from __future__ import annotations

import pytest

from fedcoop.protocol.limits import MAX_PASSWORD, MIN_PASSWORD
from fedcoop.protocol.passwords import flaw_of, normal

NAMES = ("awa-diop", "Les Pédales de Loire", "Les", "Pédales", "Loire")


@pytest.mark.parametrize(
    "password",
    [
        "trois vélos bleus",
        "correct horse battery staple",
        "kX8#pq2!Lm9z",
        "7Ï?é;:!çà*$ù",
        "Pédales jaunes sur le toit",
        "awa aime les tomates",
        "password du voisin d’en face",
        "日本語のとても長い合言葉です",
        "m" * 250 + "abcdef",
    ],
)
def test_a_good_password_is_taken(password: str):
    assert flaw_of(password, about=NAMES) is None


@pytest.mark.parametrize(
    ("password", "flaw"),
    [
        ("", "too-short"),
        ("a" * (MIN_PASSWORD - 1), "too-short"),
        ("kX8#pq2!Lm9", "too-short"),
        ("xyz" + "trois vélos" * 40, "too-long"),
        ("a" * 12, "too-plain"),
        ("abababababab", "too-plain"),
        ("abcabcabcabcd", "too-plain"),
        ("123456789012", "too-plain"),
        ("azertyuiop12", "too-plain"),
        ("qwertyuiopas", "too-plain"),
        ("poiuytrezaml", "too-plain"),
        ("abcdefghijklm", "too-plain"),
        ("Password1234!", "too-plain"),
        ("motdepasse2026", "too-plain"),
        ("mot de passe 2026 !", "too-plain"),
        ("Bonjour-Soleil-1", "too-plain"),
        ("awa-diop-1984", "about-you"),
        ("Pédales de Loire 44", "about-you"),
        ("LOIRE.PÉDALES.1", "about-you"),
    ],
)
def test_what_somebody_would_try_first_is_not(password: str, flaw: str):
    assert flaw_of(password, about=NAMES) == flaw


def test_the_longest_is_as_long_as_hashing_is_worth():
    longest = ("trois vélos bleus et " * 20)[:MAX_PASSWORD]
    assert flaw_of(longest) is None
    assert flaw_of(longest + "x") == "too-long"


def test_the_same_keys_are_the_same_password_on_every_machine():
    assert normal("ve\u0301lo ﬁn") == normal("vélo fin")
    assert flaw_of("e\u0301" * 11) == "too-short"
