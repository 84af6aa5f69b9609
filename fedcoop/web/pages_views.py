"""What a page says of a document: every value already read safely and written in the reader's language.

Each view is made from documents that strangers wrote (`pages_content`) and words of one language (`pages_text`); the
templates only lay it out. Nothing here asks the store.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from urllib.parse import quote

from babel import Locale, UnknownLocaleError
from markupsafe import Markup

from fedcoop.flow.world import Instance
from fedcoop.ports import BoardEntry, StoredActor, StoredObject
from fedcoop.protocol.identity import identities
from fedcoop.protocol.listing import currency_of
from fedcoop.protocol.messages import Chain, Document
from fedcoop.web import pages_content as read
from fedcoop.web.pages_content import Said
from fedcoop.web.pages_text import Words

CAE_STATUSES: Final = ("cape", "cesa", "esa")
"""Statuses of people whose work a business and employment co-operative (CAE) carries."""
STATE_LISTS: Final[Mapping[str, str]] = {
    "Mission": "MissionState",
    "ServiceOffer": "ListingState",
    "Need": "ListingState",
    "Engagement": "EngagementState",
}
OPEN_STATES: Final = frozenset(
    {"published", "proposed", "countered", "accepted", "active", "assigned", "started"}
)
DONE_STATES: Final = frozenset({"settled", "completed", "delivered"})

Actors = Mapping[str, StoredActor]


@dataclass(frozen=True, slots=True)
class Party:
    """An actor as a page names it: name, where it lives, and its page."""

    id: str
    name: Said
    host: str
    handle: str
    href: str | None
    kind: str
    local: bool


@dataclass(frozen=True, slots=True)
class Moment:
    """A point in time: as people write it, and as machines read it."""

    text: str
    iso: str
    passed: bool = False


@dataclass(frozen=True, slots=True)
class State:
    """A state of a lifecycle; `tone` chooses its colour, never its meaning."""

    code: str
    name: str
    tone: str


@dataclass(frozen=True, slots=True)
class Status:
    """A work status that a mission accepts; `cae` is true for those that a CAE carries."""

    code: str
    name: str
    cae: bool


@dataclass(frozen=True, slots=True)
class PriceLine:
    """One line of a price."""

    label: str
    quantity: str
    unit_amount: str
    amount: str


@dataclass(frozen=True, slots=True)
class Price:
    """A public price. `per` is the unit it is for (`par jour`), "" when it is for the whole."""

    total: str
    per: str
    lines: tuple[PriceLine, ...]
    vat: str
    total_with_tax: str


@dataclass(frozen=True, slots=True)
class Place:
    """A place as public documents give it: the commune, not the address."""

    name: Said
    insee: str
    postal_code: str
    country: str


@dataclass(frozen=True, slots=True)
class Skill:
    """An occupation or skill. `code` is "" when it has none; `rome` are its ROME codes from wide to narrow."""

    name: Said
    code: str
    system: str
    href: str | None
    level: str
    essential: bool
    rome: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """A linked document: a rule, a policy, a licence."""

    label: str
    href: str
    name: str


@dataclass(frozen=True, slots=True)
class Row:
    """A proposal on the board."""

    id: str
    href: str
    title: Said
    kind: str
    kind_name: str
    owner: Party
    coop: Party | None
    """The co-operative it comes from, when its owner is one of its members."""
    place: Place | None
    distance: str
    period: Moment | None
    mode: str
    price: Price | None
    occupation: Skill | None
    statuses: tuple[Status, ...]
    slots: int | None
    apply_before: Moment | None
    state: State


@dataclass(frozen=True, slots=True)
class Proposal:
    """A Mission, ServiceOffer or Need, whole."""

    row: Row
    content: Markup
    content_language: str | None
    skills: tuple[Skill, ...]
    languages: tuple[str, ...]
    quantity: str
    effort: str
    available: str
    published: Moment | None
    updated: Moment | None
    availability: tuple[str, ...]
    eligible: tuple[Place, ...]
    floor: str
    coverage: tuple[str, ...]
    scope: str
    rules: tuple[Rule, ...]
    mediation: str | None
    statuses_unknown: bool


@dataclass(frozen=True, slots=True)
class Engagement:
    """The agreement between the one who works, the one who asked, and the co-operative that carries it."""

    id: str
    href: str
    state: State
    worker: Party | None
    requester: Party | None
    carrier: Party | None
    title: Said
    proposal: str | None
    status: str
    price: Price | None
    quantity: str
    contribution: str
    notice: str
    content: Markup
    content_language: str | None
    summary: Said
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class Coop:
    """The co-operative's own page."""

    party: Party
    kinds: tuple[str, ...]
    place: Place | None
    territory: tuple[Place, ...]
    contribution: str
    siren: str
    legal_form: str
    naf: str
    summary: Markup
    summary_language: str | None
    accepts_mobility: bool
    mediation: str | None
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class Member:
    """A member's profile: what the public actor document says, by name, and nothing else."""

    party: Party
    home: Party | None
    occupation: Skill | None
    skills: tuple[Skill, ...]
    languages: tuple[str, ...]
    place: Place | None
    summary: Markup
    summary_language: str | None
    identities: tuple[str, ...]
    """Keys of the member's own that say so themselves (FEP-c390)."""


