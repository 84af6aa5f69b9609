"""The text of `fedcoop/protocol/model.py`, in the layout that `ruff format` leaves alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Json = dict[str, Any]

WIDTH = 110

# Where the documents of other people that we keep a copy of were published.
THIRD_PARTY = {
    "https://www.w3.org/ns/activitystreams": "context/third-party/activitystreams.jsonld",
    "https://w3id.org/security/data-integrity/v2": "context/third-party/data-integrity-v2.jsonld",
    "https://www.w3.org/ns/credentials/v2": "context/third-party/credentials-v2.jsonld",
}
OURS = {
    "/contexts/fedcoop/v1": "context/v1.jsonld",
    "/contexts/fedcoop/credentials/v1": "context/credentials-v1.jsonld",
}

_HEAD = '''"""The vocabulary, version 1, as the server reads it.

GENERATED from `vocab/` by `vocab/build.py`. Do not edit: change the data and build again.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from fedcoop.protocol.vocabulary import (
    Authorisation,
    ClassInfo,
    Codes,
    Edge,
    Label,
    Lifecycle,
    PrivacyClass,
    Problem,
    PropertyInfo,
)
'''


def _text(value: str) -> str:
    quote = "'" if value.count('"') > value.count("'") else '"'
    body = value.replace("\\", "\\\\").replace(quote, "\\" + quote).replace("\n", "\\n")
    return quote + body + quote


def _flat(value: Any) -> str:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Call):
        inner = (f"{key}={_flat(item)}" if key else _flat(item) for key, item in value.arguments)
        return f"{value.name}({', '.join(inner)})"
    if isinstance(value, tuple):
        return "(" + ", ".join(_flat(item) for item in value) + ("," if len(value) == 1 else "") + ")"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_text(key)}: {_flat(item)}" for key, item in value.items()) + "}"
    return repr(value)


class Call:
    """A call in the generated source; arguments with an empty key are positional."""

    def __init__(self, called: str, /, *positional: Any, **named: Any) -> None:
        self.name = called
        self.arguments = [("", item) for item in positional] + list(named.items())


def _lines(value: Any, indent: int, before: str, after: str) -> Iterable[str]:
    """`before` + value + `after`, on one line where it fits, else one item a line."""
    pad = " " * indent
    flat = pad + before + _flat(value) + after
    if isinstance(value, tuple) and len(value) > 1:
        head, tail, items = "(", ")", [("", item) for item in value]
    elif isinstance(value, tuple) and value:
        head, tail, items = "(", ")", [("", value[0])]
    elif isinstance(value, dict):
        head, tail, items = "{", "}", [(f"{_text(key)}: ", item) for key, item in value.items()]
    elif isinstance(value, Call):
        head, tail = value.name + "(", ")"
        items = [(f"{key}=" if key else "", item) for key, item in value.arguments]
    else:
        yield flat
        return
    # A dictionary is always one entry a line, so that a change of data is a change of one line.
    if not items or (len(flat) <= WIDTH and not _has_dict(value)):
        yield flat
        return
    yield pad + before + head
    for key, item in items:
        yield from _lines(item, indent + 4, key, ",")
    yield pad + tail + after


def _has_dict(value: Any) -> bool:
    if isinstance(value, Call):
        return any(_has_dict(item) for _, item in value.arguments)
    return isinstance(value, dict)


def _constant(name: str, annotation: str, value: Any) -> str:
    return "\n".join(_lines(value, 0, f"{name}: {annotation} = ", ""))


def _label(value: Json) -> Call:
    return Call("Label", value["fr"], value["en"])


def _mapping(value: Json) -> Call:
    return Call("MappingProxyType", value)


def _pairs(value: Json) -> tuple[tuple[str, str], ...]:
    return tuple(value.items())


def _listed(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _edge(lifecycle: Json, edge: Json) -> Call:
    return Call(
        "Edge",
        edge["from"],
        edge["to"],
        edge["activity"],
        edge["object"],
        _pairs(edge.get("where", {})),
        edge["sender"],
        tuple(edge.get("guards", ())),
        tuple(edge.get("ownerGuards", ())),
        bool(lifecycle["implemented"] and edge.get("implemented", True)),
    )


_PROBLEM = Call("Label", "problème", "problem")


def source(data: Json, contained: dict[str, str]) -> str:
    """The module's whole text.

    `data` is what `build.load` returns, `contained` maps a class or activity to its self-contained schema.
    """
    classes, lists = data["classes"], data["codes"]["lists"]
    problems = data["problems"]["problems"]
    prefixes = {**classes["prefixes"], "as": "https://www.w3.org/ns/activitystreams#"}

    def full(iri: str) -> str:
        prefix, _, local = iri.partition(":")
        return prefixes[prefix] + local if prefix in prefixes else iri

    code_lists = {
        name: _mapping({code: _label(label) for code, label in codes["codes"].items()})
        for name, codes in lists.items()
    }
    code_lists["Problem"] = _mapping({code: _label(problem["title"]) for code, problem in problems.items()})
    parts = [
        _HEAD,
        _constant("NAMESPACE", "str", classes["namespace"]),
        _constant("CAPABILITY", "str", classes["capability"]),
        "",
        "# Path on every instance -> file in `vocab/`. The bytes are the same everywhere.",
        _constant("PUBLIC_CONTEXT_PATHS", "Mapping[str, str]", _mapping(OURS)),
        "# Contexts of others, of which `vocab/` keeps a copy. None is ever fetched.",
        _constant("THIRD_PARTY_CONTEXTS", "Mapping[str, str]", _mapping(THIRD_PARTY)),
        "",
        _constant(
            "CLASSES",
            "Mapping[str, ClassInfo]",
            _mapping(
                {
                    name: Call(
                        "ClassInfo",
                        name,
                        info["kind"],
                        info["wireType"],
                        tuple(info["fedcoopType"]),
                        full(info["iri"]),
                        info["fr"],
                        info["en"],
                        _label(info["note"]),
                        info["privacy"],
                        info["implemented"],
                    )
                    for name, info in classes["classes"].items()
                }
            ),
        ),
        "",
        _constant(
            "PROPERTIES",
            "Mapping[str, PropertyInfo]",
            _mapping(
                {
                    name: Call(
                        "PropertyInfo",
                        name,
                        full(info["iri"]),
                        info["range"],
                        info["many"],
                        info["fr"],
                        info["en"],
                        _pairs(info["on"]),
                        _pairs(info["privacy"]),
                    )
                    for name, info in data["properties"]["properties"].items()
                }
            ),
        ),
        "",
        "# A code outside a closed list is invalid; outside another it is kept and shown raw.",
        _constant(
            "CLOSED_LISTS",
            "frozenset[str]",
            Call("frozenset", tuple(name for name, codes in lists.items() if codes["closed"])),
        ),
        _constant("CODE_LISTS", "Mapping[str, Codes]", _mapping(code_lists)),
        _constant(
            "CODE_LIST_LABELS",
            "Codes",
            _mapping({name: _label(codes) for name, codes in lists.items()} | {"Problem": _PROBLEM}),
        ),
        _constant(
            "ACTIVITIES",
            "Codes",
            _mapping({name: _label(info) for name, info in data["authorisation"]["activities"].items()}),
        ),
        "",
        _constant(
            "LIFECYCLES",
            "Mapping[str, Lifecycle]",
            _mapping(
                {
                    name: Call(
                        "Lifecycle",
                        name=name,
                        class_names=_listed(lifecycle["class"]),
                        code_list=lifecycle["codeList"],
                        state_property=lifecycle["stateProperty"],
                        initial=tuple(lifecycle["initial"]),
                        terminal=tuple(lifecycle["terminal"]),
                        implemented=lifecycle["implemented"],
                        roles=tuple(lifecycle["roles"]),
                        edges=tuple(_edge(lifecycle, edge) for edge in lifecycle["transitions"]),
                    )
                    for name, lifecycle in data["lifecycles"].items()
                }
            ),
        ),
        "",
        _constant(
            "AUTHORISATION",
            "tuple[Authorisation, ...]",
            tuple(
                Call(
                    "Authorisation",
                    row["activity"],
                    _listed(row["object"]),
                    row["lifecycle"],
                    tuple(row["senders"]),
                    tuple(row["audience"]),
                    row["implemented"],
                    _label(row["effect"]),
                )
                for row in data["authorisation"]["rows"]
            ),
        ),
        _constant(
            "ROLES",
            "Codes",
            _mapping({name: _label(role) for name, role in data["authorisation"]["roles"].items()}),
        ),
        _constant(
            "GUARDS",
            "Codes",
            _mapping({name: _label(text) for name, text in data["guards"]["guards"].items()}),
        ),
        "",
        _constant(
            "PRIVACY",
            "Mapping[str, PrivacyClass]",
            _mapping(
                {
                    name: Call(
                        "PrivacyClass", name, _label(info), _label(info["readers"]), _label(info["transport"])
                    )
                    for name, info in data["privacy"]["classes"].items()
                }
            ),
        ),
        "",
        "# Who must act, by the word of `Problem.who`.",
        _constant(
            "WHO_ACTS",
            "Mapping[str, Label]",
            _mapping({name: _label(label) for name, label in data["problems"]["who"].items()}),
        ),
        "",
        _constant(
            "PROBLEMS",
            "Mapping[str, Problem]",
            _mapping(
                {
                    code: Call(
                        "Problem",
                        code,
                        problem["status"],
                        problem["title"]["fr"],
                        problem["title"]["en"],
                        problem["help"]["fr"],
                        problem["help"]["en"],
                        tuple(problem["who"]),
                        *(problem["example"][name] for name in ("at", "expected", "received")),
                    )
                    for code, problem in problems.items()
                }
            ),
        ),
        "",
        "# Class or activity -> JSON Schema 2020-12 as JSON; every reference is to its own `$defs`.",
        _constant("SCHEMAS", "Mapping[str, str]", _mapping(contained)),
    ]
    return "\n".join(parts) + "\n"
