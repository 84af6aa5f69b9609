"""A page's history says of each step whether its signature holds, and of the whole whether anything is missing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from fedcoop.ports import StoredActivity
from fedcoop.protocol.messages import Chain, KeyDocument, Link
from fedcoop.web.pages_history import History, history, short
from fedcoop.web.pages_text import words
from fedcoop.web.pages_views import Actors, Views
from tests.web.pages_server import Served


@dataclass
class Kept:
    """What the store holds of one chain."""

    views: Views
    chain: Chain
    links: Sequence[Link]
    activities: Sequence[StoredActivity]
    actors: Actors

    def told(self) -> History:
        return history(self.views, self.chain, self.links, self.activities, self.actors)

    def but(self, step: int, **changes: Any) -> History:
        """Tell it with one stored activity (counted from 1) changed."""
        changed = replace(self.activities[step - 1], **changes)
        return replace(
            self, activities=[*self.activities[: step - 1], changed, *self.activities[step:]]
        ).told()


@pytest.fixture
def kept(served: Served) -> Kept:
    world = served.scene.nantes.world

    async def ask(reader: Any) -> Kept:
        chain = await reader.chain(served.scene.engagement)
        activities = await reader.history(chain.id)
        found = [await reader.actor(activity.actor) for activity in activities]
        actors = {actor.id: actor for actor in found if actor}
        views = Views(words("en"), world.instance, world.clock())
        return Kept(views, chain, await reader.links(chain.id), activities, actors)

    return served.run(world.store.read(ask))


def changed(activity: StoredActivity, **members: Any) -> bytes:
    return json.dumps({**json.loads(activity.body), **members}).encode()


def test_a_whole_history_is_sound(kept: Kept):
    told = kept.told()
    assert told.sound
    assert [entry.version for entry in told.entries] == list(range(1, 11))
    assert {entry.signature.outcome for entry in told.entries} == {"good"}
    assert all(entry.linked for entry in told.entries)
    assert told.digest == short(kept.chain.digest)


def test_it_says_who_did_what_and_how_it_stood_then(kept: Kept):
    told = [
        (entry.who.name.text, entry.what, entry.state.code) for entry in kept.told().entries if entry.state
    ]
    awa, nantes, lyon = "Awa D.", "Les Pédales de Loire", "Coop’Ouvrage Lyon"
    assert told == [
        (awa, "applies", "proposed"),
        (nantes, "shortlists the application", "proposed"),
        (nantes, "accepts: the engagement is agreed", "accepted"),
        (awa, "starts the work", "active"),
        (awa, "delivers the work", "delivered"),
        (nantes, "asks for the work to be redone", "active"),
        (awa, "delivers the work", "delivered"),
        (nantes, "accepts the work and attests it", "completed"),
        (lyon, "issues the invoice", "completed"),
        (nantes, "confirms the payment", "settled"),
    ]


@pytest.mark.parametrize("step", [1, 4, 10])
def test_a_changed_step_is_named(kept: Kept, step: int):
    told = kept.but(step, body=changed(kept.activities[step - 1], content="changed"))
    assert not told.sound
    bad = [entry.version for entry in told.entries if entry.signature.outcome == "bad"]
    assert bad == [step]
    assert [entry.version for entry in told.entries if not entry.linked] == [step]


def test_an_unsigned_step_is_named(kept: Kept):
    body = {k: v for k, v in json.loads(kept.activities[2].body).items() if k != "proof"}
    told = kept.but(3, body=json.dumps(body).encode())
    assert [e.version for e in told.entries if e.signature.outcome == "none"] == [3]
    assert not told.sound


def test_a_missing_step_or_tail_is_not_sound(kept: Kept):
    assert not replace(kept, activities=kept.activities[1:]).told().sound
    assert not replace(kept, activities=kept.activities[:-1]).told().sound
    assert not replace(kept, links=kept.links[:-1]).told().sound
    assert not replace(kept, links=[]).told().sound


def test_a_history_that_does_not_reach_the_head_is_not_sound(kept: Kept):
    assert not replace(kept, chain=replace(kept.chain, digest="zQm" + "1" * 44)).told().sound


def test_keys_of_somebody_else_prove_nothing(kept: Kept):
    # (1) The keys must be the sender's.
    other = next(actor for actor in kept.actors.values() if actor.id != kept.activities[0].actor)
    told = kept.but(1, keys=KeyDocument(other.document, kept.activities[0].received_at))
    assert told.entries[0].signature.outcome == "bad"
    assert not told.sound


def test_a_step_of_a_sender_without_known_keys_is_not_called_good(kept: Kept):
    unknown = replace(kept, actors={}, activities=[replace(a, keys=None) for a in kept.activities]).told()
    assert {entry.signature.outcome for entry in unknown.entries} == {"bad"}


def test_a_signature_from_after_its_receipt_does_not_hold(kept: Kept):
    # (2) It is judged as of the moment it arrived.
    early = kept.activities[0].received_at.replace(year=2001)
    assert kept.but(1, received_at=early).entries[0].signature.outcome == "bad"


def test_bytes_that_are_no_json_are_a_step_that_does_not_hold(kept: Kept):
    told = kept.but(2, body=b"\xff{")
    assert told.entries[1].signature.outcome == "none"
    assert not told.entries[1].linked


def test_a_tentative_step_says_that_it_is_not_confirmed(kept: Kept):
    links = [replace(link, confirmed=False) if link.version == 10 else link for link in kept.links]
    assert not replace(kept, links=links).told().entries[-1].confirmed


def test_a_fingerprint_shows_both_ends():
    assert short("z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK") == "z6MkhaXg…nEGta2doK"[:9] + "EGta2doK"
    assert short("short") == "short"
