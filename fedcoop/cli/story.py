"""The main job as a story: Awa, carried by a CAE in Lyon, works for a co-operative in Nantes (vocabulary.md §4).

A list of steps over HTTP, nothing else: each step is one document posted to one outbox, then both sides are asked for
their state until they agree and it is the state that the step promises. The demo prints it; tests replay it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from fedcoop.cli import client
from fedcoop.cli.answer import Failed
from fedcoop.cli.speech import say

EURO: Final = "http://www.wikidata.org/entity/Q4916"
DAYS: Final = "3"
DAY_RATE: Final = "380.00"
TOTAL: Final = "1140.00"
VAT: Final = "228.00"
WITH_VAT: Final = "1368.00"
PATIENCE: Final = 20.0
"""Seconds that both sides have to agree after a step."""


@dataclass(frozen=True, slots=True)
class Party:
    """Somebody who speaks: a local actor of an instance, with the token to speak for them."""

    name: str
    base: str
    actor: str
    token: str


@dataclass(frozen=True, slots=True)
class Head:
    """Where a chain stands at one server."""

    state: str
    version: int
    digest: str

    def __str__(self) -> str:
        return f"{self.state} v{self.version}"


@dataclass
class Plot:
    """The cast, and the ids that come into being as the story goes."""

    requester: Party
    """The co-op that publishes the mission (Nantes)."""
    worker: Party
    """The member who does the work (Awa)."""
    carrier: Party
    """The co-op that employs the worker (Lyon)."""
    now: datetime
    ids: dict[str, str] = field(default_factory=dict)
    """mission, offer, accept, engagement, record: the newest of each."""

    @property
    def sides(self) -> tuple[Party, Party]:
        """Whose servers must agree: the mission's owner and the worker."""
        return (self.requester, self.worker)


@dataclass(frozen=True, slots=True)
class Step:
    """One thing said by one party, and the states that it leads to on both sides."""

    title: str
    speaker: Callable[[Plot], Party]
    document: Callable[[Plot], dict[str, Any]]
    mission: str
    """State of the mission afterwards."""
    engagement: str
    """State of the engagement afterwards; empty before there is one."""
    learn: Callable[[Plot, Mapping[str, Any]], None] = lambda plot, said: None
    """Takes the new ids from the activity as the server completed it."""


@dataclass(frozen=True, slots=True)
class Told:
    """A step that was played: the activity, and the chains as both sides have them."""

    step: Step
    activity: Mapping[str, Any]
    mission: Mapping[str, Head]
    """By party name."""
    engagement: Mapping[str, Head]
    seconds: float
    """From the post until both sides agreed."""


# -- the documents --------------------------------------------------------------------------------------------------


def mission_web(plot: Plot) -> dict[str, Any]:
    """The mission of the story: a booking module for the website, three days remote, for 1 140.00 EUR."""
    start = plot.now + timedelta(minutes=50)
    return {
        "type": "Note",
        "fedcoopType": ["Proposal", "Mission"],
        "name": "Module de réservation du site",
        "nameMap": {"fr": "Module de réservation du site", "en": "Booking module for the website"},
        "content": "<p><strong>Module de réservation du site</strong>, 3 jours à distance, 1 140,00 € HT.</p>",
        "contentMap": {
            "fr": "<p><strong>Module de réservation du site</strong>, 3 jours à distance, 1 140,00 € HT.</p>",
            "en": "<p><strong>Booking module for the website</strong>, 3 days remote, EUR 1,140.00 excl. VAT.</p>",
        },
        "startTime": instant(start),
        "endTime": instant(start + timedelta(days=3)),
        "location": {
            "type": "Place",
            "name": "Nantes",
            "latitude": 47.218,
            "longitude": -1.554,
            "inseeCommune": "44109",
            "addressCountry": "FR",
        },
        "purpose": "request",
        "unitBased": False,
        "publishes": {
            "type": "Intent",
            "action": "deliverService",
            "resourceConformsTo": "http://data.europa.eu/esco/occupation/c40a2919-48a9-40ea-b506-1f34f693496d",
            "resourceQuantity": {"hasUnit": "day", "hasNumericalValue": DAYS},
        },
        "reciprocal": {
            "type": "Intent",
            "action": "transfer",
            "resourceConformsTo": EURO,
            "resourceQuantity": {"hasUnit": "one", "hasNumericalValue": TOTAL},
        },
        "occupation": {
            "type": "SkillRef",
            "codeSystem": "rome",
            "code": "M1855",
            "broaderCode": "M1805",
            "name": "Développeur / Développeuse web",
        },
        "spokenLanguages": ["fr"],
        "workMode": "remote",
        "acceptedStatuses": ["cape", "cesa", "esa", "selfEmployed", "wagePortage"],
        "slots": 1,
        "applyBefore": instant(plot.now + timedelta(minutes=40)),
        "relayScope": "federation",
        "deliverableLicense": "https://spdx.org/licenses/AGPL-3.0-or-later",
        "price": price(),
    }


