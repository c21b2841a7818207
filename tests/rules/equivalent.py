"""Flips of the mutation check that change no answer: (file, line with the flip) to the reason."""

from __future__ import annotations

EQUIVALENT: dict[tuple[str, str], str] = {
    ("kernels.pyx", "place = min(filled, TODAYS [- 1 -> ] )"): (
        "It is never more than three dates at once on Earth, so the last of four places is free."
    ),
    ("simd_drive.h", "last[row] = ends[64 * words + (row [< -> <=] left ? row : left)];"): (
        "Where row is left, both arms are the same place."
    ),
}
