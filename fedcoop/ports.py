"""What the flows ask of the world, in a page. `app.py` decides who answers.

Every method here may wait; nothing in `protocol/` may. Implementations: `store/` (Store), `net/` (KeyResolver, Fetcher,
Courier), `app.py` (Clock, NewId), `store/keyfolder.py` (KeyRing).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol, TypeAlias, TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from fedcoop.protocol.circuit import Circuit
from fedcoop.protocol.messages import Activity, Chain, Change, Document, KeyDocument, Link
from fedcoop.protocol.peerlist import ListWish
from fedcoop.protocol.policy import PeerState
from fedcoop.protocol.relaying import Facets, Style, SubscriptionState, Wish
from fedcoop.protocol.roles import RoleName

T = TypeVar("T")

Clock: TypeAlias = Callable[[], datetime]
"""Returns the time now, timezone-aware UTC."""

NewId: TypeAlias = Callable[[], str]
"""Returns a new unguessable, time-ordered URL-safe name (no slash)."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Another co-op's instance, by origin, and what our operator decided about it (decision D7)."""

    origin: str
    state: PeerState
    network: bool
    """True when it belongs to the same network as we do (relayScope `network`)."""
    note: str
    since: datetime
    reason: str = ""
    """Why, as the peer and the members on both sides are told it; `note` is for the operator alone."""
    decided_by: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """One entry of a peer's history: what was decided, by whom, when, why, and where it came from."""

    origin: str
    state: PeerState
    network: bool
    note: str
    reason: str
    decided_by: str
    decided_at: datetime
    source: str
    """`operator`, or the id of the agreement or of the list that it comes from."""


@dataclass(frozen=True, slots=True)
class Stranger:
    """A server that knocked and that nobody decided about. That it was really that one was not verified."""

    origin: str
    first_at: datetime
    last_at: datetime
    times: int


@dataclass(frozen=True, slots=True)
class HeldList:
    """A shared allow-list that was taken in, and how asking for it stands."""

    id: str
    """Where it is."""
    keeper: str
    name: str
    version: int
    digest: str
    valid_until: datetime
    every: int
    """Seconds between two questions; 0: it is only imported by hand."""
    asked_at: datetime
    taken_at: datetime
    problem: str
    """Why it was not taken when it was last asked for; "": it was."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What a list asks of our operator about one server."""

    list_id: str
    origin: str
    wish: ListWish
    reason: str
    decided_by: str
    decided_at: datetime
    valid_until: datetime | None
    made_at: datetime
    refused: bool = False


@dataclass(frozen=True, slots=True)
class PeerAnswer:
    """How a peer last refused us as its operator decided: the problem's code, and the reason that it gave."""

    origin: str
    code: str
    reason: str
    at: datetime


Way: TypeAlias = Literal["draft-cavage", "rfc9421", "rfc9421-ed25519"]
"""How we sign a request: the dialect, and for RFC 9421 with which of the actor's two keys."""


@dataclass(frozen=True, slots=True)
class Knock:
    """How the server at `origin` was last known to open."""

    origin: str
    way: Way
    learnt_at: datetime


@dataclass(frozen=True, slots=True)
class Account:
    """What somebody signs in with: a name, which is their actor's, and a password; and what they are here."""

    actor: str
    role: RoleName
    password: str | None
    """As argon2id hashed it (PHC string); None until the invitation was followed."""
    since: datetime
    """When the password was set; while there is none, when the invitation was made."""
    invitation: str | None
    """Hash of the invitation in force, if there is one."""
    invited_until: datetime | None


@dataclass(frozen=True, slots=True)
class Token:
    """An access token as it is kept: known again by its hash, and of no use to whoever reads it."""

    hash: str
    actor: str
    created: datetime
    scopes: tuple[str, ...]
    name: str
    expires: datetime | None
    """None: when it is revoked."""
    used: datetime | None
    """Last use, to the hour; None: never."""
    begun_with: str | None = None
    """Of what was begun with another token, and ends with it: that one's hash."""
    client: str | None = None
    """Of what a member allowed a program: the program's `client_id`; its name is in `name`."""
    kind: Literal["token", "grant"] = "token"
    """A grant opens nothing itself: a program's access tokens are begun with it, and end with it."""

    @property
    def id(self) -> str:
        """What it is called in lists: the beginning of its hash."""
        return self.hash[:12]


