"""What the demo works out for itself; tests/e2e/test_demo.py runs it."""

from __future__ import annotations

import pytest

from fedcoop.cli import demo
from fedcoop.cli.answer import WronglyUsed


def test_the_three_take_in_every_co_op_once():
    slugs = [slug for cast in demo.CAST for slug in cast.coops]
    assert sorted(slugs) == [f"coop-{n:02d}" for n in range(1, 25)]


def test_a_board_is_expected_from_the_file_alone():
    assert [demo.expected_board(demo.federation_file(), reader) for reader in range(3)] == [229, 234, 222]


def test_three_different_ports_are_taken_and_nothing_else():
    assert demo._ports("8101, 8102,8103") == (8101, 8102, 8103)
    assert len(set(demo._ports(""))) == 3
    for wrong in ("8101", "8101,8101,8102", "8101,8102,x", "8101,8102,70000"):
        with pytest.raises(WronglyUsed):
            demo._ports(wrong)
