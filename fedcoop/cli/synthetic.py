"""The file that `fedcoop import` reads: co-operatives, their members and their missions, with INSEE and ROME codes.

Read and checked whole before anything is written (`read`); then turned into what our own actors say
(`mission_document`, `pricing_rule`). `examples/federation/synthetic_federation.json` is such a file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from html import escape
from pathlib import Path
from typing import Any, Final

from fedcoop.cli.answer import Failed
from fedcoop.cli.speech import say

EURO: Final = "http://www.wikidata.org/entity/Q4916"
SCOPES: Final = frozenset({"public", "federation", "network", "members"})
ACCEPTED: Final = ("cape", "cesa", "esa", "employee", "selfEmployed")
"""The imported missions are open to every paid status."""


@dataclass(frozen=True, slots=True)
class SourceCoop:
    """A co-operative of the file; its members and missions are taken in by the importing instance."""

    slug: str
    name: str
    commune: str


@dataclass(frozen=True, slots=True)
class SourceMember:
    """A member of the file."""

    slug: str
    name: str
    coop: SourceCoop
    rome: str
    status: str
    since: str


@dataclass(frozen=True, slots=True)
class SourceMission:
    """A mission of the file."""

    number: int
    coop: SourceCoop
    rome: str
    title: str
    commune: str
    days: int
    day_rate: str
    amount: str
    start: datetime
    slots: int
    scope: str


@dataclass(frozen=True, slots=True)
class Federation:
    """A whole file."""

    coops: Mapping[str, SourceCoop]
    members: Sequence[SourceMember]
    missions: Sequence[SourceMission]

    def share(self, slugs: Iterable[str]) -> Federation:
        """Return the part of these co-operatives. Raises Failed when one is not in the file."""
        wanted = list(dict.fromkeys(slugs))
        unknown = [slug for slug in wanted if slug not in self.coops]
        if unknown:
            raise Failed(
                "unknown-coop",
                say(
                    f"Not in the file: {', '.join(unknown)}.",
                    f"Absentes du fichier : {', '.join(unknown)}.",
                ),
                next_step=say("The file has: ", "Le fichier contient : ") + ", ".join(self.coops),
            )
        return Federation(
            {slug: self.coops[slug] for slug in wanted},
            [m for m in self.members if m.coop.slug in wanted],
            [m for m in self.missions if m.coop.slug in wanted],
        )


def read(path: Path) -> Federation:
    """Return the federation in the file. Raises Failed, naming every faulty entry, when anything is wrong."""
    try:
        document = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise Failed(
            "unreadable-file",
            say(f"{path} cannot be read: {error}.", f"{path} est illisible : {error}."),
        ) from error
    if not isinstance(document, dict):
        raise Failed("invalid-file", say(f"{path} is not a federation.", f"{path} n’est pas une fédération."))
    faults: list[str] = []
    coops = {c.slug: c for c in _each(document, "cooperatives", _coop, faults)}
    members = _each(document, "members", lambda entry: _member(entry, coops), faults)
    missions = _each(document, "missions", lambda entry: _mission(entry, coops), faults)
    if faults:
        raise Failed(
            "invalid-file",
            say(
                f"{path} has {len(faults)} faulty entries; nothing was imported. {faults[0]}",
                f"{path} contient {len(faults)} entrées fautives ; rien n’a été importé. {faults[0]}",
            ),
            extra={"faults": faults},
        )
    return Federation(coops, members, missions)


def pricing_rule(coop: SourceCoop, *, effective_from: datetime) -> dict[str, Any]:
    """Return the co-operative's fixed-price rule: what is agreed for the whole mission is what it costs."""
    return {
        "type": "Document",
        "fedcoopType": ["PricingRule"],
        "name": f"Prix fixe – {coop.name}",
        "nameMap": {"fr": f"Prix fixe – {coop.name}", "en": f"Fixed price – {coop.name}"},
        "content": "<p>Le montant convenu pour la mission, sans supplément.</p>",
        "contentMap": {
            "fr": "<p>Le montant convenu pour la mission, sans supplément.</p>",
            "en": "<p>The amount agreed for the mission, without supplement.</p>",
        },
        "ruleVersion": "1",
        "effectiveFrom": instant(effective_from),
        "currency": "EUR",
        "combination": "sum",
        "roundingMode": "halfUp",
        "ruleInputs": [{"inputName": "agreedAmount", "inputUnit": "one", "personal": False}],
        "components": [
            {
                "type": "PriceComponent",
                "componentId": "montant",
                "componentKind": "perUnit",
                "inputName": "agreedAmount",
                "rate": "1.00",
            }
        ],
        "to": ["https://www.w3.org/ns/activitystreams#Public"],
    }


