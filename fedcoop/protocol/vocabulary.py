"""The shapes in which `model.py` holds the vocabulary. `vocab/` is the source; nothing here decides anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Label:
    """A short text in both languages of the project."""

    fr: str
    en: str

    def in_language(self, language: str) -> str:
        """The text in `language` ("fr", "fr-FR", "en" ...), English where there is no such text."""
        return self.fr if language.lower().split("-")[0] == "fr" else self.en


@dataclass(frozen=True, slots=True)
class ClassInfo:
    """A class. `wire_type` is the scalar `type` that is sent, `fedcoop_type` the array beside it."""

    name: str
    kind: str
    wire_type: str
    fedcoop_type: tuple[str, ...]
    iri: str
    fr: str
    en: str
    note: Label
    privacy: str
    implemented: bool


@dataclass(frozen=True, slots=True)
class PropertyInfo:
    """A property. `on` says on which classes and how often, `range` is written as in `vocab/properties.json`."""

    name: str
    iri: str
    range: str
    many: bool
    fr: str
    en: str
    on: tuple[tuple[str, str], ...]
    privacy: tuple[tuple[str, str], ...]

    def privacy_on(self, class_name: str) -> str:
        """The privacy class of this property on `class_name`; "inherited" means: as the object that has it."""
        classes = dict(self.privacy)
        return classes.get(class_name, classes["*"])


@dataclass(frozen=True, slots=True)
class Edge:
    """A transition. It is taken when type and class match and every pair of `where` equals the object's property."""

    source: str
    target: str
    activity: str
    object_class: str
    where: tuple[tuple[str, str], ...]
    sender: str
    guards: tuple[str, ...]
    owner_guards: tuple[str, ...]
    implemented: bool


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """A state machine over the objects of `class_names`."""

    name: str
    class_names: tuple[str, ...]
    code_list: str
    state_property: str | None
    initial: tuple[str, ...]
    terminal: tuple[str, ...]
    implemented: bool
    roles: tuple[str, ...]
    edges: tuple[Edge, ...]


@dataclass(frozen=True, slots=True)
class Authorisation:
    """Who may send one activity about one kind of object. `lifecycle` is set when a lifecycle's edge carries it."""

    activity: str
    object_classes: tuple[str, ...]
    lifecycle: str | None
    senders: tuple[str, ...]
    audience: tuple[str, ...]
    implemented: bool
    effect: Label


@dataclass(frozen=True, slots=True)
class PrivacyClass:
    """Who may read, and how it travels."""

    code: str
    label: Label
    readers: Label
    transport: Label


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem code (RFC 9457). `status` is the usual HTTP status, `help` says what the sender can do."""

    code: str
    status: int
    title_fr: str
    title_en: str
    help_fr: str
    help_en: str
    who: tuple[str, ...]
    """Who must act, the first one first: words of `model.WHO_ACTS`."""
    example_at: str
    """Where it is met: a request, a header or a member; with what was expected and received, as on the wire."""
    example_expected: str
    example_received: str


Codes = Mapping[str, Label]
