from __future__ import annotations

import sys

from tools.shares import run_parts, shares


def test_shares_hold_every_file_once(tmp_path):
    sizes = {"a/test_one.py": 9, "a/test_two.py": 5, "b/test_three.py": 4, "b/c/test_four.py": 1}
    for name, size in sizes.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("#" * size)
    (tmp_path / "a/support.py").write_text("")
    one, two, three, four = (tmp_path / name for name in sizes)
    assert shares(tmp_path, [], 2) == [[one, three], sorted([two, four])]
    assert shares(tmp_path, [tmp_path / "b/c", two], 2) == [[one], [three]]


def test_the_first_bad_code_counts(tmp_path, capfd):
    command = [sys.executable, "-c", "import sys; print(sys.argv[1]); sys.exit(int(sys.argv[1]))"]
    assert run_parts(command, [["0"], ["0"]], {}, tmp_path) == 0
    assert run_parts(command, [["3"], ["0"], ["0"]], {}, tmp_path) == 3
    assert sorted(capfd.readouterr().out.split()) == ["0", "0", "0", "0", "3"]
