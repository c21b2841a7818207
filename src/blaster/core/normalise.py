"""E-mail addresses and phone numbers in their one stored form, or null and a reason.

Owns the contract of `normalise_emails` and `normalise_phones`, and the cases that need a library
(`idna`, `phonenumbers`); `addresses` decides the plain ones. Never touches state: what these
functions return depends on the libraries' data, so it is stored with the record before it applies.

An e-mail address is trimmed of spaces, tabs and no-break spaces; its domain is lower-cased and
turned into A-labels (UTS 46, then IDNA 2008); its local part stays as it was written. A phone
number becomes E.164, direction marks and no-break spaces being ignored.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from blaster.core.addresses import fast_emails, fast_phones
from blaster.core.keys import string_array
from blaster.errors import InputError

_Array = np.ndarray[Any, Any]
_Values: TypeAlias = pa.Array | pa.ChunkedArray | Sequence[str | None]

REASONS = (
    None, None, None,
    "empty", "no @", "control character", "bad domain", "too long", "bad local part",
    "not a phone number", "not a valid number",
)  # fmt: skip
"""What a verdict of `addresses.pxd` is called; the first three are good, not given, deferred."""

_DEFERRED = 2
_LOCAL_BYTES_MAX = 64
_PATH_BYTES_MAX = 254
_RAW_BYTES_MAX = 1016
_BLANKS = " \t\u00a0"
_DIRECTION_MARKS = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_ATEXT = frozenset(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-/=?^_`{|}~"
)
_CATEGORIES_REFUSED = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zs", "Zl", "Zp"))
_WITHOUT_MARKS = {ord(mark): None for mark in _DIRECTION_MARKS}

ROLES = frozenset((
    "abuse", "accounts", "admin", "administrator", "billing", "compliance", "contact", "dns",
    "do-not-reply", "donotreply", "enquiries", "feedback", "ftp", "hello", "help", "helpdesk",
    "hostmaster", "hr", "info", "inquiries", "investors", "it", "jobs", "legal", "list",
    "list-request", "mail", "mailer-daemon", "marketing", "media", "news", "no-reply", "no_reply",
    "noc", "noreply", "office", "postmaster", "press", "privacy", "registrar", "root", "sales",
    "security", "service", "spam", "support", "sysadmin", "tech", "undisclosed-recipients",
    "unsubscribe", "usenet", "uucp", "webmaster", "www",
))  # fmt: skip
"""Local parts that name a function and not a person (RFC 2142 and common use)."""


def is_role(local: str) -> bool:
    """Whether a local part names a function (admin, info, ...); `+tags` and case do not matter."""
    return local.partition("+")[0].lower() in ROLES


def normalise_emails(values: _Values) -> tuple[pa.StringArray, pa.StringArray]:
    """(address or null, reason or null) for each value, in order; a null value has neither.

    Reasons: "empty", "control character", "too long", "no @", "bad local part", "bad domain"; the
    first that applies, in this order but for lengths, which are looked at with their part. Quoted
    local parts and address literals are refused: what sends them is nearly always a mistake.
    """
    array = string_array(values)
    fast, verdicts = fast_emails(array)
    return _with_library(array, fast, verdicts, _email)


def normalise_phones(values: _Values, country: str) -> tuple[pa.StringArray, pa.StringArray]:
    """(E.164 or null, reason or null) for each value, in order; a null value has neither.

    `country` (ISO 3166, two letters) is whose national forms are understood. Reasons: "empty", "not
    a phone number", "not a valid number" (its length or range is not assigned in its country).
    """
    import phonenumbers

    region = country.upper()
    if region not in phonenumbers.SUPPORTED_REGIONS:
        raise InputError(f"no country has the code {country!r}; two letters are wanted, as in IL")
    array = string_array(values)
    fast, verdicts = fast_phones(array, *_israel(), region == "IL")
    return _with_library(array, fast, verdicts, lambda value: _phone(value, region))


def _with_library(
    array: pa.StringArray, fast: pa.StringArray, verdicts: _Array, one: Any
) -> tuple[pa.StringArray, pa.StringArray]:
    deferred = verdicts == _DEFERRED
    if deferred.any():
        mask = pa.array(deferred)
        answers = [one(value) for value in array.filter(mask).to_pylist()]
        texts = pa.array([text for text, _ in answers], pa.string())
        fast = pc.replace_with_mask(fast, mask, texts)
        verdicts = verdicts.copy()
        verdicts[deferred] = [REASONS.index(reason) for _, reason in answers]
    if not (verdicts >= REASONS.index("empty")).any():
        return fast, pa.nulls(len(fast), pa.string())
    reasons = pa.array(REASONS, pa.string()).take(pa.array(verdicts))
    return fast, reasons


def _email(value: str) -> tuple[str | None, str | None]:
    """One address by the library; what `addresses.plain_email` says where that decides."""
    value = value.strip(_BLANKS)
    if not value:
        return None, "empty"
    if _CONTROL.search(value):
        return None, "control character"
    if len(value.encode()) > _RAW_BYTES_MAX:
        return None, "too long"
    local, sign, domain = value.rpartition("@")
    if not sign:
        return None, "no @"
    if not all(atom and all(map(_may_stand_in_local, atom)) for atom in local.split(".")):
        return None, "bad local part"
    if len(local.encode()) > _LOCAL_BYTES_MAX:
        return None, "too long"
    room = _PATH_BYTES_MAX - len(local.encode()) - 1
    if domain.isascii() and len(domain) > room:
        return None, "too long"
    ascii_domain = normalise_domain(domain)
    if ascii_domain is None:
        return None, "bad domain"
    if len(ascii_domain) > room:
        return None, "too long"
    return f"{local}@{ascii_domain}", None


def _may_stand_in_local(character: str) -> bool:
    if character.isascii():
        return character in _ATEXT
    return unicodedata.category(character) not in _CATEGORIES_REFUSED


@functools.lru_cache(maxsize=4096)
def normalise_domain(domain: str) -> str | None:
    """A domain of two labels or more in A-labels and lower case, or None; answers are kept."""
    import idna

    try:
        encoded = idna.encode(domain, uts46=True, std3_rules=True).decode().lower()
    except (idna.IDNAError, UnicodeError):
        return None
    labels = encoded.split(".")
    if len(labels) < 2 or not labels[-1] or labels[-1].isdigit():
        return None
    return encoded


def _phone(value: str, region: str) -> tuple[str | None, str | None]:
    """One number by the library, direction marks taken out first."""
    import phonenumbers

    value = value.translate(_WITHOUT_MARKS).strip(_BLANKS)
    if not value:
        return None, "empty"
    try:
        number = phonenumbers.parse(value, region)
    except phonenumbers.NumberParseException:
        return None, "not a phone number"
    if not phonenumbers.is_valid_number(number):
        return None, "not a valid number"
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164), None


@functools.cache
def _israel() -> tuple[_Array, _Array]:
    """Israel's ranges as the installed library has them: tables for `fast_phones`.

    An entry is filled only when several numbers that begin so are all valid, or all not.
    """
    nine, eight = np.zeros(100_000, np.uint8), np.zeros(10_000, np.uint8)
    for first in "57":
        _fill(nine, first, 4)
    for first in "23489":
        _fill(eight, first, 3)
    return nine, eight


def _fill(table: _Array, first: str, more_digits: int) -> None:
    import phonenumbers

    metadata: Any = phonenumbers.PhoneMetadata.metadata_for_region("IL", None)
    size = 1 + more_digits + 4
    general = re.compile(metadata.general_desc.national_number_pattern)
    kinds = (
        metadata.fixed_line, metadata.mobile, metadata.toll_free, metadata.premium_rate,
        metadata.shared_cost, metadata.voip, metadata.personal_number, metadata.pager,
        metadata.uan, metadata.voicemail,
    )  # fmt: skip
    patterns = [
        kind.national_number_pattern
        for kind in kinds
        if kind and kind.national_number_pattern and size in (kind.possible_length or (size,))
    ]
    special = re.compile("|".join(f"(?:{pattern})" for pattern in patterns))
    for number in range(int(first) * 10**more_digits, (int(first) + 1) * 10**more_digits):
        answers = set()
        for tail in ("0000", "1234", "5678", "9999"):
            text = f"{number}{tail}"
            answers.add(bool(general.fullmatch(text) and special.fullmatch(text)))
        if len(answers) == 1:
            table[number] = 1 if answers.pop() else 2
