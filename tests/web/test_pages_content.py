"""Whatever a stranger wrote, a page gets text of the wanted kind or nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedcoop.protocol.limits import MAX_CONTENT, MAX_NAME
from fedcoop.web import pages_content as read
from fedcoop.web.pages_content import Said

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inside: st.lists(inside) | st.dictionaries(st.text(), inside),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("<p>Bonjour <strong>vous</strong></p>", "<p>Bonjour <strong>vous</strong></p>"),
        ("a < b & c", "a &lt; b &amp; c"),
        ("<script>alert(1)</script>x", "x"),
        ("<style>*{display:none}</style>x", "x"),
        ('<p onclick="x()" style="x" class="y" id="content">z</p>', "<p>z</p>"),
        ('<img src="https://t.example/p.png" onerror="x()">', ""),
        ('<svg onload="x()"></svg><math></math><iframe src="//x"></iframe>', ""),
        ('<form action="/sign-out"><button>go</button></form>', "go"),
        ('<a href="javascript:x()">a</a>', '<a rel="nofollow noopener noreferrer">a</a>'),
        ('<a href="data:text/html,x">a</a>', '<a rel="nofollow noopener noreferrer">a</a>'),
        ('<a href="/sign-out">a</a>', '<a rel="nofollow noopener noreferrer">a</a>'),
        ('<a href="//x.example">a</a>', '<a rel="nofollow noopener noreferrer">a</a>'),
        (
            '<a href="https://x.example/é" target="_blank" rel="opener">a</a>',
            '<a href="https://x.example/é" rel="nofollow noopener noreferrer">a</a>',
        ),
        ("<h1>Titre</h1><H2 class=x>Sous-titre</H2>", "<p>Titre</p><p>Sous-titre</p>"),
        ("<p>sans fin", "<p>sans fin</p>"),
        ("</div></main><p>x</p>", "<p>x</p>"),
        ("<!-- x --><p>y</p>", "<p>y</p>"),
    ],
)
def test_html_of_a_stranger_is_reduced_to_what_a_description_needs(written: str, shown: str):
    assert str(read.clean(written)) == shown


def test_a_very_long_description_is_cut_before_it_is_parsed():
    shown = str(read.clean("<b>" * MAX_CONTENT + "x"))
    assert len(shown) < 8 * MAX_CONTENT
    assert "x" not in shown


@given(st.text(alphabet="<>/ab&;\"'=h1scriptonx:", max_size=200))
def test_no_mixture_of_marks_gets_through(written: str):
    shown = str(read.clean(written)).lower()
    assert "<script" not in shown
    assert "<img" not in shown
    assert " on" not in "".join(part.partition(">")[0] for part in shown.split("<")[1:]).replace(
        " opener", ""
    )


def test_plain_text_is_not_read_as_html():
    html, _ = read.content({"content": "a <b> c", "mediaType": "text/plain"}, "fr")
    assert str(html) == "<p>a &lt;b&gt; c</p>"


def test_one_line_has_no_control_characters_and_cannot_turn_its_neighbours_around():
    assert read.line("a\n\tb\u0000c \u202eevil\u2066 d") == "a b c evil d"
    assert read.line(f"1{chr(0x202F)}140,00{chr(0xA0)}€") == "1\u202f140,00\u00a0€", "French spaces stay"
    assert read.line(3) == ""
    assert len(read.line("x" * 10_000)) == MAX_NAME


def test_the_text_of_the_readers_language_is_chosen_and_says_its_own():
    doc = {"name": "Vélo", "nameMap": {"fr-FR": "Vélo", "en": "Bike"}}
    assert read.said(doc, "name", "en") == Said("Bike", "en")
    assert read.said(doc, "name", "fr") == Said("Vélo", "fr-FR")
    assert read.said({"name": "Rad", "nameMap": {"de": "Rad"}}, "name", "fr") == Said("Rad", "de")
    assert read.said({"nameMap": {"it": "Bici"}}, "name", "fr") == Said("Bici", "it")
    assert read.said({"name": "?"}, "name", "fr") == Said("?", None)
    assert read.said({"name": "x", "nameMap": {'fr" onx="': "y"}}, "name", "fr") == Said("x", None)


def test_a_title_is_the_name_or_how_the_description_begins():
    assert read.title({"name": "Titre", "content": "<p>x</p>"}, "fr").text == "Titre"
    assert read.title({"content": "<p>Une longue <b>histoire</b></p>"}, "fr").text == "Une longue histoire"
    assert read.title({"content": "mot " * 60}, "fr").text.endswith("…")
    assert not read.title({}, "fr")


@pytest.mark.parametrize(
    ("value", "number"),
    [("17.00", Decimal("17.00")), ("-3", Decimal(-3)), (4, Decimal(4)), ("1e9", None), ("NaN", None), ("", None),
     ("9" * 40, None), (True, None), (1.5, None), ("1,5", None), ("٣", None)],
)  # fmt: skip
def test_a_number_is_a_decimal_string(value: Any, number: Decimal | None):
    assert read.number(value) == number


@pytest.mark.parametrize(
    ("value", "moment"),
    [("2026-12-01T08:00:00Z", datetime(2026, 12, 1, 8, tzinfo=UTC)),
     ("2026-12-01T09:00:00+01:00", datetime(2026, 12, 1, 8, tzinfo=UTC)),
     ("2026-12-01T08:00:00", None), ("demain", None), ("0001-01-01T00:00:00+23:00", None), (5, None)],
)  # fmt: skip
def test_a_moment_has_an_offset(value: Any, moment: datetime | None):
    assert read.instant(value) == moment


@pytest.mark.parametrize(
    ("value", "link"),
    [
        ("https://x.example/a?b#c", "https://x.example/a?b#c"),
        ({"type": "Link", "href": "https://x.example/"}, "https://x.example/"),
        ("mailto:a@x.example", "mailto:a@x.example"),
        ("javascript:alert(1)", None),
        ("JaVaScRiPt://x/%0aalert(1)", None),
        ("data:text/html,x", None),
        ("//x.example/", None),
        ("/sign-out", None),
        ("https://", None),
        ("https://x.example/\n", None),
        ("https://[", None),
        ("mailto:", None),
        (None, None),
        ("https://x.example/" + "a" * 3000, None),
    ],
)
def test_a_link_is_an_absolute_address_of_the_web_or_of_a_person(value: Any, link: str | None):
    assert read.link(value) == link


def test_a_host_is_what_comes_before_the_path_and_after_any_user():
    assert read.host("https://Coop.example:8443/actors/coop") == "coop.example:8443"
    assert read.host("https://bank.example@evil.example/") == "evil.example"
    assert read.host("nonsense") == ""


@given(JSON)
def test_no_value_is_too_odd_to_be_read(value: Any):
    read.line(value)
    read.lines(value)
    read.document(value)
    read.documents(value)
    read.number(value)
    read.instant(value)
    read.link(value)
    read.identifier(value)
    for name in ("name", "content"):
        doc = {name: value, f"{name}Map": value}
        read.said(doc, name, "fr")
        read.title(doc, "fr")
        read.content(doc, "fr")
