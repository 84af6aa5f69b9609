"""The board: both databases, and a search by hand over the same rows, find the same."""

from __future__ import annotations

import itertools
import json
import math
import re
import time
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fedcoop.errors import Malformed
from fedcoop.ports import BoardEntry, BoardPage, BoardQuery, Peer
from fedcoop.protocol.messages import DropListing, PutListing
from fedcoop.protocol.policy import TABLE
from fedcoop.store.search import EARTH_RADIUS_KM, haversine_km
from fedcoop.store.sql import SqlStore
from tests.conftest import NOON
from tests.store.making import LYON, MISSION, NANTES, ODD, PUBLIC, a_listing, an_object

PARIS: Final = (48.8534, 2.3488)
FEW: Final = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
_owners = itertools.count(1)


# -- by hand -------------------------------------------------------------------------------------------------


def plain_words(value: str) -> set[str]:
    """Words by another way than the store's: a regular expression over letters without their accents."""
    value = value.lower().replace("œ", "oe").replace("æ", "ae").replace("ß", "ss")
    return set(
        re.findall(
            r"[^\W_]+",
            "".join(c for c in unicodedata.normalize("NFD", value) if c < "\u0300" or c > "\u036f"),
        )
    )


def chord_km(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Distance by another formula than the store's: the chord between two points of a sphere in space."""

    def point(place: tuple[float, float]) -> tuple[float, float, float]:
        lat, lon = map(math.radians, place)
        return math.cos(lat) * math.cos(lon), math.cos(lat) * math.sin(lon), math.sin(lat)

    return 2 * EARTH_RADIUS_KM * math.asin(min(1.0, math.dist(point(one), point(other)) / 2))


def by_hand(listings: Iterable[PutListing], query: BoardQuery) -> set[str]:
    found = set()
    for one in listings:
        words = plain_words(f"{one.title} {one.text}")
        narrowed = [
            one.object_class in query.classes,
            not query.open_only or one.state == "published",
            query.owner is None or one.owner == query.owner,
            not query.rome or (one.rome or "").startswith(query.rome.upper()),
            query.readers is None or bool(set(one.readers) & set(query.readers)),
            all(any(word.startswith(asked) for word in words) for asked in plain_words(query.text)),
        ]
        if query.centre is not None and query.radius_km is not None:
            at = (one.latitude, one.longitude)
            narrowed.append(at[0] is not None and chord_km(query.centre, at) <= query.radius_km)
        elif query.commune:
            narrowed.append(one.commune == query.commune)
        if all(narrowed):
            found.add(one.object_id)
    return found


# -- asking --------------------------------------------------------------------------------------------------


async def put(store: SqlStore, *listings: PutListing) -> None:
    await store.write(lambda tx: tx.make(listings))


async def ask(store: SqlStore, **query: Any) -> BoardPage:
    return await store.read(lambda r: r.board(BoardQuery(**query)))


async def ask_all(store: SqlStore, query: dict[str, Any], *, limit: int = 7) -> list[BoardEntry]:
    """Return the rows of every page, and hold each page's total against their number."""
    entries: list[BoardEntry] = []
    cursor, totals = None, set()
    while True:
        page = await ask(store, **query, cursor=cursor, limit=limit)
        assert len(page.entries) <= limit
        entries += page.entries
        totals.add(page.total)
        if page.next is None:
            break
        assert len(page.entries) == limit
        cursor = page.next
    assert totals == {len(entries)}
    return entries


def ids(entries: Sequence[BoardEntry]) -> list[str]:
    return [entry.object_id for entry in entries]


def numbered(n: int, **fields: Any) -> PutListing:
    return a_listing(f"https://nantes.example/missions/{n}", **fields)


async def test_a_row_of_the_board_says_everything_about_its_proposal(store: SqlStore):
    at = NOON + timedelta(days=20)
    listing = a_listing(start=at, apply_before=NOON, relay_scope="network", local=False)
    await store.write(lambda tx: tx.make([listing, an_object(document={"name": "Livraisons", "x": [1, {}]})]))
    (entry,) = (await ask(store)).entries
    for name in (
        "object_id",
        "object_class",
        "owner",
        "local",
        "state",
        "relay_scope",
        "title",
        "rome",
        "commune",
    ):
        assert getattr(entry, name) == getattr(listing, name)
    assert (entry.published, entry.start, entry.apply_before, entry.distance_km) == (NOON, at, NOON, None)
    assert entry.document == {"name": "Livraisons", "x": [1, {}]}


async def test_a_listing_put_again_is_found_by_what_it_says_now_and_once(store: SqlStore):
    await put(store, a_listing(title="Livraisons", text="vélo", readers=(PUBLIC, LYON), rome="N4104"))
    await put(store, a_listing(title="Courses", text="cargo", readers=(LYON,), rome="N4105"))
    assert (await ask(store, text="velo")).total == 0
    assert (await ask(store, text="cargo")).total == 1
    assert (await ask(store, rome="N4104")).total == 0
    assert (await ask(store, readers=(PUBLIC,))).total == 0
    (entry,) = (await ask(store, readers=(LYON, PUBLIC))).entries
    assert entry.title == "Courses"


async def test_what_is_past_its_date_is_not_open_and_can_be_asked_for(store: SqlStore):
    second = timedelta(seconds=1)
    await put(store, numbered(1, apply_before=NOON - second), numbered(2, apply_before=NOON), numbered(3))
    for query in ({}, {"centre": (47.2, -1.5), "radius_km": 50}):
        found = await ask(store, **query)
        assert sorted(ids(found.entries)) == [f"https://nantes.example/missions/{n}" for n in (2, 3)]
        assert found.total == 2
        assert (await ask(store, **query, open_only=False)).total == 3


async def test_a_listing_taken_off_is_found_no_more(store: SqlStore):
    await put(store, a_listing(), numbered(1))
    await store.write(lambda tx: tx.make([DropListing(MISSION), DropListing("https://nowhere.example/")]))
    for query in ({}, {"text": "velo"}, {"centre": (47.2, -1.5), "radius_km": 50}):
        assert ids((await ask(store, **query)).entries) == ["https://nantes.example/missions/1"]


# -- words ---------------------------------------------------------------------------------------------------


FOUND: Final = (
    "velo", "VÉLO", "vel", "velo\u0301", "coeur", "cœur", "ville velo", "l'hiver", "porte-à-porte", "2026", "20",
    "", " ... ",
)  # fmt: skip
NOT_FOUND: Final = ("vélos", "elo", "velo paris", "naïf", "6")


async def test_what_peers_propose_is_shown_as_their_state_says_and_comes_back_with_it(store: SqlStore):
    member = "https://us.example/actors/coop/members"
    theirs = numbered(1, owner="https://them.example/actors/coop", local=False, readers=(PUBLIC, member))
    near = numbered(2, owner="https://them.example.org/actors/coop", local=False, readers=(PUBLIC,))
    await put(store, theirs, near)
    for state, rights in [*TABLE.items(), ("allowed", TABLE["allowed"])]:
        peer = Peer("https://them.example", state, False, "", NOON)  # type: ignore[arg-type]
        await store.write(lambda tx, peer=peer: tx.put_peer(peer))  # type: ignore[misc]
        for readers, sees in (
            ((PUBLIC,), rights.shown == "as-addressed"),
            ((PUBLIC, member), rights.shown != "nobody"),
            (None, True),
        ):
            found = ids((await ask(store, readers=readers)).entries)
            assert (theirs.object_id in found) == sees, (state, readers)
            assert near.object_id in found


async def test_words_are_found_by_their_beginning_without_accents_or_capitals(store: SqlStore):
    await put(store, a_listing(title="À Vélo", text="au cœur de la ville, l'hiver 2026 ; porte-à-porte"))
    assert [text for text in FOUND if not (await ask(store, text=text)).total] == []
    assert [text for text in NOT_FOUND if (await ask(store, text=text)).total] == []


TROUBLE: Final = (
    "'", '"', '"velo', "velo AND", "NOT velo", "NEAR(velo", "velo*", "words:velo", "-velo", "^velo", "velo:*", "!velo",
    "(velo", "velo & ", "\\velo", "%", "_", ";", "{velo}", "+velo", "\0velo", "\ud800velo", ODD,
)  # fmt: skip


async def test_no_punctuation_means_anything_to_the_database(store: SqlStore):
    listing = a_listing(text="velo")
    await put(store, listing)
    for text in TROUBLE:
        expected = by_hand([listing], BoardQuery(text=text))
        assert (await ask(store, text=text)).total == len(expected), text


async def test_a_text_may_hold_anything(store: SqlStore):
    await put(store, a_listing(title=ODD, text=ODD * 50 + "x" * 5000 + " 中文 ελληνικά עברית"))
    for text in ("quote", "œuvre", "x" * 5000, "x" * 64, "中文", "ελλ", "עבר", "中"):
        assert (await ask(store, text=text)).total == 1, text
    assert (await ask(store, text="文")).total == 0


async def test_however_long_a_text_or_a_search_is_both_are_answered_soon(store: SqlStore):
    many = " ".join(f"mot{n}" for n in range(100_000))
    started = time.perf_counter()
    await put(store, a_listing(text=many))
    assert (await ask(store, text=many)).total == 1
    assert time.perf_counter() - started < 3
    assert (await ask(store, text="mot5000")).total == 1
    assert (await ask(store, text="mot99999")).total == 0


WORDS: Final = st.text(st.sampled_from("aàâeéèêiîoôuûcçœæßAÉÇŒ0129'-_. "), max_size=12)


@FEW
@given(
    texts=st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=8),
    asked=st.lists(WORDS, min_size=1, max_size=6),
)
async def test_words_are_found_as_by_hand(store: SqlStore, texts: list[tuple[str, str]], asked: list[str]):
    owner = f"{NANTES}-{next(_owners)}"
    listings = [
        a_listing(f"{owner}/{n}", owner=owner, title=title, text=text)
        for n, (title, text) in enumerate(texts)
    ]
    await put(store, *listings)
    for text in asked:
        found = await ask_all(store, {"text": text, "owner": owner})
        assert set(ids(found)) == by_hand(listings, BoardQuery(text=text)), text


