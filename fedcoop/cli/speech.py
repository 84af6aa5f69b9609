"""In which language the command line speaks, and how it says things in both.

Help texts are fixed when the commands are declared, so the language is decided once, when this module is imported:
`--lang`, else FEDCOOP_LANG, else LC_ALL, else LANG; French when it starts with `fr`, English otherwise.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Final, Literal, TypeAlias

Language: TypeAlias = Literal["en", "fr"]


def language_of(arguments: Sequence[str], environment: Mapping[str, str]) -> Language:
    """Return the language asked for by these arguments and this environment."""
    for position, argument in enumerate(arguments):
        if argument == "--lang" and position + 1 < len(arguments):
            return "fr" if arguments[position + 1].lower().startswith("fr") else "en"
        if argument.startswith("--lang="):
            return "fr" if argument[7:].lower().startswith("fr") else "en"
    for variable in ("FEDCOOP_LANG", "LC_ALL", "LANG"):
        if environment.get(variable):
            return "fr" if environment[variable].lower().startswith("fr") else "en"
    return "en"


LANGUAGE: Final[Language] = language_of(sys.argv[1:], os.environ)


def say(english: str, french: str) -> str:
    """Return the sentence in the language of this run."""
    return french if LANGUAGE == "fr" else english


# The words that the command framework puts around our own, as they stand in its plain help.
_HELP_WORDS: Final = (
    (re.compile(r"^Usage: ", re.M), "Usage : "),
    (re.compile(r"COMMAND \[ARGS\]\.\.\."), "COMMANDE [ARGUMENTS]…"),
    (re.compile(r"^Options:$", re.M), "Options :"),
    (re.compile(r"^Arguments:$", re.M), "Arguments :"),
    (re.compile(r"^Commands:$", re.M), "Commandes :"),
    (re.compile(r"Show this message and exit\."), "Affiche cette aide et s’arrête."),
    (re.compile(r"\[required\]"), "[obligatoire]"),
    (re.compile(r"\[default: "), "[par défaut : "),
)


def translated_help(text: str) -> str:
    """Return the framework's help text with its own words in the language of this run."""
    if LANGUAGE == "fr":
        for word, french in _HELP_WORDS:
            text = word.sub(french, text)
    return text
