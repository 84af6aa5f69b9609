"""The operator's pages: what became of every message and, with each peer, how it stands and how it goes.

Reading is a GET and changes nothing; the one thing that is done here, sending once more, is a form of our own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final, get_args
from urllib.parse import urlencode

from aiohttp import web
from yarl import URL

from fedcoop.errors import Unverified
from fedcoop.flow import access, tracking
from fedcoop.flow.peering import dossiers
from fedcoop.flow.tracking import Tracked
from fedcoop.flow.world import World
from fedcoop.ports import DeliveryQuery, DeliveryState, Reader, StoredActor
from fedcoop.protocol.limits import MAX_RECIPIENTS
from fedcoop.protocol.roles import Right
from fedcoop.web import auth, forms
from fedcoop.web.pages_deliveries import Sent, only, sent, state_name
from fedcoop.web.pages_frame import HEADERS, Frame, known_actors
from fedcoop.web.pages_peers import card
from fedcoop.web.pages_views import Party, Views

SHOWN: Final = 50
"""Deliveries on one page."""
RETRIED: Final = 10_000
"""Deliveries that one press sends once more: whatever may wait for one destination."""
STATES: Final[tuple[DeliveryState, ...]] = get_args(DeliveryState)


@dataclass(frozen=True, slots=True)
class Choice:
    """A choice of a filter."""

    value: str
    text: str


@dataclass(frozen=True, slots=True)
class Message:
    """One message, and what became of its copies as far as this page shows them."""

    id: str
    kind: str
    sender: Party
    sent: tuple[Sent, ...]
    only: str
    """Address of this page with nothing but this message."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the page is narrowed to. Nothing that it cannot mean is kept."""

    activity: str
    origin: str
    state: DeliveryState | None
    before: int | None

    @property
    def narrowed(self) -> bool:
        """Whether anything is asked for in particular."""
        return bool(self.activity or self.origin or self.state)

    @property
    def shown(self) -> int:
        """How many deliveries stand on the page: those of one message all together."""
        return MAX_RECIPIENTS if self.activity else SHOWN

    def query(self) -> DeliveryQuery:
        """Return what the store is asked: one more than is shown, to know whether there are more."""
        return DeliveryQuery(
            activity_id=self.activity or None,
            origin=self.origin or None,
            states=(self.state,) if self.state else (),
            limit=self.shown + 1,
            before=None if self.activity else self.before,
        )

    def address(self, **changed: str | int) -> str:
        """Return the address of the page, narrowed to the same but for what is changed."""
        kept = {"activity": self.activity, "peer": self.origin, "state": self.state or "", **changed}
        query = urlencode({name: value for name, value in kept.items() if value != ""})
        return f"/operator/deliveries?{query}" if query else "/operator/deliveries"