# -- codes ---------------------------------------------------------------------------------------------------


ROME: Final[dict[str | None, list[int]]] = {
    "N": [1, 2, 3], "n41": [1, 2], "N4104": [1], "N4": [1, 2, 3], "M": [4], "Z": [], "%": [], "N____": [],
    "": [1, 2, 3, 4, 5], None: [1, 2, 3, 4, 5],
}  # fmt: skip


async def test_a_rome_code_stands_for_everything_below_it(store: SqlStore):
    codes = {1: "N4104", 2: "N4105", 3: "N4201", 4: "M1805", 5: None}
    await put(store, *(numbered(n, rome=code) for n, code in codes.items()))
    for rome, found in ROME.items():
        expected = [f"https://nantes.example/missions/{n}" for n in found]
        assert sorted(ids((await ask(store, rome=rome)).entries)) == expected, rome


async def test_a_commune_is_equal_or_the_circle_decides(store: SqlStore):
    lyon, nantes = (45.758, 4.835), (47.218, -1.554)
    await put(
        store,
        numbered(1, commune="44109", latitude=nantes[0], longitude=nantes[1]),
        numbered(2, commune="69123", latitude=lyon[0], longitude=lyon[1]),
        numbered(3, commune="69266", latitude=45.766, longitude=4.879),
        numbered(4, commune=None, latitude=None, longitude=None),
    )
    found = lambda page: [int(i.rsplit("/", 1)[1]) for i in ids(page.entries)]  # noqa: E731
    assert found(await ask(store, commune="69123")) == [2]
    assert found(await ask(store, commune="691")) == []
    assert found(await ask(store, commune="69123", centre=lyon, radius_km=10)) == [2, 3]
    assert found(await ask(store, commune="69123", centre=lyon)) == [2]
    assert found(await ask(store, centre=lyon, radius_km=10_000)) == [2, 3, 1]


