"""The account's secret: what Message-IDs and the tokens in links are made with.

It is made once and kept in the data folder, readable by its owner alone. Whoever loses it loses
nothing but the links in messages that are already out.
"""

from __future__ import annotations

import os
from pathlib import Path

from blaster.errors import InputError

SECRET_FILE = "data/secret.key"  # noqa: S105 - a file name
SECRET_BYTES = 32


def account_secret(folder: Path) -> bytes:
    """The secret of the account in this folder, made now if there is none.

    Raises InputError when the file holds something else, OSError when it cannot be kept.
    """
    path = folder / SECRET_FILE
    try:
        secret = path.read_bytes()
    except FileNotFoundError:
        return _make(path)
    if len(secret) != SECRET_BYTES:
        raise InputError(
            f"{path} is damaged: {len(secret)} bytes, not {SECRET_BYTES}; put back a copy of it, "
            "or remove it: then the links in messages already sent work no more"
        )
    return secret


def _make(path: Path) -> bytes:
    """Whole and durable under its name, or not there at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    secret = os.urandom(SECRET_BYTES)
    draft = path.with_name(f"{path.name}.{os.getpid()}.new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, secret)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    draft.rename(path)
    parent = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(parent)
    finally:
        os.close(parent)
    return secret
