"""The layout of build/KIND/lib: links that follow the source tree."""

from __future__ import annotations

import os

from tools import build


def test_the_mirror_follows_the_sources(tmp_path):
    src, lib = tmp_path / "src", tmp_path / "build" / "lib"
    (src / "room" / "sub").mkdir(parents=True)
    lib.mkdir(parents=True)
    for name in ("a.py", "b.pyx", "left.so", "left.c", "sub/c.py"):
        (src / "room" / name).write_text(name)
    build.mirror(src, lib)
    assert sorted(os.listdir(lib / "room")) == ["a.py", "b.pyx", "sub"]
    assert (lib / "room" / "a.py").read_text() == "a.py"

    (lib / "room" / "b.cpython-311-x86_64-linux-gnu.so").touch()
    (lib / "room" / "gone.cpython-311-x86_64-linux-gnu.so").touch()
    (lib / "room" / "sub" / "__pycache__").mkdir()
    (src / "room" / "sub" / "c.py").unlink()
    (src / "room" / "new.py").touch()
    build.mirror(src, lib)
    have = sorted(os.listdir(lib / "room"))
    assert have == ["a.py", "b.cpython-311-x86_64-linux-gnu.so", "b.pyx", "new.py"]


def test_the_fingerprint_follows_each_file(tmp_path):
    file = tmp_path / "a.pyx"
    file.write_text("x = 1")
    before = build.fingerprint(tmp_path, [file])
    assert build.fingerprint(tmp_path, [file]) == before
    file.write_text("x = 10")
    assert build.fingerprint(tmp_path, [file]) != before
