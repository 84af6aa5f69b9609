"""Lyon and Nantes differ about who follows whom; they notice, and mend it without making anybody a follower."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fedcoop.errors import FedcoopError, NotFound, Unavailable
from fedcoop.flow import synchronising
from fedcoop.flow.synchronising import partial, synchronise
from fedcoop.flow.visiting import Visitor
from fedcoop.flow.world import Relaying
from fedcoop.ports import Follow
from fedcoop.protocol import strict_json
from fedcoop.protocol.following import HEADER, digest_of, header_of, partial_of
from fedcoop.protocol.messages import Document, DropFollow, PutFollow
from fedcoop.protocol.relaying import EVERYTHING
from tests.flow.federation import Coop, Federation, settle
from tests.flow.stories import a_published_mission, plainly, proven


async def follow(coop: Coop, follower: str, followed: str) -> Follow | None:
    """Return what `coop` knows of this follow."""
    return await coop.world.store.write(lambda tx: tx.follow(follower, followed))


async def lose(coop: Coop, follower: str, followed: str) -> None:
    """Let `coop` forget a follow, as if it had been brought back from an old backup."""
    await coop.world.store.write(lambda tx: tx.make([DropFollow(follower, followed)]))


async def note(coop: Coop, text: str = "Bonjour") -> None:
    """Let the co-op say something to its followers, and let it be delivered."""
    obj = {"type": "Note", "content": f"<p>{text}</p>"}
    await coop.say(coop.id, "Create", obj, to=[f"{coop.id}/followers"])


def asked(federation: Federation) -> list[str]:
    return [url for url in federation.office.fetched if url.endswith("/synchronization")]


async def test_two_servers_that_agree_ask_each_other_nothing(federation: Federation):
    await note(federation.lyon)
    await a_published_mission(federation.lyon)
    assert await synchronise(federation.nantes.world) == 0
    assert asked(federation) == []


async def test_a_follow_that_the_followed_server_has_lost_is_no_follow(federation: Federation):
    lyon, nantes, alpes = federation.lyon, federation.nantes, federation.alpes
    malo = await nantes.member("malo")
    await nantes.world.store.write(lambda tx: tx.make([PutFollow(malo, lyon.id, "x", "accepted")]))
    await note(lyon)
    assert await synchronise(nantes.world) == 1
    assert asked(federation) == [partial_of(lyon.id)]
    assert await follow(nantes, malo, lyon.id) is None
    # The others stand, here and there, and nobody was told anything.
    for coop in (lyon, nantes):
        assert (await follow(coop, nantes.id, lyon.id)) is not None
    assert (await follow(lyon, alpes.id, lyon.id)) is not None
    assert await nantes.owed() == 0


async def test_a_follow_that_only_the_followed_server_believes_is_taken_back_there(federation: Federation):
    lyon, nantes = federation.lyon, federation.nantes
    await lose(nantes, nantes.id, lyon.id)
    await note(lyon)
    assert await synchronise(nantes.world) == 1
    assert await follow(nantes, nantes.id, lyon.id) is None
    await settle(federation.office)
    assert await follow(lyon, nantes.id, lyon.id) is None
    assert ("https://lyon.example/inbox", "Undo", 202) in federation.office.posts
    # Now they agree.
    federation.lyon.clock.advance(hours=2)
    federation.office.fetched.clear()
    await note(lyon)
    assert await synchronise(nantes.world) == 0
    assert asked(federation) == []


async def test_whoever_has_asked_and_has_no_answer_yet_is_left_alone(federation: Federation):
    lyon, nantes = federation.lyon, federation.nantes
    await nantes.world.store.write(lambda tx: tx.make([PutFollow(nantes.id, lyon.id, "f", "pending")]))
    await note(lyon)
    assert await synchronise(nantes.world) == 0
    assert asked(federation) == [partial_of(lyon.id)]
    known = await follow(nantes, nantes.id, lyon.id)
    assert known is not None
    assert known.state == "pending"


async def test_whoever_was_turned_down_and_is_listed_all_the_same_takes_it_back(federation: Federation):
    lyon, nantes = federation.lyon, federation.nantes
    await nantes.world.store.write(lambda tx: tx.make([PutFollow(nantes.id, lyon.id, "f", "rejected")]))
    await note(lyon)
    assert await synchronise(nantes.world) == 1
    await settle(federation.office)
    assert await follow(lyon, nantes.id, lyon.id) is None


async def test_a_follow_of_this_very_minute_is_not_dropped(federation: Federation):
    lyon, nantes = federation.lyon, federation.nantes
    malo = await nantes.member("malo")
    await lose(nantes, nantes.id, lyon.id)
    await note(lyon)

    class Slow:
        """While it asks, Malo becomes a follower, and the list does not have it yet."""

        async def actor(self, actor_id: str) -> Document:
            return await nantes.world.fetcher.actor(actor_id)

        async def document(self, url: str, *, signed: bool = False) -> Document:
            found = await nantes.world.fetcher.document(url, signed=signed)
            await nantes.world.store.write(lambda tx: tx.make([PutFollow(malo, lyon.id, "x", "accepted")]))
            return found

    assert await synchronise(replace(nantes.world, fetcher=Slow())) == 1
    assert await follow(nantes, malo, lyon.id) is not None


async def test_a_server_is_asked_once_in_a_while_however_often_it_says_so(federation: Federation):
    lyon, nantes = federation.lyon, federation.nantes
    federation.office.down = set()
    await nantes.world.store.write(lambda tx: tx.make([PutFollow(nantes.id, lyon.id, "f", "pending")]))
    for text in ("un", "deux", "trois"):
        await note(lyon, text)
        await synchronise(nantes.world)
    assert len(asked(federation)) == 1
    lyon.clock.advance(hours=1)
    await note(lyon, "quatre")
    await synchronise(nantes.world)
    assert len(asked(federation)) == 2


class Answering:
    """Answers one document, or fails."""

    def __init__(self, answer: Any) -> None:
        self.answer, self.asked = answer, 0

    async def actor(self, actor_id: str) -> Document:
        raise Unavailable("key-unreachable", "No answer.")

    async def document(self, url: str, *, signed: bool = False) -> Document:
        assert signed
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return dict(self.answer)


def a_list(federation: Federation, *items: str, **members: Any) -> dict[str, Any]:
    url = partial_of(federation.lyon.id)
    return {"id": url, "type": "OrderedCollection", "orderedItems": [*items], **members}


async def mended_by(federation: Federation, answer: Any) -> int:
    """Let Nantes compare with Lyon, which answers this."""
    nantes, lyon = federation.nantes, federation.lyon
    malo = await nantes.member("malo")
    await nantes.world.store.write(lambda tx: tx.make([PutFollow(malo, lyon.id, "x", "accepted")]))
    await note(lyon)
    fetcher = Answering(answer)
    done = await synchronise(replace(nantes.world, fetcher=fetcher))
    assert fetcher.asked == 1
    return done


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "https://elsewhere.example/followers"},
        {"first": "https://lyon.example/actors/coop/followers?page=1"},
        {"totalItems": 9},
        {"type": "Note"},
        {"orderedItems": [f"https://nantes.example/actors/{n}" for n in range(2001)]},
        {"orderedItems": None},
    ],
)
async def test_a_list_that_cannot_be_one_takes_nothing_away(federation: Federation, changes: dict[str, Any]):
    before = federation.nantes.rows()["follow"]
    assert await mended_by(federation, {**a_list(federation), **changes}) == 0
    assert federation.nantes.rows()["follow"] == before + 1


@pytest.mark.parametrize("failure", [Unavailable("unavailable", "No."), NotFound("not-found", "No.")])
async def test_a_server_that_gives_no_list_takes_nothing_away(federation: Federation, failure: FedcoopError):
    assert await mended_by(federation, failure) == 0


async def test_strangers_on_the_list_are_nobody_of_ours(federation: Federation):
    nantes, alpes = federation.nantes, federation.alpes
    alien = ["https://elsewhere.example/x", alpes.id, f"{nantes.base}.evil.example/actors/coop", "nobody"]
    absent = [f"{nantes.base}/actors/nobody", f"{nantes.id}/followers", f"{nantes.base}/"]
    kept = [nantes.id, f"{nantes.base}/actors/malo"]
    assert await mended_by(federation, a_list(federation, *alien, *absent, *kept)) == 0
    assert await nantes.owed() == 0
    assert {
        f.follower for f in await nantes.world.store.read(lambda r: r.followers(federation.lyon.id))
    } == set(kept)


async def test_a_list_of_all_our_members_makes_us_say_only_so_much(federation: Federation, monkeypatch: Any):
    nantes = federation.nantes
    monkeypatch.setattr(synchronising, "MAX_UNDONE", 2)
    members = [await nantes.member(f"m{n}") for n in range(4)]
    kept = [nantes.id, f"{nantes.base}/actors/malo"]
    assert await mended_by(federation, a_list(federation, *members, *kept)) == 2
    assert await nantes.owed() == 2


@pytest.mark.parametrize("state", ["frozen", "blocked", "pending"])
async def test_whom_we_send_nothing_is_not_asked(federation: Federation, state: Any):
    nantes, lyon = federation.nantes, federation.lyon
    await lose(nantes, nantes.id, lyon.id)
    await note(lyon)
    await put(nantes, lyon.base, state)
    assert await synchronise(nantes.world) == 0
    assert asked(federation) == []


async def put(coop: Coop, origin: str, state: Any) -> None:
    known = await coop.world.store.read(lambda reader: reader.peer(origin))
    assert known is not None
    await coop.world.store.write(lambda tx: tx.put_peer(replace(known, state=state)))


# -- what goes with a delivery ---------------------------------------------------------------------------------------


class Noting:
    """A courier that keeps what was said of followers."""

    def __init__(self, courier: Any) -> None:
        self._courier = courier
        self.said: list[tuple[str, str, str | None]] = []

    async def post(self, **letter: Any) -> Any:
        kind = strict_json.loads(letter["body"])["type"]
        self.said.append((letter["inbox"], kind, letter["synchronisation"]))
        return await self._courier.post(**letter)


async def test_what_goes_to_followers_says_how_many_are_there_and_nothing_else_does(federation: Federation):
    lyon, nantes = federation.lyon, federation.nantes
    courier = Noting(lyon.world.courier)
    federation.office.worlds[lyon.base] = lyon.world = replace(lyon.world, courier=courier)
    malo = await nantes.member("malo")
    await nantes.say(malo, "Follow", lyon.id)
    courier.said.clear()
    await note(lyon)
    expected = {
        f"{nantes.base}/inbox": header_of(lyon.id, [nantes.id, malo]),
        f"{federation.alpes.base}/inbox": header_of(lyon.id, [federation.alpes.id]),
    }
    assert {inbox: value for inbox, _, value in courier.said} == expected
    courier.said.clear()
    await lyon.say(lyon.id, "Create", {"type": "Note", "content": "x"}, to=[nantes.id])
    # A member's words go to the co-op's followers too, and say of the member's: nobody.
    awa = await lyon.member("awa")
    await lyon.say(awa, "Create", {"type": "Need", "name": "Remorque"})
    said = {value for _, _, value in courier.said}
    assert said == {None, header_of(awa, [])}
    assert digest_of([]) in header_of(awa, [])


async def test_what_is_passed_on_for_somebody_else_says_nothing_of_our_followers(federation: Federation):
    lyon, alpes = federation.lyon, federation.alpes
    mission = await a_published_mission(lyon)
    courier = Noting(lyon.world.courier)
    federation.office.worlds[lyon.base] = lyon.world = replace(lyon.world, courier=courier)
    note = {"id": f"{alpes.base}/notes/1", "type": "Note", "attributedTo": alpes.id, "inReplyTo": mission}
    said = plainly(alpes, alpes.id, "Create", note, to=[lyon.id, f"{lyon.id}/followers"])
    await lyon.receive(proven(alpes, alpes.id, said), sender=alpes.id, ring=alpes.ring)
    await settle(federation.office)
    assert [(kind, value) for _, kind, value in courier.said] == [("Create", None)]


async def test_a_relay_has_subscribers_and_says_nothing_of_followers(federation: Federation):
    lyon = federation.lyon
    relaying = Relaying(open=True, carries=EVERYTHING, departments={})
    courier = Noting(lyon.world.courier)
    world = replace(lyon.world, courier=courier, instance=replace(lyon.world.instance, relaying=relaying))
    federation.office.worlds[lyon.base] = world
    await note(lyon)
    assert {value for _, _, value in courier.said} == {None}


async def test_too_many_are_neither_announced_nor_listed(federation: Federation, monkeypatch: Any):
    lyon, nantes = federation.lyon, federation.nantes
    courier = Noting(lyon.world.courier)
    monkeypatch.setattr(synchronising, "MAX_SYNCHRONISED", 1)
    federation.office.worlds[lyon.base] = lyon.world = replace(lyon.world, courier=courier)
    visitor = Visitor(nantes.id, nantes.base, frozenset(), False, True, True)
    assert (await partial(lyon.id, visitor, world=lyon.world))["totalItems"] == 1
    malo = await nantes.member("malo")
    await nantes.say(malo, "Follow", lyon.id)
    courier.said.clear()
    await note(lyon)
    assert {inbox for inbox, _, value in courier.said if value is None} == {f"{nantes.base}/inbox"}
    with pytest.raises(NotFound):
        await partial(lyon.id, visitor, world=lyon.world)


async def test_each_server_is_told_of_its_own_actors(federation: Federation):
    lyon, nantes, alpes = federation.lyon, federation.nantes, federation.alpes
    for asking, there in ((nantes, [nantes.id]), (alpes, [alpes.id])):
        found = await asking.world.fetcher.document(partial_of(lyon.id), signed=True)
        assert found["orderedItems"] == there
        assert (found["id"], found["totalItems"]) == (partial_of(lyon.id), 1)
    # Not one that its origin only begins like, and nobody who is sent nothing.
    like = Visitor("x", "https://nantes.exampl", frozenset(), True, True, True)
    assert (await partial(lyon.id, like, world=lyon.world))["orderedItems"] == []
    frozen = Visitor(nantes.id, nantes.base, frozenset(), True, False, True)
    for visitor in (None, frozen):
        with pytest.raises(FedcoopError, match="not-in-allow-list"):
            await partial(lyon.id, visitor, world=lyon.world)


async def test_who_brings_somebody_elses_words_does_not_speak_of_their_followers(federation: Federation):
    lyon, nantes, alpes = federation.lyon, federation.nantes, federation.alpes
    federation.office.down = {nantes.base}
    mission = await a_published_mission(lyon)
    said = (await lyon.history(mission))[0]
    stored = await lyon.world.store.read(lambda reader: reader.activity(said["id"]))
    assert stored is not None
    more = {HEADER: header_of(lyon.id, [])}
    await nantes.receive(stored.body, sender=alpes.id, ring=alpes.ring, more=more)
    assert mission in await nantes.board(nantes.id)
    assert nantes.world.agenda.take(nantes.clock(), limit=9) == ()


async def test_nobody_speaks_of_anothers_followers(federation: Federation):
    lyon, nantes, alpes = federation.lyon, federation.nantes, federation.alpes
    own = plainly(alpes, alpes.id, "Create", {"id": f"{alpes.base}/notes/1", "type": "Note"}, to=[nantes.id])
    # Alpes speaks, in its own message, of Lyon's followers.
    more = {HEADER: header_of(lyon.id, [])}
    await nantes.receive(strict_json.dumps(own), sender=alpes.id, ring=alpes.ring, more=more)
    assert nantes.world.agenda.take(nantes.clock(), limit=9) == ()
    again = {
        **own,
        "id": f"{alpes.base}/activities/2",
        "object": {**own["object"], "id": f"{alpes.base}/notes/2"},
    }
    more = {HEADER: header_of(alpes.id, [])}
    await nantes.receive(strict_json.dumps(again), sender=alpes.id, ring=alpes.ring, more=more)
    assert [one.actor for one in nantes.world.agenda.take(nantes.clock(), limit=9)] == [alpes.id]