def mission_document(
    mission: SourceMission, *, rule: str, place: Callable[[str], Mapping[str, Any]]
) -> dict[str, Any]:
    """Return the Mission that our co-op publishes for the source co-op; `place` gives the Place of an INSEE code."""
    where = place(mission.commune)
    town, days = where.get("name", mission.commune), mission.days
    total, coop = _french_money(mission.amount), escape(mission.coop.name)
    title = escape(mission.title)
    french = f"<p><strong>{title}</strong>, {escape(str(town))}, {days} j, {total} € HT.</p><p>Mission de {coop}.</p>"
    english = (
        f"<p><strong>{title}</strong>, {escape(str(town))}, {days} days, EUR {mission.amount} excl. VAT.</p>"
        f"<p>A mission of {coop}.</p>"
    )
    return {
        "type": "Note",
        "fedcoopType": ["Proposal", "Mission"],
        "name": mission.title,
        "nameMap": {"fr": mission.title},
        "content": french,
        "contentMap": {"fr": french, "en": english},
        "startTime": instant(mission.start),
        "endTime": instant(mission.start + timedelta(days=days - 1, hours=9)),
        "location": dict(where),
        "purpose": "request",
        "unitBased": False,
        "publishes": {
            "type": "Intent",
            "action": "deliverService",
            "resourceQuantity": {"hasUnit": "day", "hasNumericalValue": str(days)},
        },
        "reciprocal": {
            "type": "Intent",
            "action": "transfer",
            "resourceConformsTo": EURO,
            "resourceQuantity": {"hasUnit": "one", "hasNumericalValue": mission.amount},
        },
        "occupation": {
            "type": "SkillRef",
            "codeSystem": "rome",
            "code": mission.rome,
            "broaderCode": mission.rome[:3],
            "name": mission.title,
        },
        "acceptedStatuses": list(ACCEPTED),
        "slots": mission.slots,
        "pricingRule": rule,
        "relayScope": mission.scope,
        "price": {
            "type": "PriceBreakdown",
            "lines": [
                {
                    "type": "SettlementLine",
                    "lineKind": "unit",
                    "componentRef": "montant",
                    "quantity": str(days),
                    "unitAmount": {"type": "MonetaryAmount", "value": mission.day_rate, "currency": "EUR"},
                    "amount": {"type": "MonetaryAmount", "value": mission.amount, "currency": "EUR"},
                }
            ],
            "totalExclTax": {"type": "MonetaryAmount", "value": mission.amount, "currency": "EUR"},
        },
    }


def instant(when: datetime) -> str:
    """An xsd:dateTime in UTC, to the second."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


# -- reading --------------------------------------------------------------------------------------------------------


def _each(
    document: Mapping[str, Any], name: str, parse: Callable[[Mapping[str, Any]], Any], faults: list[str]
) -> list[Any]:
    entries = document.get(name)
    if not isinstance(entries, list):
        faults.append(say(f"`{name}` is not a list.", f"`{name}` n’est pas une liste."))
        return []
    parsed = []
    for position, entry in enumerate(entries):
        try:
            parsed.append(parse(entry))
        except (KeyError, TypeError, ValueError, InvalidOperation) as error:
            reason = (
                say(f"missing {error}", f"il manque {error}") if isinstance(error, KeyError) else str(error)
            )
            faults.append(f"{name}[{position}]: {reason}")
    return parsed


def _coop(entry: Mapping[str, Any]) -> SourceCoop:
    return SourceCoop(_slug(entry["slug"]), str(entry["name"]), str(entry["inseeCommune"]))


def _member(entry: Mapping[str, Any], coops: Mapping[str, SourceCoop]) -> SourceMember:
    return SourceMember(
        slug=_slug(entry["slug"]),
        name=str(entry["name"]),
        coop=_owner(entry, coops),
        rome=_rome(entry["rome"]),
        status=str(entry["workStatus"]),
        since=str(entry["since"]),
    )


def _mission(entry: Mapping[str, Any], coops: Mapping[str, SourceCoop]) -> SourceMission:
    days, amount, rate = int(entry["days"]), Decimal(str(entry["amount"])), Decimal(str(entry["dayRate"]))
    if days < 1 or int(entry["slots"]) < 1:
        raise ValueError("days and slots are 1 or more")
    if amount != days * rate:
        raise ValueError(f"amount {amount} is not {days} × {rate}")
    if entry["relayScope"] not in SCOPES:
        raise ValueError(f"relayScope {entry['relayScope']!r} is not one of {', '.join(sorted(SCOPES))}")
    start = datetime.fromisoformat(str(entry["start"]))
    if start.tzinfo is None:
        raise ValueError("start has no offset")
    return SourceMission(
        number=int(entry["n"]),
        coop=_owner(entry, coops),
        rome=_rome(entry["rome"]),
        title=str(entry["title"]),
        commune=str(entry["inseeCommune"]),
        days=days,
        day_rate=f"{rate:.2f}",
        amount=f"{amount:.2f}",
        start=start,
        slots=int(entry["slots"]),
        scope=str(entry["relayScope"]),
    )


def _owner(entry: Mapping[str, Any], coops: Mapping[str, SourceCoop]) -> SourceCoop:
    slug = str(entry["coop"])
    if slug not in coops:
        raise ValueError(f"co-operative {slug!r} is not in the file")
    return coops[slug]


def _slug(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,62}", value):
        raise ValueError(f"{value!r} is not a short name of letters, digits, - and _")
    return value


def _rome(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[A-N]\d{4}", value):
        raise ValueError(f"{value!r} is not a ROME code")
    return value


def _french_money(value: str) -> str:
    whole, cents = value.split(".")
    return f"{int(whole):,}".replace(",", "\u202f") + "," + cents