@dataclass(frozen=True, slots=True)
class Grant:
    """By what a program gets tokens under a grant: a code, then a refresh token that changes at each use."""

    token: str
    """Hash of the token of kind `grant`, without which this row is nothing."""
    turn: str
    """Hash of the changing half of what may be exchanged next; what was exchanged before has another."""
    redeemed: bool
    """Whether the code was used: it is a refresh token then."""
    redirect_uri: str
    challenge: str


@dataclass(frozen=True, slots=True)
class Relay:
    """A relay that we asked to subscribe to."""

    actor: str
    origin: str
    inbox: str
    follow_id: str
    """Our Follow, which its answer names (REL-2)."""
    state: SubscriptionState
    wish: Wish
    """What we asked it for."""
    since: datetime
    answered_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RelayReport:
    """Something that a relay brought and that was not as its author had said it."""

    relay: str
    activity_id: str
    code: str
    """Problem code of the check that failed."""
    at: datetime


@dataclass(frozen=True, slots=True)
class Subscriber:
    """A server that subscribed to the relay that we are."""

    actor: str
    origin: str
    inbox: str
    follow_id: str
    style: Style
    state: SubscriptionState
    wish: Wish
    since: datetime
    asked_at: datetime
    """When its last Follow came."""
    decided_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Relayed:
    """An object that the relay that we are has passed on, as it was filtered last."""

    object_id: str
    owner: str
    facets: Facets


@dataclass(frozen=True, slots=True)
class StoredActor:
    """An actor we host or have met."""

    id: str
    local: bool
    kind: str
    """fedcoop class or AS2 type: Cooperative, Member, Application, Person …"""
    username: str
    document: Document
    inbox: str
    shared_inbox: str | None
    fetched_at: datetime


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object as last accepted; `deleted_at` set means a Tombstone is served."""

    id: str
    owner: str
    object_class: str
    document: Document
    local: bool
    readers: tuple[str, ...]
    updated_at: datetime
    deleted_at: datetime | None
    former_type: str | None


@dataclass(frozen=True, slots=True)
class StoredActivity:
    """An activity as kept: body as it was signed, key document as seen at receipt."""

    id: str
    actor: str
    type: str
    body: bytes
    body_digest: bytes
    """SHA-256 of `body`."""
    local: bool
    received_at: datetime
    keys: KeyDocument | None
    refused: str | None
    """Reason, when it was a tentative transition that the chain's owner did not take."""


@dataclass(frozen=True, slots=True)
class Follow:
    """A follow relation and the activity that made it."""

    follower: str
    followed: str
    activity_id: str
    state: Literal["pending", "accepted", "rejected"]


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a collection, newest first; `next` is an opaque cursor, None at the end."""

    total: int
    items: tuple[Document, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class BoardQuery:
    """A search of the board. Every part narrows; None or empty means any."""

    text: str = ""
    rome: str | None = None
    """A ROME code or the beginning of one: `N`, `N41`, `N4104`."""
    commune: str | None = None
    """INSEE code; without `radius_km` it must be equal."""
    centre: tuple[float, float] | None = None
    """Latitude and longitude of the search's centre."""
    radius_km: float | None = None
    classes: tuple[str, ...] = ("Mission", "ServiceOffer", "Need")
    owner: str | None = None
    open_only: bool = True
    """Only proposals in state published whose time to apply has not passed."""
    readers: tuple[str, ...] | None = None
    """Only what at least one of these may read; None is no restriction (the operator's own view)."""
    limit: int = 50
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class BoardEntry:
    """A row of the board."""

    object_id: str
    object_class: str
    owner: str
    local: bool
    state: str
    relay_scope: str
    title: str
    rome: str | None
    commune: str | None
    published: datetime
    start: datetime | None
    apply_before: datetime | None
    distance_km: float | None
    document: Document


