"""The language of a run is what the command line says, else the environment, else English."""

from __future__ import annotations

import pytest

from fedcoop_conformance.speech import language_of


@pytest.mark.parametrize(
    ("arguments", "environment", "language"),
    [
        ((), {}, "en"),
        (("run",), {"LANG": "fr_FR.UTF-8"}, "fr"),
        (("--lang", "fr", "run"), {"LANG": "en_GB.UTF-8"}, "fr"),
        (("--lang=en", "run"), {"FEDCOOP_LANG": "fr"}, "en"),
        (("run", "--lang"), {}, "en"),
        ((), {"FEDCOOP_LANG": "en", "LANG": "fr_FR"}, "en"),
        ((), {"LANG": "de_DE"}, "en"),
    ],
)
def test_the_first_that_says_it_decides(
    arguments: tuple[str, ...], environment: dict[str, str], language: str
):
    assert language_of(arguments, environment) == language