def price() -> dict[str, Any]:
    """3 × 380.00 = 1 140.00 EUR."""
    return {
        "type": "PriceBreakdown",
        "lines": [
            {
                "type": "SettlementLine",
                "lineKind": "unit",
                "componentRef": "jours",
                "quantity": DAYS,
                "unitAmount": euros(DAY_RATE),
                "amount": euros(TOTAL),
            }
        ],
        "totalExclTax": euros(TOTAL),
    }


def terms(plot: Plot, *, end: timedelta = timedelta(0)) -> dict[str, Any]:
    """What Awa offers (and what Nantes asks her to change: the end). Her server attaches her membership credential."""
    mission = plot.ids["mission"]
    start = plot.now + timedelta(minutes=50)
    return {
        "type": "Agreement",
        "fedcoopType": ["Engagement"],
        "context": mission,
        "mission": mission,
        "worker": plot.worker.actor,
        "carrier": plot.carrier.actor,
        "workStatus": "cape",
        "contributionRate": "0.10",
        "contributionBasis": "turnoverExclTax",
        "engagementState": "proposed",
        "noticePeriod": "P7D",
        "startTime": instant(start),
        "endTime": instant(start + timedelta(days=3) + end),
        "content": "<p>Disponible, voir mes réalisations.</p>",
        "plainSummary": {
            "fr": "Awa livre le module en 3 jours. Coop’Ouvrage Lyon facture 1 140,00 € HT et garde 10 %.",
            "en": "Awa delivers the module in 3 days. Coop’Ouvrage Lyon invoices EUR 1,140.00 and keeps 10%.",
        },
        "stipulates": {
            "type": "Commitment",
            "satisfies": f"{mission}#primary",
            "action": "deliverService",
            "resourceQuantity": {"hasUnit": "day", "hasNumericalValue": DAYS},
        },
        "stipulatesReciprocal": {
            "type": "Commitment",
            "satisfies": f"{mission}#reciprocal",
            "action": "transfer",
            "resourceQuantity": {"hasUnit": "one", "hasNumericalValue": TOTAL},
        },
    }


def offer(plot: Plot) -> dict[str, Any]:
    """Awa applies; the second time she answers the counter-offer."""
    again = plot.ids.get("offer")
    if again is None:
        return {"type": "Offer", "object": terms(plot)}
    return {"type": "Offer", "object": terms(plot, end=timedelta(days=1)), "inReplyTo": again}


def counter(plot: Plot) -> dict[str, Any]:
    """Nantes would rather have it a day later."""
    return {
        "type": "TentativeReject",
        "object": plot.ids["offer"],
        "result": {**terms(plot, end=timedelta(days=1)), "engagementState": "countered"},
        "content": "<p>Un jour de plus pour la recette nous arrangerait.</p>",
    }


