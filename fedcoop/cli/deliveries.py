"""`fedcoop deliveries`: what became of every message, and once more by hand; `fedcoop peer health`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, get_args

import typer

from fedcoop.cli.answer import AsJson, WronglyUsed, answer
from fedcoop.cli.speech import LANGUAGE, say

if TYPE_CHECKING:
    from fedcoop.flow.tracking import PeerHealth, Tracked
    from fedcoop.ports import Delivery, DeliveryQuery

HELP = say(
    "What became of every message.\n\n`fedcoop deliveries DIR` lists; the word `list` may be left out.",
    "Ce qu’est devenu chaque message.\n\n`fedcoop deliveries DIR` liste ; le mot `list` peut être omis.",
)
HELP_LIST = say(
    "List deliveries, the newest first.\n\nOr those of one activity, one line for each destination.",
    "Liste les remises, les plus récentes d’abord.\n\nOu celles d’une activité, une ligne par destination.",
)
HELP_RETRY = say(
    "Send once more, now.\n\nWhat waits for a peer (--peer), or one activity, refused or given up included.",
    "Envoie de nouveau, maintenant.\n\nCe qui attend pour un pair (--peer), ou une activité, même refusée.",
)
HELP_HEALTH = say(
    "How deliveries to a peer go.\n\nTo each of them when none is named.",
    "Comment vont les remises à un pair.\n\nÀ chacun quand aucun n’est nommé.",
)

SHOWN: Final = 50
"""Deliveries that are listed when nobody says how many."""

Folder = Annotated[
    Path, typer.Argument(metavar="DIR", help=say("Folder of the instance.", "Dossier de l’instance."))
]
ActivityId = Annotated[
    str, typer.Argument(metavar="[ACTIVITY]", help=say("Id of an activity.", "Id d’une activité."))
]
PeerOrigin = Annotated[
    str,
    typer.Option(
        "--peer",
        metavar="ORIGIN",
        help=say("Only those to this server.", "Seulement celles vers ce serveur."),
    ),
]
States = Annotated[
    list[str],
    typer.Option(
        "--state",
        metavar="STATE",
        help=say(
            "Only in this state (repeatable): queued, retrying, parked, held, delivered, refused, expired, cancelled.",
            "Seulement dans cet état (répétable) : queued, retrying, parked, held, delivered, refused, expired, "
            "cancelled.",
        ),
    ),
]


def list_(
    folder: Folder,
    activity: ActivityId = "",
    peer: PeerOrigin = "",
    state: States = [],  # noqa: B006  typer reads it, nobody writes it
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=10_000, help=say("At most so many.", "Au plus autant."))
    ] = SHOWN,
    as_json: AsJson = False,
) -> None:
    """List deliveries."""
    from fedcoop.cli.worlds import in_world
    from fedcoop.flow.tracking import shown, track

    query = _query(activity, peer, state, limit)
    found = in_world(folder, lambda world: track(query, world=world))
    answer(
        {
            "ok": True,
            "deliveries": [
                {
                    "id": one.delivery.id,
                    "activity": one.delivery.activity_id,
                    "type": one.delivery.activity_type,
                    "actor": one.delivery.sender,
                    **shown(one),
                }
                for one in found
            ],
        },
        as_json=as_json,
        lines=_lines(found, with_activity=not activity),
    )


def retry(
    folder: Folder,
    activity: ActivityId = "",
    peer: PeerOrigin = "",
    state: States = [],  # noqa: B006  typer reads it, nobody writes it
    as_json: AsJson = False,
) -> None:
    """Send once more."""
    from fedcoop.cli.worlds import in_world
    from fedcoop.flow import tracking

    if not activity and not peer:
        raise WronglyUsed(
            "usage",
            say(
                "Say what: the id of an activity, or --peer ORIGIN.",
                "Dites quoi : l’id d’une activité, ou --peer ORIGIN.",
            ),
        )
    asked = state or [*tracking.OWED, *(tracking.ENDED_BADLY if activity else ())]
    query = _query(activity, peer, asked, 10_000)
    done = in_world(folder, lambda world: tracking.retry(query, world=world))
    lines = [say(f"Due now: {done.due}.", f"À envoyer maintenant : {done.due}.")]
    for one in done.taken_back:
        lines.append(
            say(
                f"Not sent: {one} was refused by the mission’s owner and taken back. Say it anew.",
                f"Pas envoyée : {one} a été refusée par qui tient la mission, et reprise. Dites-la de nouveau.",
            )
        )
    answer({"ok": True, "due": done.due, "takenBack": list(done.taken_back)}, as_json=as_json, lines=lines)


def health(
    folder: Folder,
    origin: Annotated[
        str,
        typer.Argument(
            metavar="[ORIGIN]",
            help=say("Its origin: https://coop.example", "Son origine : https://coop.example"),
        ),
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Say how deliveries to peers go."""
    from fedcoop.cli.worlds import in_world
    from fedcoop.flow.tracking import peer_health

    found = in_world(folder, lambda world: peer_health(origin.rstrip("/") or None, world=world))
    answer(
        {"ok": True, "peers": [_health_document(one) for one in found]},
        as_json=as_json,
        lines=[line for one in found for line in _health_lines(one)]
        or [
            say("Nobody was written to, or heard, yet.", "Personne à qui écrire, ni entendu, pour l’instant.")
        ],
    )