@dataclass(frozen=True, slots=True)
class Views:
    """Makes the views of one page: one instance, one language, one moment."""

    words: Words
    instance: Instance
    now: datetime

    # -- parts -----------------------------------------------------------------------------------------------

    def party(self, actor_id: str, actors: Actors) -> Party:
        """Return how to name `actor_id`, known or not."""
        stored = actors.get(actor_id)
        doc: Document = stored.document if stored else {}
        where = read.host(actor_id)
        username = read.line(doc.get("preferredUsername"))
        name = read.said(doc, "name", self.words.language)
        if not name:
            name = Said(username or read.line(actor_id), None)
        return Party(
            id=actor_id,
            name=name,
            host=where,
            handle=f"@{username}@{where}" if username and where else "",
            href=read.link(actor_id),
            kind=self.words.class_name(stored.kind) if stored else "",
            local=self.instance.hosts(actor_id),
        )

    def moment(self, value: Any, *, with_time: bool = True) -> Moment | None:
        """Return a time of a document (or a datetime), or None."""
        found = value if isinstance(value, datetime) else read.instant(value)
        if found is None:
            return None
        text = self.words.moment(found) if with_time else self.words.date(found)
        return Moment(text, found.isoformat().replace("+00:00", "Z"), found < self.now)

    def period(self, doc: Document, *, weekdays: bool = False) -> Moment | None:
        """Return when it happens, from `startTime` and `endTime`."""
        start, end = read.instant(doc.get("startTime")), read.instant(doc.get("endTime"))
        if start is None:
            return None
        text = self.words.period(start, end, weekdays=weekdays)
        return Moment(text, start.isoformat().replace("+00:00", "Z"), (end or start) < self.now)

    def state(self, kind: str, code: str) -> State:
        """Return a state of the lifecycle of `kind`."""
        tone = "open" if code in OPEN_STATES else "done" if code in DONE_STATES else "shut"
        code_list = STATE_LISTS.get(kind)
        return State(code, self.words.code(code_list, code) if code_list else code, tone)

    def statuses(self, codes: Any) -> tuple[Status, ...]:
        """Return the work statuses of `acceptedStatuses`, those of a CAE first."""
        found = [
            Status(code, self.words.code("WorkStatus", code), code in CAE_STATUSES)
            for code in read.lines(codes)
        ]
        return tuple(sorted(found, key=lambda status: not status.cae))

    def place(self, value: Any) -> Place | None:
        """Return a Place; an INSEE code that we know gives the commune its official name."""
        doc = read.document(value)
        if not doc:
            name = Said(read.line(value), None)
            return Place(name, "", "", "") if name and not read.link(value) else None
        insee = read.line(doc.get("inseeCommune"))
        known = self.instance.communes.get(insee)
        name = Said(known[0], None) if known else read.said(doc, "name", self.words.language)
        country = read.line(doc.get("addressCountry"))
        if not name and not country:
            return None
        elsewhere = self.words.locale.territories.get(country, country) if country not in ("", "FR") else ""
        return Place(name, insee, read.line(doc.get("postalCode")), elsewhere)

    def skill(self, value: Any) -> Skill | None:
        """Return a SkillRef; ROME codes get the official (French) label."""
        doc = read.document(value)
        code, system = read.line(doc.get("code")), read.line(doc.get("codeSystem"))
        name = read.said(doc, "name", self.words.language)
        rome: tuple[str, ...] = ()
        if system == "rome" and code:
            label = self.instance.rome_labels.get(code)
            name = Said(label, "fr") if label else name
            rome = tuple(dict.fromkeys((code[:1], code[:3], code)))
        href = read.link(doc.get("conceptUri"))
        if not name:
            name = Said(code or (href or ""), None)
        if not name:
            return None
        level = doc.get("skillLevel")
        return Skill(
            name=name,
            code=code,
            system=self.words.code("CodeSystem", system) if system else "",
            href=href,
            level=str(level) if isinstance(level, int) and 1 <= level <= 8 else "",
            essential=doc.get("essential") is True,
            rome=rome,
        )

    def skills(self, value: Any) -> tuple[Skill, ...]:
        """Return the skills of a list."""
        return tuple(skill for skill in map(self.skill, read.documents(value)) if skill)

    def tongues(self, value: Any) -> tuple[str, ...]:
        """Return the names of spoken languages."""
        return tuple(self._tongue(tag) for tag in read.lines(value))

    def money(self, value: Any) -> str:
        """Return a MonetaryAmount, or ""."""
        doc = read.document(value)
        amount, currency = read.number(doc.get("value")), read.line(doc.get("currency"))
        return self.words.money(amount, currency) if amount is not None else ""

    def quantity(self, value: Any) -> str:
        """Return a Measure, or ""."""
        doc = read.document(value)
        amount, unit = read.number(doc.get("hasNumericalValue")), read.line(doc.get("hasUnit"))
        return self.words.quantity(amount, unit) if amount is not None and unit else ""

    def price(self, doc: Document) -> Price | None:
        """Return the public price: its breakdown where there is one, else what the proposal asks in return."""
        breakdown = read.document(doc.get("price"))
        total = self.money(breakdown.get("totalExclTax"))
        if total:
            return Price(
                total=total,
                per="",
                lines=tuple(self._line(item) for item in read.documents(breakdown.get("lines"))),
                vat=self.money(breakdown.get("vatAmount")),
                total_with_tax=self.money(breakdown.get("totalInclTax")),
            )
        reciprocal = read.document(doc.get("reciprocal"))
        measure = read.document(reciprocal.get("resourceQuantity"))
        amount = read.number(measure.get("hasNumericalValue"))
        if amount is None:
            return None
        return self._paid(amount, currency_of(reciprocal), self._per(doc))

    def href(self, object_id: str) -> str:
        """Return the address of the page of a document: its own here, that of our copy for another server's."""
        return object_id if self.instance.hosts(object_id) else f"/copy?id={quote(object_id, safe='')}"

    def source(self, iri: str) -> str:
        """Return where the bytes of an activity can be read here; at its own address a person reads its page."""
        return f"/source?id={quote(iri, safe='')}"

    # -- wholes ----------------------------------------------------------------------------------------------

    def row(self, entry: BoardEntry, actors: Actors) -> Row:
        """Return a row of the board."""
        row = self._row(entry.document, entry.object_id, entry.object_class, entry.owner, entry.state, actors)
        # "0 km" would say that we know better than the commune's centre.
        if entry.distance_km is None or entry.distance_km < 1:
            return row
        return replace(row, distance=self.words.kilometres(entry.distance_km))

    def proposal(self, obj: StoredObject, chain: Chain | None, actors: Actors) -> Proposal:
        """Return a proposal, whole; its state is the chain's, or what the document says when there is none."""
        doc, gettext = obj.document, self.words.gettext
        state = chain.state if chain else read.line(doc.get("missionState")) or "published"
        row = self._row(doc, obj.id, obj.object_class, obj.owner, state, actors)
        row = replace(row, period=self.period(doc, weekdays=True))
        primary = read.document(doc.get("publishes"))
        html, language = read.content(doc, self.words.language)
        scope = read.line(doc.get("relayScope"))
        links = (
            (gettext("Pricing rule"), "pricingRule"),
            (gettext("Matching rule: how people are chosen"), "matchingRule"),
            (gettext("Data policy"), "dataPolicy"),
            (gettext("Licence of what is made"), "deliverableLicense"),
            (gettext("Part of a larger mission"), "partOfMission"),
        )
        return Proposal(
            row=row,
            content=html,
            content_language=self._language(language, obj.id),
            skills=self.skills(doc.get("skills")),
            languages=self.tongues(doc.get("spokenLanguages")),
            quantity="" if doc.get("unitBased") is True else self._work(primary.get("resourceQuantity")),
            effort=self.quantity(primary.get("effortQuantity")),
            available=self.quantity(primary.get("availableQuantity")),
            published=self.moment(doc.get("published")),
            updated=self.moment(doc.get("updated")),
            availability=self._intervals(doc.get("availability")),
            eligible=tuple(p for p in map(self.place, read.documents(doc.get("eligibleTerritory"))) if p),
            floor=self.money(doc.get("hourlyFloor")),
            coverage=tuple(
                self.words.code("Coverage", code) for code in read.lines(doc.get("socialCoverage"))
            ),
            scope=self.words.code("RelayScope", scope) if scope else "",
            rules=tuple(rule for label, key in links if (rule := self._rule(label, doc.get(key)))),
            mediation=read.link(doc.get("mediationContact")),
            statuses_unknown=obj.object_class == "Mission" and not row.statuses,
        )

    def engagement(self, chain: Chain, actors: Actors, answered: StoredObject | None) -> Engagement:
        """Return an engagement from its chain; `answered` is the proposal, when we have it."""
        doc, gettext = chain.document, self.words.gettext
        html, language = read.content(doc, self.words.language)
        status = read.line(doc.get("workStatus"))
        parties = {role: self.party(actor, actors) for role, actor in chain.parties.items()}
        own_id = read.identifier(doc) or chain.id
        title = read.title(answered.document, self.words.language) if answered else Said("", None)
        price = self.price(doc) or self._agreed_price(doc, answered)
        stipulated = read.document(doc.get("stipulates"))
        return Engagement(
            id=own_id,
            # Until it is accepted an engagement has no address of its own: it is found by its first offer.
            href=own_id
            if own_id != chain.id and self.instance.hosts(own_id)
            else f"/copy?id={quote(own_id, safe='')}",
            state=self.state("Engagement", chain.state),
            worker=parties.get("worker"),
            requester=parties.get("requester"),
            carrier=parties.get("carrier"),
            title=title if title else Said(gettext("Engagement"), self.words.language),
            proposal=self.href(chain.proposal) if chain.proposal else None,
            status=self.words.code("WorkStatus", status) if status else "",
            price=price,
            quantity=self._work(stipulated.get("resourceQuantity")),
            contribution=self._contribution(doc),
            notice=self.duration(doc.get("noticePeriod")),
            content=html,
            content_language=language,
            summary=read.said({"textMap": doc.get("plainSummary")}, "text", self.words.language),
            rules=tuple(
                rule for rule in (self._rule(gettext("Pricing rule"), doc.get("pricingRule")),) if rule
            ),
        )

    def coop(self, actor: StoredActor) -> Coop:
        """Return the co-operative as its actor document describes it."""
        doc, gettext = actor.document, self.words.gettext
        html, language = read.content(doc, self.words.language, name="summary")
        links = (
            (gettext("Governance charter"), "governanceCharter"),
            (gettext("Terms of membership"), "termsOfMembership"),
            (gettext("Data policy"), "dataPolicy"),
        )
        return Coop(
            party=self.party(actor.id, {actor.id: actor}),
            kinds=tuple(self.words.code("CoopKind", code) for code in read.lines(doc.get("cooperativeKind"))),
            place=self.place(doc.get("location")),
            territory=tuple(p for p in map(self.place, read.documents(doc.get("territory"))) if p),
            contribution=self._contribution(doc),
            siren=_grouped(read.line(doc.get("siren"))),
            legal_form=read.line(doc.get("legalForm")),
            naf=read.line(doc.get("nafCode")),
            summary=html,
            summary_language=language,
            accepts_mobility=doc.get("acceptsMobility") is True,
            mediation=read.link(doc.get("mediationContact")),
            rules=tuple(rule for label, key in links if (rule := self._rule(label, doc.get(key)))),
        )

    def member(self, actor: StoredActor, actors: Actors) -> Member:
        """Return a member's profile."""
        doc = actor.document
        html, language = read.content(doc, self.words.language, name="summary")
        home = read.identifier(doc.get("homeCooperative"))
        return Member(
            party=self.party(actor.id, {actor.id: actor}),
            home=self.party(home, actors) if home else None,
            occupation=self.skill(doc.get("occupation")),
            skills=self.skills(doc.get("skills")),
            languages=self.tongues(doc.get("spokenLanguages")),
            place=self.place(doc.get("location")),
            summary=html,
            summary_language=language,
            identities=identities(doc, now=self.now),
        )

    def duration(self, value: Any) -> str:
        """Return an ISO 8601 duration in words (`P7D` is 7 days), as it came when it is not of days or hours."""
        text = read.line(value)
        number = text.strip("PTDH")
        if number.isdigit() and len(number) < 5:
            if text == f"P{number}D":
                return self.words.quantity(Decimal(number), "day")
            if text == f"PT{number}H":
                return self.words.quantity(Decimal(number), "hour")
        return text

    # -- inside ----------------------------------------------------------------------------------------------

    def _row(self, doc: Document, object_id: str, kind: str, owner: str, state: str, actors: Actors) -> Row:
        title = read.title(doc, self.words.language)
        title = Said(title.text, self._language(title.language, object_id))
        slots = doc.get("slots")
        mode = read.line(doc.get("workMode"))
        return Row(
            id=object_id,
            href=self.href(object_id),
            title=title if title else Said(self.words.gettext("Untitled"), self.words.language),
            kind=kind,
            kind_name=self.words.class_name(kind),
            owner=self.party(owner, actors),
            coop=self._home(owner, actors),
            place=self.place(doc.get("location")),
            distance="",
            period=self.period(doc),
            mode=self.words.code("WorkMode", mode) if mode else "",
            price=self.price(doc),
            occupation=self.skill(doc.get("occupation")),
            statuses=self.statuses(doc.get("acceptedStatuses")),
            slots=slots
            if isinstance(slots, int) and not isinstance(slots, bool) and 0 < slots < 10**6
            else None,
            apply_before=self.moment(doc.get("applyBefore")),
            state=self.state(kind, state),
        )

    def _language(self, told: str | None, object_id: str) -> str | None:
        """Without a map, our own members write in our default language (vocabulary.md §3.9); others we do not know."""
        return told or (self.instance.default_language if self.instance.hosts(object_id) else None)

    def _home(self, owner: str, actors: Actors) -> Party | None:
        known = actors.get(owner)
        home = read.identifier(known.document.get("homeCooperative")) if known else None
        return self.party(home, actors) if home and home != owner else None

    def _contribution(self, doc: Document) -> str:
        share = read.number(doc.get("contributionRate"))
        if share is None or not 0 <= share <= 1:
            return ""
        basis = read.line(doc.get("contributionBasis"))
        text = self.words.percent(share)
        if not basis:
            return text
        return self.words.gettext(
            "%(share)s of %(basis)s", share=text, basis=self.words.code("ContributionBasis", basis)
        )

    def _line(self, doc: Document) -> PriceLine:
        kind, component = read.line(doc.get("lineKind")), read.line(doc.get("componentRef"))
        kind_name = self.words.code("LineKind", kind) if kind else ""
        name = component[:1].upper() + component[1:] or kind_name[:1].upper() + kind_name[1:]
        if component and kind in ("surcharge", "discount", "expense"):
            name = f"{name} ({kind_name})"
        amount = read.number(doc.get("quantity"))
        quantity = self.words.number(amount) if amount is not None else ""
        if amount is not None and abs(amount) < 1 and kind in ("surcharge", "discount"):
            quantity = self.words.percent(amount)
        return PriceLine(name, quantity, self.money(doc.get("unitAmount")), self.money(doc.get("amount")))

    def _agreed_price(self, doc: Document, answered: StoredObject | None) -> Price | None:
        measure = read.document(read.document(doc.get("stipulatesReciprocal")).get("resourceQuantity"))
        amount = read.number(measure.get("hasNumericalValue"))
        # What is agreed has an amount; in which currency, the proposal says.
        asked = read.document(answered.document.get("reciprocal")) if answered else {}
        currency = currency_of(asked) if "resourceConformsTo" in asked else "EUR"
        return self._paid(amount, currency, "") if amount is not None else None

    def _paid(self, amount: Decimal, currency: str, per: str) -> Price:
        return Price(
            self.words.money(amount, currency) if currency else self.words.number(amount), per, (), "", ""
        )

    def _per(self, doc: Document) -> str:
        measure = read.document(read.document(doc.get("publishes")).get("resourceQuantity"))
        if doc.get("unitBased") is not True:
            return ""
        gettext = self.words.gettext
        unit = read.line(measure.get("hasUnit"))
        known = {
            "hour": gettext("per hour"),
            "day": gettext("per day"),
            "kilometre": gettext("per kilometre"),
        }
        return known.get(unit, gettext("per unit"))

    def _work(self, measure: Any) -> str:
        """A quantity of work; "1 unit" says nothing and is left out."""
        doc = read.document(measure)
        if doc.get("hasUnit") == "one":
            amount = read.number(doc.get("hasNumericalValue"))
            return "" if amount is None or amount == 1 else self.words.number(amount)
        return self.quantity(doc)

    def _intervals(self, value: Any) -> tuple[str, ...]:
        found = []
        for text in read.lines(value):
            start, _, end = text.partition("/")
            begins, ends = read.instant(start), read.instant(end)
            found.append(self.words.period(begins, ends, weekdays=True) if begins else text)
        return tuple(found)

    def _rule(self, label: str, value: Any) -> Rule | None:
        href = read.link(value)
        return Rule(label, href, href.rpartition("://")[2]) if href else None

    def _tongue(self, tag: str) -> str:
        try:
            name = Locale.parse(tag, sep="-").get_display_name(self.words.locale)
        except (ValueError, UnknownLocaleError):
            name = None
        return name or tag


def _grouped(siren: str) -> str:
    """A SIREN number is read in threes."""
    return " ".join((siren[:3], siren[3:6], siren[6:])) if siren.isdigit() and len(siren) == 9 else siren


def owners(documents: Sequence[BoardEntry]) -> tuple[str, ...]:
    """Return the actors that a page of the board names, each once."""
    return tuple(dict.fromkeys(entry.owner for entry in documents))