def record(phase: str, text: str) -> Callable[[Plot], dict[str, Any]]:
    """A work record of Awa's in that phase."""

    def document(plot: Plot) -> dict[str, Any]:
        said: dict[str, Any] = {
            "type": "EconomicEvent",
            "fedcoopType": ["WorkRecord"],
            "context": plot.ids["engagement"],
            "engagement": plot.ids["engagement"],
            "mission": plot.ids["mission"],
            "dataSubject": plot.worker.actor,
            "action": "deliverService",
            "fulfills": f"{plot.ids['engagement']}#primary",
            "provider": plot.worker.actor,
            "receiver": plot.requester.actor,
            "workPhase": phase,
            "content": f"<p>{text}</p>",
        }
        if phase == "delivered":
            said |= {
                "finished": True,
                "resourceQuantity": {"hasUnit": "day", "hasNumericalValue": DAYS},
                "effortQuantity": {"hasUnit": "hour", "hasNumericalValue": "22.5"},
            }
        return {"type": "Create", "object": said}

    return document


def receipt(kind: str, state: str) -> Callable[[Plot], dict[str, Any]]:
    """The invoice that Lyon issues, or the payment that Nantes confirms: the same totals."""

    def document(plot: Plot) -> dict[str, Any]:
        return {
            "type": "Create",
            "object": {
                "type": "Document",
                "fedcoopType": ["Receipt"],
                "name": "Reçu F2026-118",
                "context": plot.ids["engagement"],
                "engagement": plot.ids["engagement"],
                "mission": plot.ids["mission"],
                "receiptKind": kind,
                "invoiceNumber": "F2026-118",
                "totalExclTax": euros(TOTAL),
                "vatAmount": euros(VAT),
                "totalInclTax": euros(WITH_VAT),
                "paymentState": state,
            },
        }

    return document


def about(kind: str, name: str, **more: Any) -> Callable[[Plot], dict[str, Any]]:
    """An answer to something said before."""
    return lambda plot: {"type": kind, "object": plot.ids[name], **more}


def euros(value: str) -> dict[str, Any]:
    """An amount of money."""
    return {"type": "MonetaryAmount", "value": value, "currency": "EUR"}


