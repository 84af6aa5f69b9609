"""A story told in the world of a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedcoop.cli.instances import LocalInstance
from fedcoop.cli.worlds import in_world
from fedcoop.errors import Misconfigured
from fedcoop.flow.world import World


def test_the_story_is_told_in_the_world_of_that_instance(instance: LocalInstance):
    async def who(world: World) -> str:
        return world.instance.coop

    assert in_world(instance.folder, who) == instance.coop


def test_without_an_instance_no_story_begins(tmp_path: Path):
    async def never(world: World) -> None:
        raise AssertionError

    with pytest.raises(Misconfigured):
        in_world(tmp_path, never)
