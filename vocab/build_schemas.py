"""JSON Schemas 2020-12, made from the classes and properties. Pure: data in, documents out."""

from __future__ import annotations

import json
from typing import Any

Json = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
COMMON = "common.schema.json"

# FEP-2277 tells what a document is by these names, so an object of ours must not carry them.
DUCK_NAMES = (
    *("actor", "inbox", "outbox", "publicKeyPem", "publicKeyMultibase", "href"),
    *("items", "orderedItems", "totalItems", "partOf", "first", "last", "next", "prev", "current"),
)

_BASE58 = "[1-9A-HJ-NP-Za-km-z]"
# The days of the Gregorian calendar from year 1 on, and no others: a pattern, since nothing else refuses 30 February
# everywhere. Written without lookahead, which not every validator has.
_YEAR = "([0-9]{3}[1-9]|[0-9]{2}[1-9]0|[0-9][1-9]00|[1-9]000)"
_LEAP_YEAR = "([0-9]{2}(0[48]|[2468][048]|[13579][26])|(0[48]|[2468][048]|[13579][26])00)"
_MONTH_AND_DAY = (
    "((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))"
)
_DATE = f"({_YEAR}-{_MONTH_AND_DAY}|{_LEAP_YEAR}-02-29)"
_TIME = r"([01][0-9]|2[0-3]):[0-5][0-9](:([0-5][0-9]|60)(\.[0-9]+)?)?(Z|[+-](0[0-9]|1[0-4]):[0-5][0-9])"