def instant(when: datetime) -> str:
    """An xsd:dateTime in UTC, to the second."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


# -- the steps ------------------------------------------------------------------------------------------------------


def _object_id(said: Mapping[str, Any], member: str) -> str:
    value = said.get(member)
    return str(value.get("id")) if isinstance(value, Mapping) else str(value)


def _learn_mission(plot: Plot, said: Mapping[str, Any]) -> None:
    plot.ids["mission"] = _object_id(said, "object")


def _learn_offer(plot: Plot, said: Mapping[str, Any]) -> None:
    plot.ids["offer"] = str(said["id"])
    plot.ids.setdefault("chain", str(said["id"]))


def _learn_accept(plot: Plot, said: Mapping[str, Any]) -> None:
    plot.ids["accept"] = str(said["id"])
    plot.ids["engagement"] = _object_id(said, "result")


def _learn_record(plot: Plot, said: Mapping[str, Any]) -> None:
    plot.ids["record"] = _object_id(said, "object")


def _requester(plot: Plot) -> Party:
    return plot.requester


def _worker(plot: Plot) -> Party:
    return plot.worker


def _carrier(plot: Plot) -> Party:
    return plot.carrier


STEPS: Final[tuple[Step, ...]] = (
    Step(
        say("Nantes publishes the mission", "Nantes publie la mission"),
        _requester,
        lambda plot: {"type": "Create", "object": mission_web(plot)},
        "published",
        "",
        _learn_mission,
    ),
    Step(
        say(
            "Awa applies, carried by Lyon, with her credential",
            "Awa candidate, portée par Lyon, avec son attestation",
        ),
        _worker,
        offer,
        "published",
        "proposed",
        _learn_offer,
    ),
    Step(
        say("Nantes shortlists her", "Nantes la présélectionne"),
        _requester,
        about("TentativeAccept", "offer"),
        "published",
        "proposed",
    ),
    Step(
        say(
            "Nantes makes a counter-offer: one day more",
            "Nantes fait une contre-proposition : un jour de plus",
        ),
        _requester,
        counter,
        "published",
        "countered",
    ),
    Step(
        say("Awa offers again on these terms", "Awa propose de nouveau à ces conditions"),
        _worker,
        offer,
        "published",
        "proposed",
        _learn_offer,
    ),
    Step(
        say(
            "Nantes accepts: the engagement exists, the mission is assigned",
            "Nantes accepte : l’engagement existe, la mission est attribuée",
        ),
        _requester,
        about("Accept", "offer"),
        "assigned",
        "accepted",
        _learn_accept,
    ),
    Step(
        say("Awa starts", "Awa commence"),
        _worker,
        record("started", "Je commence."),
        "started",
        "active",
        _learn_record,
    ),
    Step(
        say("Awa delivers", "Awa livre"),
        _worker,
        record("delivered", "Module livré et documenté."),
        "delivered",
        "delivered",
        _learn_record,
    ),
    Step(
        say("Nantes asks for rework", "Nantes demande une reprise"),
        _requester,
        about("Reject", "record", reasonCode="qualityDispute", content="<p>La page d’annulation manque.</p>"),
        "started",
        "active",
    ),
    Step(
        say("Awa delivers again", "Awa livre de nouveau"),
        _worker,
        record("delivered", "Page d’annulation ajoutée."),
        "delivered",
        "delivered",
        _learn_record,
    ),
    Step(
        say("Nantes accepts the work and attests it", "Nantes accepte le travail et l’atteste"),
        _requester,
        about("Accept", "record"),
        "accepted",
        "completed",
    ),
    Step(
        say("Lyon issues the invoice", "Lyon émet la facture"),
        _carrier,
        receipt("invoiceIssued", "pending"),
        "accepted",
        "completed",
    ),
    Step(
        say("Nantes confirms the payment: settled", "Nantes confirme le paiement : réglé"),
        _requester,
        receipt("paymentConfirmed", "paid"),
        "settled",
        "settled",
    ),
)


# -- playing --------------------------------------------------------------------------------------------------------


def play(plot: Plot, *, patience: float = PATIENCE) -> Iterator[Told]:
    """Play every step in order and yield it once both sides agree on what it led to.

    Raises:
        Failed: a server refused the step, or the sides did not come to the same state and version in time.
    """
    for number, step in enumerate(STEPS, 1):
        yield perform(plot, step, number=number, patience=patience)


def perform(plot: Plot, step: Step, *, number: int = 0, patience: float = PATIENCE) -> Told:
    """Play one step: post, then ask both sides until they agree."""
    speaker = step.speaker(plot)
    began = time.monotonic()
    reply = client.post_outbox(
        f"{speaker.actor}/outbox",
        step.document(plot),
        token=speaker.token,
        key=f"story-{number}-{plot.now.isoformat()}",
    )
    if not reply.ok:
        raise client.refused(reply, step.title)
    activity = reply.json()
    step.learn(plot, activity)
    mission = agreement(plot, plot.ids["mission"], step.mission, step.title, patience)
    engagement: dict[str, Head] = {}
    if step.engagement:
        engagement = agreement(plot, plot.ids["chain"], step.engagement, step.title, patience)
    return Told(step, activity, mission, engagement, time.monotonic() - began)


def agreement(plot: Plot, chain: str, state: str, title: str, patience: float) -> dict[str, Head]:
    """Return both sides' heads of a chain once they are equal and in `state`. Raises Failed when time is over."""
    seen: dict[str, Head | None] = {}

    def ask() -> dict[str, Head] | None:
        heads: dict[str, Head] = {}
        for party in plot.sides:
            head = head_of(party, chain)
            seen[party.name] = head
            if head is None or head.state != state:
                return None
            heads[party.name] = head
        return heads if len(set(heads.values())) == 1 else None

    heads = client.poll(ask, seconds=patience)
    if heads is None:
        found = ", ".join(f"{name}: {head or '–'}" for name, head in seen.items())
        raise Failed(
            "sides-disagree",
            say(
                f"{title}: after {patience:.0f} s both sides should be {state}; {found}.",
                f"{title} : après {patience:.0f} s les deux côtés devraient être {state} ; {found}.",
            ),
        )
    return heads


def head_of(party: Party, iri: str) -> Head | None:
    """Return where the chain stands at the party's own server, or None when it is not known there."""
    chain = (client.lookup(party.base, iri, token=party.token) or {}).get("fedcoopChain")
    return Head(str(chain["state"]), int(chain["stateVersion"]), str(chain["digest"])) if chain else None
