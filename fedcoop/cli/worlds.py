"""Telling a story of `flow/` in the world of the instance in a folder: what most verbs do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from fedcoop import app
from fedcoop.config import load
from fedcoop.flow.world import World

T = TypeVar("T")


def in_world(folder: Path, story: Callable[[World], Awaitable[T]]) -> T:
    """Open the world of the instance in `folder`, tell the story in it, and return its result.

    Raises:
        FedcoopError: the settings or the database cannot be used, or the story was refused.
    """

    async def told() -> T:
        async with app.open_world(load(folder)) as world:
            return await story(world)

    return asyncio.run(told())
