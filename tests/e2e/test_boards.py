"""Three co-operatives take in the 300 missions of the example federation: each board shows what the relay scopes admit.

What must be shown is computed here from the file (and the table of communes), by code of its own. Offers and needs are
made for the test. Lyon and Nantes are of one network, the Alps are not.
"""

from __future__ import annotations

import html
import json
import re
import sqlite3
import time
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import cycle, product
from math import atan2, cos, radians, sin, sqrt
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from fedcoop.cli.client import poll
from fedcoop.cli.instances import LocalInstance
from tests.e2e.conftest import Instances

pytestmark = [pytest.mark.xdist_group("boards"), pytest.mark.timeout(300)]

T = TypeVar("T")

ROOT: Final = Path(__file__).resolve().parents[2]
FILE: Final = ROOT / "examples" / "federation" / "synthetic_federation.json"
DATA: Final = json.loads(FILE.read_text("utf-8"))
PLACES: Final = {
    row[0]: (row[1], row[5], row[6])
    for row in json.loads((ROOT / "vocab" / "codes" / "communes.json").read_text("utf-8"))["rows"]
}
"""INSEE code to (name, latitude, longitude)."""

NAMES: Final = ("Lyon", "Nantes", "Alpes")
NETWORK: Final = frozenset({0, 1})
EVERYBODY: Final = range(3)
EARTH_KM: Final = 6371.0088
MISSIONS: Final[Mapping[str, str]] = {"class": "mission"}


# -- what must be seen, from the file -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Shown:
    """Something on a board: what it can be found by, and who may see it."""

    id: str
    owner: int
    scope: str
    class_name: str
    rome: str
    commune: str
    text: str

    def admitted_to(self, reader: int) -> bool:
        """Tell whether the co-op `reader` may have it: its own always, others' by their relay scope."""
        if reader == self.owner or self.scope in {"public", "federation"}:
            return True
        return self.scope == "network" and {reader, self.owner} == NETWORK

    @property
    def words(self) -> set[str]:
        """Return the words it can be found by."""
        return words(self.text)


def words(text: str) -> set[str]:
    """Return the words of a text, without accents and in small letters."""
    apart = unicodedata.normalize("NFKD", text.lower().replace("œ", "oe").replace("æ", "ae"))
    return set(re.findall(r"[a-z0-9]+", re.sub(r"[\u0300-\u036f]", "", apart)))


def kilometres(one: str, other: str) -> float:
    """Return the distance of two communes (haversine, IUGG mean radius)."""
    (_, lat1, lon1), (_, lat2, lon2) = PLACES[one], PLACES[other]
    half = sin(radians(lat2 - lat1) / 2) ** 2
    half += cos(radians(lat1)) * cos(radians(lat2)) * sin(radians(lon2 - lon1) / 2) ** 2
    return 2 * EARTH_KM * atan2(sqrt(half), sqrt(1 - half))


# -- the federation -------------------------------------------------------------------------------------------------


@dataclass
class Three:
    """Three instances with the example's data, and what of it has which id."""

    instances: Sequence[LocalInstance]
    missions: Sequence[Shown]

    def expected(self, reader: int | None) -> set[str]:
        """Return the ids of the missions that must be on a board; `reader` None is a stranger at any."""
        return admitted(self.missions, reader)

    def found(self, board: int, search: Mapping[str, str] = MISSIONS, *, stranger: bool = False) -> list[str]:
        """Return the ids on a board, all pages of the search."""
        return [row["id"] for row in self.rows(board, search, stranger=stranger)]

    def rows(self, board: int, search: Mapping[str, str], *, stranger: bool = False) -> list[dict[str, Any]]:
        """Return the rows of a search, all pages; it is for missions unless it says otherwise."""
        instance = self.instances[board]
        asked = {**MISSIONS, "limit": "100", **search}
        rows: list[dict[str, Any]] = []
        while True:
            reply = instance.get(
                f"/api/v1/board?{urlencode(asked)}", token=None if stranger else instance.token
            )
            assert reply.status == 200, reply.body
            page = reply.json()
            rows += page["items"]
            if page["next"] is None:
                break
            asked["cursor"] = page["next"]
        assert page["total"] == len(rows) == len({row["id"] for row in rows}), search
        return rows


