"""The stages of trust, as types, and the changes that a trusted message causes.

    RawRequest -> Claimed -> Verified -> Authorised -> tuple[Change, ...]

Each stage is made in exactly one module (`tests/test_house.py` holds us to it): `Claimed` by `opening.open_request`,
`Verified` by `verification.verify`, `Authorised` by `authorise.authorise`. A function that takes a stage cannot be
called with the one before it, so no check can be left out without mypy saying so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeAlias

Document: TypeAlias = Mapping[str, Any]
"""A JSON object as parsed by `strict_json`; unknown members are kept, never trimmed."""


# -- what arrives ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RawRequest:
    """One HTTP request as it came: nothing decoded, nothing normalised, repeated headers kept."""

    method: str
    target: str
    """Path and query exactly as on the request line (aiohttp's `raw_path`)."""
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header_values(self, name: str) -> tuple[str, ...]:
        """Return every value of the header `name` (any case), in order."""
        return tuple(value for key, value in self.headers if key.lower() == name)


Dialect: TypeAlias = Literal["draft-cavage", "rfc9421"]
"""The two ways in which the fediverse signs requests."""


@dataclass(frozen=True, slots=True)
class RequestSignature:
    """What a request says of its signature, read strictly, in either dialect. Nothing in it is true yet."""

    dialect: Dialect
    key_id: str
    algorithm: str
    """Lower case. When the request names none: "hs2019" in draft-cavage (§2.1.3), "" in RFC 9421; the key decides."""
    covered: tuple[str, ...]
    """What is signed, in the order signed: lower-case names, in RFC 9421 with their parameters where they have any."""
    created: int | None
    expires: int | None
    signature: bytes
    parameters: str = ""
    """RFC 9421: `@signature-params` as received, which is also its one canonical spelling."""
    origin: str = ""
    """RFC 9421: the server that the request was sent to, as far as we are concerned (SIG-16)."""


@dataclass(frozen=True, slots=True)
class Activity:
    """An activity read by its keys: strings where the pipeline needs strings, and the document as it was signed."""

    raw: Document
    body: bytes
    """The bytes as received (or as first serialised by us); what is stored, relayed and shown."""
    id: str
    type: str
    actor: str
    object_id: str | None
    """The id of `object`, whether it came as a string or embedded; None for an anonymous embedded object."""
    object: Document | None
    """The embedded object, when there is one."""
    object_class: str
    """fedcoop class of the embedded object (`shape.class_of`), or "" when it is a reference or unknown."""
    recipients: tuple[str, ...]
    """Everyone in to, cc and audience, in order, without repeats; of our own, whom the client named blindly as well."""
    blind: tuple[str, ...] = ()
    """Those of the recipients whom no copy names (bto and bcc of what our client posted, ActivityPub §6)."""

    @property
    def state_version(self) -> int:
        """Position in its chain: `stateVersion`, 1 when absent (a plain FEP-0837 message starts a chain)."""
        version = self.raw.get("stateVersion", 1)
        return version if isinstance(version, int) and not isinstance(version, bool) else 0

    @property
    def previous_digest(self) -> str | None:
        """`previousDigest`, or None for the first of a chain."""
        value = self.raw.get("previousDigest")
        return value if isinstance(value, str) else None


@dataclass(frozen=True, slots=True)
class Claimed:
    """A well-formed activity whose request is fresh and digests right; who signed it is only claimed."""

    request: RawRequest
    activity: Activity
    signature: RequestSignature
    forwarder: str | None = None
    """Origin of the server that brings what an actor of another one says; then its proof alone tells who speaks."""

    @property
    def key_id(self) -> str:
        """The key that is said to have signed."""
        return self.signature.key_id


@dataclass(frozen=True, slots=True)
class KeyDocument:
    """An actor's published keys as fetched: what a signature is checked against, and kept with what it proved."""

    actor: Document
    """The whole actor document; `actor["id"]` owns every key below."""
    fetched_at: datetime


@dataclass(frozen=True, slots=True)
class Verified:
    """An activity said by its actor: the request's signature says so, or its own proof; `proved` is of the proof."""

    activity: Activity
    keys: KeyDocument
    proved: bool


# -- chains ---------------------------------------------------------------------------------------------------------

ChainKind: TypeAlias = Literal["Mission", "Listing", "Engagement", "FederationAgreement"]


@dataclass(frozen=True, slots=True)
class Chain:
    """The state of one mission, listing or engagement: the fold of its activities (`chain.advance`)."""

    id: str
    """Its object's id; of an Engagement that of its first Offer (its object has none before Accept)."""
    kind: ChainKind
    owner: str
    """The actor that orders the chain: the proposal's `attributedTo`."""
    state: str
    version: int
    digest: str
    """`previousDigest` that the next activity must carry."""
    document: Document
    """The object as of this version; for an Engagement the terms offered, then agreed."""
    parties: Mapping[str, str]
    """Role (owner; proposer, responder, worker, requester, carrier) to actor id."""
    proposal: str | None = None
    """Engagement: id of the Mission, Need or ServiceOffer that it answers."""
    memory: Document = field(default_factory=dict)
    """What later guards need to remember: last offer, accept, record; invoice totals; number of reworks."""


@dataclass(frozen=True, slots=True)
class Link:
    """One transition of a chain as stored."""

    chain_id: str
    version: int
    activity_id: str
    digest: str
    confirmed: bool
    """False while the transition was made by somebody other than the owner and the owner has not been heard."""


# -- what is decided ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Authorised:
    """A verified activity that its sender may perform, with the chain as it will be (None outside chains)."""

    activity: Activity
    keys: KeyDocument | None
    """None for our own actors' activities: their keys are ours."""
    chain: Chain | None
    displaces_from: int | None
    """Version from which a tentative tail gives way to the owner's transition, or None."""
    confirmed: bool
    refs: tuple[str, ...] = ()
    """Further ids by which the chain is found from now on."""


@dataclass(frozen=True, slots=True)
class RecordActivity:
    """Keep the activity for ever, and show it in these collections."""

    activity: Activity
    local: bool
    received_at: datetime
    keys: KeyDocument | None
    inbox_of: tuple[str, ...] = ()
    outbox_of: str | None = None
    client_key: str | None = None
    """Idempotency-Key of the C2S request, unique per actor."""


@dataclass(frozen=True, slots=True)
class PutActor:
    """Keep (or replace) an actor's document."""

    document: Document
    local: bool
    fetched_at: datetime


@dataclass(frozen=True, slots=True)
class PutObject:
    """Keep (or replace) an object under its id."""

    id: str
    owner: str
    object_class: str
    """fedcoop class, AS2 type, or "" for an opaque object."""
    document: Document
    local: bool
    readers: tuple[str, ...]
    """Who may read it: actor ids, collection ids, or the Public IRI."""
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class BuryObject:
    """Replace the object by a Tombstone."""

    id: str
    former_type: str
    deleted_at: datetime


@dataclass(frozen=True, slots=True)
class PutChain:
    """Advance (or begin) a chain by one link; `refs` are further ids by which the chain is found."""

    chain: Chain
    link: Link
    refs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DropLinks:
    """Take a tentative tail off: links of `chain_id` from `from_version` on are kept as refused, with the reason."""

    chain_id: str
    from_version: int
    reason: str


@dataclass(frozen=True, slots=True)
class ResetChain:
    """Put the chain row back to this fold (after DropLinks), or remove it when no link is left (`chain` None)."""

    chain_id: str
    chain: Chain | None


@dataclass(frozen=True, slots=True)
class ConfirmLinks:
    """The owner has been heard: every link of the chain up to `version` is final."""

    chain_id: str
    version: int


@dataclass(frozen=True, slots=True)
class PutListing:
    """Show a proposal on the board and find it: everything searchable, already normalised."""

    object_id: str
    object_class: str
    owner: str
    local: bool
    state: str
    relay_scope: str
    title: str
    text: str
    """Plain text of all languages: titles, content, skills, place."""
    rome: str | None
    commune: str | None
    latitude: float | None
    longitude: float | None
    published: datetime
    start: datetime | None
    apply_before: datetime | None
    readers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DropListing:
    """Take a proposal off the board."""

    object_id: str


@dataclass(frozen=True, slots=True)
class PutFollow:
    """`follower` follows `followed`; state is pending, accepted or rejected."""

    follower: str
    followed: str
    activity_id: str
    state: Literal["pending", "accepted", "rejected"]


@dataclass(frozen=True, slots=True)
class DropFollow:
    """`follower` no longer follows `followed`."""

    follower: str
    followed: str


@dataclass(frozen=True, slots=True)
class Deliver:
    """Owe a copy of an activity to an inbox. Written in the same transaction as the activity (decision D6)."""

    activity_id: str
    sender: str
    """Local actor whose key signs the request."""
    inbox: str
    body: bytes


@dataclass(frozen=True, slots=True)
class KeepEvidence:
    """An id was used again for another body (409 id-reused): both bodies are kept."""

    activity_id: str
    body: bytes
    received_at: datetime


@dataclass(frozen=True, slots=True)
class PutReport:
    """Keep a report for our operator: whom and what another server flags, and why."""

    id: str
    """The Flag's."""
    actor: str
    """Who sent it: an instance actor, for whoever reports there."""
    objects: tuple[str, ...]
    content: str
    received_at: datetime


Change: TypeAlias = (
    RecordActivity
    | PutActor
    | PutObject
    | BuryObject
    | PutChain
    | DropLinks
    | ResetChain
    | ConfirmLinks
    | PutListing
    | DropListing
    | PutFollow
    | DropFollow
    | Deliver
    | KeepEvidence
    | PutReport
)


@dataclass(frozen=True, slots=True)
class Intent:
    """Something a local actor is about to say; `build.build` turns it into an activity.

    `body` holds the members of the activity without id, actor, published, chain fields and proof.
    """

    actor: str
    type: str
    body: Document
    client_key: str | None = None
    blind: tuple[str, ...] = ()
    """Who is to have it without being named in it (bto and bcc)."""


@dataclass(frozen=True, slots=True)
class Effects:
    """What an authorised activity causes: changes to keep, and what our own actors say in answer."""

    changes: Sequence[Change] = ()
    reactions: Sequence[Intent] = ()
