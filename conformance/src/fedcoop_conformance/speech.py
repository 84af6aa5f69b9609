"""In which language the command line speaks: `--lang`, else FEDCOOP_LANG, LC_ALL or LANG; else English."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Final, Literal

Language = Literal["en", "fr"]


def language_of(arguments: Sequence[str], environment: Mapping[str, str]) -> Language:
    """Return the language that these arguments and this environment ask for."""
    asked = [following for word, following in itertools.pairwise(arguments) if word == "--lang"]
    asked += [word.removeprefix("--lang=") for word in arguments if word.startswith("--lang=")]
    settings = (environment.get(name, "") for name in ("FEDCOOP_LANG", "LC_ALL", "LANG"))
    wanted = next(filter(None, [*asked, *settings]), "en")
    return "fr" if wanted.lower().startswith("fr") else "en"


LANGUAGE: Final[Language] = language_of(sys.argv[1:], os.environ)


def say(english: str, french: str) -> str:
    """Return the sentence in the language of this run. Help texts need it at import: it is decided once."""
    return french if LANGUAGE == "fr" else english
