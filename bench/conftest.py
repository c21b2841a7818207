"""Benchmarks speak of the release build; a traced one is some ten times slower and says nothing."""

from __future__ import annotations

import pytest

from blaster._build import KIND


def pytest_configure() -> None:
    """Refuses before anything is collected."""
    refuse(KIND)


def refuse(kind: str) -> None:
    """Raises unless the build is the one whose times mean something."""
    if kind != "release":
        raise pytest.UsageError(f"this is the {kind} build; benchmarks run on the release build")
