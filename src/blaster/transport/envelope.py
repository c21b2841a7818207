"""Addresses as they may stand on an SMTP command line (RFC 5321 section 4.1.2, RFC 6531).

Law: what could end or begin a command never reaches the wire; it has no address at all.
"""

from __future__ import annotations

import re

from blaster.limits import RECIPIENT_BYTES_MAX

# Controls, space, angle brackets, and surrogates, which are no text.
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f-\xa0<>\u2028\u2029\ud800-\udfff]")


def wire_address(address: str) -> bytes | None:
    """The address as it is written between the brackets, None for what is not one.

    A domain in another script becomes its A-label (RFC 5891); a local part that is not ASCII stays
    as it is, and the site must offer SMTPUTF8 (the answer is not ASCII then).
    """
    local, at, domain = address.rpartition("@")
    if not at or not local or not domain or _FORBIDDEN.search(address):
        return None
    if not domain.isascii():
        import idna  # its tables are large, and few addresses need them

        try:
            domain = idna.encode(domain, uts46=True).decode()
        except idna.IDNAError:
            return None
    wire = f"{local}@{domain}".encode()
    return wire if len(wire) <= RECIPIENT_BYTES_MAX else None
