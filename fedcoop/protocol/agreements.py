"""A federation agreement between two co-ops: its terms, when it ends, and who may read it (vocabulary.md §3.6, D7).

An agreement is a chain like a mission's: the Offer begins it, its author orders it, and every step is signed. Time
moves it as well, without anybody saying so: `state_at` takes the lifecycle's edges of the clock, whose dates stand in
what was signed, so both sides come to the same state by themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from fedcoop.errors import Forbidden, NotImplementedYet
from fedcoop.protocol import guards
from fedcoop.protocol.facts import Facts, Step
from fedcoop.protocol.ids import origin
from fedcoop.protocol.limits import MAX_NOTICE, PROPOSAL_LIFE
from fedcoop.protocol.messages import Activity, Chain, Document, PutObject
from fedcoop.protocol.model import LIFECYCLES
from fedcoop.protocol.policy import AGREEMENT
from fedcoop.protocol.shape import PUBLIC, class_of, id_of, ids_of

IN_FORCE: Final = frozenset({"active", "suspended", "ending"})
"""States in which both have agreed and it is not over; while notice runs, everything still passes."""

LIVE: Final = IN_FORCE | {"proposed"}

DEFAULT_NOTICE: Final = "P30D"
DEFAULT_SCOPES: Final = ("missions", "offers", "needs")


# -- time -----------------------------------------------------------------------------------------------------------


def ends_at(chain: Chain) -> datetime | None:
    """Return when the agreement ends by itself as it stands; None: never."""
    names = {name for guarding in _clock_edges(chain.state) for name in guarding}
    if chain.state in LIVE:
        names.add("validUntilPassed")
    dates = [DUE[name](chain) for name in names]
    return min((date for date in dates if date is not None), default=None)


def state_at(chain: Chain, now: datetime) -> str:
    """Return the state of the agreement at `now`: the one that was signed last, or `ended` when its time is over."""
    end = ends_at(chain)
    return "ended" if end is not None and now >= end else chain.state


def _clock_edges(state: str) -> list[tuple[str, ...]]:
    edges = LIFECYCLES[AGREEMENT].edges
    return [e.guards for e in edges if e.activity == "Clock" and e.source == state and e.implemented]


def _said(chain: Chain) -> datetime | None:
    return guards.moment(chain.memory.get("saidAt"))


def _unanswered(chain: Chain) -> datetime | None:
    said = _said(chain)
    return said + PROPOSAL_LIFE if said is not None else None


def _valid_until(chain: Chain) -> datetime | None:
    return guards.moment(chain.document.get("validUntil"))


def _notice_over(chain: Chain) -> datetime | None:
    said = _said(chain)
    return said + guards.duration(str(chain.document.get("noticePeriod"))) if said is not None else None


DUE: Final[Mapping[str, Callable[[Chain], datetime | None]]] = {
    "unansweredOver": _unanswered,
    "validUntilPassed": _valid_until,
    "noticeOver": _notice_over,
}
"""Guard of an edge of the clock to the date from which on it holds, counted from the step that led to its state."""


# -- guards ---------------------------------------------------------------------------------------------------------


def agreement_terms(step: Step, facts: Facts) -> None:
    """An agreement is its author's, with one other co-op, and can be ended within a year."""
    terms, actor = step.chain.document, step.activity.actor
    parties = ids_of(terms.get("parties"))
    # (1) A co-op speaks for itself: no member, and no programme, agrees in its name.
    speaker = facts.keys.get(actor)
    if speaker is None or class_of(speaker) != "Cooperative":
        raise Forbidden("wrong-party", "Only a co-operative proposes a federation agreement.", received=actor)
    # (2) Nobody proposes in somebody else's name.
    if id_of(terms.get("attributedTo")) != actor or actor not in parties:
        raise Forbidden(
            "not-owner", "An agreement is its author's own, who is a party to it.", received=actor
        )
    if len(parties) > 2:
        raise NotImplementedYet("not-implemented", "An agreement of more than two is not in this release.")
    # (3) With somebody else, on another server: what it decides is decided for a server.
    if len({origin(party) for party in parties}) != 2:
        raise _failed("An agreement is between co-ops of two servers.", "`parties`: two origins")
    # (4) Nobody is told that it is agreed already.
    if terms.get("agreementState") != "proposed":
        raise _failed("What is proposed is a proposal.", "`agreementState: proposed`")
    # (5) It can be ended: a notice without end would be none.
    if guards.duration(str(terms.get("noticePeriod"))) > MAX_NOTICE:
        raise _failed("The notice is too long.", f"at most {MAX_NOTICE.days} days")
    # (6) It has not run out before it was proposed, and does not wait to begin: acceptance admits at once.
    said = guards.said_at(step.activity.raw)
    until, begins = guards.moment(terms.get("validUntil")), guards.moment(terms.get("effectiveFrom"))
    if until is not None and until <= said:
        raise _failed("It has run out before it was proposed.", f"`validUntil` after {said.isoformat()}")
    if begins is None or begins > said + facts.ahead:
        raise NotImplementedYet("not-implemented", "An agreement that begins later is not in this release.")


