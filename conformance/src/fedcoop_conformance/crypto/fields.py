"""Structured fields of HTTP (RFC 9651), by http-sf; the rest of the suite knows one error and these names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import http_sf

from fedcoop_conformance.crypto.refusals import Refused

Shape = Literal["dictionary", "list", "item"]
Component = tuple[str, Mapping[str, Any]]
"""The name of a part of a message, and its parameters: `("@query-param", {"name": "Pet"})`."""


class FieldRefused(Refused):
    """A field is not written as RFC 9651 wants it. Reason: `SYNTAX`."""


def parse(value: str | bytes, shape: Shape) -> Any:
    """Return the structure of a field value, as http-sf builds it.

    Raises:
        FieldRefused: `SYNTAX`.
    """
    try:
        data = value.encode("ascii") if isinstance(value, str) else value
        return http_sf.parse(data, tltype=shape)
    except (http_sf.StructuredFieldError, UnicodeError, ValueError) as error:
        raise FieldRefused("SYNTAX", str(error)[:160]) from None


def inner_list(members: Sequence[str | Component], parameters: Mapping[str, Any]) -> str:
    """Return an inner list with parameters, as it stands in `Signature-Input`."""
    items: Any = [component(member) for member in members]
    return str(http_sf.ser([(items, dict(parameters))]))


def item(member: str | Component) -> str:
    """Return one item with its parameters."""
    return str(http_sf.ser(component(member)))


def component(member: str | Component) -> tuple[str, dict[str, Any]]:
    """Return `member` with its parameters, none where it was only a name."""
    return (member, {}) if isinstance(member, str) else (member[0], dict(member[1]))


def write(structure: Any) -> str:
    """Return a structure as http-sf builds it, as text."""
    return str(http_sf.ser(structure))
