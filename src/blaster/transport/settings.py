"""What blaster.toml says of e-mail delivery, read and checked.

Nothing is found here that a running transport cannot use: what is wrong is an InputError, and what
was in force before goes on.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from blaster.errors import InputError
from blaster.limits import WORKERS_MAX
from blaster.model.definitions import Account
from blaster.transport.sites import SiteLimits, limits_of, sites_of, split_site

KeyLoader = Callable[..., Any]
"""`load_key(domain, selector, pem, checked=True)`, which raises InputError."""

CONNECT_TIMEOUT_S = 30.0
COMMAND_TIMEOUT_S = 300.0  # RFC 5321 section 4.5.3.2.1 to 4.5.3.2.3
DATA_TIMEOUT_S = 600.0  # RFC 5321 section 4.5.3.2.6; shorter means duplicates
IDLE_S = 10.0
"""How long a connection without a message stays open."""
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|)")
_SECONDS = {"ms": 0.001, "s": 1.0, "": 1.0, "m": 60.0, "h": 3600.0}


class Settings(msgspec.Struct, frozen=True):
    """`keys` as in frames.Keys; `limits_of` gives those of any site, None for what is none."""

    host: str
    workers: int
    connect_timeout_s: float
    command_timeout_s: float
    data_timeout_s: float
    sites: dict[str, SiteLimits]
    limits_of: Callable[[str], SiteLimits | None]
    keys: tuple[tuple[str, str, bytes], ...]


def read_settings(
    account: Account, folder: Path, workers: int | None, load_key: KeyLoader
) -> Settings:
    """The settings of an account, whose files are in `folder`. Raises InputError.

    `workers` counts more than what blaster.toml says; without either there is one per processor.
    """
    options = account.transports.get("email", {})
    smarthost = options.get("smarthost", "")
    if smarthost and split_site(smarthost) is None:
        raise InputError(f"the smarthost {smarthost!r} is not of the form host:port")
    for domain, site in account.routes.items():
        if split_site(site) is None:
            raise InputError(f"the route of {domain} leads to {site!r}, which is not host:port")
    for row in account.shaping:
        if not row.per_seconds > 0:
            raise InputError(f"the limits of {row.site} are for {row.per_seconds} seconds")
    return Settings(
        options.get("hostname", "") or socket.gethostname(),
        workers_of(account, workers),
        _seconds(options, "connect_timeout", CONNECT_TIMEOUT_S),
        _seconds(options, "command_timeout", COMMAND_TIMEOUT_S),
        _seconds(options, "data_timeout", DATA_TIMEOUT_S),
        sites_of(account),
        partial(limits_of, account),
        _keys(account, folder, load_key),
    )


def workers_of(account: Account, given: int | None) -> int:
    """How many processes deliver e-mail. Raises InputError."""
    said = account.transports.get("email", {}).get("workers", "")
    if not said:
        return min(max(1, given or os.cpu_count() or 1), WORKERS_MAX)
    if not (said.isascii() and said.isdecimal() and 1 <= int(said) <= WORKERS_MAX):
        raise InputError(f"workers = {said} of [transports.email]: 1 to {WORKERS_MAX} are possible")
    return given or int(said)


def _seconds(options: dict[str, str], key: str, default: float) -> float:
    said = options.get(key, "")
    if not said:
        return default
    match = _DURATION.fullmatch(said.strip())
    seconds = float(match[1]) * _SECONDS[match[2]] if match is not None else 0.0
    if seconds <= 0:
        raise InputError(f"{key} = {said!r} of [transports.email] is no duration like 30s")
    return seconds


def _keys(
    account: Account, folder: Path, load_key: KeyLoader
) -> tuple[tuple[str, str, bytes], ...]:
    keys = []
    for key in account.dkim:
        make = f"blaster keygen {key.domain}"
        try:
            pem = (folder / key.key_file).read_bytes()
            load_key(key.domain, key.selector, pem, checked=True)
        except OSError as error:
            raise InputError(
                f"the DKIM key {key.key_file} of {key.domain} cannot be read: {error.strerror};"
                f" {make} makes one"
            ) from error
        except InputError as error:
            raise InputError(
                f"{key.key_file}: {error}; remove the file and make a new one: {make}"
            ) from error
        keys.append((key.domain, key.selector, pem))
    return tuple(keys)
