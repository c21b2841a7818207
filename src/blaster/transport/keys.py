"""DKIM keys: made, loaded and judged, and what the DNS must say of them (RFC 6376, RFC 8301).

Only RSA keys, unencrypted PEM. What is wrong with a key is an InputError that names its domain and
selector; no message ever holds a part of the key. The library loads when a key does.
"""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, NamedTuple

from blaster.errors import InputError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

KEY_BITS_MIN = 1024
"""RFC 8301 section 3.2: signers must not use less; verifiers refuse it."""

KEY_BITS_MAX = 4096
"""What every verifier must be able to check (RFC 8301 section 3.2)."""

TXT_STRING_BYTES_MAX = 255
"""One string of a TXT record (RFC 1035 section 3.3); readers join the strings of a record."""

_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_][a-z0-9_-]{0,62})*")


class DnsRecord(NamedTuple):
    """The TXT record of a key: its full name, its value, and both as a line of a zone file."""

    name: str
    value: str
    line: str


def ascii_name(name: str, what: str) -> str:
    """A domain or selector in lower case and as the DNS knows it. Raises InputError."""
    plain = name if name.isascii() else _encoded(name, what)
    plain = plain.lower().removesuffix(".")
    if not _NAME.fullmatch(plain):
        raise InputError(f"{name!r} is no {what}")
    return plain


def _encoded(name: str, what: str) -> str:
    import idna

    try:
        return idna.encode(name, uts46=True).decode("ascii")
    except idna.IDNAError as error:
        raise InputError(f"{name!r} is no {what}: {error}") from error


def load_key(domain: str, selector: str, pem: bytes, *, checked: bool) -> RSAPrivateKey:
    """The private key of a PEM text.

    `checked`: it is proved to be a sound key, which takes long. Without, only its form is looked
    at: for keys that another process has checked. Raises InputError.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    whose = f"the DKIM key of {domain}, selector {selector},"
    try:
        key = load_pem_private_key(pem, None, unsafe_skip_rsa_key_validation=not checked)
    except TypeError:
        raise InputError(f"{whose} is encrypted; it must be stored without a password") from None
    except (ValueError, UnsupportedAlgorithm):
        raise InputError(f"{whose} is no private key in PEM form, or is damaged") from None
    if not isinstance(key, RSAPrivateKey):
        raise InputError(f"{whose} is no RSA key; only RSA is supported")
    if not KEY_BITS_MIN <= key.key_size <= KEY_BITS_MAX:
        raise InputError(
            f"{whose} has {key.key_size:,} bits; {KEY_BITS_MIN:,} to {KEY_BITS_MAX:,} are"
            " accepted, and 2,048 are usual"
        )
    return key


def make_key(bits: int = 2048) -> tuple[bytes, str]:
    """A new key: its PEM text (PKCS #8), and the value of its TXT record. Raises InputError."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    if not KEY_BITS_MIN <= bits <= KEY_BITS_MAX or bits % 8:
        raise InputError(
            f"a key of {bits:,} bits; {KEY_BITS_MIN:,} to {KEY_BITS_MAX:,} are accepted, in"
            " steps of 8"
        )
    key = rsa.generate_private_key(65537, bits)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return pem, _value(key)


def public_value(domain: str, selector: str, pem: bytes) -> str:
    """The value of the TXT record that goes with a private key. Raises InputError."""
    return _value(load_key(domain, selector, pem, checked=True))


def dns_record(domain: str, selector: str, pem: bytes) -> DnsRecord:
    """The TXT record that goes with a private key (RFC 6376 section 3.6). Raises InputError."""
    name = f"{ascii_name(selector, 'selector')}._domainkey.{ascii_name(domain, 'domain')}"
    value = public_value(domain, selector, pem)
    strings = [
        f'"{value[at : at + TXT_STRING_BYTES_MAX]}"'
        for at in range(0, len(value), TXT_STRING_BYTES_MAX)
    ]
    return DnsRecord(name, value, f"{name}. IN TXT ( {' '.join(strings)} )")


def _value(key: RSAPrivateKey) -> str:
    from cryptography.hazmat.primitives import serialization

    public = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return f"v=DKIM1; k=rsa; p={base64.b64encode(public).decode('ascii')}"
