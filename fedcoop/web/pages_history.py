"""The signed history of a proposal or an engagement, as people read it: who did what, when, and what proves it.

Each entry is one link of the chain (decision D5). Its signature is checked here and now, against the keys that the
actor published when the activity arrived; nothing is fetched and nothing is taken on trust from the store.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from fedcoop.errors import FedcoopError
from fedcoop.flow.tracking import Tracked
from fedcoop.ports import StoredActivity
from fedcoop.protocol.digest import chain_digest
from fedcoop.protocol.messages import Chain, Document, Link
from fedcoop.protocol.model import LIFECYCLES
from fedcoop.protocol.proof import verify_document
from fedcoop.protocol.shape import class_of
from fedcoop.protocol.strict_json import loads
from fedcoop.web import pages_content as read
from fedcoop.web.pages_deliveries import Fate, fate
from fedcoop.web.pages_views import Actors, Moment, Party, State, Views

SHOWN_AT_EACH_END: Final = 8
"""Characters of a digest or a key that are shown at its beginning and at its end: enough to compare by eye."""


@dataclass(frozen=True, slots=True)
class Signature:
    """What the signature of an activity proves. `good`: made by `key`; `bad`: it does not hold; `none`: unsigned."""

    outcome: Literal["good", "bad", "none"]
    key: str
    """Fingerprint of the key, shortened."""
    key_id: str
    why: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One transition."""

    version: int
    activity_id: str
    href: str
    who: Party
    what: str
    details: tuple[str, ...]
    state: State | None
    when: Moment | None
    digest: str
    whole_digest: str
    signature: Signature
    confirmed: bool
    linked: bool
    """True when it names the digest of the one before it, and its own bytes have the digest that the chain holds."""
    fate: Fate | None
    """What became of it, for whoever said it; None for everybody else."""


@dataclass(frozen=True, slots=True)
class History:
    """A whole chain. `sound`: every signature is good, every link holds, and the last one is the chain's head."""

    entries: tuple[Entry, ...]
    version: int
    digest: str
    whole_digest: str
    sound: bool


def history(
    views: Views,
    chain: Chain,
    links: Sequence[Link],
    activities: Sequence[StoredActivity],
    actors: Actors,
    told_of: Mapping[str, Sequence[Tracked]] = {},
) -> History:
    """Return the history of `chain`, oldest first; of the steps in `told_of` also what became of them."""
    by_id = {activity.id: activity for activity in activities}
    told = _Teller(views, chain, actors, told_of)
    entries = tuple(
        told.entry(link, by_id[link.activity_id])
        for link in sorted(links, key=lambda link: link.version)
        if link.activity_id in by_id
    )
    complete = [entry.version for entry in entries] == list(range(1, chain.version + 1))
    sound = complete and all(entry.linked and entry.signature.outcome == "good" for entry in entries)
    reached = bool(entries) and entries[-1].whole_digest == chain.digest
    return History(entries, chain.version, short(chain.digest), chain.digest, sound and reached)


def short(value: str) -> str:
    """Return the beginning and the end of a digest or a key, as people compare them."""
    if len(value) <= 2 * SHOWN_AT_EACH_END + 1:
        return value
    return f"{value[:SHOWN_AT_EACH_END]}…{value[-SHOWN_AT_EACH_END:]}"