def admitted(
    shown: Iterable[Shown], reader: int | None, fits: Callable[[Shown], bool] = lambda one: True
) -> set[str]:
    """Return the ids of those that fit and may be seen by the co-op `reader`, or by a stranger (None)."""
    return {
        one.id
        for one in shown
        if fits(one) and (one.scope == "public" if reader is None else one.admitted_to(reader))
    }


def at_once(ask: Callable[..., T], *of: Iterable[Any]) -> list[T]:
    """Ask several things at the same time and return the answers in order."""
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(ask, *of))


@pytest.fixture(scope="module")
def three(module_instances: Instances, request: pytest.FixtureRequest) -> Three:
    began = time.monotonic()
    instances = module_instances(3, network=NETWORK, following=True)
    founded = time.monotonic()
    slugs = [coop["slug"] for coop in DATA["cooperatives"]]
    shares = [slugs[8 * number : 8 * number + 8] for number in EVERYBODY]

    def take_in(instance: LocalInstance, share: Sequence[str]) -> dict[str, Any]:
        return instance.command("import", str(FILE), "--coops", ",".join(share))

    with ThreadPoolExecutor(3) as pool:
        taken = list(pool.map(take_in, instances, shares))
    imported = time.monotonic()
    assert sum(one["missions"]["added"] for one in taken) == len(DATA["missions"]) == 300
    assert sum(one["members"]["added"] for one in taken) == len(DATA["members"]) == 240
    home = {slug: number for number, share in enumerate(shares) for slug in share}
    published = Three(instances, identified(instances, home))
    for number in EVERYBODY:
        meant = len(published.expected(number))
        assert until(instances[number], meant), f"{NAMES[number]}: {total(instances[number])}, not {meant}"
    times = f"founded in {founded - began:.1f} s, imported in {imported - founded:.1f} s, "
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print(f"\n{times}everywhere {time.monotonic() - imported:.1f} s later")
    return published


def until(instance: LocalInstance, missions: int) -> bool:
    """Wait until so many missions are on the board; False when they are not in time."""
    return bool(poll(lambda: total(instance) == missions or None, seconds=60.0))


def total(instance: LocalInstance) -> int:
    """Return how many missions the board has for its operator."""
    return int(instance.get("/api/v1/board?class=mission&limit=1", token=instance.token).json()["total"])


def identified(instances: Sequence[LocalInstance], home: Mapping[str, int]) -> list[Shown]:
    """Return the missions of the file with the ids that they were given, which their owners' outboxes say."""
    names = {coop["slug"]: coop["name"] for coop in DATA["cooperatives"]}
    wanted: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for mission in DATA["missions"]:
        key = (
            home[mission["coop"]],
            names[mission["coop"]],
            mission["rome"],
            mission["inseeCommune"],
            mission["start"],
            mission["amount"],
        )
        wanted.setdefault(key, []).append(mission)
    assert all(len(alike) == 1 for alike in wanted.values()), "the file's missions cannot be told apart"
    missions = []
    for number, instance in enumerate(instances):
        for document in created(instance):
            coop = html.unescape(re.sub(r".*<p>Mission de (.*)\.</p>$", r"\1", document["content"]))
            key = (
                number,
                coop,
                document["occupation"]["code"],
                document["location"]["inseeCommune"],
                document["startTime"],
                document["price"]["totalExclTax"]["value"],
            )
            ((mission,), _) = wanted.pop(key), document
            assert (document["slots"], document["name"]) == (mission["slots"], mission["title"])
            town = PLACES[mission["inseeCommune"]][0]
            # Beside the title, the town and the co-op: what the sentences on every one of them say.
            text = (
                f"{mission['title']} {town} {coop} {mission['rome']} mission de of a days excl vat eur ht j"
            )
            scope, rome, commune = mission["relayScope"], mission["rome"], mission["inseeCommune"]
            missions.append(Shown(document["id"], number, scope, "Mission", rome, commune, text))
    assert wanted == {}
    return missions


