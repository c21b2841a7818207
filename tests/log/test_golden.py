"""Frames kept for ever: whatever an older release wrote, today's decoder reads the same.

`python -m tests.log.test_golden` writes the frames that are missing. A frame that exists is never
rewritten: a changed layout is a new version of its kind, with a new file beside the old one.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from blaster.log.codec import PLANS, decode_entry, encode_entry
from tests.log.support import examples, same

FOLDER = Path(__file__).parents[1] / "golden" / "log"


def path_of(name: str) -> Path:
    versions = {plan.make.__name__.lower(): plan.version for plan in PLANS.values()}
    return FOLDER / f"{name}.v{versions.get(name, 1)}.bin"


@pytest.mark.parametrize("name", list(examples()))
def test_the_frame_still_means_what_it_meant(name):
    frame = path_of(name).read_bytes()
    assert same(decode_entry(frame), examples()[name])
    assert encode_entry(examples()[name]) == frame
    assert encode_entry(decode_entry(frame)) == frame


def test_no_frame_is_forgotten():
    """Every file is either today's version of an example or an older one, which still decodes."""
    for path in FOLDER.glob("*.bin"):
        decode_entry(path.read_bytes())


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, entry in examples().items():
        if not path_of(name).exists():
            path_of(name).write_bytes(encode_entry(entry))
            print(path_of(name).name)
