"""Flips of the mutation check that change no answer: (file, line with the flip) to the reason."""

from __future__ import annotations

EQUIVALENT: dict[tuple[str, str], str] = {
    ("kernels.pyx", "place = min(filled, TODAYS [- 1 -> ] )"): (
        "It is never more than three dates at once on Earth, so the last of four places is free."
    ),
    ("simd_drive.h", "last[row] = ends[64 * words + (row [< -> <=] left ? row : left)];"): (
        "Where row is left, both arms are the same place."
    ),
    (
        "textkernels.pyx",
        "if op == TEXT_ENDS and column.layout == FORM_O32 and 8 [<= -> <] size <= 16:",
    ): "A needle of eight bytes goes the other way to the same answer.",
    (
        "textkernels.pyx",
        "or point == 0x2028 [or -> and] point == 0x2029 or point == 0x202F or point == 0x205F",
    ): "Cython 3 makes the same switch of the chain.",
    ("program.pyx", "if size [> -> >=] self.size:"): (
        "Memory of the size that is there already is made anew, and nothing else changes."
    ),
}
