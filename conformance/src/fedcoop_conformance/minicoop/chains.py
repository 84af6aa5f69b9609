"""Proposals as chains of steps, each with a place, a sender and an edge of the lifecycle (vocab/lifecycles.json)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from fedcoop_conformance import data
from fedcoop_conformance.crypto import jcs, multikey
from fedcoop_conformance.minicoop import vocabulary
from fedcoop_conformance.minicoop.world import Document, Minicoop, Refusal, names

STATE_ONLY: Final = frozenset(
    {"missionState", "updated", "stateActivity", "reasonCode", "compensation", "to", "cc"}
)


@dataclass
class Chain:
    """Where a proposal stands."""

    kind: str
    owner: str
    state: str
    version: int = 0
    head: str = ""
    document: Document = field(default_factory=dict)

    @property
    def life(self) -> str:
        return "Mission" if self.kind == "Mission" else "Listing"


def digest(activity: Mapping[str, Any]) -> str:
    """Return how the next step names an activity."""
    bare = {name: value for name, value in activity.items() if name != "proof"}
    hashed = hashlib.sha256(jcs.canonical(bare)).digest()
    return multikey.to_multibase(b"\x12\x20" + hashed)


def published(coop: Minicoop, said: Mapping[str, Any]) -> None:
    """Begin the chain of a proposal of ours."""
    made = said.get("object")
    kind = vocabulary.class_of(coop, made)
    if said.get("type") == "Create" and kind is not None and isinstance(made, dict):
        name = str(made["id"])
        coop.chains[name] = Chain(kind, said["actor"], "published", 1, digest(said), made)
        coop.objects[name] = made


def chain_of(coop: Minicoop, activity: Mapping[str, Any]) -> Chain | None:
    """Return the chain of which an activity is a step, a new one for a new proposal; None where it is about none."""
    made = activity.get("object")
    name = next(iter(names(made)), "")
    known: Chain | None = coop.chains.get(name)
    if known is not None:
        return known
    if activity.get("type") not in {"Create", "Update"}:
        return None
    if not vocabulary.understood(coop, activity) and not coop.fault("version-meaning"):
        return None
    kind = vocabulary.class_of(coop, made)
    if kind is None or not isinstance(made, dict):
        return None
    return Chain(kind, str(made.get("attributedTo", activity["actor"])), "draft")


def take(coop: Minicoop, chain: Chain, activity: Document) -> None:
    """Let a step happen.

    Raises:
        Refusal: its place is taken, or it is no edge, or not its sender's, or a guard is not met.
    """
    if activity["actor"] != chain.owner and not coop.fault("update-any-actor"):
        raise Refusal(403, "wrong-party", chain.owner)
    made = activity.get("object")
    if activity["type"] != "Delete" and isinstance(made, dict) and vocabulary.understood(coop, activity):
        vocabulary.checked(coop, made, chain.kind)
    placed(coop, chain, activity)
    edge = edge_of(chain, activity)
    back = edge is not None and (edge["from"], edge["to"]) == ("assigned", "published")
    if back and coop.fault("mission-no-way-back"):
        edge = None
    if edge is None and not coop.fault("mission-any-transition"):
        raise Refusal(409, "illegal-transition", f"{chain.state}: {activity['type']}")
    after = dict(made) if isinstance(made, dict) else {}
    for guard in edge.get("guards", []) if edge else []:
        GUARDS.get(guard, _nothing)(coop, chain, activity)
    moved(coop, chain, activity, str(edge["to"]) if edge else str(after.get("missionState", chain.state)))


def placed(coop: Minicoop, chain: Chain, activity: Mapping[str, Any]) -> None:
    """Refuse a step whose place another one holds, or that follows what nobody knows."""
    version = activity.get("stateVersion", 0)
    if version > chain.version + 1:
        raise Refusal(503, "predecessor-unknown", str(version), **{"Retry-After": "1"})
    follows = version == chain.version + 1 and activity.get("previousDigest", "") == chain.head
    if not follows and not coop.fault("step-place-twice"):
        raise Refusal(409, "stale", str(version))


def edge_of(chain: Chain, activity: Mapping[str, Any]) -> Document | None:
    """Return the edge that a step takes, None where there is none."""
    made = activity.get("object")
    said = made if isinstance(made, Mapping) else {}
    for edge in data.read("vocab", "lifecycles.json")[chain.life]["transitions"]:
        fits = edge["from"] == chain.state and edge["activity"] == activity["type"]
        if fits and all(said.get(name) == value for name, value in edge.get("where", {}).items()):
            return dict(edge) if edge.get("implemented", True) else None
    return None


def moved(coop: Minicoop, chain: Chain, activity: Document, state: str) -> None:
    """Keep what a step leads to."""
    made = activity["object"]
    name = next(iter(names(made)))
    if activity["type"] == "Delete":
        if not coop.fault("delete-noop"):
            coop.objects[name] = {"id": name, "type": "Tombstone"}
        chain.state = chain.state if coop.fault("delete-listed") else state
    elif not coop.fault("offer-drop"):
        chain.document = vocabulary.kept(coop, made)
        coop.objects[name] = chain.document
        chain.state = state
    if activity["type"] == "Update" and coop.fault("mission-state-stuck"):
        coop.objects[name] = {**chain.document, "missionState": "published"}
    chain.version, chain.head = activity.get("stateVersion", 0), digest(activity)
    coop.chains[name] = chain


def open_ones(coop: Minicoop, owner: str) -> list[str]:
    """Return the proposals of an owner that are published and not past their date."""
    return [
        name
        for name, chain in coop.chains.items()
        if chain.owner == owner and chain.state == "published" and not past(coop, chain)
    ]


def past(coop: Minicoop, chain: Chain) -> bool:
    """Tell whether the time to apply is over."""
    until = chain.document.get("applyBefore")
    if not isinstance(until, str) or coop.fault("expired-open"):
        return False
    return datetime.fromisoformat(until).timestamp() < coop.now()


# -- guards -----------------------------------------------------------------------------------------------------------


def _nothing(coop: Minicoop, chain: Chain, activity: Document) -> None:
    """What this model does not look at."""


def _same_terms(coop: Minicoop, chain: Chain, activity: Document) -> None:
    made = activity["object"]
    changed = {
        name for name in {*made, *chain.document} - STATE_ONLY if made.get(name) != chain.document.get(name)
    }
    if changed and not coop.fault("terms-change"):
        raise Refusal(422, "guard-failed", f"sameTerms: {sorted(changed)}")


def _reason_given(coop: Minicoop, chain: Chain, activity: Document) -> None:
    if "reasonCode" not in activity and not coop.fault("no-reason-ok"):
        raise Refusal(422, "guard-failed", "reasonGiven")


def _apply_before_passed(coop: Minicoop, chain: Chain, activity: Document) -> None:
    if not past(coop, chain) and not coop.fault("expires-early"):
        raise Refusal(422, "guard-failed", "applyBeforePassed")


GUARDS: Final = {
    "sameTerms": _same_terms,
    "reasonGiven": _reason_given,
    "applyBeforePassed": _apply_before_passed,
}
