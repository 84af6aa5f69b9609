"""A federation to look at: three co-operatives with members, missions, offers, needs and one story told to its end.

Everything in it was said through the flows and is stored and signed for real (`tests/flow/federation.py`); the pages of
Nantes are what the tests look at. Names are fictional, communes and occupations real.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from aiohttp import web

from fedcoop.flow import founding, peering
from fedcoop.flow.founding import Newcomer
from fedcoop.flow.world import Instance, World
from fedcoop.protocol.limits import SIGNATURE_WINDOW
from fedcoop.protocol.messages import Document
from fedcoop.store.sql import SqlStore
from fedcoop.web.admission import Rates
from fedcoop.web.pages import HtmlPages
from fedcoop.web.published import Published
from fedcoop.web.server import make_application
from fedcoop.web.services import Services
from tests.conftest import ROOT, CountedIds, StoppedClock
from tests.flow.federation import (
    Coop,
    Courier,
    Doorbell,
    Passwords,
    PostOffice,
    Resolver,
    Ring,
    money,
    settle,
)

COMMUNES: Mapping[str, tuple[str, float | None, float | None]] = {
    "44109": ("Nantes", 47.218, -1.554),
    "44162": ("Saint-Herblain", 47.212, -1.649),
    "44143": ("Rezé", 47.183, -1.549),
    "44055": ("La Baule-Escoublac", 47.286, -2.393),
    "49007": ("Angers", 47.471, -0.551),
    "69123": ("Lyon", 45.758, 4.835),
    "69259": ("Vénissieux", 45.697, 4.886),
    "73054": ("Bourg-Saint-Maurice", 45.617, 6.769),
    "93066": ("Saint-Denis", 48.936, 2.357),
    "97411": ("Saint-Denis", -20.879, 55.448),
    "97502": ("Saint-Pierre", None, None),
}
ROME: Mapping[str, str] = {
    "N4104": "Coursier / Coursière",
    "N4105": "Conducteur livreur / Conductrice livreuse de marchandises",
    "N1101": "Cariste",
    "M1855": "Développeur / Développeuse web",
    "M1607": "Secrétaire",
    "M1203": "Comptable",
    "G1201": "Guide-accompagnateur / Guide-accompagnatrice",
    "G1703": "Réceptionniste",
    "F1610": "Installateur mainteneur / Installatrice mainteneuse en systèmes solaires, thermiques et photovoltaïques",
    "A1208": "Jardinier / Jardinière paysagiste",
}
CAE = ["cape", "cesa", "esa", "employee", "selfEmployed"]
HOSTILE = (
    '<h1>Gros titre</h1><p onclick="alert(1)" style="position:fixed">Bonjour <script>alert(1)</script>'
    '<img src="https://tracker.example/pixel.png"><a href="javascript:alert(1)">ici</a> '
    '<a href="/sign-out">là</a> <a href="https://ailleurs.example/" target="_blank" rel="opener">ailleurs</a></p>'
)


@dataclass
class Scene:
    """The pages of Nantes, and what the tests look for on them."""

    nantes: Coop
    lyon: Coop
    alpes: Coop
    awa: str
    awas_token: str
    malo: str
    coops_token: str
    story: str
    """The mission that was carried to its end."""
    engagement: str
    courier: str
    """An open mission with a price of three lines."""
    hostile: str
    members_only: str
    offer: str
    need: str
    remote: str
    """A mission of Lyon, as Nantes keeps it."""
    withdrawn: str
    note: str
    """A message of Malo's to Lyon, which took it, and to Cimes Communes, which did not answer."""

    @property
    def base(self) -> str:
        return self.nantes.base

    def application(self) -> web.Application:
        """Return the real server over this scene, with no limits on how often a test may read."""
        many = (10**6, timedelta(minutes=1))
        folder = ROOT / "vocab"
        files = {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*") if f.is_file()}
        world = self.nantes.world
        rates = Rates(
            reads_per_address=many,
            sign_in_per_address=many,
            sign_in_per_account=many,
            consents_per_member=many,
        )
        return make_application(Services(world, Published(files), HtmlPages(world), rates))

    async def close(self) -> None:
        for coop in (self.nantes, self.lyon, self.alpes):
            await coop.world.store.close()


def place(insee: str) -> Document:
    """Return the public place of a commune."""
    name, latitude, longitude = COMMUNES[insee]
    return {
        "type": "Place",
        "name": name,
        "inseeCommune": insee,
        "latitude": latitude,
        "longitude": longitude,
        "addressCountry": "FR",
    }


def rome(code: str) -> Document:
    """Return an occupation of the ROME register."""
    return {"type": "SkillRef", "codeSystem": "rome", "code": code, "name": ROME[code]}


def by_days(days: int, rate: str) -> Document:
    """Return a price of so many days."""
    total = money(f"{days * int(rate)}.00")
    line = {"type": "SettlementLine", "lineKind": "unit", "componentRef": "jours", "quantity": str(days)}
    lines = [{**line, "unitAmount": money(f"{rate}.00"), "amount": total}]
    return {"type": "PriceBreakdown", "lines": lines, "totalExclTax": total}


def mission(title: str, english: str | None, insee: str, code: str, **changes: Any) -> dict[str, Any]:
    """Return an open mission as a client posts it."""
    days, rate = changes.pop("days", 3), changes.pop("rate", "220")
    name = {"name": title, **({"nameMap": {"fr": title, "en": english}} if english else {})}
    return {
        "type": "Mission",
        **name,
        "content": f"<p>{title}, {COMMUNES[insee][0]}.</p>",
        "publishes": {"resourceQuantity": {"hasUnit": "day", "hasNumericalValue": str(days)}},
        "price": by_days(days, rate),
        "location": place(insee),
        "occupation": rome(code),
        "workMode": "onsite",
        "startTime": "2026-12-10T08:00:00Z",
        "endTime": "2026-12-12T17:00:00Z",
        "applyBefore": "2026-12-05T18:00:00Z",
        "acceptedStatuses": CAE,
        "relayScope": "public",
        "slots": 1,
        **changes,
    }


def courier_mission() -> dict[str, Any]:
    """Return the courier mission of the worked examples: hours, deliveries, and more on Saturdays."""
    line = {"type": "SettlementLine", "lineKind": "unit"}
    lines = [
        {**line, "componentRef": "heures", "quantity": "8", "unitAmount": money("17.00"), "amount": money("136.00")},
        {**line, "componentRef": "courses", "quantity": "15", "unitAmount": money("1.20"), "amount": money("18.00")},
        {**line, "lineKind": "surcharge", "componentRef": "weekend", "quantity": "0.10", "amount": money("15.40")},
    ]  # fmt: skip
    french = (
        "<p><strong>Livraisons à vélo-cargo</strong> dans le centre de Nantes et à Rezé : environ quinze courses, "
        "de 10 h à 18 h.</p><ul><li>Vélo et remorque fournis</li><li>Pause d’une heure</li></ul>"
        '<p>Plan des tournées : <a href="https://velo-nantes.example/plan">velo-nantes.example/plan</a></p>'
    )
    english = (
        "<p><strong>Cargo-bike deliveries</strong> in the centre of Nantes and in Rezé: about fifteen runs, "
        "10:00 to 18:00.</p><ul><li>Bike and trailer provided</li><li>One hour’s break</li></ul>"
    )
    return mission(
        "Livraisons à vélo, samedi 12 décembre",
        "Bike deliveries, Saturday 12 December",
        "44109",
        "N4104",
        content=french,
        contentMap={"fr": french, "en": english},
        price={"type": "PriceBreakdown", "lines": lines, "totalExclTax": money("169.40")},
        publishes={
            "resourceQuantity": {"hasUnit": "one", "hasNumericalValue": "1"},
            "effortQuantity": {"hasUnit": "hour", "hasNumericalValue": "8"},
        },
        startTime="2026-12-12T09:00:00Z",
        endTime="2026-12-12T17:00:00Z",
        workMode="itinerant",
        slots=2,
        hourlyFloor=money("14.50"),
        socialCoverage=["workAccident", "liabilityInsurance"],
        spokenLanguages=["fr"],
        skills=[
            {"type": "SkillRef", "codeSystem": "rome", "code": "N4104", "name": "Coursier"},
            {
                "type": "SkillRef",
                "codeSystem": "esco",
                "conceptUri": "http://data.europa.eu/esco/skill/3cd569a2-4f88-4c1e-9995-8dce8c5e51a7",
                "name": "Conduite de vélo-cargo",
                "essential": True,
                "skillLevel": 3,
            },
        ],
        mediationContact="mailto:mediation@velo-nantes.example",
    )


async def found_scene(folder: Path, base: str = "https://velo-nantes.example") -> Scene:
    """Found three co-operatives, let them follow each other, and play everything that the pages show."""
    clock, office, numbers = StoppedClock(), PostOffice(), itertools.count()
    loopback = frozenset({base} if base.startswith("http://") else ())
    nantes, coops_token = await _found(
        folder / "nantes", base, "Les Pédales de Loire", "pedales", office, clock, numbers, loopback,
        cooperativeKind=["workerCoop", "scic"], location=place("44109"), territory=[place("44109"), place("44143")],
        contributionRate="0.08", contributionBasis="turnoverExclTax", siren="319379137", nafCode="53.20Z",
        acceptsMobility=True, mediationContact="mailto:mediation@velo-nantes.example",
        summary="<p>Livraison à vélo, gouvernée par les personnes qui pédalent.</p>",
    )  # fmt: skip
    lyon, _ = await _found(
        folder / "lyon", "https://coop-lyon.example", "Coop’Ouvrage Lyon", "ouvrage", office, clock, numbers, loopback,
        cooperativeKind=["cae", "scop"], location=place("69123"), contributionRate="0.10",
        contributionBasis="turnoverExclTax",
    )  # fmt: skip
    alpes, _ = await _found(
        folder / "alpes", "https://cimes.example", "Cimes Communes", "cimes", office, clock, numbers, loopback,
        cooperativeKind=["scic"], location=place("73054"),
    )  # fmt: skip
    coops = (nantes, lyon, alpes)
    for one in coops:
        for other in coops:
            if one is not other:
                await founding.decide_peer(one.world, other.base, "allowed", network=True, note="")
    for one in coops:
        for other in coops:
            if one is not other:
                await one.post(one.id, {"type": "Follow", "object": other.id})
    await settle(office)

    web_skill = {"type": "SkillRef", "codeSystem": "esco", "name": "JavaScript", "skillLevel": 5,
                 "conceptUri": "http://data.europa.eu/esco/skill/3cd569a2-4f88-4c1e-9995-8dce8c5e51a7"}  # fmt: skip
    awa = await founding.add_member(
        lyon.world,
        Newcomer("Awa D.", "awa", status="cape", occupation=rome("M1855"), commune="69123", skills=[web_skill],
                 languages=["fr", "en", "wo"]),
    )  # fmt: skip
    malo = await founding.add_member(
        nantes.world,
        Newcomer("Malo G.", "malo", status="employee", occupation=rome("N4104"), commune="44109",
                 skills=[{"type": "SkillRef", "codeSystem": "esco", "name": "Mécanique cycle", "essential": True,
                          "conceptUri": "http://data.europa.eu/esco/skill/bicycle"}, web_skill],
                 languages=["fr", "br"]),
    )  # fmt: skip
    for name in ("Inès B.", "Théo R.", "Zoé Le G."):
        await founding.add_member(nantes.world, Newcomer(name, commune="44109"))
    assert malo.token is not None

    said = _Said()
    await said.proposals(nantes, lyon, alpes, malo.id)
    story, engagement = await _story(nantes, lyon, awa.id)
    note = await _unanswered(nantes, lyon, alpes, malo.id, office)
    await _acquaintances(nantes)
    return Scene(
        nantes=nantes,
        lyon=lyon,
        alpes=alpes,
        awa=awa.id,
        awas_token=awa.token or "",
        malo=malo.id,
        coops_token=coops_token,
        note=note,
        story=story,
        engagement=engagement,
        **said.found,
    )


@dataclass
class _Said:
    found: dict[str, str] = None  # type: ignore[assignment]

    async def proposals(self, nantes: Coop, lyon: Coop, alpes: Coop, malo: str) -> None:
        self.found = {}

        async def say(name: str, coop: Coop, actor: str, obj: Document) -> None:
            said = await coop.say(actor, "Create", obj)
            self.found[name] = said.document["object"]["id"]

        await say(
            "_1", nantes, nantes.id, mission("Secrétaire", "Secretary", "44162", "M1607", days=10, rate="280")
        )
        await say(
            "_2", nantes, nantes.id, mission("Cariste, entrepôt mutualisé", None, "49007", "N1101", slots=3)
        )
        await say(
            "_3", lyon, lyon.id, mission("Comptable", "Accountant", "69259", "M1203", days=2, rate="420")
        )
        await say(
            "_4",
            alpes,
            alpes.id,
            mission("Guide-accompagnateur / Guide-accompagnatrice", None, "73054", "G1201"),
        )
        await say(
            "_5",
            alpes,
            alpes.id,
            mission(
                "Réceptionniste",
                "Receptionist",
                "73054",
                "G1703",
                acceptedStatuses=["cape", "cesa", "esa", "wagePortage"],
            ),
        )
        await say("_6", lyon, lyon.id, mission(ROME["F1610"], None, "69123", "F1610", workMode="hybrid"))
        await say(
            "_7", nantes, nantes.id, mission("Tournée du littoral", "Coastal round", "44055", "N4105", days=1)
        )
        await say(
            "members_only",
            nantes,
            nantes.id,
            mission("Réparation des remorques", None, "44109", "N4104", relayScope="members"),
        )
        await say(
            "hostile",
            nantes,
            nantes.id,
            mission('<b>Gras</b> & "guillemets" \u202einversé', None, "44143", "N4104", content=HOSTILE),
        )
        await say(
            "remote",
            lyon,
            lyon.id,
            mission(
                "Module de réservation", "Booking module", "69123", "M1855", workMode="remote", rate="380"
            ),
        )
        await say("offer", nantes, malo, {
            "type": "ServiceOffer", "name": "Atelier de réparation de vélos",
            "nameMap": {"fr": "Atelier de réparation de vélos", "en": "Bicycle repair workshop"},
            "content": "<p>À l’atelier ou chez vous, pièces en sus.</p>", "purpose": "offer", "unitBased": True,
            "publishes": {"action": "deliverService", "resourceQuantity": {"hasUnit": "day", "hasNumericalValue": "1"},
                          "availableQuantity": {"hasUnit": "day", "hasNumericalValue": "10"}},
            "reciprocal": {"action": "transfer", "resourceConformsTo": "http://www.wikidata.org/entity/Q4916",
                           "resourceQuantity": {"hasUnit": "one", "hasNumericalValue": "260.00"}},
            "occupation": rome("N4104"), "location": place("44109"), "relayScope": "public",
            "availability": ["2026-12-07T08:00:00Z/2026-12-18T17:00:00Z"],
        })  # fmt: skip
        await say("need", alpes, alpes.id, {
            "type": "Need", "name": "Mutualiser un module de billetterie",
            "content": "<p>Un module libre, entre coopératives de tourisme.</p>", "purpose": "request",
            "publishes": {"action": "transfer", "resourceQuantity": {"hasUnit": "one", "hasNumericalValue": "1"}},
            "relayScope": "public", "location": place("73054"),
        })  # fmt: skip
        await say("withdrawn", nantes, nantes.id, mission("Mission retirée", None, "44109", "N4104"))
        withdrawn = await nantes.chain(self.found["withdrawn"])
        assert withdrawn is not None
        await nantes.say(nantes.id, "Update", {**withdrawn.document, "missionState": "withdrawn"})
        await say("courier", nantes, nantes.id, courier_mission())
        self.found = {name: iri for name, iri in self.found.items() if not name.startswith("_")}


async def _story(nantes: Coop, lyon: Coop, awa: str) -> tuple[str, str]:
    """Carry one mission from publication to payment, with a counter-offer and a rework (vocabulary.md §4)."""
    published = mission(
        "Module de réservation du site", "Booking module for the website", "44109", "M1855",
        days=3, rate="380", workMode="remote", startTime="2026-11-22T12:00:00Z", endTime="2026-11-25T17:00:00Z",
        applyBefore="2026-11-28T18:00:00Z",
    )  # fmt: skip
    story = (await nantes.say(nantes.id, "Create", published)).document["object"]["id"]
    tick = nantes.clock.advance
    tick(minutes=20)
    offer = (
        await lyon.say(
            awa,
            "Offer",
            {"type": "Agreement", "mission": story, "content": "<p>Disponible tout de suite.</p>"},
        )
    ).activity_id
    tick(minutes=5)
    await nantes.say(nantes.id, "TentativeAccept", offer)
    tick(minutes=10)
    accepted = await nantes.say(nantes.id, "Accept", offer)
    engagement = accepted.document["result"]["id"]
    tick(minutes=10)
    work = {"type": "WorkRecord", "engagement": engagement}
    await lyon.say(awa, "Create", {**work, "workPhase": "started"})
    tick(minutes=10)
    hours = {"effortQuantity": {"hasUnit": "hour", "hasNumericalValue": "21"}}
    record = (await lyon.say(awa, "Create", {**work, **hours, "workPhase": "delivered"})).document["object"][
        "id"
    ]
    tick(minutes=10)
    await nantes.say(
        nantes.id, "Reject", record, reasonCode="qualityDispute", content="<p>Il manque les tests.</p>"
    )
    tick(minutes=10)
    record = (await lyon.say(awa, "Create", {**work, **hours, "workPhase": "delivered"})).document["object"][
        "id"
    ]
    tick(minutes=10)
    await nantes.say(nantes.id, "Accept", record)
    tick(minutes=10)
    receipt = {"type": "Receipt", "engagement": engagement}
    invoice = {
        **receipt,
        "receiptKind": "invoiceIssued",
        "invoiceNumber": "F2026-118",
        "vatAmount": money("228.00"),
        "totalInclTax": money("1368.00"),
    }
    await lyon.say(lyon.id, "Create", invoice)
    tick(minutes=10)
    await nantes.say(nantes.id, "Create", {**receipt, "receiptKind": "paymentConfirmed"})
    return story, engagement


async def _unanswered(nantes: Coop, lyon: Coop, alpes: Coop, malo: str, office: PostOffice) -> str:
    """Say something to two co-ops of which one is not there just now."""
    office.down = {alpes.base}
    hello = {"type": "Note", "content": "<p>Atelier ouvert samedi.</p>"}
    said = await nantes.say(malo, "Create", hello, to=[lyon.id, alpes.id])
    office.down = set()
    return said.activity_id


async def _acquaintances(nantes: Coop) -> None:
    """Freeze a co-op, and let another knock."""
    decide = founding.decide_peer
    await decide(nantes.world, "https://gelee.example", "allowed", network=False, note="")
    await decide(
        nantes.world, "https://gelee.example", "frozen", network=False, note="voir le courriel du 3",
        reason="En désaccord sur <b>deux factures</b>.", by="Inès",
    )  # fmt: skip
    await peering.knocked(nantes.world, "https://inconnue.example")


async def _found(
    folder: Path,
    base: str,
    name: str,
    username: str,
    office: PostOffice,
    clock: StoppedClock,
    numbers: Any,
    loopback: frozenset[str],
    **profile: Any,
) -> tuple[Coop, str]:
    folder.mkdir(parents=True)
    ring = Ring(numbers)
    store = await SqlStore.open(f"sqlite+aiosqlite:///{folder / 'fedcoop.db'}", clock=clock)
    instance = Instance(
        base=base,
        name=name,
        default_language="fr",
        allow_origins=loopback,
        window=SIGNATURE_WINDOW,
        first_retry=timedelta(seconds=6),
        communes=COMMUNES,
        rome_labels=ROME,
    )
    world = World(
        instance=instance,
        store=store,
        resolver=Resolver(office, clock),
        fetcher=office,
        keyring=ring,
        courier=Courier(office, ring, clock),
        clock=clock,
        new_id=CountedIds(),
        doorbell=Doorbell(),
        passwords=Passwords(),
    )
    office.worlds[base] = world
    founded = await founding.found(world, name=name, username=username, profile=profile)
    return Coop(world, ring, office, clock), founded.token