def created(instance: LocalInstance) -> Iterator[dict[str, Any]]:
    """Yield the missions that the co-op's outbox has created."""
    page = instance.get(f"{instance.coop}/outbox", token=instance.token).json()
    url = page["first"] if isinstance(page["first"], str) else page["first"]["id"]
    while url:
        page = instance.get(url, token=instance.token).json()
        for activity in page["orderedItems"]:
            if activity["type"] == "Create" and "Mission" in activity["object"].get("fedcoopType", ()):
                yield activity["object"]
        url = page.get("next")


# -- missions: who sees them ----------------------------------------------------------------------------------------


def test_the_file_is_the_one_that_was_counted() -> None:
    scopes = Counter(mission["relayScope"] for mission in DATA["missions"])
    assert scopes == {"public": 121, "network": 66, "members": 61, "federation": 52}


@pytest.mark.parametrize("board", EVERYBODY, ids=NAMES)
def test_each_board_shows_exactly_what_the_relay_scopes_admit(three: Three, board: int) -> None:
    found = three.found(board)
    assert set(found) == three.expected(board)
    # Something of each kind is there, and something is not.
    assert 150 < len(found) < 300
    assert {m.scope for m in three.missions if m.id in found} == {
        "public",
        "federation",
        "network",
        "members",
    }


@pytest.mark.parametrize("board", EVERYBODY, ids=NAMES)
def test_the_board_for_people_shows_the_same(three: Three, board: int) -> None:
    instance = three.instances[board]
    found: list[str] = []
    url: str | None = "/missions?class=mission"
    while url:
        reply = instance.get(url, token=instance.token, accept="text/html")
        assert reply.status == 200
        page = reply.body.decode()
        cards = page.split('<ol class="cards">', 1)[1].split("</ol>", 1)[0]
        found += [shown_at(html.unescape(href)) for href in re.findall(r'<h3><a href="([^"]+)"', cards)]
        onward = re.search(r'<a class="button" href="([^"]+)" rel="next"', page)
        url = html.unescape(onward[1]).split("#")[0] if onward else None
    assert len(found) == len(set(found))
    assert set(found) == three.expected(board)


def shown_at(href: str) -> str:
    """Return the id of what an address of the board shows: our own, or our copy of another server's."""
    return parse_qs(urlsplit(href).query)["id"][0] if href.startswith("/copy?") else href


@pytest.mark.parametrize("board", EVERYBODY, ids=NAMES)
def test_what_a_scope_keeps_out_is_stored_nowhere_else(three: Three, board: int) -> None:
    instance = three.instances[board]
    kept_out = [m for m in three.missions if not m.admitted_to(board)]
    assert Counter(m.scope for m in kept_out)["members"] == 61 - sum(
        m.scope == "members" and m.owner == board for m in three.missions
    )
    assert at_once(instance.lookup, [m.id for m in kept_out]) == [None] * len(kept_out)
    # Nor is any trace of them in the database: not in what was received, nor in what was made of it.
    names = [m.id for m in kept_out]
    with closing(sqlite3.connect(f"file:{instance.folder / 'fedcoop.db'}?mode=ro", uri=True)) as database:
        stored = " ".join(
            [str(body, "utf-8") for (body,) in database.execute("select body from activity")]
            + [row[0] for row in database.execute("select id || ' ' || document from object")]
            + [row[0] for row in database.execute("select object_id from listing")]
            + [row[0] for row in database.execute("select ref from chain_ref")]
        )
    assert [m.id for m in three.missions if m.admitted_to(board) and m.id not in stored] == []
    assert [name for name in names if name in stored] == []


