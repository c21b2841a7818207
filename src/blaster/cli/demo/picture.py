"""The terminal as it was while the mail went out, and the account, as an SVG file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path

from blaster.cli.demo.live import as_table
from blaster.model.sites import SiteStatus

COLUMNS = 118


def draw(path: Path, sites: Sequence[SiteStatus], names: Mapping[str, str], account: str) -> None:
    """Writes the picture. Raises OSError when it cannot be written."""
    from rich.console import Console
    from rich.text import Text

    console = Console(record=True, width=COLUMNS, file=StringIO(), force_terminal=True)
    console.print(Text("$ make demo", style="bold"))
    console.print(as_table(sites, names))
    console.print(Text.from_ansi(account))
    path.write_text(console.export_svg(title="blaster demo"), encoding="utf-8")
