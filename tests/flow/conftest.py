"""The federation of three co-operatives, founded anew for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.flow.federation import Federation, found_federation


@pytest.fixture
async def federation(tmp_path: Path) -> AsyncIterator[Federation]:
    founded = await found_federation(tmp_path)
    yield founded
    await founded.close()
