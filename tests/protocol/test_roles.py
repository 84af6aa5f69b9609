"""The table of roles."""

from __future__ import annotations

from typing import get_args

from fedcoop.protocol.roles import ROLES, Right, RoleName, allows


def test_every_role_has_a_name_in_both_languages_and_rights_that_there_are():
    assert set(ROLES) == set(get_args(RoleName))
    for role in ROLES.values():
        assert role.label.fr
        assert role.label.en
        assert role.rights <= set(get_args(Right))


def test_a_member_operates_nothing_and_an_operator_everything():
    for right in get_args(Right):
        assert (allows("member", right), allows("operator", right)) == (False, True)
