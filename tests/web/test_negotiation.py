"""Which form and which language: a table, and a few laws."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedcoop.web.negotiation import (
    ACTIVITY_JSON,
    HTML,
    JSON,
    LD_JSON,
    SCHEMA_JSON,
    Media,
    choose,
    choose_language,
)

OBJECT = (ACTIVITY_JSON, LD_JSON, HTML)
PROFILE = 'application/ld+json; profile="https://www.w3.org/ns/activitystreams"'


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, ACTIVITY_JSON),
        ("", ACTIVITY_JSON),
        ("*/*", ACTIVITY_JSON),
        ("application/*", ACTIVITY_JSON),
        ("application/json", ACTIVITY_JSON),
        ("application/activity+json", ACTIVITY_JSON),
        ("Application/Activity+JSON", ACTIVITY_JSON),
        ("application/activity+json; charset=utf-8", ACTIVITY_JSON),
        ('application/activity+json; profile="https://example.org/other"', ACTIVITY_JSON),
        (PROFILE, LD_JSON),
        (PROFILE.replace('"', ""), LD_JSON),
        ("application/ld+json", LD_JSON),
        ('application/ld+json; profile="https://example.org/other https://www.w3.org/ns/activitystreams"', LD_JSON),
        ('application/ld+json; profile="https://example.org/other"', None),
        # What Mastodon sends, then what browsers send.
        ("application/activity+json, application/ld+json", ACTIVITY_JSON),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8", HTML),
        ("text/html", HTML),
        ("text/*", HTML),
        ("application/xhtml+xml", HTML),
        ("text/html, */*", HTML),
        ("text/html;q=0.9, application/activity+json;q=0.8", HTML),
        ("text/html;q=0.8, application/activity+json;q=0.9", ACTIVITY_JSON),
        ("application/activity+json, text/html;q=0.1", ACTIVITY_JSON),
        ("application/activity+json, text/html", ACTIVITY_JSON),
        ("application/activity+json;q=0, */*", LD_JSON),
        ("application/activity+json;q=0, application/ld+json;q=0, */*", HTML),
        ("*/*;q=0", None),
        ("text/html;q=0", None),
        ("image/png", None),
        ("application/xml", None),
        ("text/plain, image/*;q=0.5", None),
        # What cannot be read is as if it were not there.
        ("nonsense", None),
        ("nonsense, text/html", HTML),
        ("text/html;q=high", None),
        ("text/html;q=1.5, application/activity+json;q=0.1", ACTIVITY_JSON),
        (",,;,", None),
    ],
)  # fmt: skip
def test_an_accept_header_chooses(accept: str | None, chosen: Media | None):
    assert choose(accept, OBJECT) is chosen


def test_an_offer_that_is_not_made_is_not_chosen():
    assert choose("text/html", (ACTIVITY_JSON, LD_JSON)) is None
    assert choose("text/html, */*;q=0.1", (ACTIVITY_JSON, LD_JSON)) is ACTIVITY_JSON


def test_plain_json_asks_for_whatever_json_there_is():
    assert choose("application/json", (JSON, HTML)) is JSON
    assert choose("application/json", (SCHEMA_JSON, HTML)) is SCHEMA_JSON


def test_the_answer_to_bare_ld_json_says_its_profile():
    assert LD_JSON.shown == PROFILE


@given(st.text(max_size=300))
def test_no_header_breaks_it(accept: str):
    assert choose(accept, OBJECT) in (*OBJECT, None)
    assert choose_language(accept, default="fr") in ("fr", "en")


@pytest.mark.parametrize("piece", ['"', '\\"', '";', ';q="', ",", "a/b;", '"\\', "=", "text/html,"])
def test_a_hostile_header_costs_no_time(piece: str):
    header = piece * (8190 // len(piece))
    began = time.perf_counter()
    choose(header, OBJECT)
    choose_language(header, default="fr")
    assert time.perf_counter() - began < 0.5


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, "fr"),
        ("", "fr"),
        ("en", "en"),
        ("EN-gb", "en"),
        ("fr-FR,fr;q=0.9,en;q=0.8", "fr"),
        ("en-GB,en;q=0.9,fr;q=0.8", "en"),
        ("de,en;q=0.5", "en"),
        ("de", "fr"),
        ("*", "fr"),
        ("en;q=0", "fr"),
        ("fr;q=0, en;q=0.1", "en"),
        ("de, *;q=0.5", "fr"),
        ("en;q=0.5, *;q=0.7", "fr"),
        ("en ; q=0.8 , fr ; q=0.7", "en"),
        ("en;q=high, fr;q=0.1", "fr"),
        ("nonsense__", "fr"),
    ],
)
def test_an_accept_language_header_chooses(header: str | None, language: str):
    assert choose_language(header, default="fr") == language


def test_between_equals_the_language_of_the_instance_is_chosen():
    assert choose_language("fr, en", default="en") == "en"
    assert choose_language("fr, en", default="fr") == "fr"
