"""What of a message of others is for our followers, judged from its words."""

from __future__ import annotations

from typing import Any

import pytest

from fedcoop.protocol.messages import Activity
from fedcoop.protocol.passing_on import collections_named, is_for, refers_to
from fedcoop.protocol.shape import read_activity
from tests.protocol.making import CARRIER, NANTES, OWNER
from tests.protocol.signing import PUBLIC, a_create


def said(**members: Any) -> Activity:
    return read_activity(a_create(CARRIER, **members), b"")


@pytest.mark.parametrize("where", ["to", "cc", "audience"])
def test_our_collections_are_named_anywhere_under_whose_they_are(where: str):
    malo = f"{NANTES}/actors/malo"
    named = [PUBLIC, f"{OWNER}/followers", f"{malo}/network", f"{OWNER}/network"]
    activity = said(**{"to": None, where: named})
    assert collections_named(activity, base=NANTES) == {
        OWNER: (f"{OWNER}/followers", f"{OWNER}/network"),
        malo: (f"{malo}/network",),
    }


@pytest.mark.parametrize(
    "name",
    [
        PUBLIC,
        OWNER,
        f"{CARRIER}/followers",
        f"{OWNER}/members",
        f"{OWNER}/followers/more",
        f"{NANTES}.evil.example/actors/coop/followers",
    ],
)
def test_nothing_else_opens_a_collection_of_ours(name: str):
    assert collections_named(said(to=[name]), base=NANTES) == {}


def test_what_is_spoken_of_is_found_in_the_activity_and_in_its_object():
    note = {
        "id": "n",
        "inReplyTo": ["r1", {"id": "r2"}],
        "tag": [{"id": "t"}, {"type": "Mention", "href": "m"}],
    }
    activity = said(object=note, target="g", inReplyTo="r0")
    assert refers_to(activity.raw) == ("r0", "n", "g", "r1", "r2", "t")
    assert refers_to({"object": "x", "content": "y"}) == ("x",)


def test_what_only_others_may_read_is_not_for_a_collection():
    assert is_for([PUBLIC], f"{OWNER}/followers")
    assert is_for([f"{OWNER}/followers", "x"], f"{OWNER}/followers")
    assert not is_for([f"{OWNER}/network", f"{OWNER}/members"], f"{OWNER}/followers")
