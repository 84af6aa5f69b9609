"""The vocabulary as this instance serves it: files that `app.py` has read, found here by their URL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from fedcoop.errors import Misconfigured
from fedcoop.protocol.messages import Document
from fedcoop.protocol.model import (
    CLASSES,
    CODE_LISTS,
    NAMESPACE,
    PROBLEMS,
    PROPERTIES,
    PUBLIC_CONTEXT_PATHS,
    SCHEMAS,
    WHO_ACTS,
)
from fedcoop.protocol.vocabulary import Label

_CONTEXT: Final = {
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "schema": "https://schema.org/",
    "skos": "http://www.w3.org/2004/02/skos/core#",
}
_RDF_TYPE: Final = {"class": "rdfs:Class", "property": "rdf:Property", "codes": "skos:ConceptScheme"}


@dataclass(frozen=True, slots=True)
class Term:
    """A term of the vocabulary: a class, a property or a list of codes."""

    name: str
    kind: Literal["class", "property", "codes"]
    iri: str
    label: Label
    note: Label | None


class Published:
    """The files of `vocab/`, by their path inside it (such as `context/v1.jsonld`), as bytes."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        """Raises Misconfigured when a context that every instance serves is not among the files."""
        self._files = dict(files)
        missing = sorted(path for path in PUBLIC_CONTEXT_PATHS.values() if path not in self._files)
        if missing:
            raise Misconfigured("unavailable", f"The vocabulary's files are incomplete: no {missing[0]}.")

    def file(self, path: str) -> bytes | None:
        """Return the bytes of a file, or None when the vocabulary has none of that path."""
        return self._files.get(path)

    def context(self, path: str) -> bytes | None:
        """Return the bytes of the context served at `path`, the same on every instance; None if none is."""
        name = PUBLIC_CONTEXT_PATHS.get(path)
        return None if name is None else self._files[name]

    def term(self, name: str) -> Term | None:
        """Return what is known of the term `name`, or None."""
        if name in CLASSES:
            info = CLASSES[name]
            return Term(name, "class", info.iri, Label(info.fr, info.en), info.note)
        if name in PROPERTIES:
            found = PROPERTIES[name]
            # `fedcoopType` is an alias of @type: it has no IRI of its own.
            iri = found.iri if "://" in found.iri else NAMESPACE + name
            return Term(name, "property", iri, Label(found.fr, found.en), None)
        if name in CODE_LISTS:
            return Term(name, "codes", NAMESPACE + name, Label(name, name), None)
        return None

    def terms(self) -> tuple[str, ...]:
        """Return the name of every term, classes first, then properties, then lists of codes."""
        return (*CLASSES, *PROPERTIES, *CODE_LISTS)

    def schema(self, name: str) -> bytes | None:
        """Return the JSON Schema of a class or an activity, complete in itself, or None when it has none."""
        schema = SCHEMAS.get(name)
        return None if schema is None else schema.encode()

    def linked_data(self, term: Term, *, base: str) -> Document:
        """Return the JSON-LD description of `term`: what it is, what it is called, where it is explained."""
        document: dict[str, Any] = {
            "@context": _CONTEXT,
            "@id": term.iri,
            "@type": _RDF_TYPE[term.kind],
            "rdfs:label": _in_both(term.label),
            "rdfs:isDefinedBy": {"@id": NAMESPACE},
            "rdfs:seeAlso": {"@id": f"{base}/vocab/{term.name}"},
        }
        if term.note is not None:
            document["rdfs:comment"] = _in_both(term.note)
        if term.kind == "property":
            used_on = [self.term(name) for name, _ in PROPERTIES[term.name].on]
            document["schema:domainIncludes"] = [{"@id": on.iri} for on in used_on if on is not None]
        if term.kind == "codes":
            document["skos:hasTopConcept"] = [
                {
                    "@id": f"{term.iri}-{code}",
                    "@type": "skos:Concept",
                    "skos:notation": code,
                    "skos:prefLabel": _in_both(label),
                }
                for code, label in CODE_LISTS[term.name].items()
            ]
        return document

    def problem(self, code: str, *, base: str) -> Document | None:
        """Return what is to know of a problem code, in both languages, or None when it is none of ours."""
        known = PROBLEMS.get(code)
        if known is None:
            return None
        return {
            "type": f"{base}/problems/{code}",
            "status": known.status,
            "titleMap": {"fr": known.title_fr, "en": known.title_en},
            "helpMap": {"fr": known.help_fr, "en": known.help_en},
            "who": [{"code": who, "fr": WHO_ACTS[who].fr, "en": WHO_ACTS[who].en} for who in known.who],
            "example": {
                "at": known.example_at,
                "expected": known.example_expected,
                "received": known.example_received,
            },
        }


def _in_both(label: Label) -> list[dict[str, str]]:
    return [{"@language": "fr", "@value": label.fr}, {"@language": "en", "@value": label.en}]