def test_strangers_see_what_is_public_and_nothing_else(three: Three) -> None:
    for board in EVERYBODY:
        assert set(three.found(board, stranger=True)) == three.expected(None)

    def status(mission: Shown) -> int:
        return three.instances[mission.owner].get(mission.id).status

    answered = dict(zip([m.id for m in three.missions], at_once(status, three.missions), strict=True))
    assert answered == {m.id: 200 if m.scope == "public" else 404 for m in three.missions}


# -- missions: how they are found -----------------------------------------------------------------------------------


Search: TypeAlias = tuple[Mapping[str, str], Callable[[Shown], bool]]
"""The parameters of a search, and what fits it."""


def compare(three: Three, shown: Sequence[Shown], board: int, searches: Mapping[str, Search]) -> None:
    """Ask every search of a board and compare each with those of `shown` that fit."""
    asked = list(searches)
    found = at_once(lambda name: set(three.found(board, searches[name][0])), asked)
    expected = [admitted(shown, board, searches[name][1]) for name in asked]
    wrong = {
        name: (sorted(f - e), sorted(e - f))
        for name, f, e in zip(asked, found, expected, strict=True)
        if f != e
    }
    assert wrong == {}, "(too many, missing) by search"
    assert any(expected), "none of these searches finds anything: they prove nothing"


def by_rome(codes: Iterable[str]) -> dict[str, Search]:
    """Return a search for each of these codes, or beginnings of codes."""
    return {code: ({"rome": code}, lambda one, code=code: one.rome.startswith(code)) for code in codes}  # type: ignore[misc]


def by_commune(communes: Iterable[str]) -> dict[str, Search]:
    """Return a search for each of these communes."""
    return {code: ({"commune": code}, lambda one, code=code: one.commune == code) for code in communes}  # type: ignore[misc]


def by_radius(shown: Sequence[Shown], centres: Iterable[str], radii: Iterable[str]) -> dict[str, Search]:
    """Return a search for each circle."""
    searches: dict[str, Search] = {}
    for centre, radius in product(centres, radii):
        away = {one.commune: kilometres(centre, one.commune) for one in shown}
        assert all(abs(km - float(radius)) > 1e-6 for km in away.values()), (
            "something lies on the very circle"
        )
        near = {commune for commune, km in away.items() if km <= float(radius)}
        asked = {"commune": centre, "radius": radius}
        searches[f"{radius} km around {centre}"] = (asked, lambda one, near=near: one.commune in near)  # type: ignore[misc]
    return searches


def by_words(texts: Iterable[str]) -> dict[str, Search]:
    """Return a search for each text: every word of it must begin a word of what is found."""
    searches: dict[str, Search] = {}
    for text in texts:
        asked = words(text)
        searches[text] = (
            {"q": text},
            lambda one, asked=asked: all(any(w.startswith(a) for w in one.words) for a in asked),  # type: ignore[misc]
        )
    return searches


@pytest.mark.parametrize("board", EVERYBODY, ids=NAMES)
def test_a_rome_code_finds_all_below_it(three: Three, board: int) -> None:
    codes = {m.rome for m in three.missions}
    prefixes = {code[:length] for code in codes for length in (1, 3, 5)} | {"C", "N42", "N4199"}
    compare(three, three.missions, board, by_rome(sorted(prefixes)))


@pytest.mark.parametrize("board", EVERYBODY, ids=NAMES)
def test_a_commune_finds_what_is_there(three: Three, board: int) -> None:
    compare(three, three.missions, board, by_commune(sorted({m.commune for m in three.missions} | {"73054"})))


CENTRES: Final = ("69123", "44109", "73054", "75056", "13055", "29019", "2A004", "97411")
RADII: Final = ("1", "10", "25.5", "60", "200", "1000")


@pytest.mark.parametrize("board", EVERYBODY, ids=NAMES)
def test_a_radius_finds_what_is_within_it_the_nearest_first(three: Three, board: int) -> None:
    compare(three, three.missions, board, by_radius(three.missions, CENTRES, RADII))
    by_id = {m.id: m for m in three.missions}
    rows = three.rows(board, {"commune": "69123", "radius": "200"})
    away_from_lyon = [kilometres("69123", by_id[row["id"]].commune) for row in rows]
    assert away_from_lyon == sorted(away_from_lyon)
    assert all(abs(row["distanceKm"] - km) < 0.051 for row, km in zip(rows, away_from_lyon, strict=True))


