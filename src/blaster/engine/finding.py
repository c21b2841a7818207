"""Who is meant: a contact by number, id, e-mail address or phone, as callers name him."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from blaster.core import State
from blaster.engine.conversion import Place
from blaster.engine.intake import one_text
from blaster.errors import InputError
from blaster.model import definitions as model

Array = np.ndarray[Any, Any]


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
    if isinstance(who, str) and who.startswith("#") and who.isascii() and who[1:].isdigit():
        who = int(who[1:])
    if isinstance(who, int):
        if 0 <= who < state.contacts.rows:
            if not erased and state.erased(np.array([who], np.int64))[0]:
                raise _was_erased(who)
            return who
        raise InputError(f"there is no contact #{who}; there are {state.contacts.rows}")
    one_text(who, "a contact")
    keys = ([who.strip()], _email(who), _phone(state, who))
    for index, normal in zip(state.directory.indexes, keys, strict=True):
        if normal:
            row = int(index.find(pa.array(normal, pa.string()))[0])
            if row >= 0:
                return row
    return None


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
    """The number of each contact (int64[]), and why those that have none (-1) have none."""
    known = state.contacts.rows
    rows = np.array(
        [who if type(who) is int and 0 <= who < known else -1 for who in contacts], np.int64
    )
    refused: dict[int, Exception] = {}
    for place in np.flatnonzero(rows < 0).tolist():
        try:
            rows[place] = find_contact(state, contacts[place])
        except InputError as error:
            refused[place] = error
    for place in np.flatnonzero(state.erased(rows)).tolist():
        refused[place] = _was_erased(int(rows[place]))
        rows[place] = -1
    return rows, refused


def _was_erased(number: int) -> InputError:
    return InputError(f"contact #{number} was erased")
