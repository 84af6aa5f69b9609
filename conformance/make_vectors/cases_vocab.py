"""Documents of every class, from the schemas and examples of `vocab/`, which are read as files.

A class has its smallest document, its largest, and copies of either in which one property breaks one keyword
of the schema: of the smallest where it has such a property. A copy is kept when the schema, read by a validator, names that keyword and nothing else.
"""

# ruff: noqa: E501 -- tables: one vector, one line

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import jsonschema
import referencing
from cases import Case, File, Json

_VOCAB: Final = Path(__file__).parents[2] / "vocab"
_SCHEMAS: Final = _VOCAB / "schemas"
_PER_KEYWORD: Final = 2
"""Faults of one keyword in one class: the first at the top, the second deeper or of another property."""

KEYWORDS: Final = (
    "required",
    "type",
    "enum",
    "const",
    "pattern",
    "minimum",
    "maximum",
    "minItems",
    "minLength",
)
_UNKNOWN: Final = {
    "ext:colour": "green",
    "https://ext.example/ns#weight": {"ext:grams": 1250, "ext:of": ["a", "b"]},
    "x_internal": None,
}


def _registry() -> Any:
    shared = json.loads((_SCHEMAS / "common.schema.json").read_bytes())
    resource = referencing.Resource.from_contents(shared)
    return referencing.Registry().with_resource("common.schema.json", resource)


_REGISTRY: Final = _registry()


def _validator(name: str) -> jsonschema.Draft202012Validator:
    schema = json.loads((_SCHEMAS / f"{name}.schema.json").read_bytes())
    return jsonschema.Draft202012Validator(schema, registry=_REGISTRY)


def _names() -> list[str]:
    return sorted(
        path.name.removesuffix(".schema.json")
        for path in _SCHEMAS.glob("*.json")
        if path.name != "common.schema.json"
    )


def _walk(value: Any) -> Iterator[Json]:
    if isinstance(value, dict):
        yield value
    for inside in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _walk(inside)


def _types(document: Json) -> list[str]:
    named = [document.get("fedcoopType"), document.get("type")]
    return [
        name for one in named for name in (one if isinstance(one, list) else [one]) if isinstance(name, str)
    ]


def _instances(name: str) -> list[Json]:
    """Return the documents of a class in the valid examples, the largest first."""
    validator = _validator(name)
    found: dict[str, Json] = {}
    for path in sorted((_VOCAB / "examples").glob("*/*.json")):
        if path.stem.endswith("_fail"):
            continue
        for document in _walk(json.loads(path.read_bytes())):
            if name in _types(document) and validator.is_valid(document):
                found[json.dumps(document, sort_keys=True)] = document
    return [found[text] for text in sorted(found, key=lambda text: (-len(text), text))]


def _smallest(document: Json, validator: jsonschema.Draft202012Validator) -> Json:
    """Return `document` without every member, on every level, that the schema does not ask for."""
    kept = copy.deepcopy(document)
    for part in _walk(kept):
        for name in list(part):
            value = part.pop(name)
            if not validator.is_valid(kept):
                part[name] = value
    return kept