async def test_classes_owner_and_state_narrow(store: SqlStore):
    await put(
        store,
        numbered(1, object_class="Mission", owner=NANTES),
        numbered(2, object_class="Need", owner=LYON),
        numbered(3, object_class="ServiceOffer", owner=LYON, state="withdrawn"),
    )
    found = lambda page: sorted(int(i.rsplit("/", 1)[1]) for i in ids(page.entries))  # noqa: E731
    assert found(await ask(store)) == [1, 2]
    assert found(await ask(store, open_only=False)) == [1, 2, 3]
    assert found(await ask(store, classes=("Need", "ServiceOffer"))) == [2]
    assert found(await ask(store, classes=())) == []
    assert found(await ask(store, owner=LYON, open_only=False)) == [2, 3]


async def test_only_readers_see_a_listing_and_everybody_is_one_name(store: SqlStore):
    members = f"{NANTES}/members"
    await put(
        store,
        numbered(1, readers=("as:Public",)),
        numbered(2, readers=(members, LYON)),
        numbered(3, readers=()),
    )
    found = lambda page: sorted(int(i.rsplit("/", 1)[1]) for i in ids(page.entries))  # noqa: E731
    assert found(await ask(store, readers=None)) == [1, 2, 3]
    assert found(await ask(store, readers=())) == []
    assert found(await ask(store, readers=(PUBLIC,))) == found(await ask(store, readers=("Public",))) == [1]
    assert found(await ask(store, readers=(members,))) == found(await ask(store, readers=(LYON,))) == [2]
    assert found(await ask(store, readers=(PUBLIC, members, LYON))) == [1, 2]
    assert (await ask(store, readers=(PUBLIC,), text="velo", centre=(47.2, -1.5), radius_km=99)).total == 1


