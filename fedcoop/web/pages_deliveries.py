"""What became of a message, in the sentences that its sender and the operator read: "Reached Coop B on … at 14:02"."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import urlencode

from fedcoop.flow.tracking import Tracked
from fedcoop.ports import Delivery, DeliveryState
from fedcoop.protocol.model import PROBLEMS
from fedcoop.web import pages_content as read
from fedcoop.web.pages_text import Words
from fedcoop.web.pages_views import Moment, State, Views

TONES: Final[Mapping[DeliveryState, str]] = {
    "queued": "open",
    "retrying": "open",
    "parked": "open",
    "held": "shut",
    "delivered": "done",
    "refused": "bad",
    "expired": "bad",
    "cancelled": "shut",
}
"""Every state with its colour, which says nothing that the words do not."""

AGAIN: Final[frozenset[DeliveryState]] = frozenset({"queued", "retrying", "parked", "refused", "expired"})
"""States in which sending once more makes sense: what waits, and what was refused or given up."""

ANSWERED: Final[frozenset[DeliveryState]] = frozenset({"retrying", "parked", "refused", "expired"})
"""States of which the peer's last answer is the reason."""


@dataclass(frozen=True, slots=True)
class Sent:
    """One delivery."""

    id: int
    to: str
    origin: str
    state: State
    sentence: str
    answer: str
    """What the peer said last, as far as it said why; "" when there is nothing to say."""
    words: str
    """And its own words: a stranger's text."""
    queued: Moment | None
    again: bool


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of all copies of one message. `reached`: how many of them arrived."""

    sent: tuple[Sent, ...]

    @property
    def reached(self) -> int:
        """How many have arrived."""
        return sum(one.state.code == "delivered" for one in self.sent)


def fate(views: Views, tracked: Iterable[Tracked]) -> Fate:
    """Return what became of the copies of one message, as a page says it."""
    return Fate(tuple(sent(views, one) for one in tracked))


def sent(views: Views, one: Tracked) -> Sent:
    """Return one delivery, as a page says it."""
    delivery = one.delivery
    return Sent(
        id=delivery.id,
        to=read.line(one.to),
        origin=delivery.origin,
        state=State(delivery.state, state_name(views.words, delivery.state), TONES[delivery.state]),
        sentence=_sentence(views.words, delivery, read.line(one.to)),
        answer=_answer(views.words, delivery) if delivery.state in ANSWERED else "",
        words=read.line(delivery.reason) if delivery.state in ANSWERED else "",
        queued=views.moment(delivery.enqueued_at),
        again=delivery.state in AGAIN,
    )


def only(activity_id: str) -> str:
    """Return the address of the operator's page about one message."""
    return "/operator/deliveries?" + urlencode({"activity": activity_id})


def deliveries_to(origin: str) -> str:
    """Return the address of the operator's page about whatever was sent to one server."""
    return "/operator/deliveries?" + urlencode({"peer": origin})


def state_name(words: Words, state: DeliveryState) -> str:
    """Return what people call a state of a delivery."""
    gettext = words.gettext
    names: Mapping[DeliveryState, str] = {
        "queued": gettext("waiting"),
        "retrying": gettext("to be tried again"),
        "parked": gettext("waiting to be admitted"),
        "held": gettext("kept back"),
        "delivered": gettext("delivered"),
        "refused": gettext("refused"),
        "expired": gettext("given up"),
        "cancelled": gettext("cancelled"),
    }
    return names[state]


def at(words: Words, moment: datetime) -> str:
    """Return `on 22 Nov 2026 at 14:02`, as it stands in a sentence."""
    return words.gettext("on %(day)s at %(hour)s", day=words.date(moment), hour=words.hour(moment))


def _sentence(words: Words, delivery: Delivery, to: str) -> str:
    gettext = words.gettext
    ended = at(words, delivery.ended_at) if delivery.ended_at else ""
    following = at(words, delivery.next_at) if delivery.next_at else gettext("now")
    tries = words.number(delivery.attempts)
    sentences: Mapping[DeliveryState, Callable[[], str]] = {
        "queued": lambda: (
            gettext("Waits behind an earlier message to %(to)s; next try %(when)s.", to=to, when=following)
            if delivery.next_at
            else gettext("Is about to be sent to %(to)s.", to=to)
        ),
        "retrying": lambda: gettext(
            "Has not reached %(to)s yet; next try %(when)s (tries so far: %(tries)s).",
            to=to, when=following, tries=tries,
        ),
        "parked": lambda: gettext(
            "%(to)s has not admitted our co-operative yet; next try %(when)s.", to=to, when=following
        ),
        "held": lambda: gettext(
            "Kept back for %(to)s: our own operator has frozen or blocked this co-operative.", to=to
        ),
        "delivered": lambda: gettext("Reached %(to)s %(when)s.", to=to, when=ended),
        "refused": lambda: gettext("Refused by %(to)s %(when)s.", to=to, when=ended),
        "expired": lambda: gettext(
            "Given up for %(to)s %(when)s (tries: %(tries)s).", to=to, when=ended, tries=tries
        ),
        "cancelled": lambda: gettext("Not sent to %(to)s: the step did not take place.", to=to),
    }  # fmt: skip
    return sentences[delivery.state]()


def _answer(words: Words, delivery: Delivery) -> str:
    """Return the peer's last answer: its status, and what its problem is called; a code of its own as it stands."""
    if delivery.status is None:
        return words.gettext("It did not answer.") if delivery.attempts else ""
    known = PROBLEMS.get(delivery.problem or "")
    title = (known.title_fr if words.language == "fr" else known.title_en) if known else None
    title = title or read.line(delivery.problem)
    status = str(delivery.status)
    if title:
        return words.gettext("It answered %(status)s, “%(title)s”.", status=status, title=title)
    return words.gettext("It answered %(status)s.", status=status)
