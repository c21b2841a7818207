"""Flips of the mutation check that change no answer: (file, line with the flip) to the reason."""

from __future__ import annotations

EQUIVALENT: dict[tuple[str, str], str] = {}
