"""What a document says by the vocabulary: its class, whether it is valid, and what a proposal of ours has to say.

Schemas and lifecycles are read as data. Each rule has the fault that breaks it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cache
from typing import Any, Final

import jsonschema
import referencing

from fedcoop_conformance import data
from fedcoop_conformance.minicoop.world import SIGNED, Document, Local, Minicoop, Refusal, origin_of

CLASSES: Final = ("Mission", "ServiceOffer", "Need")
PLACES: Final = {"Mission": "missions", "ServiceOffer": "offers", "Need": "needs"}
CURRENCIES: Final = frozenset({"EUR", "CHF", "USD", "GBP", "XOF", "MAD"})
"""Enough of ISO 4217 for a model."""


@cache
def validator(kind: str) -> jsonschema.Draft202012Validator:
    """Return what judges documents of a class."""
    common = referencing.Resource.from_contents(data.read("vocab", "schemas/common.schema.json"))
    registry: Any = referencing.Registry().with_resource("common.schema.json", common)
    return jsonschema.Draft202012Validator(
        data.read("vocab", f"schemas/{kind}.schema.json"), registry=registry
    )


# -- what comes in ----------------------------------------------------------------------------------------------------


def many(value: object) -> list[Any]:
    """Return the entries of a member that holds one or several."""
    return value if isinstance(value, list) else [] if value is None else [value]


def understood(coop: Minicoop, activity: Mapping[str, Any]) -> bool:
    """Tell whether an activity speaks version 1 of the vocabulary, under the context of its own server or ours."""
    own = {f"{one}/contexts/fedcoop/v1" for one in (origin_of(str(activity.get("actor"))), coop.base)}
    named = many(activity.get("@context"))
    other = any(isinstance(one, str) and "/contexts/fedcoop/" in one for one in named)
    if other and not own & set(filter(_is_text, named)):
        if coop.fault("version-crash"):
            raise RuntimeError("no such version")
        if coop.fault("version-ignored"):
            raise Refusal(422, "schema-invalid", "@context")
        return False
    return bool(own & set(filter(_is_text, named)))


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def class_of(coop: Minicoop, document: object) -> str | None:
    """Return which proposal a document is; None where it is none."""
    if not isinstance(document, Mapping):
        return None
    types = document.get("type")
    if isinstance(types, list):
        if coop.fault("type-string-only"):
            raise Refusal(422, "schema-invalid", "type")
        if coop.fault("type-array-opaque"):
            return None
    said = [*many(document.get("fedcoopType")), *many(types)]
    return next((kind for kind in CLASSES if kind in said), None)


def checked(coop: Minicoop, document: Mapping[str, Any], kind: str) -> None:
    """Refuse a document that its class does not allow (422)."""
    if coop.fault("offer-refuse"):
        raise Refusal(422, "schema-invalid", kind)
    if coop.fault("ext-refused") and any(":" in name for name in document):
        raise Refusal(422, "schema-invalid", "unknown members")
    for error in validator(kind).iter_errors(document):
        if not coop.fault(_LENIENT.get(_rule(error), "no-schema")):
            if coop.fault("refused-but-stored"):
                coop.objects[str(document.get("id"))] = dict(document)
            raise Refusal(422, "schema-invalid", f"{error.json_path}: {error.message}"[:300])
    _values(coop, document)


_LENIENT: Final = {
    "required": "offer-lenient",
    "value": "price-number-ok",
    "coordinate": "geo-any",
    "dateTime": "date-lenient",
}


def _rule(error: jsonschema.ValidationError) -> str:
    """Return which of our rules an error of the schema is about."""
    if error.validator == "required":
        return "required"
    last = str(error.path[-1]) if error.path else ""
    if last in {"latitude", "longitude"}:
        return "coordinate"
    return "dateTime" if last in TIMES else last


TIMES: Final = frozenset({"startTime", "endTime", "applyBefore", "published", "updated"})


def members(value: object) -> Iterator[tuple[str, Any]]:
    """Yield every member of a document, on every level."""
    if isinstance(value, Mapping):
        for name, inside in value.items():
            yield name, inside
            yield from members(inside)
    elif isinstance(value, list):
        for inside in value:
            yield from members(inside)


def _values(coop: Minicoop, document: Mapping[str, Any]) -> None:
    """Refuse what a schema cannot see: days and currencies that do not exist."""
    for name, value in members(document):
        if name in TIMES and not _exists(str(value)) and not coop.fault("date-lenient"):
            raise Refusal(422, "schema-invalid", f"{name}: {value}")
        if name == "currency" and value not in CURRENCIES and not coop.fault("currency-any"):
            raise Refusal(422, "schema-invalid", f"currency: {value}")


def _exists(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def kept(coop: Minicoop, document: Mapping[str, Any]) -> Document:
    """Return what this server keeps of a proposal: all of it, unless a fault makes it lose something."""
    found = dict(document)
    for fault, change in _LOSSES.items():
        if coop.fault(fault):
            found = change(found)
    return found


def _mapped(value: Any, name: str, change: Any) -> Any:
    """Return a document in which every member of a name is changed."""
    if isinstance(value, Mapping):
        return {key: change(one) if key == name else _mapped(one, name, change) for key, one in value.items()}
    return [_mapped(one, name, change) for one in value] if isinstance(value, list) else value


def _each(names: tuple[str, ...], change: Any) -> Any:
    def changed(document: Any) -> Any:
        for name in names:
            document = _mapped(document, name, change)
        return document

    return changed


_LOSSES: Final[Mapping[str, Any]] = {
    "offer-lossy": lambda found: {key: one for key, one in found.items() if key != "occupation"},
    "ext-stripped": lambda found: {
        key: one for key, one in found.items() if ":" not in key and "_" not in key
    },
    "langmap-collapse": _each(("nameMap",), lambda one: dict(list(one.items())[:1])),
    "price-float": _each(("value", "hasNumericalValue"), lambda one: str(float(one))),
    "date-naive": _each(("startTime",), lambda one: str(one)[:19] + "Z"),
    "geo-round": _each(("latitude", "longitude"), lambda one: round(one, 3)),
}


# -- what goes out ----------------------------------------------------------------------------------------------------


def completed(coop: Minicoop, local: Local, activity: Mapping[str, Any]) -> Document | None:
    """Return the Create of a proposal with what its server gives it, id, owner, date and state; None for all else."""
    made = activity.get("object")
    kind = class_of(coop, made)
    if activity.get("type") != "Create" or kind is None or not isinstance(made, dict):
        return None
    document = {
        **made,
        "id": coop.new_id(PLACES[kind]),
        "attributedTo": coop.id_of(local),
        "published": coop.instant(),
    }
    document["publishes"] = {**document.get("publishes", {}), "id": f"{document['id']}#primary"}
    if kind == "Mission":
        document |= {"missionState": "published", "matchingRule": f"{coop.base}/rules/matching"}
    for fault, change in _SPOILT[kind].items():
        if coop.fault(fault):
            document = change(document)
    counted = {} if kind == "Mission" and coop.fault("mission-no-version") else {"stateVersion": 1}
    contexts = [*SIGNED, f"{coop.base}/contexts/fedcoop/v1"]
    return {**activity, "@context": contexts, **counted, "object": document}


def _lacking(name: str) -> Any:
    return lambda document: {key: one for key, one in document.items() if key != name}


_OFFER: Final = {
    "offer-missing-required": _lacking("publishes"),
    "offer-class-unsaid": lambda document: {
        **document,
        "type": [one for one in document["fedcoopType"] if one != "Proposal"],
    },
}
_SPOILT: Final[Mapping[str, Mapping[str, Any]]] = {
    "Mission": {
        "mission-missing-required": _lacking("matchingRule"),
        "mission-slots-lost": lambda document: {**document, "slots": 1},
    },
    "ServiceOffer": _OFFER,
    "Need": _OFFER,
}
