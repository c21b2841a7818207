"""`blaster keygen`: a DKIM key, the DNS record that goes with it, and where both are named."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

from blaster.cli.folders import MARK, from_here, typed, workspace_folder
from blaster.cli.output import UsageError, say, say_json, shown

HELP = """
Usage: blaster keygen DOMAIN [--selector NAME] [--dir DIR] [--bits N] [--json]

Makes the key that mail of DOMAIN is signed with (DKIM), and the DNS record that
lets others check the signatures. Of a domain that blaster.toml names, selector
and file are taken from there; otherwise the lines to add are shown. The key is
readable by its owner alone; the record lies beside it, as a line of a zone
file. Nothing is ever overwritten.

Options:
  --selector NAME  which key of the domain it is; s1 if nothing is said
  --dir DIR        the workspace; the nearest one if nothing is said
  --bits N         the size of the key, 1024 to 4096; 2048 if nothing is said
  --json           names, value and files, as JSON

Examples:
  blaster keygen example.com
  blaster keygen example.com --selector s2 --dir club

Exit codes: 0 made; 1 it could not be written; 2 no workspace, no such domain,
or the key is there already.
"""

SELECTOR = "s1"


def run(
    domain: str,
    /,
    *,
    selector: str | None = None,
    dir: Path | None = None,  # noqa: A002 - as the page calls it
    bits: int = 2048,
    json: bool = False,
) -> int:
    folder = workspace_folder(dir)
    from blaster.errors import InputError
    from blaster.transport import ascii_name, dns_record, make_key

    try:
        name = ascii_name(domain, "domain")
        declared = [key for key in _declared(folder) if _same(key[0], name)]
        selector, key_file = _chosen(folder, [key[1:] for key in declared], name, selector)
        ascii_name(selector, "selector")
        files = [key_file, str(record_beside(Path(key_file)))]
        _refuse_old(folder, files)
        pem, _ = make_key(bits)
        record = dns_record(domain, selector, pem)
    except InputError as error:
        raise UsageError(str(error), "blaster keygen --help shows how it is used") from None
    (folder / key_file).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write(folder / files[0], pem, 0o600)
    _write(folder / files[1], record.line.encode() + b"\n", 0o644)
    key, beside = (from_here(folder, file) for file in files)
    named = any(known[1:] == (selector, key_file) for known in declared)
    lines = "" if named else _lines([*declared, (domain, selector, key_file)])
    if json:
        made = {"domain": domain, "selector": selector, "key": key, "record": beside}
        say_json({**made, "name": record.name, "value": record.value, "toml": lines})
        return 0
    say(
        f"made {shown(key)}\n\n"
        f"Add this TXT record to the DNS ({shown(beside)} has it as a line of a zone file):\n\n"
        f"  name:   {record.name}\n"
        f"  value:  {record.value}"
    )
    if lines:
        say(f"\nSay so in {shown(from_here(folder, MARK))}:\n\n{lines}")
    return 0


def record_beside(key: Path) -> Path:
    """Where the DNS record of a key lies: keys/DOMAIN.SELECTOR.txt for keys/DOMAIN.SELECTOR.pem."""
    return key.with_name(key.name.removesuffix(".pem") + ".txt")


def _declared(folder: Path) -> list[tuple[str, str, str]]:
    """Domain, selector and key file of each key that blaster.toml names; the rest is `check`'s."""
    try:
        root: Any = tomllib.loads((folder / MARK).read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        place = shown(from_here(folder, MARK))
        raise UsageError(
            f"{place} cannot be read", f"see what is wrong: blaster check {typed(folder)}"
        ) from None
    found = []
    for domain, table in _items(root.get("domains")):
        keys = table.get("dkim") if isinstance(table, dict) else None
        for key in keys if isinstance(keys, list) else ():
            named = dict(_items(key))
            selector, file = named.get("selector"), named.get("key")
            if isinstance(selector, str) and isinstance(file, str):
                found.append((domain, selector, file))
    return found


def _items(table: Any) -> list[tuple[str, Any]]:
    return list(table.items()) if isinstance(table, dict) else []


def _same(domain: str, name: str) -> bool:
    from blaster.errors import InputError
    from blaster.transport import ascii_name

    try:
        return ascii_name(domain, "domain") == name
    except InputError:
        return False


def _chosen(
    folder: Path, declared: list[tuple[str, ...]], name: str, selector: str | None
) -> tuple[str, str]:
    """The selector and the key's file: the first declared one that has no file yet, if one fits."""
    fitting = [(known, file) for known, file in declared if selector in (None, known)]
    if fitting:
        return next((key for key in fitting if not (folder / key[1]).exists()), fitting[0])
    selector = selector or SELECTOR
    return selector, f"keys/{name}.{selector}.pem"


def _refuse_old(folder: Path, files: list[str]) -> None:
    for file in files:
        if os.path.lexists(folder / file):
            raise UsageError(
                f"{shown(from_here(folder, file))} is there already, and is not overwritten",
                "a further key needs a selector of its own: --selector s2",
            )


def _write(file: Path, content: bytes, mode: int) -> None:
    """A new file, on the disk when this returns. Raises FileExistsError rather than overwrite."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def _lines(keys: list[tuple[str, str, str]]) -> str:
    """What blaster.toml says when it names all of these keys of one domain."""
    items = ", ".join(
        f'{{ selector = "{selector}", key = "{file}" }}' for _, selector, file in keys
    )
    return f'[domains."{keys[0][0]}"]\ndkim = [{items}]'
