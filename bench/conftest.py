"""Benchmarks speak of the release build; a traced one is some ten times slower and says nothing.

`measured` times one piece of work over rows and says, beside it, what reading its bytes once takes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bench.compare.rules.floor import bandwidth
from blaster._build import KIND

ROUNDS_IN_CACHE, ROUNDS = 40, 5
BYTES_IN_CACHE = 4 << 20
LINES: list[str] = []
"""What was measured, printed at the end."""


def pytest_configure() -> None:
    """Refuses before anything is collected."""
    refuse(KIND)


def refuse(kind: str) -> None:
    """Raises unless the build is the one whose times mean something."""
    if kind != "release":
        raise pytest.UsageError(f"this is the {kind} build; benchmarks run on the release build")


@pytest.fixture(scope="session")
def read_rate(request: pytest.FixtureRequest) -> float:
    """How many bytes one thread reads from memory in a nanosecond."""
    if not request.config.getoption("--benchmark-enable"):  # which pyproject's own word disables
        return 1.0
    return float(bandwidth()["1"])


@pytest.fixture
def measured(
    benchmark: Any, read_rate: float, request: pytest.FixtureRequest
) -> Callable[[Callable[[], Any], int, int], Any]:
    """Times `work` over so many rows; `nbytes` is what it cannot avoid reading."""

    def measure(work: Callable[[], Any], rows: int, nbytes: int) -> Any:
        rounds = ROUNDS_IN_CACHE if nbytes <= BYTES_IN_CACHE else ROUNDS
        found = benchmark.pedantic(work, rounds=rounds, warmup_rounds=1)
        if benchmark.stats is not None:
            each = benchmark.stats.stats.min * 1e9 / rows
            floor = nbytes / rows / read_rate
            benchmark.extra_info.update(rows=rows, ns_per_row=each, floor_ns_per_row=floor)
            LINES.append(f"{request.node.name:<60} {each:10.3f} {floor:10.3f}")
        return found

    return measure


@pytest.fixture
def asked(measured: Callable[[Callable[[], Any], int, int], Any]) -> Callable[[str, int], Any]:
    """Times a rule over so many rows, beside reading all of its columns."""
    from bench.vectors import NOW, ZONES, bytes_of, prepared

    def ask(text: str, rows: int) -> Any:
        rule, vectors = prepared(text, rows)
        return measured(lambda: rule.evaluate(vectors, rows, NOW, ZONES), rows, bytes_of(vectors))

    return ask


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Nanoseconds a row, least of the rounds, beside reading the bytes from memory."""
    if LINES:
        terminalreporter.section("nanoseconds a row")
        terminalreporter.write_line(f"{'':<60} {'measured':>10} {'floor':>10}")
        for line in LINES:
            terminalreporter.write_line(line)