# The forms of values (design: values). Formats are patterns, because `format` asserts nothing in 2020-12.
SCALARS: dict[str, Json] = {
    "iri": {"type": "string", "pattern": '^[A-Za-z][A-Za-z0-9+.-]*:[^\\s<>"{}|\\\\^`]+$', "maxLength": 2048},
    "date": {"type": "string", "pattern": f"^{_DATE}$"},
    "dateTime": {"type": "string", "pattern": f"^{_DATE}T{_TIME}$"},
    "duration": {
        "type": "string",
        "pattern": r"^-?P([0-9]+Y)?([0-9]+M)?([0-9]+D)?(T([0-9]+H)?([0-9]+M)?([0-9]+(\.[0-9]+)?S)?)?$",
        "not": {"pattern": "[PT]$"},
    },
    "interval": {"type": "string", "pattern": f"^{_DATE}T{_TIME}/{_DATE}T{_TIME}$"},
    "decimal": {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?$", "maxLength": 40},
    "ratio": {"type": "string", "pattern": r"^(0(\.[0-9]+)?|1(\.0+)?)$", "maxLength": 20},
    "money": {"type": "string", "pattern": r"^-?(0|[1-9][0-9]*)(\.[0-9]{1,4})?$", "maxLength": 24},
    "language": {"type": "string", "pattern": "^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*$"},
    "languageMap": {
        "type": "object",
        "minProperties": 1,
        "propertyNames": {"$ref": "#/$defs/language"},
        "additionalProperties": {"type": "string"},
    },
    "digest": {"type": "string", "pattern": f"^zQm{_BASE58}{{44}}$"},
    "multibase": {"type": "string", "pattern": f"^z{_BASE58}+$"},
    "code": {"type": "string", "minLength": 1, "maxLength": 100},
    "classNames": {
        "anyOf": [
            {"type": "string", "minLength": 1},
            {"type": "array", "items": {"type": "string", "minLength": 1}},
        ]
    },
    "audience": {
        "anyOf": [
            {"type": "string", "minLength": 1},
            {"type": "array", "items": {"type": "string", "minLength": 1}},
        ]
    },
    "stringOrStrings": {
        "anyOf": [{"type": "string"}, {"type": "array", "minItems": 1, "items": {"type": "string"}}]
    },
    "reference": {
        "anyOf": [
            {"$ref": "#/$defs/iri"},
            {"type": "object", "required": ["id"], "properties": {"id": {"$ref": "#/$defs/iri"}}},
        ]
    },
    "iriOrObject": {"anyOf": [{"$ref": "#/$defs/iri"}, {"type": "object"}]},
    # One, as most write it, or several: two request keys while one replaces the other.
    "iriOrObjects": {
        "anyOf": [
            {"$ref": "#/$defs/iriOrObject"},
            {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/iriOrObject"}},
        ]
    },
    "Place": {
        "type": "object",
        "properties": {
            "type": {"$ref": "#/$defs/classNames"},
            "name": {"type": "string"},
            "latitude": {"type": "number", "minimum": -90, "maximum": 90},
            "longitude": {"type": "number", "minimum": -180, "maximum": 180},
            "radius": {"type": "number", "minimum": 0},
            "units": {"type": "string"},
        },
    },
    "Proof": {
        "type": "object",
        "required": ["type", "cryptosuite", "verificationMethod", "proofPurpose", "proofValue"],
        "properties": {
            "type": {"const": "DataIntegrityProof"},
            "cryptosuite": {"type": "string"},
            "created": {"$ref": "#/$defs/dateTime"},
            "verificationMethod": {"$ref": "#/$defs/iri"},
            "proofPurpose": {"type": "string"},
            "proofValue": {"$ref": "#/$defs/multibase"},
        },
    },
}

_PLAIN = {
    "@context": {"type": ["string", "array", "object"]},
    "id": {"$ref": "#/$defs/iri"},
    "type": {"$ref": "#/$defs/classNames"},
    "fedcoopType": {"$ref": "#/$defs/classNames"},
    "to": {"$ref": "#/$defs/audience"},
    "cc": {"$ref": "#/$defs/audience"},
    "proof": {"$ref": "#/$defs/Proof"},
    "published": {"$ref": "#/$defs/dateTime"},
    "updated": {"$ref": "#/$defs/dateTime"},
}

# The ActivityStreams part of an object of ours.
ENVELOPES: dict[str, Json] = {
    "ObjectEnvelope": {
        "type": "object",
        "propertyNames": {"not": {"enum": list(DUCK_NAMES)}},
        "properties": {
            **_PLAIN,
            "attributedTo": {"$ref": "#/$defs/iri"},
            "context": {"$ref": "#/$defs/iri"},
            "inReplyTo": {"$ref": "#/$defs/iri"},
            "name": {"type": "string"},
            "nameMap": {"$ref": "#/$defs/languageMap"},
            "content": {"type": "string"},
            "contentMap": {"$ref": "#/$defs/languageMap"},
            "startTime": {"$ref": "#/$defs/dateTime"},
            "endTime": {"$ref": "#/$defs/dateTime"},
            "duration": {"$ref": "#/$defs/duration"},
            "location": {"$ref": "#/$defs/Place"},
            "attachment": {"type": ["array", "object", "string"]},
            "tag": {"type": ["array", "object", "string"]},
            "url": {"type": ["array", "object", "string"]},
        },
    },
    # A peer's actor or activity may be of any software, so only what we build on is asked for.
    "ActorEnvelope": {
        "type": "object",
        "required": ["id", "type", "inbox"],
        "properties": {
            **_PLAIN,
            "inbox": {"$ref": "#/$defs/iri"},
            "outbox": {"$ref": "#/$defs/iri"},
            "followers": {"$ref": "#/$defs/iri"},
            "following": {"$ref": "#/$defs/iri"},
            "preferredUsername": {"type": "string"},
            "endpoints": {"type": ["object", "string"]},
        },
    },
    "ActivityEnvelope": {
        "type": "object",
        "required": ["id", "type", "actor"],
        "properties": {
            **_PLAIN,
            "actor": {"$ref": "#/$defs/reference"},
            "object": {"type": ["string", "object", "array"]},
            "result": {"type": ["string", "object", "array"]},
            "inReplyTo": {"type": ["string", "object", "array"]},
        },
    },
    "CredentialEnvelope": {
        "type": "object",
        "required": ["@context", "id", "type", "issuer", "validFrom", "credentialSubject", "proof"],
        "properties": {
            "@context": {
                "type": "array",
                "prefixItems": [{"const": "https://www.w3.org/ns/credentials/v2"}],
                "minItems": 1,
            },
            "id": {"$ref": "#/$defs/iri"},
            "issuer": {"$ref": "#/$defs/reference"},
            "validFrom": {"$ref": "#/$defs/dateTime"},
            "validUntil": {"$ref": "#/$defs/dateTime"},
            "credentialStatus": {"type": ["object", "array"]},
            "proof": {"$ref": "#/$defs/Proof"},
        },
    },
}


def _value(range_: str, lists: Json) -> Json:
    kind, _, rest = range_.partition(":")
    if kind == "code":
        return {"enum": list(lists[rest]["codes"])} if lists[rest]["closed"] else {"$ref": "#/$defs/code"}
    if kind == "iri":
        return {"$ref": "#/$defs/iri"}
    if kind == "pattern":
        return {"type": "string", "pattern": rest}
    if kind == "integer":
        low, _, high = rest.partition("..")
        return {
            "type": "integer",
            **({"minimum": int(low)} if low else {}),
            **({"maximum": int(high)} if high else {}),
        }
    if kind == "boolean":
        return {"const": rest == "true"} if rest else {"type": "boolean"}
    if kind == "string":
        return {"type": "string", "minLength": 1}
    if kind == "object":
        name, _, alternative = rest.partition("|")
        reference = {"$ref": f"#/$defs/{name}"}
        return {"anyOf": [reference, {"const": alternative}]} if alternative else reference
    return {"$ref": f"#/$defs/{kind}"}


def property_schema(info: Json, cardinality: str, lists: Json) -> Json:
    value = _value(info["range"], lists)
    if not info["many"] or info["range"] == "classNames":
        return value
    low, _, high = cardinality.partition("..")
    return {
        "type": "array",
        "items": value,
        **({"minItems": int(low)} if int(low) else {}),
        **({"maxItems": int(high)} if high not in ("", "*") else {}),
    }


def _shape(name: str, properties: Json, lists: Json) -> tuple[Json, list[str], list[Json]]:
    """What the properties on `name` ask for: schemas, mandatory names, conditions."""
    found: Json = {}
    required: list[str] = []
    conditions: list[Json] = []
    for key, info in properties.items():
        cardinality = info["on"].get(name)
        if cardinality is None:
            continue
        found[key] = property_schema(info, cardinality, lists)
        if not cardinality.startswith("0"):
            required.append(key)
    for key, info in properties.items():
        for rule in info.get("requiredWhen", ()):
            if rule["class"] == name:
                conditions.append({"if": _condition(rule), "then": {"required": [key]}})
    return found, required, conditions


def _condition(rule: Json) -> Json:
    if "whenPresent" in rule:
        return {"required": [rule["whenPresent"]]}
    if "whenAbove" in rule:
        ((key, limit),) = rule["whenAbove"].items()
        return {"required": [key], "properties": {key: {"type": "integer", "exclusiveMinimum": limit}}}
    ((key, values),) = rule["when"].items()
    return {"required": [key], "properties": {key: {"enum": values}}}


def _names(name: str, iri: str, prefixes: Json) -> list[str]:
    prefix, _, local = iri.partition(":")
    return [name, iri, prefixes[prefix] + local] if prefix in prefixes else [name]


def _is_a(names: list[str]) -> Json:
    """The class is named in `type` or `fedcoopType`, scalar or array, short or in full (wire typing, rule 3)."""
    has = {"anyOf": [{"enum": names}, {"type": "array", "contains": {"enum": names}}]}
    return {
        "anyOf": [
            {"required": ["fedcoopType"], "properties": {"fedcoopType": has}},
            {"required": ["type"], "properties": {"type": has}},
        ]
    }


def _assemble(base: Json, properties: Json, required: list[str], conditions: list[Json]) -> Json:
    return {
        **base,
        **({"required": required} if required else {}),
        **({"properties": properties} if properties else {}),
        **({"allOf": conditions} if conditions else {}),
    }


def build(classes: Json, properties: Json, lists: Json, activities: Json) -> tuple[Json, dict[str, Json]]:
    """The shared `$defs` and one schema per class and activity; references are `#/$defs/NAME` throughout."""
    prefixes = classes["prefixes"]
    infos: Json = classes["classes"]
    defs: dict[str, Json] = {**SCALARS, **ENVELOPES}
    place, _, _ = _shape("Place", properties, lists)
    defs["Place"] = {**SCALARS["Place"], "properties": {**SCALARS["Place"]["properties"], **place}}
    for envelope, domain in (("ActorEnvelope", "Actor"), ("ActivityEnvelope", "Activity")):
        extra, _, conditions = _shape(domain, properties, lists)
        base = ENVELOPES[envelope]
        defs[envelope] = {
            **base,
            "properties": {**base["properties"], **extra},
            **({"allOf": conditions} if conditions else {}),
        }
    # `publicKey` and the like hold objects whose properties are listed under the name of the property.
    holders = {domain for info in properties.values() for domain in info["on"]}
    for holder in sorted(holders & set(properties)):
        shape, required, conditions = _shape(holder, properties, lists)
        defs[holder] = _assemble({"type": "object"}, shape, required, conditions)
    schemas: dict[str, Json] = {}
    for name, info in infos.items():
        shape, required, conditions = _shape(name, properties, lists)
        names = _names(name, info["iri"], prefixes)
        fixed = {key: {"const": value} for key, value in info.get("fixed", {}).items()}
        if info["kind"] == "value":
            typed = {"type": {"anyOf": [{"enum": names}, {"type": "array", "contains": {"enum": names}}]}}
            defs[name] = _assemble({"type": "object"}, {**typed, **shape}, required, conditions)
            schemas[name] = {"$ref": f"#/$defs/{name}"}
        elif info["kind"] == "object":
            base = {"$ref": "#/$defs/ObjectEnvelope"}
            wanted = [*info.get("requires", ["id", "attributedTo"]), *required]
            conditions = [_is_a(names), *conditions, *info.get("conditions", [])]
            schemas[name] = _assemble(base, {**shape, **fixed}, wanted, conditions)
        elif info["kind"] == "actor":
            schemas[name] = _assemble(
                {"$ref": "#/$defs/ActorEnvelope"}, shape, required, [_is_a(names), *conditions]
            )
        elif info["kind"] == "credential":
            subject = {"type": "object", "properties": {"id": {"$ref": "#/$defs/iri"}, **shape}}
            of_type = {"type": "array", "allOf": [{"contains": {"const": "VerifiableCredential"}}]}
            of_type["allOf"].append({"contains": {"enum": names}})  # type: ignore[attr-defined]
            schemas[name] = _assemble(
                {"$ref": "#/$defs/CredentialEnvelope"},
                {"type": of_type, "credentialSubject": {**subject, "required": ["id", *required]}},
                info.get("requires", []),
                conditions,
            )
    schemas["Actor"] = {"$ref": "#/$defs/ActorEnvelope"}
    schemas["Activity"] = {"$ref": "#/$defs/ActivityEnvelope"}
    for name, info in activities.items():
        names = _names(
            name, f"{info['from']}:{name}", {**prefixes, "as": "https://www.w3.org/ns/activitystreams#"}
        )
        typed = {"type": {"anyOf": [{"enum": names}, {"type": "array", "contains": {"enum": names}}]}}
        schemas[name] = _assemble(
            {"$ref": "#/$defs/ActivityEnvelope"},
            {**typed, **info.get("properties", {})},
            info.get("requires", ["object"]),
            [],
        )
    return defs, schemas


def _references(document: Any) -> set[str]:
    if isinstance(document, dict):
        here = {document["$ref"]} if isinstance(document.get("$ref"), str) else set()
        return here.union(*(_references(value) for value in document.values()))
    if isinstance(document, list):
        return set().union(*(_references(value) for value in document))
    return set()


def self_contained(schema: Json, defs: dict[str, Json]) -> str:
    """One schema with the `$defs` that it needs and no others, as compact JSON."""
    wanted: set[str] = set()
    todo = _references(schema)
    while todo:
        name = todo.pop().removeprefix("#/$defs/")
        if name not in wanted:
            wanted.add(name)
            todo |= _references(defs[name])
    document = {"$schema": DIALECT, **schema, "$defs": {name: defs[name] for name in sorted(wanted)}}
    return json.dumps(document, ensure_ascii=True, separators=(",", ":"))


def as_file(schema: Json) -> Json:
    """The same schema for the `schemas/` folder: references go to `common.schema.json`."""

    def moved(value: Any) -> Any:
        if isinstance(value, dict):
            return {
                key: COMMON + inner if key == "$ref" and isinstance(inner, str) else moved(inner)
                for key, inner in value.items()
            }
        return [moved(inner) for inner in value] if isinstance(value, list) else value

    return {"$schema": DIALECT, **moved(schema)}
