"""What a relay carries, and to whom (FEP-ae0c): which activity, of which kind, from where, for which subscriber.

>>> from fedcoop.protocol.relaying import Facets, Wish
>>> Wish(rome=("N41",)).takes(Facets("Mission", "N4104", "52")), Wish(regions=("53",)).takes(Facets("Need", None, None))
(True, False)
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from fedcoop.errors import Forbidden, Malformed
from fedcoop.protocol.ids import same_origin
from fedcoop.protocol.listing import commune_of, rome_of
from fedcoop.protocol.messages import Activity, Document
from fedcoop.protocol.shape import PUBLIC, class_of, id_of

CARRIED: Final = frozenset({"Create", "Update", "Delete"})
"""Activities that a relay passes on as they are (REL-3)."""

RELATIONS: Final = frozenset({"Follow", "Undo", "Accept", "Reject"})
"""Activities between a relay and its subscribers."""

SERVERS: Final = frozenset({"Application", "Service", "Organization", "Group", "Cooperative"})
"""Kinds of actor that speak for a server: a person does not subscribe one."""

Style: TypeAlias = Literal["mastodon", "litepub"]
"""How a server subscribes: by a Follow of everybody, or of the relay's actor. The latter is sent Announces."""

SubscriptionState: TypeAlias = Literal["pending", "accepted", "rejected", "ended"]
"""`ended`: it took its Follow back, which is remembered so that it does not begin anew every second."""

FILTER: Final = "relayFilter"
"""Member of a Follow by which a subscriber says what it wants; plain JSON, since the context of version 1 is closed."""

MAX_WISHES: Final = 50
"""Entries of one list of a filter."""

_LISTS: Final = {
    "classes": re.compile(r"[A-Z][A-Za-z]{0,63}"),
    "rome": re.compile(r"[A-Z](?:[0-9]{2}(?:[0-9]{2})?)?"),
    "regions": re.compile(r"[0-9]{2,3}"),
}
"""Lists of a filter and the form of their entries: classes, beginnings of ROME codes, INSEE codes of regions."""


@dataclass(frozen=True, slots=True)
class Facets:
    """By what an object is filtered."""

    object_class: str
    rome: str | None
    region: str | None
    """INSEE code."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is wanted. Every list narrows; an empty one means any. What has no ROME code or place is in none."""

    classes: tuple[str, ...] = ()
    rome: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()

    def takes(self, facets: Facets) -> bool:
        """Tell whether an object of these facets is wanted."""
        rome = facets.rome or ""
        return (
            (not self.classes or facets.object_class in self.classes)
            and (not self.rome or any(rome.startswith(family) for family in self.rome))
            and (not self.regions or facets.region in self.regions)
        )

    def document(self) -> dict[str, list[str]]:
        """Return it as it is said: the lists that narrow."""
        lists = {"classes": self.classes, "rome": self.rome, "regions": self.regions}
        return {name: list(entries) for name, entries in lists.items() if entries}


EVERYTHING: Final = Wish()


def wish_of(value: Any) -> Wish:
    """Return what a subscriber asks for. Raises Malformed for anything but lists of the known forms."""
    if value is None:
        return EVERYTHING
    if not isinstance(value, Mapping) or not value.keys() <= _LISTS.keys():
        raise _unreadable(value)
    lists: dict[str, tuple[str, ...]] = {}
    for name, entries in value.items():
        good = isinstance(entries, list) and len(entries) <= MAX_WISHES
        if not good or not all(isinstance(e, str) and _LISTS[name].fullmatch(e) for e in entries):
            raise _unreadable(value)
        lists[name] = tuple(dict.fromkeys(entries))
    return Wish(**lists)


def _unreadable(value: Any) -> Malformed:
    return Malformed(
        "malformed-activity",
        "What the subscriber wants cannot be read.",
        expected='relayFilter: {"classes": ["Mission"], "rome": ["N41"], "regions": ["52"]}, each of them optional',
        received=ascii(value)[:200],
    )


def facets_of(document: Document, departments: Mapping[str, str]) -> Facets:
    """Return by what an object is filtered; `departments` maps the code of each department to that of its region."""
    commune = commune_of(document) or ""
    # Overseas the department is the first three digits: 97411 is on La Réunion.
    region = departments.get(commune[:3]) or departments.get(commune[:2])
    return Facets(class_of(document), rome_of(document), region)


def style_of(follow: Activity, relay: str) -> Style | None:
    """Return how a Follow subscribes to `relay`; None when it asks for somebody else."""
    target = follow.object_id or id_of(follow.raw.get("object"))
    return "mastodon" if target == PUBLIC else "litepub" if target == relay else None


def check_carried(activity: Activity) -> None:
    """Return when an activity is one that a relay may pass on (REL-3, REL-9).

    Raises:
        Forbidden: it is not for everybody (`not-relayed`), or its object not on its actor's server.
        Malformed: it names no object.
    """
    # (1) Public, and said so by its author.
    if PUBLIC not in activity.recipients:
        raise Forbidden(
            "not-relayed", "A relay carries what is for everybody.", expected="to or cc: as:Public"
        )
    # (2) About an object, given whole where it is new or changed.
    if activity.object_id is None or (activity.object is None and activity.type != "Delete"):
        raise Malformed(
            "malformed-activity", f"{activity.type} embeds its object.", expected="`object`: an object"
        )
    # (3) Of its actor's own server.
    if not same_origin(activity.object_id, activity.actor):
        raise Forbidden("foreign-origin", "The object lives elsewhere.", received=activity.object_id)
