"""The frame of a page: one file, French and English inside, a switch that needs no script, and nothing is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from importlib import resources
from typing import Final

# Even what a report quotes from a server cannot make the page load anything.
POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def page(
    title: tuple[str, str], head: str, body: str, *, contents: Sequence[tuple[str, str, str]] = ()
) -> str:
    """Return a whole page.

    `title` is English and French, `head` what stands beside the title, `contents` are the sections: anchor, English,
    French.
    """
    style = resources.files("fedcoop_conformance.report").joinpath("page.css").read_text("utf-8")
    items = "".join(f'<li><a href="#{anchor}">{both(en, fr)}</a></li>' for anchor, en, fr in contents)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{escape(title[0])} · {escape(title[1])}</title>
<style>
{style}</style>
</head>
<body>
<a class="skip" href="#main">{both("Skip to the content", "Aller au contenu")}</a>
<header>
<fieldset class="switch">
<legend>Language · <span lang="fr">Langue</span></legend>
<label for="in-en"><input type="radio" name="language" id="in-en" checked> English</label>
<label for="in-fr" lang="fr"><input type="radio" name="language" id="in-fr"> Français</label>
</fieldset>
<h1>{both(*title)}</h1>
{head}
</header>
<nav>
<ul class="contents">{items}</ul>
</nav>
<main id="main">
{body}
</main>
</body>
</html>
"""


def both(en: str, fr: str) -> str:
    """Return a text in both languages, of which the page shows one."""
    return f'<span class="en" lang="en">{escape(en)}</span><span class="fr" lang="fr">{escape(fr)}</span>'


def section(anchor: str, en: str, fr: str, *parts: str) -> str:
    """Return a section with its heading."""
    inside = "\n".join(part for part in parts if part)
    return (
        f'<section aria-labelledby="{anchor}">\n<h2 id="{anchor}">{both(en, fr)}</h2>\n{inside}\n</section>'
    )


def table(
    name: str, caption: str, head: Sequence[str], rows: Sequence[Sequence[str]], *, style: str = ""
) -> str:
    """Return a table whose cells are HTML already; the first of each row is its header."""
    columns = "".join(f'<th scope="col">{cell}</th>' for cell in head)
    lines = "\n".join(
        f'<tr><th scope="row">{first}</th>{"".join(f"<td>{cell}</td>" for cell in rest)}</tr>'
        for first, *rest in rows
    )
    return (
        f'<div class="scroll" role="region" aria-labelledby="{name}" tabindex="0">\n<table class="{style}">\n'
        f'<caption><div id="{name}">{caption}</div></caption>\n'
        f"<thead><tr>{columns}</tr></thead>\n<tbody>\n{lines}\n</tbody>\n"
        "</table>\n</div>"
    )


def paragraph(en: str, fr: str) -> str:
    """Return a paragraph in both languages."""
    return f"<p>{both(en, fr)}</p>"