class Operator:
    """The pages, and the form."""

    def __init__(self, world: World, frame: Frame) -> None:
        self._world = world
        self._frame = frame

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """Return the routes."""
        return (
            web.get("/operator", self.home),
            web.get("/operator/deliveries", self.deliveries),
            web.post("/operator/deliveries", self.retry),
            web.get("/operator/peers", self.peers),
        )

    async def home(self, request: web.Request) -> web.Response:
        """Lead on to the deliveries."""
        return _go_on("/operator/deliveries")

    async def deliveries(self, request: web.Request) -> web.Response:
        """Return what became of every message, the newest first, narrowed by message, co-op and state."""
        await self._checked(request, "see-deliveries")
        asked = _asked(request.query)
        views = self._frame.views(request)

        async def ask(
            reader: Reader,
        ) -> tuple[Mapping[str, StoredActor], Mapping[str, str], Mapping[str, int]]:
            senders = await known_actors(reader, [one.delivery.sender for one in tracked])
            origins = [origin for origin in await reader.destinations() if origin]
            names = await reader.coop_names()
            return senders, {o: names.get(o, o) for o in origins}, await reader.delivery_counts()

        tracked = await tracking.track(asked.query(), world=self._world)
        senders, origins, counts = await self._world.store.read(ask)
        shown = tracked[: asked.shown]
        more = asked.address(before=shown[-1].delivery.id) if len(tracked) > asked.shown else None
        return await self._frame.page(
            request,
            "operator_deliveries.html",
            section="operator",
            asked=asked,
            messages=_messages(views, shown, senders),
            states=[Choice(code, state_name(views.words, code)) for code in STATES],
            origins=[Choice(o, f"{name} ({o.partition('://')[2]})") for o, name in origins.items()],
            counts=counts,
            more=more,
            first=asked.address() if asked.before is not None else None,
            due=_count(request.query.get("due")),
            taken_back=_count(request.query.get("taken")),
        )

    async def retry(self, request: web.Request) -> web.Response:
        """Send once more what the form names, one message or whatever waits for a co-op, and come back."""
        fields = await forms.fields(request)
        following = forms.within(fields.get("next"))
        try:
            signed_in = await forms.sender(request, fields)
        except Unverified:
            return _go_on(_sign_in(following))
        # (1) Whoever may see is not therefore one who may send.
        await access.check_right(signed_in, "retry-deliveries", self._world)
        activity, origin = fields.get("activity", ""), fields.get("peer", "")
        if not activity and not origin:
            return _go_on(following)
        states = (*tracking.OWED, *(tracking.ENDED_BADLY if activity else ()))
        query = DeliveryQuery(activity or None, origin or None, states, RETRIED)
        done = await tracking.retry(query, world=self._world)
        return _go_on(str(URL(following).update_query(due=done.due, taken=len(done.taken_back))))

    async def peers(self, request: web.Request) -> web.Response:
        """Return every server that was decided about, that knocked, or that something was ever sent to."""
        await self._checked(request, "see-peers")
        views = self._frame.views(request)
        known = {one.origin: one for one in await dossiers(self._world)}
        health = {one.health.origin: one for one in await tracking.peer_health(None, world=self._world)}
        names = await self._world.store.read(lambda reader: reader.coop_names())
        origins = [*known, *sorted(health.keys() - known.keys())]
        return await self._frame.page(
            request,
            "operator_peers.html",
            section="operator",
            peers=[card(views, o, known.get(o), health.get(o), names) for o in origins],
            due=_count(request.query.get("due")),
        )

    async def _checked(self, request: web.Request, right: Right) -> None:
        """Pass when the reader may see this; whoever is not signed in is led to where one does that.

        Raises:
            HTTPSeeOther: to the sign-in page, and from there back.
            Forbidden: as `access.check_right`.
        """
        signed_in = await auth.signed_in(request)
        # (1) Nobody in particular sees nothing.
        if signed_in is None:
            raise web.HTTPSeeOther(_sign_in(request.path_qs), headers={"Cache-Control": "no-store"})
        # (2) Nor does a member who does not operate this instance.
        await access.check_right(signed_in, right, self._world)


def _asked(query: Mapping[str, str]) -> Asked:
    state = next((code for code in STATES if code == query.get("state")), None)
    return Asked(
        activity=query.get("activity", "").strip()[:2048],
        origin=query.get("peer", "").strip().rstrip("/")[:2048],
        state=state,
        before=_count(query.get("before")) or None,
    )


def _count(value: str | None) -> int | None:
    """Return a number of an address, or None for anything else."""
    plain = value is not None and value.isascii() and value.isdigit() and len(value) <= 18
    return int(value or "") if plain else None


def _messages(
    views: Views, shown: Sequence[Tracked], senders: Mapping[str, StoredActor]
) -> tuple[Message, ...]:
    """Return the deliveries by message: the copies of one were owed together and stand together."""
    grouped = groupby(shown, key=lambda one: one.delivery.activity_id)
    return tuple(_message(views, iri, tuple(copies), senders) for iri, copies in grouped)


def _message(
    views: Views, iri: str, copies: Sequence[Tracked], senders: Mapping[str, StoredActor]
) -> Message:
    first = copies[0].delivery
    return Message(
        id=iri,
        kind=first.activity_type or "",
        sender=views.party(first.sender, senders),
        sent=tuple(sent(views, one) for one in copies),
        only=only(iri),
    )


def _sign_in(following: str) -> str:
    return "/sign-in?" + urlencode({"next": following})


def _go_on(address: str) -> web.Response:
    headers: dict[str, Any] = {**HEADERS, "Location": address, "Cache-Control": "no-store"}
    return web.Response(status=303, headers=headers)