class _Teller:
    """Tells one chain from its beginning; what an answer refers to is known from what came before it."""

    def __init__(
        self, views: Views, chain: Chain, actors: Actors, told_of: Mapping[str, Sequence[Tracked]]
    ) -> None:
        self._views = views
        self._told_of = told_of
        self._chain = chain
        self._actors = actors
        self._lifecycle = LIFECYCLES[chain.kind]
        self._kind = "Engagement" if chain.kind == "Engagement" else class_of(chain.document)
        self._state = self._lifecycle.initial[0]
        self._before: str | None = None
        self._named: str | None = None
        self._seen: dict[str, str] = {}

    def entry(self, link: Link, stored: StoredActivity) -> Entry:
        doc = _parsed(stored.body)
        obj = read.document(doc.get("object"))
        about = self._about(doc, obj)
        self._step(stored, obj, about)
        what = self._sentence(stored.type, about, obj)
        linked = _digest(doc) == link.digest and self._follows(doc)
        self._remember(doc, obj, about)
        self._before, self._named = link.digest, stored.id
        return Entry(
            version=link.version,
            activity_id=stored.id,
            href=self._views.source(stored.id),
            who=self._views.party(stored.actor, self._actors),
            what=what,
            details=self._details(doc, obj, about),
            state=self._views.state(self._kind, self._state) if self._state != "none" else None,
            when=self._views.moment(doc.get("published")) or self._views.moment(stored.received_at),
            digest=short(link.digest),
            whole_digest=link.digest,
            signature=self._signature(stored, doc),
            confirmed=link.confirmed,
            linked=linked,
            fate=fate(self._views, tracked) if (tracked := self._told_of.get(stored.id)) else None,
        )

    def _follows(self, doc: Document) -> bool:
        """Whether it names the step before it: by its digest, or, as a plain FEP-0837 answer does, by its id."""
        if "previousDigest" in doc or "stateVersion" in doc or self._before is None:
            return doc.get("previousDigest") == self._before
        return read.identifier(doc.get("object")) == self._named

    def _about(self, doc: Document, obj: Document) -> str:
        """What the activity acts upon, in the words of the lifecycle's edges."""
        if doc.get("type") == "Delete":
            return self._chain.kind
        if obj:
            kind = class_of(obj)
            return self._chain.kind if kind in self._lifecycle.class_names else kind
        return self._seen.get(read.identifier(doc.get("object")) or "", "")

    def _remember(self, doc: Document, obj: Document, about: str) -> None:
        own = read.identifier(doc) or ""
        result = read.identifier(doc.get("result")) or ""
        if doc.get("type") == "Offer":
            self._seen[own] = "Offer"
        elif doc.get("type") == "Accept" and about == "Offer":
            self._seen[own] = self._seen[result] = "Accept"
        elif about == "WorkRecord":
            self._seen[own] = "WorkRecord"
            self._seen[read.identifier(obj) or ""] = "WorkRecord"

    def _step(self, stored: StoredActivity, obj: Document, about: str) -> None:
        for edge in self._lifecycle.edges:
            fits = edge.source == self._state and edge.activity == stored.type and edge.object_class == about
            if fits and all(obj.get(key) == value for key, value in edge.where):
                self._state = edge.target
                return

    def _sentence(self, activity: str, about: str, obj: Document) -> str:
        gettext = self._views.words.gettext
        detail = read.line(obj.get("workPhase")) or read.line(obj.get("receiptKind"))
        sentences: Mapping[tuple[str, str, str], Callable[[], str]] = {
            ("Create", "Mission", ""): lambda: gettext("publishes the mission"),
            ("Update", "Mission", ""): self._update,
            ("Delete", "Mission", ""): lambda: gettext("withdraws the mission"),
            ("Create", "Listing", ""): lambda: gettext("publishes the proposal"),
            ("Update", "Listing", ""): lambda: gettext("changes the proposal"),
            ("Delete", "Listing", ""): lambda: gettext("withdraws the proposal"),
            ("Offer", "Engagement", ""): self._offer,
            ("TentativeAccept", "Offer", ""): lambda: gettext("shortlists the application"),
            ("TentativeReject", "Offer", ""): lambda: gettext("makes a counter-offer"),
            ("Accept", "Offer", ""): lambda: gettext("accepts: the engagement is agreed"),
            ("Reject", "Offer", ""): lambda: gettext("declines the application"),
            ("Undo", "Offer", ""): lambda: gettext("withdraws the application"),
            ("Undo", "Accept", ""): lambda: gettext("ends the engagement"),
            ("Create", "WorkRecord", "started"): lambda: gettext("starts the work"),
            ("Create", "WorkRecord", "progress"): lambda: gettext("reports progress"),
            ("Create", "WorkRecord", "delivered"): lambda: gettext("delivers the work"),
            ("Accept", "WorkRecord", ""): lambda: gettext("accepts the work and attests it"),
            ("Reject", "WorkRecord", ""): lambda: gettext("asks for the work to be redone"),
            ("Create", "Receipt", "invoiceIssued"): lambda: gettext("issues the invoice"),
            ("Create", "Receipt", "paymentConfirmed"): lambda: gettext("confirms the payment"),
        }
        found = sentences.get((activity, about, detail)) or sentences.get((activity, about, ""))
        return found() if found else f"{read.line(activity)} {read.line(about)}".strip()

    def _update(self) -> str:
        gettext, state = self._views.words.gettext, self._views.state(self._kind, self._state)
        if self._state == "published":
            return gettext("changes the mission")
        return gettext("declares the mission %(state)s", state=state.name)

    def _offer(self) -> str:
        gettext = self._views.words.gettext
        again = "Offer" in self._seen.values()
        return gettext("makes a new offer") if again else gettext("applies")

    def _details(self, doc: Document, obj: Document, about: str) -> tuple[str, ...]:
        gettext, views = self._views.words.gettext, self._views
        found: list[str] = []
        reason = read.line(doc.get("reasonCode")) or read.line(obj.get("reasonCode"))
        if reason:
            found.append(gettext("Reason: %(reason)s", reason=views.words.code("Reason", reason)))
        shown = read.document(doc.get("result")) if about == "Offer" else obj
        if about in ("Engagement", "Offer") and (price := views.price(shown)):
            found.append(gettext("Price: %(price)s excluding tax", price=price.total))
        if about == "WorkRecord" and (done := views.quantity(obj.get("effortQuantity"))):
            found.append(gettext("Work done: %(quantity)s", quantity=done))
        if about == "Receipt":
            number, total = read.line(obj.get("invoiceNumber")), views.money(obj.get("totalInclTax"))
            total = total or views.money(obj.get("totalExclTax"))
            found += [gettext("Invoice %(number)s", number=number)] if number else []
            found += [gettext("Total: %(total)s", total=total)] if total else []
        return tuple(found)

    def _signature(self, stored: StoredActivity, doc: Document) -> Signature:
        gettext = self._views.words.gettext
        proof = read.document(doc.get("proof"))
        if not proof:
            return Signature("none", "", "", gettext("This activity is not signed."))
        key_id = read.line(proof.get("verificationMethod"))
        known = self._actors.get(stored.actor)
        actor = stored.keys.actor if stored.keys else known.document if known else None
        # (1) The keys must be the sender's: another actor's good signature proves nothing about this one.
        if actor is None or actor.get("id") != stored.actor:
            return Signature("bad", "", key_id, gettext("The sender’s keys are not known here."))
        try:
            # (2) As of the moment it arrived: a key that was retired later was good then.
            verify_document(doc, actor, now=stored.received_at)
        except FedcoopError:
            return Signature(
                "bad", short(_multibase(actor, key_id)), key_id, gettext("The signature does not hold.")
            )
        return Signature("good", short(_multibase(actor, key_id)), key_id, "")


def _multibase(actor: Document, key_id: str) -> str:
    for key in read.documents(actor.get("assertionMethod")):
        if key.get("id") == key_id:
            return read.line(key.get("publicKeyMultibase"))
    return key_id.rpartition(":")[2].partition("#")[0] if key_id.startswith("did:key:") else ""


def _parsed(body: bytes) -> Document:
    try:
        return loads(body)
    except FedcoopError:
        return {}


def _digest(doc: Document) -> str:
    try:
        return chain_digest(doc)
    except FedcoopError:
        return ""