# -- distance ------------------------------------------------------------------------------------------------

PLACES: Final = st.tuples(st.floats(-90, 90), st.floats(-180, 180)) | st.sampled_from(
    [(90.0, 0.0), (-90.0, 33.0), (0.0, 180.0), (0.0, -180.0), (16.99, -179.99), PARIS, (-21.1, 55.5)]
)
NEAR_PARIS: Final = st.tuples(st.floats(48.5, 49.2), st.floats(1.9, 2.9))


@FEW
@given(
    places=st.lists(PLACES | NEAR_PARIS | st.none(), min_size=1, max_size=12),
    centre=PLACES | NEAR_PARIS,
    radius=st.sampled_from([0.5, 10, 30, 200, 3000, 9990, 15000, 25000]) | st.floats(0.001, 21000),
)
async def test_a_circle_holds_what_lies_in_it_nearest_first(
    store: SqlStore, places: list[tuple[float, float] | None], centre: tuple[float, float], radius: float
):
    owner = f"{NANTES}-{next(_owners)}"
    listings = {
        f"{owner}/{n}": a_listing(
            f"{owner}/{n}", owner=owner, latitude=place and place[0], longitude=place and place[1]
        )
        for n, place in enumerate(places)
    }
    await put(store, *listings.values())
    found = await ask_all(store, {"centre": centre, "radius_km": radius, "owner": owner}, limit=3)
    distances = {
        name: chord_km(centre, (one.latitude, one.longitude))
        for name, one in listings.items()
        if one.latitude is not None
    }
    on_the_edge = {name for name, distance in distances.items() if abs(distance - radius) < 1e-3}
    expected = {name for name, distance in distances.items() if distance <= radius}
    assert set(ids(found)) - on_the_edge == expected - on_the_edge
    shown = [entry.distance_km for entry in found]
    assert shown == sorted(shown)
    for entry in found:
        # An arc near half the Earth is where one of the two formulas loses its digits.
        assert entry.distance_km == pytest.approx(
            distances[entry.object_id], abs=0.2 if radius > 19_000 else 1e-3
        )