def _query(activity: str, peer: str, states: list[str], limit: int) -> DeliveryQuery:
    from fedcoop.ports import DeliveryQuery, DeliveryState

    known = get_args(DeliveryState)
    for one in states:
        if one not in known:
            raise WronglyUsed(
                "usage",
                say(
                    f"There is no state {one!r}: {', '.join(known)}.",
                    f"Il n’y a pas d’état {one!r} : {', '.join(known)}.",
                ),
            )
    return DeliveryQuery(
        activity_id=activity or None,
        origin=peer.rstrip("/") or None,
        states=tuple(one for one in known if one in states),
        limit=limit,
    )


# -- sentences -----------------------------------------------------------------------------------------------


def _lines(found: tuple[Tracked, ...], *, with_activity: bool) -> Iterator[str]:
    if not found:
        yield say("No such delivery is known.", "Aucune remise de ce genre n’est connue.")
    for one in found:
        yield sentence(one.delivery, one.to)
        if with_activity:
            yield f"    {one.delivery.activity_type or ''} {one.delivery.activity_id}".rstrip()


def sentence(delivery: Delivery, to: str) -> str:
    """Return what became of a delivery as an operator reads it: "Remise à Coop Nantes à 14 h 02"."""
    ended = moment(delivery.ended_at) if delivery.ended_at else ""
    later = moment(delivery.next_at) if delivery.next_at else say("now", "maintenant")
    said = _said(delivery)
    tries = delivery.attempts
    match delivery.state:
        case "delivered":
            return say(f"Delivered to {to} {ended}", f"Remise à {to} {ended}")
        case "queued":
            behind = say("behind an earlier message", "derrière un message précédent")
            wait = f", {behind}" if delivery.next_at else ""
            return say(f"To go to {to}: {later}{wait}", f"À envoyer à {to} : {later}{wait}")
        case "retrying":
            return say(
                f"Not yet delivered to {to}; next try {later} (tries: {tries}; {said})",
                f"Pas encore remise à {to} ; prochain essai {later} (essais : {tries} ; {said})",
            )
        case "parked":
            return say(
                f"{to} does not admit our co-op yet; next try {later} ({said})",
                f"{to} n’admet pas encore notre coopérative ; prochain essai {later} ({said})",
            )
        case "held":
            return say(
                f"Kept back for {to}: our own operator has frozen or blocked this co-op",
                f"Retenue pour {to} : notre propre opérateur a gelé ou bloqué cette coopérative",
            )
        case "refused":
            return say(f"Refused by {to} {ended}: {said}", f"Refusée par {to} {ended} : {said}")
        case "expired":
            return say(
                f"Given up for {to} {ended} after {tries} tries: {said}",
                f"Abandonnée pour {to} {ended} après {tries} essais : {said}",
            )
        case "cancelled":
            return say(
                f"Cancelled for {to} {ended}: the step did not take place ({said})",
                f"Annulée pour {to} {ended} : l’étape n’a pas eu lieu ({said})",
            )


