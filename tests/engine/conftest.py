"""What the tests of delivery ask for by name."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.engine.delivery import Clock, nothing_left


@pytest.fixture
def clock() -> Clock:
    """The clock of the engine under test."""
    return Clock()


@pytest.fixture
async def clean() -> AsyncIterator[None]:
    """Fails when the test leaves a process, a thread or a file behind."""
    async with nothing_left():
        yield
