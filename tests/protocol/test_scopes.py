"""The table of scopes."""

from __future__ import annotations

import pytest

from fedcoop.errors import Invalid
from fedcoop.protocol.scopes import ALL, PAGES, SCOPES, checked, is_sign_in, of_sign_in


def test_every_scope_has_a_name_in_both_languages():
    assert all(scope.label.fr and scope.label.en for scope in SCOPES.values())


def test_scopes_are_taken_once_each_and_in_the_order_of_the_table():
    assert checked(["follow", "read", "follow"]) == ("read", "follow")


@pytest.mark.parametrize("asked", [[], [""], ["admin"], ["read", "READ"], ["read write"]])
def test_what_is_no_scope_is_refused(asked: list[str]):
    with pytest.raises(Invalid) as refused:
        checked(asked)
    assert refused.value.code == "unknown-code"


def test_nothing_is_had_of_what_the_one_who_asks_does_not_have():
    assert checked(["read"], within=("read", "follow")) == ("read",)
    with pytest.raises(Invalid):
        checked(["read", "write"], within=("read", "follow"))


def test_managing_tokens_is_not_for_programs_that_ask_on_a_page():
    assert [name for name in ALL if SCOPES[name].grantable] == ["read", "write", "follow"]


def test_a_sign_in_operates_where_what_it_was_begun_with_does_and_is_never_a_token():
    assert of_sign_in(["read", "write", "follow", "tokens"]) == PAGES
    assert of_sign_in(["read", "operate"]) == ("pages", "operate")
    assert is_sign_in(of_sign_in(ALL))
    assert not is_sign_in(ALL)
    assert "pages" not in ALL
