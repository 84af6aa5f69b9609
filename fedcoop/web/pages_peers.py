"""What an operator reads of another co-op's server: how it stands with ours and who decided it, and how it goes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from fedcoop.flow.peering import Dossier
from fedcoop.flow.tracking import PeerHealth
from fedcoop.protocol.circuit import CircuitState
from fedcoop.protocol.model import PROBLEMS
from fedcoop.protocol.policy import PeerState
from fedcoop.web import pages_content as read
from fedcoop.web.pages_deliveries import at, deliveries_to
from fedcoop.web.pages_text import Words
from fedcoop.web.pages_views import State, Views

PEER_TONES: Final[Mapping[PeerState, str]] = {
    "pending": "shut",
    "allowed": "done",
    "limited": "open",
    "frozen": "open",
    "blocked": "bad",
}


@dataclass(frozen=True, slots=True)
class PeerCard:
    """What is known of another co-op's server."""

    name: str
    origin: str
    state: State | None
    decided: str
    reason: str
    note: str
    network: bool
    lines: tuple[str, ...]
    circuit: State | None
    answers: str
    answered: str
    answered_why: str
    owed: int
    deliveries: str
    """Address of what was sent there."""


def card(
    views: Views, origin: str, dossier: Dossier | None, health: PeerHealth | None, names: Mapping[str, str]
) -> PeerCard:
    """Return what a page says of the server at `origin`, from what is known of it."""
    words, peer = views.words, dossier.peer if dossier else None
    answer = dossier.answer if dossier else None
    circuit = health.circuit if health is not None and health.health.circuit is not None else None
    return PeerCard(
        name=read.line(names.get(origin) or origin.partition("://")[2] or origin),
        origin=origin,
        state=State(peer.state, peer_state_name(words, peer.state), PEER_TONES[peer.state]) if peer else None,
        decided=_decided(words, dossier),
        reason=read.line(peer.reason) if peer else "",
        note=read.line(peer.note) if peer else "",
        network=peer.network if peer else False,
        lines=tuple(_lines(words, health)),
        circuit=_circuit(words, circuit) if circuit else None,
        answers=_answers(words, health),
        answered=_problem(words, answer.code, at(words, answer.at)) if answer else "",
        answered_why=read.line(answer.reason) if answer else "",
        owed=health.health.owed if health is not None else 0,
        deliveries=deliveries_to(origin),
    )


def peer_state_name(words: Words, state: PeerState) -> str:
    """Return what people call a state of a peer (decision D7)."""
    gettext = words.gettext
    names: Mapping[PeerState, str] = {
        "pending": gettext("nothing decided"),
        "allowed": gettext("allowed"),
        "limited": gettext("limited"),
        "frozen": gettext("frozen"),
        "blocked": gettext("blocked"),
    }
    return names[state]


def _decided(words: Words, dossier: Dossier | None) -> str:
    """Return since when it stands so and who decided it, or how often it knocked when nobody did."""
    gettext = words.gettext
    if dossier is None:
        return gettext("Nobody has decided anything about it.")
    peer, knocked = dossier.peer, dossier.knocked
    if peer is not None:
        when = at(words, peer.since)
        if peer.decided_by:
            return gettext("Decided %(when)s by %(who)s.", when=when, who=read.line(peer.decided_by))
        return gettext("Decided %(when)s.", when=when)
    if knocked is None:
        return gettext("Nobody has decided anything about it.")
    return words.ngettext(
        "Knocked %(num)s time, last %(when)s; nobody has decided anything about it.",
        "Knocked %(num)s times, last %(when)s; nobody has decided anything about it.",
        knocked.times,
        when=at(words, knocked.last_at),
    )


def _lines(words: Words, one: PeerHealth | None) -> Iterable[str]:
    gettext = words.gettext
    if one is None:
        yield gettext("Nothing was ever sent there, nor heard from there.")
        return
    health, never = one.health, gettext("never")
    heard = at(words, health.heard_at) if health.heard_at else never
    delivered = at(words, health.delivered_at) if health.delivered_at else never
    yield gettext("Last heard: %(when)s.", when=heard)
    yield gettext("Last delivery that arrived: %(when)s.", when=delivered)
    if health.owed and health.oldest_owed:
        yield words.ngettext(
            "%(num)s message waits, since %(when)s.",
            "%(num)s messages wait, the oldest since %(when)s.",
            health.owed,
            when=words.moment(health.oldest_owed),
        )
    if one.p50 is not None and one.p95 is not None:
        half, most = words.number(round(one.p50, 1)), words.number(round(one.p95, 1))
        yield gettext(
            "Half of its deliveries arrived within %(half)s s, 95%% within %(most)s s.", half=half, most=most
        )


def _circuit(words: Words, state: CircuitState) -> State:
    gettext = words.gettext
    names: Mapping[CircuitState, str] = {
        "closed": gettext("does not answer"),
        "open": gettext("left alone for now"),
        "half-open": gettext("being tried again"),
        "unavailable": gettext("gone for days"),
    }
    return State(state, names[state], "open" if state in ("closed", "half-open") else "bad")


def _answers(words: Words, one: PeerHealth | None) -> str:
    """Return whether a server answers; since when it does not, and when it is asked again. "" when nobody asked it."""
    if one is None:
        return ""
    circuit = one.health.circuit
    if circuit is None:
        return words.gettext("Yes.") if one.health.delivered_at else ""
    failed = words.ngettext(
        "%(num)s try without an answer since %(when)s.",
        "%(num)s tries in a row without an answer since %(when)s.",
        circuit.failures,
        when=words.moment(circuit.since),
    )
    if circuit.open_until is None:
        return failed
    following = (
        words.gettext("The next message is a probe.")
        if one.circuit == "half-open"
        else words.gettext("It is asked again %(when)s.", when=at(words, circuit.open_until))
    )
    return f"{failed} {following}"


def _problem(words: Words, code: str, when: str) -> str:
    known = PROBLEMS.get(code)
    title = (known.title_fr if words.language == "fr" else known.title_en) if known else read.line(code)
    return words.gettext("It refused us %(when)s: “%(title)s”.", when=when, title=title)
