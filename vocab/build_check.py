"""What must hold in the vocabulary. Each function yields the disagreements that it finds, as sentences."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import build_model
import build_schemas
from jsonschema import Draft202012Validator
from pyld import jsonld

Json = dict[str, Any]

CAMEL = re.compile(r"[a-z][A-Za-z0-9]*")
UPPER = re.compile(r"[A-Z][A-Za-z0-9]*")
KEBAB = re.compile(r"[a-z]+(-[a-z]+)*")
CARDINALITY = re.compile(r"[0-9]+(\.\.([0-9]+|\*))?")

# What a property may sit on besides a class: any activity, actor or object, and what ActivityStreams has.
OPEN_DOMAINS = {"Any", "Activity", "Actor", "Application", "Object", "Place"}
# What a property may point at besides a class.
OPEN_TARGETS = {"Activity", "Actor", "Collection", "OrderedCollection", "Place"}
STATE_BEFORE = "none"

# The type that the context gives a term, by the kind of its range.
CONTEXT_TYPES = {
    "iri": "@id",
    "iriOrObject": "@id",
    "iriOrObjects": "@id",
    "date": "xsd:date",
    "dateTime": "xsd:dateTime",
    "duration": "xsd:duration",
    "decimal": "xsd:decimal",
    "ratio": "xsd:decimal",
    "money": "xsd:decimal",
}
# One folder of examples serves a class whose own documents are never sent alone.
MIN_INVALID = 2


def _terms(path: Path) -> Json:
    context = json.loads(path.read_text(encoding="utf-8"))["@context"]
    return dict(context)


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


# ------------------------------------------------------------------------------------------------- contexts


def contexts(vocab: Path, data: Json) -> Iterator[str]:
    """Terms of the contexts against classes and properties, both ways, and clashes with the contexts beside them."""
    classes = data["classes"]["classes"]
    properties = data["properties"]["properties"]
    prefixes = data["classes"]["prefixes"]
    third = vocab / "context" / "third-party"
    beside = {
        "main": ("activitystreams.jsonld", "data-integrity-v2.jsonld"),
        "credentials": ("credentials-v2.jsonld", "data-integrity-v2.jsonld"),
    }
    for name, file in (("main", "v1.jsonld"), ("credentials", "credentials-v1.jsonld")):
        terms = _terms(vocab / "context" / file)
        here = {key: info for key, info in properties.items() if name in info["contexts"]}
        for term, definition in terms.items():
            iri = definition if isinstance(definition, str) else definition.get("@id")
            if term in prefixes:
                if iri != prefixes[term]:
                    yield f"{file}: prefix {term} is {iri}, in classes.json {prefixes[term]}"
            elif term in here:
                yield from _definition(file, term, definition, here[term])
            elif term in classes:
                if iri != classes[term]["iri"]:
                    yield f"{file}: class {term} is {iri}, in classes.json {classes[term]['iri']}"
            else:
                yield f"{file}: {term} is neither a class nor a property of that context"
        for term in here:
            if term not in terms:
                yield f"{file}: the property {term} is missing"
        for term in prefixes if name == "main" else ():
            if term not in terms:
                yield f"{file}: the prefix {term} is missing"
        for term, info in classes.items() if name == "main" else ():
            if term not in terms:
                yield f"{file}: the class {term} is missing"
            if info["kind"] == "credential" and term not in _terms(
                vocab / "context" / "credentials-v1.jsonld"
            ):
                yield f"credentials-v1.jsonld: the class {term} is missing"
        for other in beside[name]:
            theirs = _terms(third / other)
            for term in terms:
                same = theirs.get(term) == terms[term] and term in prefixes
                if term in theirs and not same:
                    yield f"{file}: {term} clashes with {other}"


def _definition(file: str, term: str, definition: Any, info: Json) -> Iterator[str]:
    entry = {"@id": definition} if isinstance(definition, str) else definition
    kind = info["range"].partition(":")[0]
    if entry["@id"] != info["iri"]:
        yield f"{file}: {term} is {entry['@id']}, in properties.json {info['iri']}"
    if entry.get("@type") != CONTEXT_TYPES.get(kind):
        yield f"{file}: {term} has type {entry.get('@type')}, its range {info['range']} asks {CONTEXT_TYPES.get(kind)}"
    container = "@language" if kind == "languageMap" else "@set" if info["many"] else None
    if kind not in ("classNames", "stringOrStrings") and entry.get("@container") != container:
        yield f"{file}: {term} has container {entry.get('@container')}, its range asks {container}"


# ------------------------------------------------------------------------------------------------- terms


def classes(data: Json) -> Iterator[str]:
    """Kinds, labels and privacy of classes; names unique among all terms."""
    infos = data["classes"]["classes"]
    kinds = {"actor", "object", "credential", "value", "activity", "foreign"}
    for name, info in infos.items():
        where = f"classes.json: {name}"
        if not UPPER.fullmatch(name):
            yield f"{where} is not written in UpperCamelCase"
        if info["kind"] not in kinds:
            yield f"{where} has the unknown kind {info['kind']}"
        if info["privacy"] not in {*data["privacy"]["classes"], "inherited"}:
            yield f"{where} has the unknown privacy class {info['privacy']}"
        yield from _labels(where, info, info["note"])
    # A term has one page, whatever it is.
    groups: list[Iterable[str]] = [infos, data["properties"]["properties"], data["codes"]["lists"]]
    for term, count in Counter(term for group in groups for term in group).items():
        if count > 1:
            yield f"{term} names two terms"
    for activity in data["authorisation"]["activities"]:
        if activity in infos and infos[activity]["kind"] != "activity":
            yield f"{activity} names a class and an activity"


def _labels(where: str, *labels: Json) -> Iterator[str]:
    for label in labels:
        for language in ("fr", "en"):
            text = label.get(language)
            if not isinstance(text, str) or not text.strip() or text != text.strip():
                yield f"{where} has no label in {language}"


def properties(data: Json) -> Iterator[str]:
    """Domains, ranges, cardinalities, privacy and examples of properties."""
    infos = data["properties"]["properties"]
    names = {*data["classes"]["classes"], *infos}
    unknown = {
        name: trouble for name, info in infos.items() if (trouble := _range(info["range"], data, names))
    }
    for name, trouble in unknown.items():
        yield f"properties.json: {name} {trouble}"
    defs = {} if unknown else _schemas(data)[0]
    for name, info in infos.items():
        where = f"properties.json: {name}"
        yield from _labels(where, info)
        if not CAMEL.fullmatch(name):
            yield f"{where} is not written in lowerCamelCase"
        if name in build_schemas.DUCK_NAMES and not info.get("foreign"):
            yield f"{where} changes what FEP-2277 takes an object for"
        for domain, cardinality in info["on"].items():
            if domain not in names | OPEN_DOMAINS:
                yield f"{where} sits on the unknown {domain}"
            if not CARDINALITY.fullmatch(cardinality):
                yield f"{where} has the cardinality {cardinality}"
            elif not info["many"] and not cardinality.endswith("1"):
                yield f"{where} is single, and {cardinality} on {domain}"
        for code in info["privacy"].values():
            if code not in {*data["privacy"]["classes"], "inherited"}:
                yield f"{where} has the unknown privacy class {code}"
        for rule in info.get("requiredWhen", ()):
            keys = (
                [rule["whenPresent"]]
                if "whenPresent" in rule
                else [*rule.get("when", rule.get("whenAbove", ()))]
            )
            if rule["class"] not in info["on"] or any(key not in infos for key in keys):
                yield f"{where} is required under an unknown condition: {json.dumps(rule)}"
        if unknown:
            continue
        schema = build_schemas.property_schema(info, "0..*", data["codes"]["lists"])
        text = build_schemas.self_contained(schema, defs)
        for error in Draft202012Validator(json.loads(text)).iter_errors(info["example"]):
            yield f"{where}: the example does not fit its range: {error.message}"
            break


def _range(range_: str, data: Json, names: set[str]) -> str | None:
    kind, _, rest = range_.partition(":")
    simple = {*build_schemas.SCALARS, "string", "integer", "boolean", "pattern", "iri"}
    if kind == "code":
        return None if rest in data["codes"]["lists"] else f"has the unknown code list {rest}"
    if kind == "object":
        return None if rest.partition("|")[0] in names | OPEN_TARGETS else f"holds the unknown {rest}"
    if kind == "iri" and rest:
        return None if rest in names | OPEN_TARGETS else f"points at the unknown {rest}"
    return None if kind in simple else f"has the unknown range {range_}"


def codes(data: Json) -> Iterator[str]:
    """Labels of every code in both languages; every list in use."""
    used = {info["range"].removeprefix("code:") for info in data["properties"]["properties"].values()}
    used |= {machine["codeList"] for machine in data["lifecycles"].values()}
    for name, info in data["codes"]["lists"].items():
        where = f"codes.json: {name}"
        yield from _labels(where, info)
        if name not in used:
            yield f"{where} is used by nothing"
        for code, label in info["codes"].items():
            if not CAMEL.fullmatch(code):
                yield f"{where}.{code} is not written in lowerCamelCase"
            yield from _labels(f"{where}.{code}", label)


EXAMPLE = ("at", "expected", "received")
"""What the example of a problem says: where it is met, and what was compared."""


def problems(data: Json) -> Iterator[str]:
    """Problem codes: form, status, words, who must act, and an example."""
    known = data["problems"]["who"]
    for name, label in known.items():
        yield from _labels(f"problems.json: who {name}", label)
    for code, info in data["problems"]["problems"].items():
        where = f"problems.json: {code}"
        if not KEBAB.fullmatch(code):
            yield f"{where} is not written in kebab-case"
        if not 400 <= info["status"] <= 599:
            yield f"{where} has the status {info['status']}"
        yield from _labels(where, info["title"], info["help"])
        if not info.get("who") or set(info["who"]) - set(known):
            yield f"{where} does not say who must act: one or more of {', '.join(known)}"
        example = info.get("example", {})
        if not all(isinstance(example.get(name), str) and example[name] for name in EXAMPLE):
            yield f"{where} has no example with {', '.join(EXAMPLE)}"


# ------------------------------------------------------------------------------------------------- lifecycles


def lifecycles(data: Json) -> Iterator[str]:
    """Every state in its list and alive, every sender, guard, activity and object known, no two edges alike."""
    for name, machine in data["lifecycles"].items():
        yield from _states(name, machine, data)
        yield from _edges(name, machine, data)


def _states(name: str, machine: Json, data: Json) -> Iterator[str]:
    where = f"lifecycles.json: {name}"
    listed = data["codes"]["lists"].get(machine["codeList"])
    if listed is None:
        yield f"{where} has the unknown code list {machine['codeList']}"
        return
    edges = machine["transitions"]
    named = {edge[end] for edge in edges for end in ("from", "to")}
    named |= {*machine["initial"], *machine["terminal"]}
    for state in sorted(named - set(listed["codes"]) - {STATE_BEFORE}):
        yield f"{where}: the state {state} is not in {machine['codeList']}"
    for state in sorted(set(listed["codes"]) - named):
        yield f"{where}: the code {state} of {machine['codeList']} is no state"
    if not listed["closed"]:
        yield f"{where}: {machine['codeList']} holds states and is not closed"
    prop = machine["stateProperty"]
    if prop is not None:
        info = data["properties"]["properties"].get(prop, {})
        if info.get("range") != f"code:{machine['codeList']}":
            yield f"{where}: the property {prop} does not hold a {machine['codeList']}"
        for held in _listed(machine["class"]):
            if held not in info.get("on", {}):
                yield f"{where}: the property {prop} is not on {held}"
    reached = _closure(set(machine["initial"]), [(edge["from"], edge["to"]) for edge in edges])
    ending = _closure(set(machine["terminal"]), [(edge["to"], edge["from"]) for edge in edges])
    for state in sorted(named - reached):
        yield f"{where}: the state {state} cannot be reached"
    for state in sorted(named - ending):
        yield f"{where}: the state {state} is dead: no end can be reached from it"
    for state in sorted({edge["from"] for edge in edges} & set(machine["terminal"])):
        yield f"{where}: the state {state} is an end and has a way out"


def _closure(start: set[str], steps: list[tuple[str, str]]) -> set[str]:
    found = set(start)
    while new := {b for a, b in steps if a in found and b not in found}:
        found |= new
    return found


def _edges(name: str, machine: Json, data: Json) -> Iterator[str]:
    authorisation = data["authorisation"]
    activities = {*authorisation["activities"], *authorisation["events"]}
    objects = {*data["classes"]["classes"], *data["lifecycles"], *authorisation["activities"]}
    props, lists = data["properties"]["properties"], data["codes"]["lists"]
    for held in (*_listed(machine["class"]), *machine["roles"]):
        if held not in {*data["classes"]["classes"], *authorisation["roles"]}:
            yield f"lifecycles.json: {name} names the unknown {held}"
    seen: dict[tuple[str, ...], str] = {}
    for edge in machine["transitions"]:
        where = f"lifecycles.json: {name} {edge['from']} to {edge['to']}"
        if edge["activity"] not in activities:
            yield f"{where}: unknown activity {edge['activity']}"
        if edge["object"] not in objects:
            yield f"{where}: unknown object {edge['object']}"
        if edge["sender"] not in authorisation["roles"]:
            yield f"{where}: unknown sender role {edge['sender']}"
        for key in ("guards", "ownerGuards"):
            guards = edge.get(key, [])
            if not isinstance(guards, list):
                yield f"{where}: {key} is not a list of names"
                continue
            for guard in guards:
                if guard not in data["guards"]["guards"]:
                    yield f"{where}: unknown guard {guard}"
        for key, value in edge.get("where", {}).items():
            range_ = props.get(key, {}).get("range", "")
            if value not in lists.get(range_.removeprefix("code:"), {"codes": {}})["codes"]:
                yield f"{where}: {key} cannot be {value}"
        if machine["implemented"] and edge.get("implemented", True):
            key2 = (
                edge["from"],
                edge["activity"],
                edge["object"],
                json.dumps(edge.get("where", {}), sort_keys=True),
            )
            if key2 in seen:
                yield f"{where}: the same message also leads to {seen[key2]}"
            seen[key2] = edge["to"]
    for guard in data["guards"]["guards"]:
        machines = data["lifecycles"].values()
        edges = [edge for other in machines for edge in other["transitions"]]
        if name == next(iter(data["lifecycles"])) and not any(
            guard in (*edge.get("guards", ()), *edge.get("ownerGuards", ())) for edge in edges
        ):
            yield f"guards.json: {guard} is used by no transition"


def authorisation(data: Json) -> Iterator[str]:
    """The rows against the edges of the lifecycles, both ways."""
    table = data["authorisation"]
    known = {*data["classes"]["classes"], *table["activities"], "Actor", "Object"}
    everybody = {**table["roles"], **table["audiences"]}
    for group in ("activities", "events", "roles", "audiences"):
        for name, info in table[group].items():
            yield from _labels(f"authorisation.json: {name}", info)
    rows: dict[tuple[str, str, str | None], Json] = {}
    for row in table["rows"]:
        objects = _listed(row["object"])
        where = f"authorisation.json: {row['activity']}({', '.join(objects)})"
        yield from _labels(where, row["effect"])
        if row["activity"] not in table["activities"]:
            yield f"{where}: unknown activity"
        for name in objects:
            if name not in known:
                yield f"{where}: unknown object {name}"
            key = (row["activity"], name, row["lifecycle"])
            if key in rows:
                yield f"{where} is there twice"
            rows[key] = row
        for sender in row["senders"]:
            if sender not in table["roles"]:
                yield f"{where}: unknown sender role {sender}"
        for reader in row["audience"]:
            if reader not in everybody:
                yield f"{where}: unknown audience {reader}"
    carried: dict[tuple[str, str, str | None], list[Json]] = {}
    for name, machine in data["lifecycles"].items():
        for edge in machine["transitions"]:
            if edge["activity"] in table["events"]:
                continue
            objects = _listed(machine["class"]) if edge["object"] == name else [edge["object"]]
            for held in objects:
                later = not (machine["implemented"] and edge.get("implemented", True))
                carried.setdefault((edge["activity"], held, name), []).append({**edge, "later": later})
    for key, edges in carried.items():
        where = f"authorisation.json: {key[0]}({key[1]}) of {key[2]}"
        if key not in rows:
            yield f"{where} is missing, a transition needs it"
            continue
        if set(rows[key]["senders"]) != {edge["sender"] for edge in edges}:
            yield f"{where}: the senders are not those of the transitions"
        if rows[key]["implemented"] != any(not edge["later"] for edge in edges):
            yield f"{where}: `implemented` is not what the transitions say"
    for key in rows:
        if key[2] is not None and key not in carried:
            where = f"authorisation.json: {key[0]}({key[1]}) of {key[2]}"
            yield (
                f"{where}: no transition carries it"
                if key[2] in data["lifecycles"]
                else f"{where}: no such lifecycle"
            )


# ------------------------------------------------------------------------------------------------- examples


def _schemas(data: Json) -> tuple[Json, dict[str, Json]]:
    return build_schemas.build(
        data["classes"],
        data["properties"]["properties"],
        data["codes"]["lists"],
        data["authorisation"]["activities"],
    )


def validators(data: Json) -> dict[str, Draft202012Validator]:
    """One validator for each class and activity, of its self-contained schema."""
    defs, schemas = _schemas(data)
    found = {}
    for name, schema in schemas.items():
        document = json.loads(build_schemas.self_contained(schema, defs))
        Draft202012Validator.check_schema(document)
        found[name] = Draft202012Validator(document)
    return found


def subjects(document: Any, known: Iterable[str], pointer: str = "") -> Iterator[tuple[str, str, Json]]:
    """Every part of a document that says of what class it is: (class, JSON Pointer, part)."""
    if isinstance(document, list):
        for index, inner in enumerate(document):
            yield from subjects(inner, known, f"{pointer}/{index}")
    if isinstance(document, dict):
        names = [*_listed(document.get("type", [])), *_listed(document.get("fedcoopType", []))]
        for name in dict.fromkeys(names):
            if name in known:
                yield name, pointer, document
        for key, inner in document.items():
            if key != "@context":
                yield from subjects(inner, known, f"{pointer}/{key}")


def faults(document: Json, checks: dict[str, Draft202012Validator]) -> list[tuple[str, str]]:
    """Where a document breaks a schema: (JSON Pointer, what)."""
    found = []
    for name, pointer, part in subjects(document, checks):
        for error in checks[name].iter_errors(part):
            path = pointer + "".join(f"/{step}" for step in error.absolute_path)
            found.append((path or "/", f"{name}: {error.message[:160]}"))
    return found


def examples(vocab: Path, data: Json) -> Iterator[str]:
    """Valid examples validate and expand; invalid ones break exactly where their README says."""
    checks = validators(data)
    implemented = {name for name, info in data["classes"]["classes"].items() if info["implemented"]}
    for name, info in data["classes"]["classes"].items():
        folder = vocab / "examples" / name
        if info["kind"] == "foreign":
            continue
        files = sorted(folder.glob("*.json"))
        invalid = [file for file in files if file.stem.endswith("_fail")]
        if len(files) == len(invalid):
            yield f"examples/{name}: no valid example"
        if name in implemented and len(invalid) < MIN_INVALID:
            yield f"examples/{name}: fewer than {MIN_INVALID} invalid examples"
        readme = folder / "README.md"
        reasons = _reasons(readme) if readme.exists() else {}
        for file in files:
            where = f"examples/{name}/{file.name}"
            document = json.loads(file.read_text(encoding="utf-8"))
            found = faults(document, checks)
            if file in invalid:
                if file.name not in reasons:
                    yield f"{where}: the README gives no reason"
                elif not found:
                    yield f"{where} is meant to be invalid and validates"
                elif all(path != reasons[file.name] for path, _ in found):
                    yield f"{where} is invalid at {found[0][0]}, not at {reasons[file.name]}: {found[0][1]}"
                continue
            if not any(True for _ in subjects(document, checks)):
                yield f"{where} is of no class"
            for path, what in found:
                yield f"{where} is invalid at {path}: {what}"
            yield from (f"{where}: {what}" for what in expansion(document, vocab))
        for missing in sorted(set(reasons) - {file.name for file in invalid}):
            yield f"examples/{name}/{missing} is explained and not there"


def _reasons(readme: Path) -> dict[str, str]:
    rows = re.findall(
        r"^\| `([^`]+_fail\.json)` \| `([^`]+)` \| \S.* \| \S.* \|$", readme.read_text("utf-8"), re.M
    )
    return dict(rows)


def loader(vocab: Path) -> Any:
    """A document loader that knows our contexts and the copies of others, and fetches nothing."""
    copies = {url: vocab / file for url, file in build_model.THIRD_PARTY.items()}

    def load(url: str, _options: Json) -> Json:
        path = copies.get(url)
        for suffix, file in build_model.OURS.items():
            if url.startswith("https://") and url.endswith(suffix):
                path = vocab / file
        if path is None:
            _refuse(url)
        document = json.loads(path.read_text(encoding="utf-8"))
        return {
            "contextUrl": None,
            "documentUrl": url,
            "document": document,
            "contentType": "application/ld+json",
        }

    return load


def _refuse(url: str) -> NoReturn:
    message = f"{url} would have to be fetched"
    raise ValueError(message)


# Terms that no context defines land here, so that they can be seen.
UNDEFINED = "urn:undefined:"


def expansion(document: Json, vocab: Path) -> Iterator[str]:
    """JSON-LD expansion gives every term and type an IRI; nothing is fetched."""
    context = [{"@vocab": UNDEFINED}, *_listed(document["@context"])]
    options = {"documentLoader": loader(vocab), "processingMode": "json-ld-1.1"}
    try:
        expanded = jsonld.expand({**document, "@context": context}, options)
    except (jsonld.JsonLdError, ValueError) as error:
        yield f"does not expand: {error}"
        return
    if not expanded:
        yield "expands to nothing"
    for iri in sorted(_without_iri(expanded)):
        yield f"the term {iri.removeprefix(UNDEFINED).removeprefix('_:')} expands to no IRI"


def _without_iri(expanded: Any) -> set[str]:
    found: set[str] = set()
    if isinstance(expanded, list):
        for inner in expanded:
            found |= _without_iri(inner)
    elif isinstance(expanded, dict):
        types = expanded.get("@type", [])
        names = [*expanded, *(types if isinstance(types, list) else [types])]
        found |= {name for name in names if name.startswith((UNDEFINED, "_:"))}
        for inner in expanded.values():
            found |= _without_iri(inner)
    return found


# ------------------------------------------------------------------------------------------------- files


def files(generated: dict[Path, str], folders: list[Path], root: Path) -> Iterator[str]:
    """Generated files are what would be generated now, and no others lie beside them."""
    for path, text in generated.items():
        name = path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name
        if not path.exists():
            yield f"{name} is missing: run `python vocab/build.py`"
        elif path.read_text(encoding="utf-8") != text:
            yield f"{name} is out of date: run `python vocab/build.py`"
    for folder in folders:
        for path in sorted(folder.rglob("*")) if folder.exists() else []:
            if path.is_file() and path not in generated:
                yield f"{path.relative_to(root).as_posix()} is generated from nothing"
    lowered = Counter(str(path).lower() for path in generated)
    for name, count in lowered.items():
        if count > 1:
            yield f"{name}: two files differ only in upper and lower case"


def everything(vocab: Path, data: Json) -> Iterator[str]:
    """All disagreements inside the data."""
    for check in (classes, properties, codes, problems, lifecycles, authorisation):
        yield from check(data)
    yield from contexts(vocab, data)
    yield from examples(vocab, data)