@dataclass(frozen=True, slots=True)
class BoardPage:
    """A page of board rows, newest first (nearest first when a radius is asked)."""

    total: int
    entries: tuple[BoardEntry, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class Owed:
    """A delivery that is due."""

    id: int
    activity_id: str
    sender: str
    inbox: str
    body: bytes
    attempts: int
    first_tried: datetime | None
    enqueued_at: datetime


@dataclass(frozen=True, slots=True)
class Lane:
    """A leased destination: its owed deliveries go out in order, by the holder of the lease only."""

    inbox: str
    failures: int
    lease: str
    """Fencing token: a worker that overslept cannot settle."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """The peer answered 2xx: the deliveries are done."""

    ids: tuple[int, ...]
    at: datetime | None = None
    """When it answered; the time of the settlement when not said."""


@dataclass(frozen=True, slots=True)
class TryAgain:
    """The first of the lane failed for now; the lane waits until `at`."""

    id: int
    at: datetime
    reason: str
    """What the peer said, or what happened."""
    state: Literal["retrying", "parked"] = "retrying"
    """`parked`: the peer's operator does not admit us yet."""
    status: int | None = None
    problem: str | None = None
    first_tried: datetime | None = None
    """From when on it counts as tried; the time of the settlement when not said."""
    silent: bool = False
    """True when its server gave no answer, or only that it is broken: so many of them open its circuit."""


@dataclass(frozen=True, slots=True)
class GivenUp:
    """The peer refused for good, or the horizon passed: nothing more is sent, and the reason is kept."""

    id: int
    reason: str
    state: Literal["refused", "expired"] = "refused"
    status: int | None = None
    problem: str | None = None


Outcome: TypeAlias = Delivered | TryAgain | GivenUp

DeliveryState: TypeAlias = Literal[
    "queued", "retrying", "parked", "held", "delivered", "refused", "expired", "cancelled"
]
"""What became of a delivery. The first three are owed, `held` waits for our operator; the others are its end."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One activity on its way to one destination, or at its end."""

    id: int
    activity_id: str
    activity_type: str | None
    sender: str
    inbox: str
    origin: str
    state: DeliveryState
    attempts: int
    enqueued_at: datetime
    first_tried: datetime | None
    next_at: datetime | None
    """When it is tried again, where the lane waits; None when it is due, or has ended."""
    ended_at: datetime | None
    status: int | None
    """What the peer's last answer was, if there was one: HTTP status, problem code, and its words in `reason`."""
    problem: str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class DeliveryQuery:
    """Which deliveries are asked for. Every part narrows; None or empty means any."""

    activity_id: str | None = None
    origin: str | None = None
    states: tuple[DeliveryState, ...] = ()
    limit: int = 100
    before: int | None = None
    """Only those that were owed before the delivery of this id: the next page."""


@dataclass(frozen=True, slots=True)
class Health:
    """How deliveries to one server go."""

    origin: str
    heard_at: datetime | None
    """When it last said something valid to us, to the minute."""
    delivered_at: datetime | None
    owed: int
    oldest_owed: datetime | None
    circuit: Circuit | None
    seconds: tuple[float, ...]
    """How long its last deliveries took, from when they were owed to its answer, shortest first."""


class PeerBook(Protocol):
    """What is read of other co-ops' servers, by origin, inside and outside of a transaction."""

    async def decisions(self, origin: str) -> tuple[Decision, ...]:
        """Return everything that was decided about a peer, the oldest first."""
        ...

    async def stranger(self, origin: str) -> Stranger | None: ...
    async def strangers(self) -> tuple[Stranger, ...]:
        """Return who knocked and was not decided about, the latest first."""
        ...

    async def peer_answer(self, origin: str) -> PeerAnswer | None: ...
    async def peer_answers(self) -> tuple[PeerAnswer, ...]: ...
    async def follows_with(self, origin: str) -> tuple[Follow, ...]:
        """Return the accepted follows of which one side is at `origin`."""
        ...

    async def chains_with(self, origin: str) -> tuple[Chain, ...]:
        """Return the chains that somebody at `origin` is a party of, the oldest first."""
        ...

    async def agreements(self) -> tuple[Chain, ...]:
        """Return every federation agreement, those that are over as well, the oldest first."""
        ...

    async def held_lists(self) -> tuple[HeldList, ...]:
        """Return the shared allow-lists that were taken in, by address."""
        ...

    async def drafts(self) -> tuple[Draft, ...]:
        """Return what the lists ask, refused or not, by server."""
        ...

    async def shown_of(self, origin: str) -> int:
        """Return how many open proposals of `origin` are on our board."""
        ...


class RelayBook(Protocol):
    """What is read of relays, of ours and of those that we use, inside and outside of a transaction."""

    async def relay(self, actor: str) -> Relay | None: ...
    async def relay_at(self, origin: str) -> Relay | None:
        """Return the relay of ours that is at `origin`; one that has accepted us before others."""
        ...

    async def relays(self) -> tuple[Relay, ...]: ...
    async def relay_reports(self, relay: str) -> tuple[RelayReport, ...]:
        """Return what a relay brought that was false, the newest first."""
        ...

    async def subscriber(self, actor: str) -> Subscriber | None: ...
    async def subscribers(self) -> tuple[Subscriber, ...]:
        """Return who subscribed to us, the oldest first."""
        ...

    async def relayed(self, object_id: str) -> Relayed | None: ...


class Transaction(PeerBook, RelayBook, Protocol):
    """Reads and writes that happen together or not at all. `chain` locks what it returns until the end."""

    async def activity(self, activity_id: str) -> StoredActivity | None: ...
    async def activity_by_client_key(self, actor: str, client_key: str) -> StoredActivity | None: ...
    async def peer(self, origin: str) -> Peer | None: ...
    async def peers(self) -> tuple[Peer, ...]: ...
    async def put_peer(self, peer: Peer) -> None: ...
    async def put_decision(self, decision: Decision) -> None: ...
    async def put_stranger(self, stranger: Stranger) -> None: ...
    async def forget_stranger(self, origin: str) -> None: ...
    async def put_list(self, held: HeldList) -> None: ...
    async def drop_list(self, list_id: str) -> None:
        """Forget a list and what it asks."""
        ...

    async def put_draft(self, draft: Draft) -> None: ...
    async def drop_draft(self, list_id: str, origin: str) -> None: ...
    async def put_peer_answer(self, answer: PeerAnswer) -> None: ...
    async def forget_peer_answer(self, origin: str) -> None: ...
    async def owed_to(self, origin: str) -> tuple[str, ...]:
        """Ids of the activities that are owed to `origin`."""
        ...

    async def waiting_for(self, origin: str) -> int:
        """How many deliveries to `origin` wait, those that are kept back included."""
        ...

    async def keep_back(self, origin: str, activity_id: str | None = None) -> None:
        """Send nothing of what is owed to `origin`, or no copy of that activity, until it is let go."""
        ...

    async def let_go(self, origin: str, now: datetime) -> None:
        """Owe again, in its order, what was kept back."""
        ...

    async def send_again(self, origin: str, codes: Collection[str]) -> int:
        """Owe again what `origin` has refused with one of these problems; return how many deliveries."""
        ...

    async def closed_since(self, since: datetime) -> tuple[Chain, ...]:
        """Missions and listings of local owners, not open any more, older than `since` and moved after it."""
        ...

    async def put_knock(self, knock: Knock) -> None: ...
    async def actor(self, actor_id: str) -> StoredActor | None: ...
    async def local_actors(self) -> tuple[StoredActor, ...]: ...
    async def actor_by_username(self, username: str) -> StoredActor | None: ...
    async def actor_by_inbox(self, inbox: str) -> StoredActor | None:
        """The actor whose inbox or shared inbox that is; of several the one heard of last."""
        ...

    async def knock(self, origin: str) -> Knock | None: ...
    async def object(self, object_id: str) -> StoredObject | None: ...
    async def chain(self, ref: str) -> Chain | None: ...
    async def links(self, chain_id: str) -> tuple[Link, ...]: ...
    async def history(self, chain_id: str) -> tuple[StoredActivity, ...]: ...
    async def engagements(self, proposal: str) -> tuple[Chain, ...]: ...
    async def open_proposals(self) -> tuple[Chain, ...]:
        """Missions and listings of local owners in state published, the oldest first."""
        ...

    async def expiring(self, now: datetime) -> tuple[Chain, ...]:
        """Published missions of local owners whose applyBefore has passed."""
        ...

    async def follow(self, follower: str, followed: str) -> Follow | None: ...
    async def follow_by_activity(self, activity_id: str) -> Follow | None: ...
    async def followers(self, followed: str) -> tuple[Follow, ...]:
        """Accepted follows only, and so `following`: who merely asked is found by `follow`."""
        ...

    async def followers_at(self, followed: str, origin: str, *, limit: int) -> tuple[Follow, ...]:
        """Accepted follows by actors at `origin`, the oldest first, so many at most."""
        ...

    async def following(self, follower: str) -> tuple[Follow, ...]: ...
    async def known_inboxes(self) -> tuple[str, ...]:
        """Where remote actors that we know are reached, shared inboxes in place of those that share them."""
        ...

    async def inboxes_owed(self, activity_id: str) -> tuple[str, ...]:
        """Where a copy of the activity is owed."""
        ...

    async def make(self, changes: Sequence[Change]) -> None: ...

    # -- deliveries -------------------------------------------------------------------------------------------------
    async def lease(self, *, now: datetime, until: datetime, holder: str, limit: int) -> tuple[Lane, ...]: ...
    async def owed(self, lane: Lane, *, limit: int) -> tuple[Owed, ...]: ...
    async def settle(self, lane: Lane, outcomes: Sequence[Outcome], *, now: datetime) -> bool:
        """Apply the outcomes and free the lane if the lease is still ours; False (and nothing done) if not."""
        ...

    async def awaken(self, origin: str) -> None:
        """Make every lane to `origin` that waits after a failure due at once: its server has just been heard."""
        ...

    async def circuit(self, origin: str) -> Circuit | None: ...
    async def put_circuit(self, origin: str, circuit: Circuit, *, probe: str) -> None:
        """Keep the circuit; while it is open nothing is sent to `origin`, and then `probe` (an inbox) goes first."""
        ...

    async def close_circuit(self, origin: str, *, answered: str) -> None:
        """Forget the circuit: the inbox `answered` did; the server's other lanes are due at once."""
        ...

    async def retry(self, ids: Sequence[int]) -> int:
        """Make these deliveries due now, those refused or expired as if they had never been tried; return how many.

        The lane and the circuit wait no longer. What was cancelled or has arrived stays as it is.
        """
        ...

    async def purge_deliveries(self, now: datetime, *, limit: int) -> int:
        """Forget deliveries that ended, and circuits and last words, longer ago than they are kept; return how many."""
        ...

    async def shorten_queues(self, now: datetime) -> int:
        """Give up what too much waits for a destination, the oldest first, erasures never; return how many."""
        ...

    async def next_due(self) -> datetime | None: ...
    async def deliveries(self, query: DeliveryQuery) -> tuple[Delivery, ...]: ...
    async def delivery_counts(self) -> Mapping[str, int]:
        """`{"owed": n, "dead": n}`."""
        ...

    # -- tokens -----------------------------------------------------------------------------------------------------
    async def put_token(self, token: Token) -> None: ...
    async def token(self, token_hash: str) -> Token | None: ...
    async def tokens_of(self, actor: str) -> tuple[Token, ...]: ...
    async def token_used(self, token_hash: str, moment: datetime) -> None: ...
    async def end_token(self, token_hash: str) -> None:
        """Delete it, and whatever was begun with it: sign-ins, grants, and the tokens given under those."""
        ...

    async def forget_tokens(self, now: datetime) -> None:
        """Delete those that have run out."""
        ...

    async def renew_token(self, token_hash: str, *, used: datetime, expires: datetime) -> None:
        """Write down that a grant was used, and until when it lasts now."""
        ...

    async def put_grant(self, grant: Grant) -> None:
        """Keep it, in the place of what was kept of the same."""
        ...

    async def grant(self, token_hash: str) -> Grant | None: ...

    # -- relays -----------------------------------------------------------------------------------------------------
    async def put_relay(self, relay: Relay) -> None: ...
    async def forget_relay(self, actor: str) -> None:
        """Have no subscription there any more; what it brought that was false stays on record."""
        ...

    async def put_relay_report(self, report: RelayReport, *, keep: int) -> bool:
        """Keep it and no more than `keep` of that relay, the newest; False when it is known already."""
        ...

    async def put_subscriber(self, subscriber: Subscriber) -> None: ...
    async def forget_subscriber(self, actor: str) -> None: ...
    async def put_relayed(self, relayed: Relayed) -> None: ...
    async def forget_relayed(self, object_id: str) -> None: ...

    # -- reports ----------------------------------------------------------------------------------------------------
    async def put_report(self, report: Report) -> None: ...
    async def open_reports(self, origin: str) -> int:
        """Return how many reports of the server at `origin` nobody has closed."""
        ...

    async def close_report(self, report_id: str, *, at: datetime, outcome: str) -> bool:
        """Close an open one; False when there is none of that id."""
        ...

    async def put_provenance(self, provenance: Provenance) -> None: ...

    # -- accounts ---------------------------------------------------------------------------------------------------
    async def account(self, actor: str) -> Account | None: ...
    async def account_invited(self, invitation: str) -> Account | None: ...
    async def put_account(self, account: Account) -> None: ...
    async def end_account(self, actor: str) -> None: ...

    # -- meta -------------------------------------------------------------------------------------------------------
    async def meta(self, key: str) -> str | None: ...
    async def put_meta(self, key: str, value: str) -> None: ...


class Reader(PeerBook, RelayBook, Protocol):
    """Reads for pages and collections; sees only what is committed."""

    async def activity(self, activity_id: str) -> StoredActivity | None: ...
    async def peer(self, origin: str) -> Peer | None: ...
    async def peers(self) -> tuple[Peer, ...]: ...
    async def actor(self, actor_id: str) -> StoredActor | None: ...
    async def local_actors(self) -> tuple[StoredActor, ...]: ...
    async def actor_by_username(self, username: str) -> StoredActor | None: ...
    async def actor_by_inbox(self, inbox: str) -> StoredActor | None:
        """The actor whose inbox or shared inbox that is; of several the one heard of last."""
        ...

    async def knock(self, origin: str) -> Knock | None: ...
    async def object(self, object_id: str) -> StoredObject | None: ...
    async def chain(self, ref: str) -> Chain | None: ...
    async def links(self, chain_id: str) -> tuple[Link, ...]: ...
    async def history(self, chain_id: str) -> tuple[StoredActivity, ...]: ...
    async def engagements(self, proposal: str) -> tuple[Chain, ...]: ...
    async def engagements_of(self, party: str) -> tuple[Chain, ...]: ...
    async def followers(self, followed: str) -> tuple[Follow, ...]: ...
    async def followers_at(self, followed: str, origin: str, *, limit: int) -> tuple[Follow, ...]:
        """Accepted follows by actors at `origin`, the oldest first, so many at most."""
        ...

    async def following(self, follower: str) -> tuple[Follow, ...]: ...
    async def token(self, token_hash: str) -> Token | None: ...
    async def tokens_of(self, actor: str) -> tuple[Token, ...]:
        """All that are kept, the oldest first; some may have run out."""
        ...

    async def account(self, actor: str) -> Account | None: ...
    async def account_invited(self, invitation: str) -> Account | None:
        """Return the account whose invitation has this hash, run out or not."""
        ...

    async def accounts(self) -> tuple[Account, ...]: ...

    async def inbox_page(self, actor: str, *, cursor: str | None, limit: int) -> Page: ...
    async def outbox_page(
        self, actor: str, *, cursor: str | None, limit: int, readers: tuple[str, ...] | None
    ) -> Page: ...
    async def follows_page(
        self, actor: str, *, which: Literal["followers", "following"], cursor: str | None, limit: int
    ) -> tuple[int, tuple[str, ...], str | None]: ...
    async def board(self, query: BoardQuery) -> BoardPage: ...
    async def counts(self) -> Mapping[str, int]:
        """`{"members": n, "missions": n, "activities": n}` of this instance."""
        ...

    async def delivery_counts(self) -> Mapping[str, int]: ...
    async def deliveries(self, query: DeliveryQuery) -> tuple[Delivery, ...]:
        """What is asked for: one activity's in the order in which they were owed, otherwise the newest first."""
        ...

    async def health(self, origin: str) -> Health: ...
    async def destinations(self) -> tuple[str, ...]:
        """Origins of every server that something was ever owed to, or that was heard."""
        ...

    async def chains_between(self, origin: str, *, after: str, limit: int) -> tuple[Chain, ...]:
        """Chains with a party at `origin`, and every proposal of ours: by id, those after `after`."""
        ...

    async def coop_names(self) -> Mapping[str, str]:
        """Origin to the name of the co-operative that we met there."""
        ...

    async def provenance(self, iri: str) -> tuple[Provenance, ...]:
        """Return how the activity of that id, or what is about that object, came; in the order in which it did."""
        ...

    async def reports(self, *, closed: bool) -> tuple[Report, ...]:
        """Return the open ones, or with `closed` all, the newest first."""
        ...

    async def report(self, report_id: str) -> Report | None: ...
    async def meta(self, key: str) -> str | None: ...


ProvenanceWay: TypeAlias = Literal["delivered", "forwarded", "relayed", "fetched", "reconciled"]
"""How an activity came: from its sender's server; passed on by another's; by a relay; read where it lives because a
relay named it; or from a peer that we compared with."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """By what way one activity of another server came to us."""

    activity_id: str
    about: str
    """The chain that it moves, or the object that it is about."""
    way: ProvenanceWay
    via: str
    """Origin of the server that brought it."""
    key: str
    """The key by which it was found to be its sender's: of the request, or of the proof when another brought it."""
    at: datetime


@dataclass(frozen=True, slots=True)
class Report:
    """A report, received or sent, as our operator sees it."""

    id: str
    ours: bool
    """Whether we sent it."""
    actor: str
    objects: tuple[str, ...]
    content: str
    at: datetime
    reporter: str | None
    """Of one that we sent: who of us reported. The other server is told only when they agreed."""
    closed_at: datetime | None
    outcome: str


class Store(Protocol):
    """The database behind one instance."""

    async def write(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """Run `work` in a transaction and return its result once it is durable.

        If `work` raises, nothing of it is kept and the exception comes out here. Works are run one after another and
        may share one commit (group commit); a cancelled caller does not cancel a work that has begun.
        """
        ...

    async def read(self, work: Callable[[Reader], Awaitable[T]]) -> T:
        """Run `work` on a committed snapshot and return its result."""
        ...

    async def recover(self) -> None:
        """Called before deliveries begin: let go of the leases of a process that is no more.

        While another process delivers from the same database they run out by themselves.
        """
        ...

    async def close(self) -> None:
        """Finish what was begun and let go of the database."""
        ...


class KeyResolver(Protocol):
    """Finds the published keys behind a key id."""

    async def resolve(self, key_id: str, *, refresh: bool = False) -> KeyDocument:
        """Return the owner's key document, from the cache unless `refresh`.

        Raises:
            Unverified: there is no such key, or its owner does not list it (`key-unknown`, `key-owner-mismatch`).
            Unavailable: its server could not be reached (`key-unreachable`).
        """
        ...


class KeyRing(Protocol):
    """Private keys of the actors we host."""

    def http_key(self, actor: str) -> tuple[str, RSAPrivateKey]:
        """Return (key id, key) for signing requests. Raises Misconfigured when the actor has none."""
        ...

    def proof_key(self, actor: str) -> tuple[str, Ed25519PrivateKey]:
        """Return (verification method id, key) for object proofs. Raises Misconfigured when the actor has none."""
        ...

    async def provide(self, actors: Sequence[str]) -> None:
        """Make and durably keep both keys for each actor that has none yet; those that exist stay as they are."""
        ...

    def generation(self, actor: str) -> int:
        """Return the number of the keys that sign for `actor`: 1 for its first ones, 0 when it has none."""
        ...

    def prepared(self, actor: str, generation: int) -> tuple[RSAPrivateKey, Ed25519PrivateKey]:
        """Return the keys of a generation, be they not promoted yet. Raises Misconfigured when there are none."""
        ...

    async def prepare(self, wanted: Mapping[str, int], *, anew: bool = False) -> None:
        """Make and durably keep this generation of each actor's keys, without signing with them yet.

        What was prepared before stays, unless they are wanted `anew`.
        """
        ...

    async def promote(self, actor: str, generation: int) -> None:
        """Sign with what was prepared. Again, it changes nothing."""
        ...

    async def destroy(self, actor: str, *, below: int) -> int:
        """Take away the private keys of older generations for good; return how many there were."""
        ...


class Fetcher(Protocol):
    """Gets documents from strangers, within a budget of bytes, time and redirects (security.md §3.3)."""

    async def actor(self, actor_id: str) -> Document:
        """Return the actor document whose `id` is `actor_id`. Raises Unverified, Unavailable or Malformed."""
        ...

    async def document(self, url: str, *, signed: bool = False) -> Document:
        """Return the document at `url`, `signed` as we may see it. Raises NotFound, Unavailable or Malformed."""
        ...

    async def client_document(self, client_id: str) -> Document:
        """Return what a program says of itself at its `client_id`. Raises Invalid, Unavailable or Malformed."""
        ...


@dataclass(frozen=True, slots=True)
class Answer:
    """What a peer's inbox answered."""

    status: int
    problem: str | None
    """Last path segment of the problem's type, when it sent one."""
    detail: str | None
    retry_after: int | None


class Knocks(Protocol):
    """What lasts of what we learn about how other servers open."""

    async def last(self, origin: str) -> Knock | None:
        """Return how the server at `origin` last opened, however long ago."""
        ...

    async def receiver(self, inbox: str) -> Document | None:
        """Return the document of an actor whose inbox that is, when we have one."""
        ...

    async def keep(self, knock: Knock) -> None:
        """Remember it in the place of what was known of that server. Raises Unavailable."""
        ...


class Courier(Protocol):
    """Carries a signed activity to an inbox."""

    async def post(
        self, *, inbox: str, body: bytes, sender: str, synchronisation: str | None = None
    ) -> Answer:
        """Sign as `sender` and post, with what is said of followers; raises Unavailable when no answer came."""
        ...


class Asker(Protocol):
    """Asks a peer a signed question and brings the answer back."""

    async def ask(self, url: str, body: bytes, *, sender: str) -> Document:
        """Post and return the JSON object answered. Raises Unavailable, NotFound, Forbidden or Malformed."""
        ...


class PasswordHasher(Protocol):
    """Argon2id beside the loop, one password at a time."""

    async def hashed(self, password: str) -> str:
        """Return what is kept of a password. Raises Unavailable when too many wait."""
        ...

    async def fits(self, password: str, kept: str | None) -> bool:
        """Tell whether it is the password that was kept; None is nobody's, and takes as long. Raises as `hashed`."""
        ...

    def outdated(self, kept: str) -> bool:
        """Tell whether it was kept with less work than is done now."""
        ...


class Doorbell(Protocol):
    """Wakes the delivery worker after a commit; losing a ring loses nothing, since the worker also polls."""

    def ring(self) -> None: ...


Activities: TypeAlias = Sequence[Activity]