@pytest.mark.parametrize("board", EVERYBODY, ids=NAMES)
def test_words_find_what_has_them_all(three: Three, board: int) -> None:
    titles = sorted({word for m in DATA["missions"] for word in words(m["title"]) if len(word) > 3})
    towns = sorted({PLACES[m.commune][0] for m in three.missions})[::4]
    texts = [
        *titles,
        *[word[:4] for word in titles[::3]],
        *[word.upper() for word in titles[::5]],
        *towns,
        "Développeuse web",
        "developpeuse WEB",
        "cours paris",
        "coursiere   Lyon",
        "comptable fabrique",
        "La Ruche Ouverte",
        "l'escale",
        "guide-conférencier",
        "zzz",
        "guide zzz",
    ]
    compare(three, three.missions, board, by_words(dict.fromkeys(texts)))


@pytest.mark.parametrize("board", EVERYBODY, ids=NAMES)
def test_all_of_a_search_must_fit(three: Three, board: int) -> None:
    paris = {m.commune for m in three.missions if kilometres("75056", m.commune) <= 30}
    around = {"commune": "75056", "radius": "30"}
    compare(
        three,
        three.missions,
        board,
        {
            "rome and radius": ({**around, "rome": "G"}, lambda m: m.commune in paris and m.rome[0] == "G"),
            "rome and text": (
                {"rome": "M18", "q": "web"},
                lambda m: m.rome[:3] == "M18" and "web" in m.words,
            ),
            "all": (
                {**around, "rome": "N", "q": "coursier"},
                lambda m: m.commune in paris and m.rome[0] == "N" and "coursier" in m.words,
            ),
            "owner": ({"owner": three.instances[1].coop}, lambda m: m.owner == 1),
        },
    )


# -- offers and needs -----------------------------------------------------------------------------------------------

SCOPES: Final = ("public", "federation", "network", "members")
CLASSES: Final = {"ServiceOffer": "offer", "Need": "need"}
TOPICS: Final = (
    ("I1607", "44109", "Réparation de vélos cargo", "Un atelier mobile vient chez vous."),
    ("M1203", "69123", "Comptabilité partagée", "Bilan et déclarations, à plusieurs coopératives."),
    ("K2111", "38185", "Formation à la médiation", "Deux jours, en petit groupe."),
    ("E1205", "73065", "Charte graphique", "Un logo, une affiche, un site."),
    ("N4104", "44162", "Livraison du dernier kilomètre", "À vélo, sans œuvre de mécanique."),
)
"""ROME code, commune, title and sentence; they take turns, so that scopes and topics do not go together."""


@pytest.fixture(scope="module")
def listings(three: Three) -> list[Shown]:
    """An offer and a need of each scope by each co-op, arrived wherever they may."""
    made = []
    kinds = product(EVERYBODY, CLASSES, SCOPES)
    for (owner, class_name, scope), topic in zip(kinds, cycle(TOPICS), strict=False):
        made.append(publish(three, owner, class_name, scope, topic))
    settled(three, made)
    return made


def publish(three: Three, owner: int, class_name: str, scope: str, topic: tuple[str, str, str, str]) -> Shown:
    """Publish an offer or a need, and say how it can be found."""
    rome, commune, title, sentence = topic
    town, instance = PLACES[commune][0], three.instances[owner]
    document = {
        "type": "Note",
        "fedcoopType": ["Proposal", class_name],
        "name": title,
        "content": f"<p>{sentence}</p>",
        "occupation": {"type": "SkillRef", "codeSystem": "rome", "code": rome},
        "location": {"type": "Place", "name": town, "inseeCommune": commune},
        "relayScope": scope,
    }
    reply = instance.post_outbox(instance.coop, instance.token, {"type": "Create", "object": document})
    assert reply.status == 201, reply.body
    text = f"{title} {sentence} {town} {rome}"
    return Shown(reply.json()["object"]["id"], owner, scope, class_name, rome, commune, text)