async def test_the_edge_of_a_circle_is_exact(store: SqlStore):
    marseille = (43.297, 5.3811)
    await put(store, numbered(1, latitude=marseille[0], longitude=marseille[1]))
    distance = haversine_km(PARIS, marseille)
    assert (await ask(store, centre=PARIS, radius_km=distance)).total == 1
    assert (await ask(store, centre=PARIS, radius_km=math.nextafter(distance, 0))).total == 0


async def test_a_circle_reaches_over_the_date_line_and_the_poles(store: SqlStore):
    taveuni, rabi, north = (-16.85, 179.97), (-16.5, -179.98), (89.9, 10.0)
    for n, (latitude, longitude) in enumerate((taveuni, rabi, north)):
        await put(store, numbered(n, latitude=latitude, longitude=longitude))
    for centre in (taveuni, rabi, (-16.7, 180.0), (-16.7, -180.0)):
        assert (await ask(store, centre=centre, radius_km=60)).total == 2, centre
    for centre in ((89.9, -170.0), (90.0, 0.0), (89.95, 100.0)):
        assert (await ask(store, centre=centre, radius_km=60)).total == 1, centre


async def test_a_centre_without_a_radius_tells_distances_and_leaves_nothing_out(store: SqlStore):
    await put(store, numbered(1), numbered(2, latitude=None, longitude=None))
    entries = (await ask(store, centre=(47.218, -1.554))).entries
    assert [entry.distance_km for entry in entries] == [None, 0.0]


async def test_a_circle_of_nothing_holds_nothing(store: SqlStore):
    await put(store, numbered(1))
    for radius in (-1.0, math.nan):
        assert (await ask(store, centre=(47.218, -1.554), radius_km=radius)).total == 0


async def test_a_circle_without_an_end_holds_every_place(store: SqlStore):
    await put(store, numbered(1), numbered(2, latitude=None, longitude=None))
    assert (await ask(store, centre=PARIS, radius_km=math.inf)).total == 1


def test_distances_are_those_of_the_map():
    assert haversine_km((45.758, 4.835), (47.218, -1.554)) == pytest.approx(516, abs=1)
    assert haversine_km(PARIS, (43.297, 5.3811)) == pytest.approx(661, abs=1)
    assert haversine_km((0, 179.5), (0, -179.5)) == pytest.approx(111.2, abs=0.1)
    assert haversine_km((90, 0), (-90, 0)) == pytest.approx(math.pi * EARTH_RADIUS_KM)


# -- pages ---------------------------------------------------------------------------------------------------


