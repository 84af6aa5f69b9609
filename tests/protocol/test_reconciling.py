"""Heads, questions and answers by which two servers compare what they share."""

from __future__ import annotations

from typing import Any

import pytest

from fedcoop.errors import Malformed
from fedcoop.protocol.limits import MAX_RECONCILED_PAGE, MAX_URL
from fedcoop.protocol.reconciling import (
    Head,
    Question,
    asking,
    bodies_of,
    heads_of,
    question_of,
    standing,
    told_heads,
)

HEAD = Head("https://a.example/missions/1", "Mission", "https://a.example/actors/coop", "published", 2, "z2")


@pytest.mark.parametrize(
    ("version", "digest", "ours", "expected"),
    [
        (2, "z2", ["z1", "z2"], "agree"),
        (2, "z2", ["z1", "z2", "z3"], "they-are-behind"),
        (2, "z2", ["z1"], "we-are-behind"),
        (2, "z2", [], "we-are-behind"),
        (2, "other", ["z1", "z2"], "diverged"),
        (1, "other", ["z1", "z2"], "diverged"),
    ],
)
def test_two_copies_of_a_chain_stand(version: int, digest: str, ours: list[str], expected: str):
    head = Head(HEAD.chain, HEAD.kind, HEAD.owner, HEAD.state, version, digest)
    assert standing(head, ours) == expected


def test_what_the_peer_does_not_have_at_all_it_lacks():
    assert standing(None, ["z1"]) == "they-are-behind"
    assert standing(None, []) == "agree"


@pytest.mark.parametrize("question", [Question(), Question(after="c"), Question(chain="c", version=3)])
def test_a_question_is_read_as_it_was_asked(question: Question):
    assert question_of(asking(question)) == question


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "Create"},
        {"after": 1},
        {"after": "c" * (MAX_URL + 1)},
        {"chain": 1},
        {"chain": "c" * (MAX_URL + 1)},
        {"version": "1"},
        {"version": -1},
        {"version": True},
    ],
)
def test_a_question_that_is_none_is_refused(changes: dict[str, Any]):
    with pytest.raises(Malformed):
        question_of({**asking(Question()), **changes})


def test_a_page_of_heads_is_read_as_it_was_told():
    assert heads_of(told_heads([HEAD], after="next")) == ((HEAD,), "next")
    assert heads_of(told_heads([], after=None)) == ((), None)


@pytest.mark.parametrize(
    "changes",
    [
        {"chain": 1},
        {"kind": None},
        {"owner": ""},
        {"state": []},
        {"digest": "z" * (MAX_URL + 1)},
        {"stateVersion": 0},
        {"stateVersion": "1"},
        {"stateVersion": True},
    ],
)
def test_a_head_that_is_none_is_refused(changes: dict[str, Any]):
    (row,) = told_heads([HEAD], after=None)["heads"]
    with pytest.raises(Malformed):
        heads_of({"heads": [{**row, **changes}], "next": None})


def test_more_heads_than_a_page_holds_are_refused():
    page = told_heads([HEAD] * MAX_RECONCILED_PAGE, after=None)
    assert len(heads_of(page)[0]) == MAX_RECONCILED_PAGE
    with pytest.raises(Malformed):
        heads_of({**page, "heads": [*page["heads"], page["heads"][0]]})
    for changes in ({"heads": ["x"]}, {"heads": None}, {"next": 1}, {"next": "n" * (MAX_URL + 1)}):
        with pytest.raises(Malformed):
            heads_of({**page, **changes})


def test_activities_come_as_the_text_that_was_signed():
    assert bodies_of({"activities": ['{"é":1}'], "more": True}) == (('{"é":1}'.encode(),), True)
    # Whoever says that there is more, and gives nothing, is not asked for ever.
    assert bodies_of({"activities": [], "more": True}) == ((), False)


@pytest.mark.parametrize(
    "answer",
    [{}, {"activities": "x", "more": False}, {"activities": [{}], "more": False}, {"activities": []}],
)
def test_activities_that_are_none_are_refused(answer: dict[str, Any]):
    with pytest.raises(Malformed):
        bodies_of(answer)
