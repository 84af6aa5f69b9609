"""What people may do on the pages of their instance beyond reading as themselves: a table of roles and their rights.

A role is of a person, a scope of one of their keys: it takes both to operate (`flow/access.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from fedcoop.protocol.vocabulary import Label

Right: TypeAlias = Literal["see-deliveries", "retry-deliveries", "see-peers"]
RoleName: TypeAlias = Literal["member", "operator"]


@dataclass(frozen=True, slots=True)
class Role:
    """What somebody is to their instance."""

    label: Label
    rights: frozenset[Right]


ROLES: Final[Mapping[RoleName, Role]] = {
    "member": Role(Label("membre", "member"), frozenset()),
    "operator": Role(
        Label("opérateur", "operator"), frozenset({"see-deliveries", "retry-deliveries", "see-peers"})
    ),
}
"""Every role by its name. A member's own messages are no matter of role: whoever said them sees what became of them."""


def allows(role: RoleName, right: Right) -> bool:
    """Tell whether whoever has `role` may do this.

    >>> allows("operator", "see-peers"), allows("member", "see-peers")
    (True, False)
    """
    return right in ROLES[role].rights