def no_other_agreement(step: Step, facts: Facts) -> None:
    """Between two co-ops there is one agreement in force, and one proposal of each that waits."""
    others = [c for c in facts.agreements if c.id != step.chain.id and _between(c, step.chain)]
    if any(c.state in IN_FORCE or c.owner == step.chain.owner for c in others):
        raise guards.failed(
            "noOtherAgreement",
            "There is an agreement between these two already, or a proposal that waits.",
            expected="its end first: Undo",
            received=others[0].state,
        )


def not_expired(step: Step, facts: Facts) -> None:
    """What has run out is not accepted any more, nor ended once more."""
    said = guards.said_at(step.activity.raw)
    # Where it is ordered, an earlier date than the true one gains nobody anything.
    when = max(said, facts.now) if facts.owner_here and facts.now is not None else said
    end = ends_at(step.chain)
    if end is not None and when >= end:
        raise guards.failed("notExpired", "It has run out.", expected=f"before {end.isoformat()}")


def _between(one: Chain, other: Chain) -> bool:
    return set(one.parties.values()) == set(other.parties.values())


def _failed(detail: str, expected: str) -> Exception:
    return guards.failed("agreementTerms", detail, expected=expected)


GUARDS: Final[Mapping[str, guards.Guard]] = {
    "agreementTerms": agreement_terms,
    "noOtherAgreement": no_other_agreement,
    "notExpired": not_expired,
}
"""The guards of this lifecycle, beside those of `guards.GUARDS`."""


# -- the chain ------------------------------------------------------------------------------------------------------


def parties_of(offer: Activity) -> dict[str, str]:
    """Return who is who in the agreement that `offer` proposes. Its guard has the last word on the two."""
    named = ids_of((offer.object or {}).get("parties"))
    other = next((party for party in named if party != offer.actor), None)
    return {"proposer": offer.actor, **({"responder": other} if other is not None else {})}


def other_party(chain: Chain, base: str) -> str | None:
    """Return the party that is not at `base`; None when both are, or neither."""
    others = [party for party in chain.parties.values() if origin(party) != base]
    return others[0] if len(others) == 1 else None


def check_party_here(chain: Chain, *, coop: str) -> None:
    """Return when the agreement is ours to take in: with our co-op itself.

    Raises:
        Forbidden: it is between others, or with one of our members (`wrong-party`).
    """
    # (1) Nobody leaves other people's agreements with us, and no member is bound to one for the co-op.
    if coop not in chain.parties.values():
        raise Forbidden("wrong-party", "Our co-op is no party to it.", expected=coop, received=chain.id)


def stated(chain: Chain, state: str, cause: str) -> Document:
    """Return the agreement's document with its state, and the activity that led to it."""
    return {**chain.document, "agreementState": state, "stateActivity": cause}


def kept(chain: Chain, *, base: str, now: datetime) -> PutObject:
    """Return the object that stands for the agreement: for its parties and our members; for all once it was agreed."""
    readers: list[str] = [*chain.parties.values(), f"{base}/actors/coop/members"]
    if "accept" in chain.memory:
        readers.append(PUBLIC)
    document: dict[str, Any] = {**chain.document, "agreementState": state_at(chain, now)}
    local = origin(chain.owner) == base
    return PutObject(chain.id, chain.owner, AGREEMENT, document, local, tuple(readers), now)
