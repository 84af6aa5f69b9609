"""Reports: a `Flag` by which one server's operator tells another's of an actor and its objects (wire.md MOD-1).

It is sent by the instance actor, so that it does not say who reports. A `Flag` of a party, which would open a dispute,
is another thing and not in this release.
"""

from __future__ import annotations

from typing import Final

from fedcoop.errors import Forbidden, NotImplementedYet, TooLarge
from fedcoop.protocol import limits
from fedcoop.protocol.messages import Activity, Document
from fedcoop.protocol.shape import ids_of, types_of

FLAG: Final = "Flag"

INSTANCE_ACTORS: Final = frozenset({"Application", "Service"})
"""What the actor of a server is; a person who flags something is named by it."""


def flagged(activity: Activity) -> tuple[str, ...]:
    """Return the ids that a Flag names, in its order: a string, an array, or embedded objects."""
    return tuple(dict.fromkeys(ids_of(activity.raw.get("object"))))


def words_of(activity: Activity) -> str:
    """Return what a Flag says, cut to what is kept."""
    said = activity.raw.get("content")
    return said[: limits.MAX_REPORT_TEXT] if isinstance(said, str) else ""


def check_report(activity: Activity, *, speaker: Document, base: str) -> None:
    """Pass when a Flag is a report that we take: from a server, short, and about something of ours.

    Raises:
        NotImplementedYet: a person or a co-op sends it: that would be a dispute.
        TooLarge: it names more than `MAX_FLAGGED`. Forbidden: nothing that it names is here (`wrong-party`).
    """
    # (1) Whoever reports must not be told by who sends; and a party that flags asks for a dispute.
    if not types_of(speaker) & INSTANCE_ACTORS:
        raise NotImplementedYet(
            "not-implemented",
            "A Flag is taken from a server's own actor; disputes are not in this release.",
            expected=" or ".join(sorted(INSTANCE_ACTORS)),
            received=" ".join(sorted(types_of(speaker)))[:200] or "nothing known",
        )
    named = flagged(activity)
    # (2) A list of everything says nothing.
    if len(named) > limits.MAX_FLAGGED:
        raise TooLarge(
            "too-large",
            "The report names too much.",
            expected=f"at most {limits.MAX_FLAGGED} ids",
            received=str(len(named)),
        )
    # (3) What is not ours is not ours to look after.
    if not activity.actor.startswith(f"{base}/") and not any(one.startswith(f"{base}/") for one in named):
        raise Forbidden("wrong-party", "It reports nothing of this server.", received=" ".join(named)[:200])
