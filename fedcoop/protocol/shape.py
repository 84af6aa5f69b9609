"""ActivityStreams as it really comes: scalars or arrays, strings or objects, prefixed or not (AP-11).

Nothing here processes JSON-LD, and no context decides what a key means (decision D2). Every function takes a
document as parsed by `strict_json` and leaves it as it is: what was signed is what is kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import replace
from typing import Any, Final

from fedcoop.errors import FedcoopError, Malformed, TooLarge
from fedcoop.protocol.ids import origin
from fedcoop.protocol.limits import MAX_RECIPIENTS
from fedcoop.protocol.messages import Activity, Document
from fedcoop.protocol.model import CLASSES, NAMESPACE

AS2: Final = "https://www.w3.org/ns/activitystreams"
PUBLIC: Final = f"{AS2}#Public"
CREDENTIALS: Final = "https://www.w3.org/ns/credentials/v2"
FEDCOOP_CONTEXT_PATH: Final = "/contexts/fedcoop/v1"
CREDENTIALS_CONTEXT_PATH: Final = "/contexts/fedcoop/credentials/v1"

BLIND: Final = ("bto", "bcc")
"""Members by which a client names who is to have something without being named in it."""

_PUBLIC_NAMES: Final = frozenset({PUBLIC, "as:Public", "Public"})
_PREFIXES: Final = (
    f"{AS2}#",
    "https://w3id.org/valueflows/ont/vf#",
    "https://w3id.org/fedcoop/v1#",
    "as:",
    "vf:",
    "fc:",
)
_CONTAINERS: Final = (dict, list)
_STRUCTURE_KEYWORDS: Final = frozenset({"@graph", "@included", "@reverse"})
_OWN_CLASSES: Final = frozenset(name for name, info in CLASSES.items() if info.iri.startswith(NAMESPACE))
"""Classes that are fedcoop's alone; those shared with FEP-0837 (Proposal, Agreement ...) come after them."""
_NEEDS_OBJECT: Final = frozenset(
    {"Create", "Update", "Delete", "Follow", "Add", "Remove", "Like", "Block", "Undo"}
)
_NEEDS_TARGET: Final = frozenset({"Add", "Remove"})


# -- types and classes ----------------------------------------------------------------------------------


def types_of(document: Document) -> frozenset[str]:
    """Return the names in `type`, without the prefix or IRI of AS2, ValueFlows or fedcoop."""
    return frozenset(_names(document.get("type")))


def class_of(document: Document) -> str:
    """Return what fedcoop takes `document` for: one of its classes, else its first AS2 type, else "".

    `fedcoopType` says it first, then `type`; an `Agreement` is an Engagement; whatever `publishes` something
    for a `purpose` is a Proposal, as a plain FEP-0837 peer sends it (vocabulary.md §3.2 rule 3).
    """
    said, types = _names(document.get("fedcoopType")), _names(document.get("type"))
    for name in (*said, *types):
        if name in _OWN_CLASSES:
            return name
    if "Agreement" in (*said, *types):
        return "Engagement"
    if "Proposal" in (*said, *types) or ("publishes" in document and "purpose" in document):
        return "Proposal"
    return next(iter(types), "")


def _names(value: Any) -> tuple[str, ...]:
    items = value if isinstance(value, list) else [value]
    return tuple(_local_name(item) for item in items if isinstance(item, str) and item)


def _local_name(name: str) -> str:
    for prefix in _PREFIXES:
        if name.startswith(prefix) and len(name) > len(prefix):
            return name[len(prefix) :]
    return name


# -- references and addressees --------------------------------------------------------------------------


def ids_of(value: Any) -> tuple[str, ...]:
    """Return the ids in a property, given as strings, objects or an array of both; each once, in order."""
    items = value if isinstance(value, list) else [value]
    found = (item.get("id") if isinstance(item, Mapping) else item for item in items)
    return tuple(dict.fromkeys(item for item in found if isinstance(item, str) and item))


def id_of(value: Any) -> str | None:
    """Return the one id in a property, or None when there is none or more than one."""
    if isinstance(value, list) and len(value) != 1:
        return None
    return next(iter(ids_of(value)), None)


def is_public(iri: str) -> bool:
    """Tell whether `iri` is the collection of everybody, in any of its three spellings (ActivityPub §5.6)."""
    return iri in _PUBLIC_NAMES


def recipients(document: Document) -> tuple[str, ...]:
    """Return everybody in `to`, `cc` and `audience`, each once and in order; Public always by its full IRI.

    Raises:
        TooLarge: more than `MAX_RECIPIENTS` (`too-large`).
    """
    return _bounded(_named(document, ("to", "cc", "audience")))


def blind_recipients(document: Document) -> tuple[str, ...]:
    """Return everybody in `bto` and `bcc` of what a client posted and of the object in it (ActivityPub §6).

    Nobody can be told of everybody in secret: Public is not among them.
    """
    parts = (document, _embedded(document.get("object")) or {})
    found = dict.fromkeys(iri for part in parts for iri in _named(part, BLIND))
    return tuple(iri for iri in found if iri != PUBLIC)


def addressed_blindly(activity: Activity, blind: Iterable[str]) -> Activity:
    """Return `activity` with more recipients than it names; nobody is hidden who is named, nor is its sender.

    Raises:
        TooLarge: those are more than `MAX_RECIPIENTS` in all (`too-large`).
    """
    hidden = tuple(i for i in dict.fromkeys(blind) if i not in (*activity.recipients, activity.actor))
    return replace(activity, recipients=_bounded((*activity.recipients, *hidden)), blind=hidden)