Publish: TypeAlias = Callable[[int, str, str, tuple[str, str, str, str]], Shown]


@pytest.fixture
def for_a_while(three: Three) -> Iterator[Publish]:
    """Publish listings that are withdrawn when the test ends: no other test meets them, whatever their order."""
    made: list[Shown] = []

    def published(owner: int, class_name: str, scope: str, topic: tuple[str, str, str, str]) -> Shown:
        made.append(publish(three, owner, class_name, scope, topic))
        settled(three, made[-1:])
        return made[-1]

    yield published
    for shown in made:
        owner = three.instances[shown.owner]
        owner.post_outbox(owner.coop, owner.token, {"type": "Delete", "object": shown.id})
    settled(three, [], without=made)


def settled(three: Three, shown: Sequence[Shown], without: Sequence[Shown] = ()) -> None:
    """Wait until each of these is on every board that it is meant for, and none of `without` on any."""

    def ask() -> bool | None:
        for board in EVERYBODY:
            found = set(three.found(board, {"class": "offer,need"}))
            if admitted(shown, board) - found or {one.id for one in without} & found:
                return None
        return True

    assert poll(ask, seconds=30.0), "not everything is where it is meant to be"


@pytest.mark.parametrize("board", EVERYBODY, ids=NAMES)
def test_offers_and_needs_are_shown_as_their_scopes_admit(
    three: Three, listings: list[Shown], board: int
) -> None:
    for class_name, code in CLASSES.items():
        of_class = [one for one in listings if one.class_name == class_name]
        assert set(three.found(board, {"class": code})) == admitted(of_class, board)
        assert set(three.found(board, {"class": code}, stranger=True)) == admitted(of_class, None)
    everything = [*listings, *three.missions]
    assert set(three.found(board, {"class": ""})) == admitted(everything, board)
    kept_out = [one.id for one in listings if not one.admitted_to(board)]
    assert len(kept_out) == (6 if board in NETWORK else 8)
    assert at_once(three.instances[board].lookup, kept_out) == [None] * len(kept_out)


@pytest.mark.parametrize("board", EVERYBODY, ids=NAMES)
def test_offers_and_needs_are_found_as_missions_are(three: Three, listings: list[Shown], board: int) -> None:
    codes = {one.rome[:length] for one in listings for length in (1, 3, 5)}
    searches = {
        **by_rome(sorted(codes)),
        **by_commune(sorted({one.commune for one in listings})),
        **by_radius(listings, ["69123", "44109", "73054"], ["5", "40", "150", "600"]),
        **by_words(
            ["velo", "VÉLOS cargo", "comptabilite", "graphique", "oeuvre", "atelier nantes", "médiation zzz"]
        ),
    }
    either = {name: ({"class": "offer,need", **asked}, fits) for name, (asked, fits) in searches.items()}
    compare(three, listings, board, either)
    for class_name, code in CLASSES.items():
        of_class = [one for one in listings if one.class_name == class_name]
        compare(
            three,
            of_class,
            board,
            {
                "of a class": (
                    {"class": code, "q": "velo"},
                    lambda one: "velo" in one.text.lower().replace("é", "e"),
                )
            },
        )


