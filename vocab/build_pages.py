"""A page for each class, property, code list and activity, in French and in English, as HTML fragments.

A fragment begins with its `<h1>`; whoever serves it puts it into a page. Links are `/vocab/TERM`, pictures
`/vocab/diagrams/NAME.svg`. No style and no script is in it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from html import escape
from typing import Any

Json = dict[str, Any]

KINDS = ("classes", "properties", "codes", "activities")

WORDS = {
    "class": ("Classe", "Class"),
    "property": ("Propriété", "Property"),
    "list": ("Liste de codes", "Code list"),
    "activity": ("Activité", "Activity"),
    "iri": ("Adresse du terme", "Term IRI"),
    "wire": ("Type envoyé", "Type sent"),
    "privacy": ("Confidentialité", "Privacy"),
    "as-carrier": ("comme l'objet qui la porte", "as the object that carries it"),
    "maps": ("Correspond à", "Corresponds to"),
    "later": (
        "Cette partie du vocabulaire n'est pas encore disponible dans cette version du serveur.",
        "This part of the vocabulary is not in this release of the server yet.",
    ),
    "properties": ("Propriétés", "Properties"),
    "name": ("Nom", "Name"),
    "meaning": ("Sens", "Meaning"),
    "how-often": ("Combien", "How often"),
    "value": ("Valeur", "Value"),
    "lifecycle": ("Cycle de vie", "Lifecycle"),
    "from": ("De", "From"),
    "to": ("À", "To"),
    "by": ("Par", "By"),
    "sender": ("Expéditeur", "Sender"),
    "conditions": ("Conditions", "Conditions"),
    "example": ("Exemple", "Example"),
    "used-on": ("Se trouve sur", "Found on"),
    "range": ("Valeur", "Value"),
    "code": ("Code", "Code"),
    "label": ("Libellé", "Label"),
    "closed": (
        "Liste fermée : un code qui n'y est pas rend l'objet invalide.",
        "Closed list: a code that is not in it makes the object invalid.",
    ),
    "open": (
        "Liste ouverte : un code inconnu reçu est conservé et montré tel quel.",
        "Open list: an unknown code that is received is kept and shown as it is.",
    ),
    "used-by": ("Utilisée par", "Used by"),
    "who": ("Qui peut l'envoyer", "Who may send it"),
    "object": ("Objet", "Object"),
    "audience": ("Destinataires", "Audience"),
    "effect": ("Effet", "Effect"),
    "status": ("Disponible", "Available"),
    "yes": ("oui", "yes"),
    "no": ("plus tard", "later"),
    "mandatory-when": ("Obligatoire sur", "Mandatory on"),
    "profile": ("Obligatoire dans le profil", "Mandatory in the profile"),
    "if": ("si", "if"),
    "present": ("est présent", "is present"),
    "above": ("dépasse", "is above"),
    "is": ("vaut", "is"),
    "or": ("ou", "or"),
    "before": ("avant la première activité", "before the first activity"),
    "foreign": (
        "Terme d'un autre vocabulaire, défini dans le contexte par commodité.",
        "A term of another vocabulary, defined in the context for convenience.",
    ),
    "vocabulary": ("Vocabulaire fedcoop, version 1", "The fedcoop vocabulary, version 1"),
    "index": (
        "Classes, propriétés, listes de codes et activités que les coopératives échangent. Domaine public (CC0 1.0).",
        "Classes, properties, code lists and activities that co-operatives exchange. Public domain (CC0 1.0).",
    ),
    "classes": ("Classes", "Classes"),
    "codes": ("Listes de codes", "Code lists"),
    "activities": ("Activités", "Activities"),
    "none": ("aucune", "none"),
}


class Pages:
    """The pages of one vocabulary in one language."""

    def __init__(self, data: Json, examples: dict[str, Json], language: str) -> None:
        self.language = language
        self.classes: Json = data["classes"]["classes"]
        self.prefixes: Json = data["classes"]["prefixes"]
        self.namespace: str = data["classes"]["namespace"]
        self.properties: Json = data["properties"]["properties"]
        self.lists: Json = data["codes"]["lists"]
        self.lifecycles: Json = data["lifecycles"]
        self.guards: Json = data["guards"]["guards"]
        self.authorisation: Json = data["authorisation"]
        self.privacy: Json = data["privacy"]["classes"]
        self.examples = examples

    def word(self, key: str) -> str:
        """A fixed word of the pages."""
        return escape(WORDS[key][0 if self.language == "fr" else 1])

    def text(self, labels: Json) -> str:
        """A text of the vocabulary."""
        return escape(labels[self.language])

    def link(self, term: str) -> str:
        """A term, as a link where there is a page for it."""
        known = (self.classes, self.properties, self.lists, self.authorisation["activities"])
        code = f"<code>{escape(term)}</code>"
        return (
            f'<a href="/vocab/{escape(term)}">{code}</a>' if any(term in group for group in known) else code
        )

    def full(self, iri: str) -> str:
        """An IRI without its prefix."""
        prefix, _, local = iri.partition(":")
        prefixes = {**self.prefixes, "as": "https://www.w3.org/ns/activitystreams#"}
        return prefixes[prefix] + local if prefix in prefixes else iri

    def all(self) -> dict[str, str]:
        """Path below the language's folder, and fragment."""
        pages = {"index.html": self.index()}
        pages |= {f"classes/{name}.html": self.of_class(name) for name in self.classes}
        pages |= {f"properties/{name}.html": self.of_property(name) for name in self.properties}
        pages |= {f"codes/{name}.html": self.of_list(name) for name in self.lists}
        pages |= {
            f"activities/{name}.html": self.of_activity(name) for name in self.authorisation["activities"]
        }
        return pages

    # ------------------------------------------------------------------------------------------- pages

    def index(self) -> str:
        """All terms by kind."""
        groups = (
            ("classes", {name: info for name, info in self.classes.items() if info["kind"] != "activity"}),
            ("activities", self.authorisation["activities"]),
            ("codes", self.lists),
            ("properties", self.properties),
        )
        parts = [f"<h1>{self.word('vocabulary')}</h1>", f"<p>{self.word('index')}</p>"]
        for key, group in groups:
            rows = ((self.link(name), self.text(info)) for name, info in group.items())
            parts += [f'<h2 id="{key}">{self.word(key)}</h2>', self._table(("name", "meaning"), rows)]
        return _page(parts)

    def of_class(self, name: str) -> str:
        """A class with its properties, lifecycle and an example."""
        info = self.classes[name]
        parts = self._head("class", name, info)
        parts.append(f"<p>{self.text(info['note'])}</p>")
        if not info["implemented"]:
            parts.append(f"<p><strong>{self.word('later')}</strong></p>")
        sent = " + ".join(
            [
                f"<code>{escape(info['wireType'])}</code>",
                *(f"<code>{escape(x)}</code>" for x in info["fedcoopType"]),
            ]
        )
        parts.append(
            self._facts(
                [
                    ("iri", f"<code>{escape(self.full(info['iri']))}</code>"),
                    ("wire", sent),
                    ("privacy", self._privacy(info["privacy"])),
                    (
                        "maps",
                        ", ".join(f"<code>{escape(x)}</code>" for x in info["mapsTo"]) or self.word("none"),
                    ),
                ]
            )
        )
        rows = [
            (self.link(key), self.text(prop), escape(prop["on"][name]), self._range(prop))
            for key, prop in self.properties.items()
            if name in prop["on"]
        ]
        if rows:
            parts.append(f"<h2>{self.word('properties')}</h2>")
            parts.append(self._table(("name", "meaning", "how-often", "value"), rows))
        for lifecycle in self.lifecycles:
            held = self.lifecycles[lifecycle]["class"]
            if name == held or name in held:
                parts += self._lifecycle(lifecycle)
        parts += self._authorisation(lambda row: name in _listed(row["object"]))
        if name in self.examples:
            parts += self._example(self.examples[name])
        return _page(parts)

    def of_property(self, name: str) -> str:
        """A property."""
        info = self.properties[name]
        parts = self._head("property", name, info)
        if info.get("foreign"):
            parts.append(f"<p>{self.word('foreign')}</p>")
        privacy = [
            self._privacy(code) if domain == "*" else f"{self.link(domain)} {self._privacy(code)}"
            for domain, code in info["privacy"].items()
        ]
        facts = [
            ("iri", f"<code>{escape(self.full(info['iri']))}</code>"),
            ("range", self._range(info)),
            ("used-on", ", ".join(f"{self.link(c)} ({escape(n)})" for c, n in info["on"].items())),
            ("privacy", " · ".join(privacy)),
        ]
        rules = [self._rule(rule) for rule in info.get("requiredWhen", ())]
        if rules:
            facts.append(("mandatory-when", "<br>".join(rules)))
        if "profile" in info:
            facts.append(("profile", f"<code>{escape(info['profile'])}</code>"))
        parts.append(self._facts(facts))
        parts += self._example({name: info["example"]})
        return _page(parts)

    def of_list(self, name: str) -> str:
        """A code list."""
        info = self.lists[name]
        parts = self._head("list", name, info)
        parts.append(f"<p>{self.word('closed' if info['closed'] else 'open')}</p>")
        rows = ((f"<code>{escape(code)}</code>", self.text(label)) for code, label in info["codes"].items())
        parts.append(self._table(("code", "label"), rows))
        users = [key for key, prop in self.properties.items() if prop["range"] == f"code:{name}"]
        if users:
            parts.append(f"<p>{self.word('used-by')} {', '.join(self.link(user) for user in users)}</p>")
        owners = [
            held for m in self.lifecycles.values() if m["codeList"] == name for held in _listed(m["class"])
        ]
        if owners:
            parts.append(f"<p>{self.word('lifecycle')} {', '.join(self.link(owner) for owner in owners)}</p>")
        return _page(parts)

    def of_activity(self, name: str) -> str:
        """An activity and who may send it."""
        info = self.authorisation["activities"][name]
        parts = self._head("activity", name, info)
        if name in self.classes:
            parts.append(f"<p>{self.text(self.classes[name]['note'])}</p>")
        iri = self.full(f"{info['from']}:{name}")
        parts.append(self._facts([("iri", f"<code>{escape(iri)}</code>")]))
        parts += self._authorisation(lambda row: row["activity"] == name)
        if name in self.examples:
            parts += self._example(self.examples[name])
        return _page(parts)

    # ------------------------------------------------------------------------------------------- parts

    def _head(self, kind: str, name: str, info: Json) -> list[str]:
        return [
            f"<h1>{self.text(info)} <small>({self.word(kind)} <code>{escape(name)}</code>)</small></h1>",
        ]

    def _facts(self, facts: Iterable[tuple[str, str]]) -> str:
        return (
            "<dl>\n"
            + "\n".join(f"<dt>{self.word(key)}</dt><dd>{html}</dd>" for key, html in facts)
            + "\n</dl>"
        )

    def _table(self, heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
        head = "".join(f'<th scope="col">{self.word(key)}</th>' for key in heads)
        body = "\n".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
        return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>"

    def _privacy(self, code: str) -> str:
        if code == "inherited":
            return self.word("as-carrier")
        info = self.privacy[code]
        return f"<code>{code}</code> {self.text(info)} ({self.text(info['readers'])})"

    def _range(self, info: Json) -> str:
        kind, _, rest = info["range"].partition(":")
        many = "[]" if info["many"] else ""
        if kind in ("code", "iri", "object") and rest:
            terms = " | ".join(self.link(term) for term in rest.split("|"))
            return f"{kind} {terms}{many}"
        return f"<code>{escape(info['range'])}</code>{many}"

    def _rule(self, rule: Json) -> str:
        start = f"{self.link(rule['class'])} {self.word('if')} "
        if "whenPresent" in rule:
            return f"{start}{self.link(rule['whenPresent'])} {self.word('present')}"
        if "whenAbove" in rule:
            ((key, limit),) = rule["whenAbove"].items()
            return f"{start}{self.link(key)} {self.word('above')} {limit}"
        ((key, values),) = rule["when"].items()
        any_of = f" {self.word('or')} ".join(f"<code>{escape(value)}</code>" for value in values)
        return f"{start}{self.link(key)} {self.word('is')} {any_of}"

    def _picture(self, lifecycle: str) -> str:
        # The table below it says the same in words.
        alt = f"{self.word('lifecycle')} {escape(lifecycle)}"
        return f'<p><img src="/vocab/diagrams/{lifecycle}.svg" alt="{alt}"></p>'

    def _lifecycle(self, name: str) -> list[str]:
        machine = self.lifecycles[name]
        codes = self.lists[machine["codeList"]]["codes"]

        def state(code: str) -> str:
            return (
                f"{self.text(codes[code])} <code>{escape(code)}</code>"
                if code in codes
                else self.word("before")
            )

        rows = []
        for edge in machine["transitions"]:
            where = "".join(f", <code>{escape(value)}</code>" for value in edge.get("where", {}).values())
            names = (*edge.get("guards", ()), *edge.get("ownerGuards", ()))
            rows.append(
                (
                    state(edge["from"]),
                    state(edge["to"]),
                    f"{self.link(edge['activity'])}({self.link(edge['object'])}{where})",
                    self.text(self.authorisation["roles"][edge["sender"]]),
                    " ".join(self.text(self.guards[guard]) for guard in names),
                    self.word("yes" if machine["implemented"] and edge.get("implemented", True) else "no"),
                )
            )
        heads = ("from", "to", "by", "sender", "conditions", "status")
        return [f"<h2>{self.word('lifecycle')}</h2>", self._picture(name), self._table(heads, rows)]

    def _authorisation(self, wanted: Any) -> list[str]:
        names = {**self.authorisation["roles"], **self.authorisation["audiences"]}
        rows = [
            (
                f"{self.link(row['activity'])}({', '.join(self.link(o) for o in _listed(row['object']))})",
                ", ".join(self.text(names[role]) for role in row["senders"]),
                ", ".join(self.text(names[role]) for role in row["audience"]),
                self.text(row["effect"]),
                self.word("yes" if row["implemented"] else "no"),
            )
            for row in self.authorisation["rows"]
            if wanted(row)
        ]
        if not rows:
            return []
        heads = ("by", "sender", "audience", "effect", "status")
        return [f"<h2>{self.word('who')}</h2>", self._table(heads, rows)]

    def _example(self, example: Any) -> list[str]:
        text = escape(json.dumps(example, ensure_ascii=False, indent=2), quote=False)
        return [f"<h2>{self.word('example')}</h2>", f"<pre><code>{text}</code></pre>"]


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _page(parts: list[str]) -> str:
    return "\n".join(parts) + "\n"
