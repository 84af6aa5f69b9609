"""Three co-ops that work with each other, and three that know nobody: founded once, copied for each test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.flow.federation import Federation, Template, found_strangers, found_template


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    return asyncio.run(found_template(tmp_path_factory.mktemp("template")))


@pytest.fixture
async def federation(tmp_path: Path, template: Template) -> AsyncIterator[Federation]:
    opened = template.open(tmp_path)
    yield opened
    await opened.close()
    for world in opened.office.worlds.values():
        await world.store.close()


@pytest.fixture(scope="session")
def unknown(tmp_path_factory: pytest.TempPathFactory) -> Template:
    return asyncio.run(found_strangers(tmp_path_factory.mktemp("strangers")))


@pytest.fixture
async def strangers(tmp_path: Path, unknown: Template) -> AsyncIterator[Federation]:
    opened = unknown.open(tmp_path)
    yield opened
    await opened.close()