@pytest.mark.parametrize("class_name", CLASSES)
def test_an_updated_listing_is_found_by_what_it_says_now(
    three: Three, for_a_while: Publish, class_name: str
) -> None:
    before = for_a_while(1, class_name, "federation", ("G1603", "29019", "Cantine mobile", "Cent couverts."))
    nantes = three.instances[1]
    change = {
        "id": before.id,
        "name": "Traiteur végétal",
        "nameMap": {"fr": "Traiteur végétal"},
        "content": "<p>Buffets de saison.</p>",
        "occupation": {"type": "SkillRef", "codeSystem": "rome", "code": "G1602"},
        "location": {"type": "Place", "name": "Quimper", "inseeCommune": "29232"},
    }
    reply = nantes.post_outbox(nantes.coop, nantes.token, {"type": "Update", "object": change})
    assert reply.status == 201, reply.body
    text = "Traiteur végétal Buffets de saison Quimper G1602"
    after = Shown(before.id, 1, "federation", class_name, "G1602", "29232", text)
    searches = {
        **by_rome(["G", "G16", "G1602", "G1603"]),
        **by_commune(["29019", "29232"]),
        **by_radius([after], ["29232", "29019"], ["10", "100"]),
        **by_words(["cantine", "vegetal", "traiteur quimper", "buffets"]),
    }
    for board in EVERYBODY:
        instance = three.instances[board]
        arrived = poll(lambda at=instance: version(at, before.id) == 2 or None, seconds=30.0)  # type: ignore[misc]
        assert arrived, NAMES[board]
        code = CLASSES[class_name]
        mine = {name: ({"class": code, **asked}, fits) for name, (asked, fits) in searches.items()}
        found = {name: before.id in three.found(board, asked) for name, (asked, _) in mine.items()}
        assert found == {name: fits(after) for name, (_, fits) in mine.items()}, NAMES[board]


def version(instance: LocalInstance, iri: str) -> int:
    """Return the version of the proposal as the instance has it, 0 when it has none."""
    chain = (instance.lookup(iri) or {}).get("fedcoopChain", {})
    return int(chain.get("stateVersion", 0))


@pytest.mark.parametrize("class_name", CLASSES)
def test_a_listing_shown_to_more_arrives_with_its_history(
    three: Three, for_a_while: Publish, class_name: str
) -> None:
    nantes = three.instances[1]
    shown = for_a_while(1, class_name, "members", TOPICS[0])
    for scope in ("network", "federation", "public"):
        change = {"id": shown.id, "relayScope": scope}
        assert (
            nantes.post_outbox(nantes.coop, nantes.token, {"type": "Update", "object": change}).status == 201
        )
        shown = replace(shown, scope=scope)
        settled(three, [shown])
        for board in EVERYBODY:
            visible = shown.id in three.found(board, {"class": CLASSES[class_name]})
            assert visible == shown.admitted_to(board), (scope, NAMES[board])
            strangers = three.found(board, {"class": CLASSES[class_name]}, stranger=True)
            assert (shown.id in strangers) == (scope == "public")
    versions = {NAMES[board]: version(three.instances[board], shown.id) for board in EVERYBODY}
    assert versions == {"Lyon": 4, "Nantes": 4, "Alpes": 4}
    # It cannot be shown to fewer again: those who have read it could not be told what becomes of it.
    narrower = {"id": shown.id, "relayScope": "network"}
    reply = nantes.post_outbox(nantes.coop, nantes.token, {"type": "Update", "object": narrower})
    assert (reply.status, reply.problem()["guard"]) == (422, "listingTerms")


@pytest.mark.parametrize("class_name", CLASSES)
@pytest.mark.parametrize("scope", SCOPES)
def test_a_withdrawn_listing_is_gone_everywhere(
    three: Three, for_a_while: Publish, class_name: str, scope: str
) -> None:
    alpes = three.instances[2]
    shown = for_a_while(2, class_name, scope, TOPICS[1])
    reply = alpes.post_outbox(alpes.coop, alpes.token, {"type": "Delete", "object": shown.id})
    assert reply.status == 201, reply.body
    settled(three, [], without=[shown])
    # Strangers are told that it is gone only if they could read it before.
    gone = alpes.get(shown.id)
    assert gone.status == (410 if scope == "public" else 404)
    if gone.status == 410:
        assert gone.json()["type"] == "Tombstone"
    for board in EVERYBODY:
        closed_too = three.found(board, {"class": CLASSES[class_name], "open": "false"})
        assert shown.id not in closed_too
        copy = three.instances[board].get(
            f"/api/v1/lookup?uri={shown.id}", token=three.instances[board].token
        )
        assert copy.status == 404, f"{NAMES[board]} stores no copy of what was deleted"
