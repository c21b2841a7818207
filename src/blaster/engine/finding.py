"""Who is meant: a contact by number, id, e-mail address or phone, as callers name him."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from blaster.core import State
from blaster.engine.conversion import Place
from blaster.engine.intake import one_text, refusal, shown
from blaster.errors import InputError
from blaster.model import definitions as model

Array = np.ndarray[Any, Any]

_NUMBER_MAX = (1 << 63) - 1


def account_of(state: State) -> model.Account:
    """What is published of the account; the defaults before anything is."""
    return state.plan.workspace.account if state.plan is not None else model.Account()


def place_of(state: State) -> Place:
    """The account's country and zone."""
    account = account_of(state)
    return Place(account.country, account.zone)


def find_contact(state: State, who: str | int, *, erased: bool = False) -> int:
    """The contact with this number (int, or "#12"), id, e-mail address or phone number.

    Raises InputError when there is none, or (unless asked for) there is only a number left.
    """
    row = look_up(state, who, erased=erased)
    if row is None:
        raise InputError(f"no contact has the id, e-mail address or phone number {who!r}")
    return row


def look_up(state: State, who: str | int, *, erased: bool = False) -> int | None:
    """The same; None when nobody has this id, address or number.

    Raises InputError for what is none, and for the number of a contact that there is not (any
    more, unless `erased`).
    """
    number = _number_of(who)
    if number is not None:
        if not 0 <= number < state.contacts.rows:
            named = f"#{number}" if abs(number) <= _NUMBER_MAX else "of so large a number"
            raise InputError(f"there is no contact {named}; there are {state.contacts.rows}")
        if not erased and state.erased(np.array([number], np.int64))[0]:
            raise _was_erased(number)
        return number
    if not isinstance(who, str):
        raise InputError(f"a contact is a number or a text, not {shown(who)}")
    one_text(who, "a contact")
    keys = ([who.strip()], _email(who), _phone(state, who))
    for index, normal in zip(state.directory.indexes, keys, strict=True):
        if normal:
            row = int(index.find(pa.array(normal, pa.string()))[0])
            if row >= 0:
                return row
    return None


def _number_of(who: str | int) -> int | None:
    """The number that is named, however large; None where none is."""
    if isinstance(who, int) and not isinstance(who, bool):
        return who
    if not isinstance(who, str) or not (who.startswith("#") and who.isascii()):
        return None
    digits = who[1:]
    if not digits.isdigit():
        return None
    digits = digits.lstrip("0") or "0"  # Python reads only so many, and raises ValueError
    return int(digits) if len(digits) < len(str(_NUMBER_MAX)) else _NUMBER_MAX + 1


def _email(who: str) -> list[str]:
    from blaster.core import normalise_emails

    normal, _ = normalise_emails(pa.array([who], pa.string()))
    return [normal[0].as_py()] if normal[0].is_valid else []


def _phone(state: State, who: str) -> list[str]:
    from blaster.core import normalise_phones

    normal, _ = normalise_phones(pa.array([who], pa.string()), place_of(state).country)
    return [normal[0].as_py()] if normal[0].is_valid else []


def find_all(state: State, contacts: Sequence[str | int]) -> Array:
    """The numbers of several contacts, in order, one each."""
    return np.array([find_contact(state, who) for who in contacts], np.int64)


def find_many(state: State, contacts: Sequence[str | int]) -> tuple[Array, dict[int, Exception]]:
    """The number of each contact (int64[]), and why those that have none (-1) have none.

    Whatever looking for one raises is why that one has none: others are asked for beside it.
    """
    known = state.contacts.rows
    rows = np.array(
        [who if type(who) is int and 0 <= who < known else -1 for who in contacts], np.int64
    )
    refused: dict[int, Exception] = {}
    for place in np.flatnonzero(rows < 0).tolist():
        try:
            rows[place] = find_contact(state, contacts[place])
        except Exception as error:  # noqa: BLE001 - its caller's answer
            refused[place] = refusal(error)
    for place in np.flatnonzero(state.erased(rows)).tolist():
        refused[place] = _was_erased(int(rows[place]))
        rows[place] = -1
    return rows, refused


def _was_erased(number: int) -> InputError:
    return InputError(f"contact #{number} was erased")
