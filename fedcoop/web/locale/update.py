"""Bring the catalogues up to date with the templates and the pages' modules.

    python fedcoop/web/locale/update.py

New sentences are added, sentences that are gone are dropped. English is written as it stands in the source; French
waits for somebody to write it: `tests/web/test_pages_text.py` fails while one is missing.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

WEB = Path(__file__).resolve().parent.parent
METHODS = [("templates/**.html", "jinja2"), ("pages.py", "python"), ("pages_*.py", "python")]
HEAD = """# The words of fedcoop's pages. Names of codes, states and problems are the vocabulary's (`vocab/`).
# Brought up to date by `python fedcoop/web/locale/update.py`."""
DAY = datetime(2026, 11, 22, tzinfo=UTC)
"""Kept as it is: a date that moves makes two runs differ."""
OPTIONS = {"templates/**.html": {"trimmed": "true", "newstyle_gettext": "true", "silent": "false"}}


def extracted() -> Catalog:
    """Return every sentence of the templates and the pages' modules, with where it stands."""
    found = Catalog(project="fedcoop", charset="utf-8")
    for file, _, message, comments, context in extract_from_dir(WEB, METHODS, OPTIONS):
        # No line numbers: a catalogue must not change because a template did.
        found.add(message, locations=[(file, 0)], auto_comments=comments, context=context)
    return found


def path_of(language: str) -> Path:
    """Return where the catalogue of `language` lies."""
    return WEB / "locale" / language / "LC_MESSAGES" / "fedcoop.po"


def update(language: str, template: Catalog) -> Catalog:
    """Return the catalogue of `language` with the sentences of `template` and no others."""
    path = path_of(language)
    known = Catalog(locale=language)
    if path.exists():
        with path.open("rb") as file:
            known = read_po(file, locale=language)
    fresh = Catalog(
        locale=language,
        header_comment=HEAD,
        project="fedcoop",
        version="1",
        msgid_bugs_address="the project's issues",
        creation_date=DAY,
        revision_date=DAY,
        last_translator="The fedcoop contributors",
        language_team=language,
        fuzzy=False,
    )
    for message in template:
        if not message.id:
            continue
        before = known.get(message.id, context=message.context)
        text = before.string if before else None
        if language == "en":
            text = message.id
        fresh.add(
            message.id,
            text,
            locations=message.locations,
            flags=message.flags - {"fuzzy"},
            context=message.context,
        )
    return fresh


def main() -> None:
    """Write both catalogues."""
    template = extracted()
    for language in ("fr", "en"):
        catalogue = update(language, template)
        path_of(language).parent.mkdir(parents=True, exist_ok=True)
        with path_of(language).open("wb") as file:
            write_po(file, catalogue, width=100, omit_header=False, sort_output=True, include_lineno=False)


if __name__ == "__main__":
    main()