# -- faults ----------------------------------------------------------------------------------------------


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the paths into a document, the shallow ones first."""
    waiting = [(path, value)]
    while waiting:
        at, one = waiting.pop(0)
        if at:
            yield at
        steps = one.items() if isinstance(one, dict) else enumerate(one) if isinstance(one, list) else ()
        waiting += [((*at, step), inside) for step, inside in steps]


def _with(document: Json, path: tuple[Any, ...], value: Any) -> Json:
    """Return a copy with another value in one place; a missing value takes the member away."""
    changed = copy.deepcopy(document)
    at: Any = changed
    for step in path[:-1]:
        at = at[step]
    if value is _GONE:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return changed


_GONE: Final = object()


def _wrong_values(value: Any) -> Iterator[Any]:
    """Yield values that a schema for `value` may refuse, each by another keyword."""
    yield _GONE
    if isinstance(value, str):
        yield from (7, "?", "")
    elif isinstance(value, bool):
        yield from ("true", not value)
    elif isinstance(value, (int, float)):
        yield from (str(value), -1000, 100000)
    elif isinstance(value, list):
        yield from ([], "?")


def _faults(
    document: Json, validator: jsonschema.Draft202012Validator, seen: dict[str, int], used: set[str]
) -> Iterator[tuple[str, tuple[Any, ...], Json]]:
    """Yield keyword, place and the broken copy, for faults that the schema names in one way."""
    for path in _places(document):
        value: Any = document
        for step in path:
            value = value[step]
        if isinstance(path[-1], int) and path[-1] > 0:
            continue
        for wrong in _wrong_values(value):
            if wrong is _GONE and isinstance(path[-1], int):
                continue
            broken = _with(document, path, wrong)
            errors = list(validator.iter_errors(broken))
            keyword = str(errors[0].validator) if len(errors) == 1 else ""
            place = keyword + _pointer(path)
            if seen.get(keyword, _PER_KEYWORD) < _PER_KEYWORD and place not in used:
                seen[keyword] += 1
                used.add(place)
                yield keyword, path, broken


def _pointer(path: tuple[Any, ...]) -> str:
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)


def _cases(name: str) -> Iterator[Case]:
    validator = _validator(name)
    instances = _instances(name)
    if not instances:
        return
    schema, largest = f"{name}.schema.json", instances[0]
    stem, test = f"FV-VOC-{name}", "FC-VEC-018"
    smallest = _smallest(largest, validator)
    yield Case(
        f"{stem}-min",
        test,
        f"the smallest {name}",
        {"schema": schema, "document": smallest},
        flags=("SCHEMA",),
    )
    yield Case(
        f"{stem}-max",
        test,
        f"the largest {name} of the examples",
        {"schema": schema, "document": largest},
        flags=("SCHEMA",),
    )
    seen = dict.fromkeys(KEYWORDS, 0)
    used: set[str] = set()
    for base, document in (("min", smallest), ("max", largest)):
        for keyword, path, broken in _faults(document, validator, seen, used):
            pointer = _pointer(path)
            given = {"schema": schema, "document": broken}
            change = "is not there" if keyword == "required" else "is wrong"
            identifier = f"{stem}-{keyword}{pointer.replace('/', '.')}"
            yield Case(
                identifier,
                test,
                f"{pointer} {change}",
                given,
                reason=keyword,
                twin=f"{stem}-{base}",
                flags=("SCHEMA",),
            )


def _extended(name: str) -> Iterator[Case]:
    """Yield the smallest document of a class with terms that nobody knows, at the top and one level down."""
    validator = _validator(name)
    instances = _instances(name)
    if not instances:
        return
    smallest = _smallest(instances[0], validator)
    variants = {"plain": smallest, "top": {**smallest, **_UNKNOWN}}
    inner = next(
        (member for member in instances[0] if isinstance(instances[0][member], dict) and member != "proof"),
        None,
    )
    if inner is not None:
        variants["inner"] = {**instances[0], inner: {**instances[0][inner], **_UNKNOWN}}
    for where, document in variants.items():
        if validator.is_valid(document):
            comment = f"{name}, {'nothing unknown' if where == 'plain' else f'unknown terms: {where}'}"
            given = {"schema": f"{name}.schema.json", "document": document}
            yield Case(
                f"FV-EXT-{name}-{where}",
                "FC-VEC-019",
                comment,
                given,
                output={"document": document},
                flags=("UNKNOWN_TERM",),
            )


def _vocabulary() -> tuple[File, ...]:
    files = []
    for name in _names():
        cases = tuple(_cases(name))
        if cases:
            files.append(File(f"vocab/{name}.json", "vocab", (f"vocab/schemas/{name}.schema.json",), cases))
    extended = tuple(
        case
        for name in (
            "Mission",
            "ServiceOffer",
            "Need",
            "Engagement",
            "Member",
            "Cooperative",
            "MonetaryAmount",
            "Create",
        )
        for case in _extended(name)
    )
    broken = _not_an_object()
    files.append(
        File("vocab/unknown-terms.json", "vocab-read", ("vocabulary, extensibility",), (*extended, broken))
    )
    return tuple(files)


def _not_an_object() -> Case:
    """Return a document whose unknown terms are no excuse for the known one that is missing."""
    smallest = _smallest(_instances("MonetaryAmount")[0], _validator("MonetaryAmount"))
    broken = {name: value for name, value in {**smallest, **_UNKNOWN}.items() if name != "value"}
    given = {"schema": "MonetaryAmount.schema.json", "document": broken}
    return Case(
        "FV-EXT-MonetaryAmount-required",
        "FC-VEC-019",
        "MonetaryAmount, unknown terms, a known one missing",
        given,
        reason="required",
        twin="FV-EXT-MonetaryAmount-top",
        flags=("SCHEMA",),
    )


FILES: Final = _vocabulary()
