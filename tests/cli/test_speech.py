"""In which language the command line speaks."""

from __future__ import annotations

import pytest

from fedcoop.cli.speech import language_of


@pytest.mark.parametrize(
    ("arguments", "environment", "expected"),
    [
        ((), {}, "en"),
        ((), {"LANG": "fr_BE.UTF-8"}, "fr"),
        ((), {"LANG": "fr_FR.UTF-8", "LC_ALL": "C.UTF-8"}, "en"),
        ((), {"LC_ALL": "de_DE.UTF-8", "FEDCOOP_LANG": "fr"}, "fr"),
        (("--lang", "en"), {"FEDCOOP_LANG": "fr"}, "en"),
        (("peer", "list", "DIR", "--lang=fr"), {}, "fr"),
    ],
)
def test_the_language_is_the_one_asked_for_nearest(
    arguments: tuple[str, ...], environment: dict[str, str], expected: str
) -> None:
    assert language_of(arguments, environment) == expected
