"""DKIM keys: what is accepted, what is refused and in which words, and the DNS record."""

from __future__ import annotations

import re

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from blaster.errors import InputError
from blaster.transport import ascii_name, dns_record, load_key, make_key, public_value

PEM, VALUE = make_key()


def pem_of(key, encryption=None) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        encryption or serialization.NoEncryption(),
    )


@pytest.mark.parametrize("checked", [True, False])
def test_a_good_key(checked):
    assert load_key("example.com", "s1", PEM, checked=checked).key_size == 2048


def test_a_key_as_openssl_writes_it():
    key = rsa.generate_private_key(65537, 1024)
    assert load_key("example.com", "s1", pem_of(key), checked=True).key_size == 1024


@pytest.mark.parametrize("checked", [True, False])
@pytest.mark.parametrize(
    ("pem", "why"),
    [
        (b"", "no private key"),
        (b"rubbish", "no private key"),
        (PEM[:200], "no private key"),
        (PEM.replace(b"PRIVATE", b"PUBLIC"), "no private key"),
        (pem_of(ec.generate_private_key(ec.SECP256R1())), "only RSA"),
        (
            pem_of(
                rsa.generate_private_key(65537, 1024),
                serialization.BestAvailableEncryption(b"secret"),
            ),
            "encrypted",
        ),
    ],
    ids=["empty", "rubbish", "cut", "public", "other", "encrypted"],
)
def test_bad_keys(pem, why, checked):
    with pytest.raises(InputError, match=rf"example\.com, selector s1,.*{why}"):
        load_key("example.com", "s1", pem, checked=checked)


def test_a_key_that_is_too_small():
    """The library makes none any more, so this one is put together from two known primes."""
    p, q = 2**256 - 2**32 - 977, 2**255 - 19
    d = pow(65537, -1, (p - 1) * (q - 1))
    numbers = rsa.RSAPrivateNumbers(
        p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), rsa.RSAPublicNumbers(65537, p * q)
    )
    pem = pem_of(numbers.private_key(unsafe_skip_rsa_key_validation=True))
    for checked in (True, False):
        with pytest.raises(InputError, match=r"selector s1,.* 511 bits; 1,024 to 4,096"):
            load_key("example.com", "s1", pem, checked=checked)


def test_only_the_full_check_sees_a_key_that_is_unsound():
    numbers = rsa.generate_private_key(65537, 1024).private_numbers()
    public = rsa.RSAPublicNumbers(65537, numbers.public_numbers.n)
    wrong = rsa.RSAPrivateNumbers(
        numbers.p, numbers.q, numbers.d + 2, numbers.dmp1, numbers.dmq1, numbers.iqmp, public
    )
    pem = pem_of(wrong.private_key(unsafe_skip_rsa_key_validation=True))
    load_key("example.com", "s1", pem, checked=False)
    with pytest.raises(InputError, match="damaged"):
        load_key("example.com", "s1", pem, checked=True)


@pytest.mark.parametrize("bits", [512, 1023, 1025, 4104, -1])
def test_sizes_that_are_refused(bits):
    with pytest.raises(InputError, match=r"1,024 to 4,096"):
        make_key(bits)


def test_the_record():
    record = dns_record("מועדון.co.il", "S1", PEM)
    assert record.name == "s1._domainkey.xn--7dbdb7aip.co.il"
    assert record.value == VALUE == public_value("example.com", "s1", PEM)
    assert record.value.startswith("v=DKIM1; k=rsa; p=MIIB")
    strings = re.findall(r'"([^"]*)"', record.line)
    assert "".join(strings) == VALUE
    assert [len(text) for text in strings] == [255, len(VALUE) - 255]
    assert record.line.startswith(f'{record.name}. IN TXT ( "v=DKIM1')
    assert record.line.endswith('" )')


def test_names():
    assert ascii_name("Example.COM.", "domain") == "example.com"
    assert ascii_name("_a-b.c", "selector") == "_a-b.c"
    for bad in ("", ".", "a..b", "-a", "a b", "a;b", "a\n", "a" * 64, "a." * 127 + "com", "א" * 90):
        with pytest.raises(InputError, match="is no domain"):
            ascii_name(bad, "domain")
