"""What a token may be given leave to do: a table of scopes with their names, and the scope that each message needs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from fedcoop.errors import Invalid
from fedcoop.protocol.vocabulary import Label


@dataclass(frozen=True, slots=True)
class Scope:
    """One leave that a token may have."""

    label: Label
    grantable: bool
    """Whether a program that asks for leave on a page (OAuth) may be given it."""


SCOPES: Final[Mapping[str, Scope]] = {
    "read": Scope(Label("Lire tout ce que vous pouvez lire ici", "Read whatever you may read here"), True),
    "write": Scope(
        Label(
            "Publier, répondre et s’engager en votre nom, suivi des acteurs excepté",
            "Publish, answer and commit yourself in your name, except following actors",
        ),
        True,
    ),
    "follow": Scope(
        Label("Suivre des acteurs et répondre à qui vous suit", "Follow actors, and answer who follows you"),
        True,
    ),
    "tokens": Scope(
        Label("Voir, créer et révoquer vos jetons d’accès", "See, make and revoke your access tokens"), False
    ),
    "operate": Scope(
        Label(
            "Ouvrir les pages d’exploitation, si vous avez ce rôle",
            "Open the operator’s pages, if you have that role",
        ),
        False,
    ),
}
"""Every scope by its name on the wire. None includes another."""

ALL: Final = tuple(SCOPES)

PAGES: Final = ("pages",)
"""What a sign-in in a browser has instead: it opens pages, as a cookie, and nothing as a token. Beside it a sign-in has
`operate` where what it was begun with has."""


def of_sign_in(begun_with: Collection[str]) -> tuple[str, ...]:
    """Return the scopes of a sign-in that is begun with a token of these.

    >>> of_sign_in(("read", "write")), of_sign_in(ALL)
    (('pages',), ('pages', 'operate'))
    """
    return (*PAGES, "operate") if "operate" in begun_with else PAGES


def is_sign_in(scopes: Collection[str]) -> bool:
    """Tell whether these are the scopes of a sign-in in a browser, and not of a token."""
    return "pages" in scopes


def checked(asked: Iterable[str], *, within: Collection[str] = ALL) -> tuple[str, ...]:
    """Return the scopes asked for, each once and in the order of the table.

    Raises:
        Invalid: one of them does not exist or is not `within`, or there is none (`unknown-code`).
    """
    wanted = set(asked)
    unknown = sorted(wanted - set(within))
    if unknown or not wanted:
        raise Invalid(
            "unknown-code",
            "This cannot be the scope of a token.",
            expected=" ".join(name for name in ALL if name in within),
            received=" ".join(unknown) or "none",
        )
    return tuple(name for name in ALL if name in wanted)
