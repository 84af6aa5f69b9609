"""Who is owed a copy, and who may read one."""

from __future__ import annotations

import pytest

from fedcoop.protocol.audience import (
    Follower,
    inboxes,
    is_collection,
    local_readers,
    peer_readers,
    scope_audience,
)
from fedcoop.protocol.model import CODE_LISTS
from tests.protocol.making import AWA, CARRIER, LYON, NANTES, OWNER
from tests.protocol.signing import PUBLIC

ALPES = "https://alpes.example"
MEMBERS = f"{OWNER}/members"
FOLLOWERS = (
    Follower(CARRIER, f"{LYON}/inbox", network=True),
    Follower(f"{ALPES}/actors/coop", f"{ALPES}/inbox", network=False),
    Follower(f"{NANTES}/actors/malo", f"{NANTES}/inbox", network=True),
)


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ("public", ([PUBLIC], [f"{OWNER}/followers"])),
        ("federation", ([f"{OWNER}/followers"], [])),
        ("network", ([f"{OWNER}/network"], [])),
        ("members", ([MEMBERS], [])),
        ("something new", ([MEMBERS], [])),
    ],
)
def test_a_scope_is_an_audience_and_an_unknown_one_the_narrowest(scope: str, expected: tuple[list[str], ...]):
    assert scope_audience(scope, OWNER, coop=OWNER) == expected


def test_what_a_member_publishes_is_for_followers_of_the_co_op_too():
    assert scope_audience("public", AWA, coop=OWNER) == ([PUBLIC], [f"{AWA}/followers", f"{OWNER}/followers"])
    assert scope_audience("federation", AWA, coop=OWNER) == ([f"{AWA}/followers", f"{OWNER}/followers"], [])
    assert scope_audience("network", AWA, coop=OWNER) == ([f"{AWA}/network", f"{OWNER}/network"], [])
    assert scope_audience("members", AWA, coop=OWNER) == ([f"{OWNER}/members"], [])


def test_every_scope_of_the_vocabulary_has_an_audience_of_its_own():
    audiences = [scope_audience(scope, AWA, coop=OWNER) for scope in CODE_LISTS["RelayScope"]]
    assert len({repr(a) for a in audiences}) == len(audiences) == 4


def owed(*recipients: str, actors: dict[str, str] | None = None) -> tuple[str, ...]:
    return inboxes(recipients, base=NANTES, followers={OWNER: FOLLOWERS}, actors=actors or {})


def test_followers_get_what_is_for_followers_and_the_network_what_is_for_the_network():
    assert owed(f"{OWNER}/followers") == (f"{LYON}/inbox", f"{ALPES}/inbox")
    assert owed(f"{OWNER}/network") == (f"{LYON}/inbox",)
    assert owed(MEMBERS) == ()
    assert owed(PUBLIC) == ()


def test_nobody_elses_collection_is_opened_up():
    assert owed(f"{CARRIER}/followers", f"{CARRIER}/network") == ()


def test_an_inbox_gets_one_copy_and_we_owe_ourselves_none():
    actors = {AWA: f"{LYON}/inbox", CARRIER: f"{LYON}/inbox", f"{NANTES}/actors/malo": f"{NANTES}/inbox"}
    assert owed(AWA, CARRIER, *actors, f"{OWNER}/followers", actors=actors) == (
        f"{LYON}/inbox",
        f"{ALPES}/inbox",
    )


def test_whoever_has_no_inbox_is_owed_nothing():
    assert owed(AWA, actors={AWA: ""}) == ()
    gone = Follower(AWA, "", network=True)
    assert inboxes([f"{OWNER}/followers"], base=NANTES, followers={OWNER: [gone]}, actors={}) == ()


def test_a_host_that_begins_like_ours_is_another():
    other = f"{NANTES}.evil.example/inbox"
    assert owed(AWA, actors={AWA: other}) == (other,)


def test_readers_are_everybody_our_members_or_the_ones_named():
    malo = f"{NANTES}/actors/malo"
    read = lambda *who: local_readers(who, base=NANTES, local_actors=frozenset({malo, OWNER}))  # noqa: E731
    assert read(PUBLIC) == (PUBLIC,)
    assert read(OWNER) == (MEMBERS,)
    assert read(f"{CARRIER}/followers") == (MEMBERS,)
    assert read(malo) == (malo,)
    assert read(AWA, CARRIER) == ()
    assert read(malo, PUBLIC, OWNER, MEMBERS) == (malo, PUBLIC, MEMBERS)


def test_elsewhere_those_named_and_our_own_collections_open_what_is_ours():
    named = (PUBLIC, OWNER, AWA, f"{CARRIER}/followers", f"{OWNER}/followers", f"{OWNER}/network", AWA)
    assert peer_readers(named, base=NANTES) == (AWA, f"{OWNER}/followers", f"{OWNER}/network")
    other = f"{NANTES}.evil.example/actors/coop"
    assert peer_readers([other, f"{other}/followers"], base=NANTES) == (other,)


@pytest.mark.parametrize(
    ("iri", "expected"),
    [
        (f"{OWNER}/followers", True),
        (f"{OWNER}/network", True),
        (MEMBERS, True),
        (OWNER, False),
        (PUBLIC, False),
    ],
)
def test_a_collection_is_known_by_its_name(iri: str, expected: bool):
    assert is_collection(iri) is expected
