"""What every test shares: no hidden deadlines, seeds that are printed, and no silent skips.

A test tells figures of its run by `record_property("figures", text)`; they stand at the end of the
report, whichever process it ran in.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

# On shared cores a deadline tests the machine. The trace build is some ten times slower, and is
# there to see lines, not to search; the sanitizer build searches.
settings.register_profile("release", deadline=None, print_blob=True)
settings.register_profile("trace", deadline=None, print_blob=True, max_examples=25)
settings.register_profile("sanitize", deadline=None, print_blob=True)
settings.load_profile(os.environ.get("BLASTER_BUILD", "release"))


def pytest_report_header() -> str:
    """The instruction sets that the kernels are tested with."""
    from blaster.rules.kernels import levels

    return f"instruction sets: {', '.join(levels())}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The figures that tests told."""
    said = [
        text
        for report in terminalreporter.getreports("passed")
        for name, text in report.user_properties
        if name == "figures"
    ]
    if said:
        terminalreporter.section("figures")
        terminalreporter.write_line("\n".join(said))


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """With BLASTER_NO_SKIPS a skip fails the run: a check that did not run proves nothing."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("BLASTER_NO_SKIPS") and reporter and reporter.stats.get("skipped"):
        session.exitstatus = exitstatus or pytest.ExitCode.TESTS_FAILED