async def test_the_newest_comes_first_and_pages_stay_as_they_were_begun(store: SqlStore):
    for n in range(9):
        await put(store, numbered(n, published=NOON + timedelta(hours=n // 2)))
    whole = ids(await ask_all(store, {}, limit=50))
    assert whole == [f"https://nantes.example/missions/{n}" for n in range(8, -1, -1)]
    first = await ask(store, limit=3)
    await put(
        store,
        numbered(100, published=NOON + timedelta(days=1)),
        numbered(101, published=NOON + timedelta(hours=4)),
    )
    await store.write(lambda tx: tx.make([DropListing(whole[0]), DropListing(whole[5])]))
    second = await ask(store, limit=3, cursor=first.next)
    assert second.total == 9
    third = await ask(store, limit=3, cursor=second.next)
    assert ids(first.entries) + ids(second.entries) + ids(third.entries) == [*whole[:5], *whole[6:]]
    assert third.next is None


async def test_pages_by_distance_stay_as_they_were_begun(store: SqlStore):
    circle = {"centre": PARIS, "radius_km": 500}
    for n in range(8):
        await put(store, numbered(n, latitude=PARIS[0] + n // 2 * 0.1, longitude=PARIS[1]))
    whole = ids(await ask_all(store, circle, limit=50))
    assert whole == [f"https://nantes.example/missions/{n}" for n in (1, 0, 3, 2, 5, 4, 7, 6)]
    first = await ask(store, **circle, limit=3)
    await put(
        store,
        numbered(100, latitude=PARIS[0], longitude=PARIS[1]),
        numbered(3, latitude=PARIS[0], longitude=PARIS[1]),
    )
    rest = await ask(store, **circle, limit=10, cursor=first.next)
    assert ids(first.entries) + ids(rest.entries) == whole
    assert rest.total == 9


async def test_a_page_of_nothing_is_no_page(store: SqlStore):
    page = await ask(store)
    assert page == BoardPage(total=0, entries=(), next=None)


async def test_a_cursor_of_somebody_elses_is_refused(store: SqlStore):
    for circle in ({}, {"centre": PARIS, "radius_km": 10}):
        for cursor in ("", "x", "W10", "é", "WzFd", "'; drop table listing"):
            with pytest.raises(Malformed):
                await ask(store, **circle, cursor=cursor)


# -- the data set --------------------------------------------------------------------------------------------


async def test_the_three_hundred_missions_are_found_as_by_hand(store: SqlStore, shared: Path):
    federation = json.loads((shared / "data" / "synthetic_federation.json").read_text(encoding="utf-8"))
    communes = {
        c["inseeCommune"]: c
        for c in json.loads((shared / "data" / "communes_fr_sample.json").read_text(encoding="utf-8"))
    }
    listings = []
    for n, mission in enumerate(federation["missions"]):
        place = communes.get(mission["inseeCommune"], {})
        listings.append(
            numbered(
                mission["n"],
                owner=f"https://{mission['coop']}.example/actors/coop",
                title=mission["title"],
                text=f"{mission['title']} {place.get('name', '')}",
                rome=mission["rome"],
                commune=mission["inseeCommune"],
                latitude=place.get("latitude"),
                longitude=place.get("longitude"),
                relay_scope=mission["relayScope"],
                readers={"public": (PUBLIC, LYON), "members": ()}.get(mission["relayScope"], (LYON,)),
                published=NOON + timedelta(minutes=n % 100),
            )
        )
    await put(store, *listings)
    codes = {one.rome for one in listings if one.rome}
    queries: list[dict[str, Any]] = [{}, {"readers": (PUBLIC,)}, {"readers": (LYON,)}, {"readers": ()}]
    queries += [{"rome": prefix} for code in sorted(codes)[::3] for prefix in (code[0], code[:3], code)]
    queries += [{"commune": code} for code in sorted({one.commune for one in listings if one.commune})[::8]]
    queries += [{"text": " ".join(one.text.split()[:2])} for one in listings[::25]]
    queries += [{"text": one.title[:4], "readers": (LYON,)} for one in listings[::60]]
    queries += [
        {"centre": (c["latitude"], c["longitude"]), "radius_km": radius, "readers": (LYON,)}
        for c in list(communes.values())[:60:12]
        for radius in (5, 30, 150)
    ]
    queries.append({"text": "a", "rome": "N", "centre": PARIS, "radius_km": 400, "readers": (LYON,)})
    sizes = []
    for query in queries:
        found = await ask_all(store, query, limit=60)
        assert set(ids(found)) == by_hand(listings, BoardQuery(**query)), query
        assert len(set(ids(found))) == len(found)
        sizes.append(len(found))
    assert sizes[:4] == [300, 121, 239, 0]
    assert sum(size > 0 for size in sizes) > 40
