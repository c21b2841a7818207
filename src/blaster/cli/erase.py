"""`blaster erase`: erases contacts for good; without `--yes` it only says whom."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from blaster.cli.folders import account_folder, typed
from blaster.cli.output import UsageError, counted, fail, lasting, note, say, say_json, table
from blaster.errors import BlasterError

if TYPE_CHECKING:
    from blaster.engine import Erasure

HELP = """
Usage: blaster erase CONTACT... [--yes] [--now] [--dir DIR] [--json]
       blaster erase --now [--dir DIR] [--json]

Erases contacts for good. CONTACT is an id, an e-mail address, a phone number,
or #N for the contact's number. At once nothing finds them any more: fields,
lists and answers are empty, their journeys are over, what was on its way to
them is taken back where that is still possible. On disk their values are gone
within the time that erase_within of blaster.toml gives (30 days); blaster
doctor says what is pending. What stays is a number, what it was counted in and
when, and a keyed hash of each address: whoever comes back with it is a new
contact who is sent no marketing unless he permits it. There is no way back.

Options:
  --yes        do it; without it nothing is changed, and you see who it would be
  --now        do not wait with the files: write anew all that is kept, also of
               those who were erased before
  --dir DIR    the workspace (default: this folder, or the nearest above it)
  --json       {"erased": [numbers], "within_s": N}, or {"would_erase": [..]};
               with "pending": "why" where --now could not do it with the files

Examples:
  blaster erase dana@example.co.il
  blaster erase dana@example.co.il '#12' --yes --dir club

Exit codes: 0 erased; 1 nothing was: there is no such contact, --yes is
missing, or the engine runs elsewhere; or --now erased whom it names, and could
not do it with the files, which are pending; 2 no workspace, or nothing
published.
"""


def run(
    *contacts: str,
    yes: bool = False,
    now: bool = False,
    dir: Path | None = None,  # noqa: A002 - the option's own name
    json: bool = False,
) -> int:
    if not contacts and not now:
        raise UsageError("nobody is named", "blaster erase --help shows how it is used")
    folder = account_folder(dir)
    import asyncio

    import blaster

    async def look() -> list[dict[str, Any]]:
        async with blaster.open(folder, deliver=False) as engine:
            return [await engine.contacts.get(each) for each in contacts]

    async def erase() -> tuple[Erasure, str]:
        """And why the files are pending though they should not be."""
        async with blaster.open(folder, deliver=False) as engine:
            erased = await engine.contacts.erase(contacts)
            if not json:
                _say_whom(erased)  # there is no way back, whatever becomes of the files
            try:
                if now:
                    await engine.sweep()
            except BlasterError as error:
                return erased, str(error) or type(error).__name__
            return erased, ""

    if contacts and not yes:
        return _asked(asyncio.run(look()), json=json)
    erased, pending = asyncio.run(erase())
    within_s = 0 if now and not pending else erased.until - erased.at
    if json:
        why = {"pending": pending} if pending else {}
        say_json({"erased": erased.contacts, "within_s": within_s, **why})
    elif pending:
        again = f"blaster erase --now --dir {typed(folder)}"
        advice = f"what is pending: blaster doctor {typed(folder)}; again: {again}"
        fail(f"files may still hold values of erased contacts: {pending}", advice)
    elif now:
        note("no file of the account holds their values any more")
    else:
        note(f"gone from all files within {lasting(within_s)}: blaster doctor {typed(folder)}")
    return 1 if pending else 0


def _say_whom(erased: Erasure) -> None:
    who = ", ".join(f"#{number}" for number in erased.contacts)
    if who:
        say(f"{counted(len(erased.contacts), 'contact')} erased: {who}")


def _asked(found: list[dict[str, Any]], *, json: bool) -> int:
    """Who it would be."""
    known = {each["number"]: each for each in found}
    if json:
        say_json({"would_erase": list(known)})
        return 1
    heads = ("number", "id", "e-mail", "phone", "lists")
    rows = [
        (f"#{number}", *(str(each.get(name) or "") for name in ("id", "email", "phone")),
         ", ".join(each["lists"]))
        for number, each in known.items()
    ]  # fmt: skip
    say(table(heads, rows))
    note(f"nothing was changed; to erase {counted(len(known), 'contact')} for good, add --yes")
    return 1
