"""What README.md says of one's own workspace is true, line by line."""

from __future__ import annotations

import shlex
from pathlib import Path

from tests.cli.sending import receiving
from tests.cli.support import Cli, edit

README = Path(__file__).parents[2] / "README.md"
PEOPLE = "email,first_name,billing_date\ndana@example.com,דנה,2020-01-01\nnoa@example.com,נועה,\n"


def lines() -> list[list[str]]:
    text = README.read_text(encoding="utf-8").partition("## Your own workspace")[2]
    block = text.partition("\n## ")[0]
    return [
        shlex.split(line, comments=True)[1:]
        for line in block.splitlines()
        if line.startswith("    build/venv/bin/blaster ")
    ]


def test_the_block(cli: Cli) -> None:
    said = {}
    Path("people.csv").write_text(PEOPLE, encoding="utf-8")
    with receiving() as receiver:
        for words in lines():
            ran = cli(*words)
            assert ran.code == 0, (words, ran)
            said[words[0]] = ran.out
            if words[0] == "init":
                edit(Path("club/blaster.toml"), "127.0.0.1:2525", f"127.0.0.1:{receiver.port}")
    assert list(said) == [
        "init", "check", "keygen", "publish", "import", "run", "count", "select", "explain",
        "preview", "send", "report",
    ]  # fmt: skip
    assert said["count"] == "2\n"
    assert said["send"].startswith("accepted: dana@example.com (250 ")
    assert Path("thanks.eml").is_file()