def without_blind(value: Any) -> Any:
    """Return a document, or whatever stands in one, without `bto` and `bcc`, however deep (ActivityPub §B.11)."""
    if isinstance(value, Mapping):
        return {name: without_blind(inside) for name, inside in value.items() if name not in BLIND}
    return [without_blind(inside) for inside in value] if isinstance(value, list) else value


def _named(document: Document, names: Iterable[str]) -> tuple[str, ...]:
    named = (iri for name in names for iri in ids_of(document.get(name)))
    return tuple(dict.fromkeys(PUBLIC if is_public(iri) else iri for iri in named))


def _bounded(found: tuple[str, ...]) -> tuple[str, ...]:
    if len(found) > MAX_RECIPIENTS:
        raise TooLarge(
            "too-large",
            "There are too many recipients.",
            expected=f"at most {MAX_RECIPIENTS}",
            received=str(len(found)),
        )
    return found


# -- contexts -------------------------------------------------------------------------------------------


def contexts_of(document: Document) -> tuple[Any, ...]:
    """Return the entries of `@context`, whether it is an array or not."""
    value = document.get("@context")
    return tuple(value) if isinstance(value, list) else () if value is None else (value,)


def fedcoop_meaning(document: Document, allowed_context_urls: Set[str]) -> bool:
    """Tell whether contracts, credentials and lifecycles may be drawn from `document` (decision D2).

    They may when its contexts hold the literal ActivityStreams string (AP-9) and a fedcoop context: one of
    `allowed_context_urls`, or the copy that its owner's own origin serves. A credential has the literal W3C
    credentials string and the credentials context instead. Other contexts, inline ones included, give nothing
    and take nothing away.
    """
    named = {entry for entry in contexts_of(document) if isinstance(entry, str)}
    paths = {AS2: FEDCOOP_CONTEXT_PATH, CREDENTIALS: CREDENTIALS_CONTEXT_PATH}
    base = next((iri for iri in paths if iri in named), None)
    if base is None:
        return False
    if named & (allowed_context_urls - set(paths)):
        return True
    owners = (document.get(name) for name in ("actor", "attributedTo", "issuer", "id"))
    owner = next((iri for iri in map(id_of, owners) if iri), "")
    try:
        return f"{origin(owner)}{paths[base]}" in named
    except FedcoopError:
        return False


def is_plain(activity: Activity) -> bool:
    """Tell whether `activity` is of a plain FEP-0837 peer: it speaks no fedcoop, and knows of no chain to count in."""
    if "stateVersion" in activity.raw or "previousDigest" in activity.raw:
        return False
    return not fedcoop_meaning(activity.raw, frozenset())


def refuse_structure_keywords(document: Document) -> None:
    """Return when `document` hides nothing from a reader of plain JSON.

    Raises:
        Malformed: it has `@graph`, `@included` or `@reverse` somewhere (`malformed-activity`, AP-9).
    """
    waiting: list[Any] = [dict(document)]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            if not _STRUCTURE_KEYWORDS.isdisjoint(value):
                keyword = min(_STRUCTURE_KEYWORDS & value.keys())
                raise _malformed(f"`{keyword}` is not allowed.", received=keyword)
            # A context may define a term by @reverse; contexts say nothing to us.
            value = [inside for name, inside in value.items() if name != "@context"]
        waiting += [inside for inside in value if isinstance(inside, _CONTAINERS)]


# -- activities -----------------------------------------------------------------------------------------


def read_activity(document: Document, body: bytes) -> Activity:
    """Return `document` as an activity; `body` are the bytes it was parsed from.

    Raises:
        Malformed: it is none: no id, no single type, no single actor, or no object where ActivityPub §7
            demands one (`malformed-activity`).
        TooLarge: it has too many recipients (`too-large`).
    """
    refuse_structure_keywords(document)
    activity_id, kind = document.get("id"), document.get("type")
    if not isinstance(activity_id, str) or not activity_id:
        raise _malformed("An activity has an id.", expected="`id` as a string", received=_shown(activity_id))
    # Servers dispatch on the string; an array would be one activity here and none elsewhere (AP-10).
    if not isinstance(kind, str) or not kind:
        raise _malformed("An activity has one type.", expected="`type` as a string", received=_shown(kind))
    actor = id_of(document.get("actor"))
    if actor is None:
        raise _malformed("An activity has one actor.", expected="`actor` with one id", received=_shown(actor))
    name = _local_name(kind)
    for needed, where in (("object", _NEEDS_OBJECT), ("target", _NEEDS_TARGET)):
        if name in where and document.get(needed) in (None, "", [], {}):
            raise _malformed(f"{name} needs `{needed}`.", expected=f"`{needed}`", received="nothing")
    embedded = _embedded(document.get("object"))
    return Activity(
        raw=document,
        body=body,
        id=activity_id,
        type=name,
        actor=actor,
        object_id=id_of(document.get("object")),
        object=embedded,
        object_class=class_of(embedded) if embedded is not None else "",
        recipients=recipients(document),
    )


def _embedded(value: Any) -> Document | None:
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return value if isinstance(value, Mapping) else None


def _shown(value: Any) -> str:
    return "nothing" if value is None else type(value).__name__


def _malformed(detail: str, *, expected: str | None = None, received: str | None = None) -> Malformed:
    return Malformed("malformed-activity", detail, expected=expected, received=received)