def _said(delivery: Delivery) -> str:
    words = (str(delivery.status or ""), delivery.problem or "", delivery.reason or "")
    return " ".join(word for word in words if word) or say("no reason was given", "aucune raison donnée")


MONTHS: Final = (
    ("Jan", "janvier"), ("Feb", "février"), ("Mar", "mars"), ("Apr", "avril"), ("May", "mai"), ("Jun", "juin"),
    ("Jul", "juillet"), ("Aug", "août"), ("Sep", "septembre"), ("Oct", "octobre"), ("Nov", "novembre"),
    ("Dec", "décembre"),
)  # fmt: skip


def moment(at: datetime, *, now: datetime | None = None) -> str:
    """Return a moment in the time of this machine: "at 14:02", and with its date when that is not today."""
    local = at.astimezone()
    today = (now or datetime.now().astimezone()).date()
    english, french = MONTHS[local.month - 1]
    if LANGUAGE == "fr":
        hour = f"à {local.hour} h {local.minute:02}"
        first = "1er" if local.day == 1 else str(local.day)
        return hour if local.date() == today else f"le {first} {french} {local.year} {hour}"
    hour = f"at {local:%H:%M}"
    return hour if local.date() == today else f"on {local.day} {english} {local.year} {hour}"


def _health_document(one: PeerHealth) -> dict[str, Any]:
    from fedcoop.flow.tracking import stamp

    health, circuit = one.health, one.health.circuit
    return {
        "origin": health.origin,
        "name": one.name,
        "heard": stamp(health.heard_at),
        "delivered": stamp(health.delivered_at),
        "circuit": one.circuit,
        "failures": circuit.failures if circuit else 0,
        "failingSince": stamp(circuit.since) if circuit else None,
        "openUntil": stamp(circuit.open_until) if circuit else None,
        "waiting": health.owed,
        "oldestWaiting": stamp(health.oldest_owed),
        "p50Seconds": one.p50,
        "p95Seconds": one.p95,
    }


def _health_lines(one: PeerHealth) -> Iterator[str]:
    health, circuit = one.health, one.health.circuit
    never = say("never", "jamais")
    heard = moment(health.heard_at) if health.heard_at else never
    delivered = moment(health.delivered_at) if health.delivered_at else never
    yield f"{one.name}  {health.origin}"
    yield say(
        f"  last heard {heard}; last delivered {delivered}",
        f"  entendue {heard} ; dernière remise {delivered}",
    )
    if health.owed and health.oldest_owed:
        yield say(
            f"  waiting: {health.owed}; the oldest was said {moment(health.oldest_owed)}",
            f"  en attente : {health.owed} ; le plus ancien message date {_dated(health.oldest_owed)}",
        )
    if circuit is not None:
        yield say(
            f"  no answer {circuit.failures} times in a row since {_plain(circuit.since)}",
            f"  sans réponse {circuit.failures} fois de suite depuis {_plain(circuit.since)}",
        )
        if circuit.open_until is not None:
            until = moment(circuit.open_until)
            yield (
                say(
                    f"  left alone; asked again {until}",
                    f"  laissée tranquille ; interrogée de nouveau {until}",
                )
                if one.circuit != "half-open"
                else say("  the next message is a probe", "  le prochain message sert d’essai")
            )
    if one.p50 is not None and one.p95 is not None:
        yield say(
            f"  half of its deliveries within {one.p50:.1f} s, 95 % within {one.p95:.1f} s",
            f"  la moitié de ses remises en {_comma(one.p50)} s, 95 % en {_comma(one.p95)} s",
        )


def _plain(at: datetime) -> str:
    """Return a moment that follows a word such as "since"."""
    return moment(at).removeprefix("at ").removeprefix("on ").removeprefix("à ")


def _dated(at: datetime) -> str:
    """Return a moment that follows the French "date": "de 14 h 02", "du 3 mars 2026 à 9 h 00"."""
    said = moment(at)
    return f"de {said.removeprefix('à ')}" if said.startswith("à ") else f"du {said.removeprefix('le ')}"


def _comma(value: float) -> str:
    return f"{value:.1f}".replace(".", ",")
