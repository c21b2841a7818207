"""OpenDKIM about our signatures.

Its library is called directly, and told to take keys from a file in place of the DNS: that is what
opendkim-testmsg calls too, but the program can only ask the DNS, and signs with other algorithms.
"""

from __future__ import annotations

import ctypes
import ctypes.util

import pytest

from blaster.transport.dkim import Signer
from blaster.transport.keys import make_key

LIBRARY = ctypes.util.find_library("opendkim")

# dkim.h of OpenDKIM 2.11
OK, SETOPT, QUERY_METHOD, QUERY_INFO, QUERY_FILE = 0, 1, 6, 7, 1

HEAD = (
    b"From: =?utf-8?b?157XldeV16LXk9eV158=?= <club@example.co.il>\r\n"
    b"To:\tdana@example.com\r\n"
    b"Subject: =?utf-8?q?=D7=A9=D7=9C=D7=95=D7=9D?=\r\n  and \t more  \r\n"
    b"Date: Sun, 22 Nov 2026 10:00:00 +0200\r\n"
    b"Message-ID: <1.abc@example.co.il>\r\n"
    b"MIME-Version: 1.0\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\n"
    b"Content-Transfer-Encoding: 8bit\r\n"
    b"X-Other: not signed\r\n"
    b"List-Unsubscribe: <https://example.co.il/u/1>,\r\n <mailto:u@example.co.il>\r\n"
    b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
)
BODIES = {
    "text": "שלום דנה,\r\nline two\r\n".encode(),
    "empty": b"",
    "empty lines": b"\r\n\r\n\r\n",
    "empty lines at the end": b"a\r\n\r\n\r\n",
    "white space": b" a \t b  \r\n\t\r\n  \r\n c\r\n \r\n",
    "dots": b".\r\n..\r\n.a\r\n",
    "long": b"0123456789 " * 6 + b"\r\n" + b"x y  z\r\n" * 20_000,
}


@pytest.fixture(scope="module")
def keys():
    return make_key()


@pytest.fixture
def library(tmp_path, keys):
    """`verify(message) -> (status, its text)` by libopendkim."""
    if LIBRARY is None:
        pytest.skip("libopendkim is not installed (Debian: libopendkim11)")
    records = tmp_path / "keys"
    records.write_text(f"s1._domainkey.example.co.il {keys[1]}\n", encoding="ascii")
    judge = ctypes.CDLL(LIBRARY)
    for name in ("dkim_init", "dkim_verify", "dkim_getresultstr"):
        getattr(judge, name).restype = ctypes.c_void_p
    handle = ctypes.c_void_p(judge.dkim_init(None, None))
    method = ctypes.c_int(QUERY_FILE)
    path = ctypes.create_string_buffer(str(records).encode())
    size = ctypes.c_size_t
    judge.dkim_options(handle, SETOPT, QUERY_METHOD, ctypes.byref(method), size(4))
    judge.dkim_options(handle, SETOPT, QUERY_INFO, path, size(len(path)))

    def verify(message: bytes) -> tuple[int, bytes | None]:
        status = ctypes.c_int(-1)
        dkim = ctypes.c_void_p(judge.dkim_verify(handle, b"test", None, ctypes.byref(status)))
        assert status.value == OK
        judge.dkim_chunk(dkim, message, size(len(message)))
        judge.dkim_chunk(dkim, None, size(0))
        status = judge.dkim_eom(dkim, None)
        said = ctypes.cast(judge.dkim_getresultstr(status), ctypes.c_char_p).value
        judge.dkim_free(dkim)
        return status, said

    yield verify
    judge.dkim_close(handle)


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_our_signature_is_good(library, keys, body):
    field = Signer("example.co.il", "s1", keys[0], checked=True).sign(HEAD, body, 1_790_000_000)
    assert library(field + HEAD + b"\r\n" + body) == (OK, b"Success")


def test_a_changed_message_is_not(library, keys):
    """Else the test above would prove nothing."""
    field = Signer("example.co.il", "s1", keys[0], checked=True).sign(HEAD, b"a\r\n", 1_790_000_000)
    assert library(field + HEAD + b"\r\nb\r\n")[0] != OK
    assert library(field + HEAD.replace(b"dana", b"nada") + b"\r\na\r\n")[0] != OK
    assert library(field + b"From: x@example.com\r\n" + HEAD + b"\r\na\r\n")[0] != OK
    assert library(field + HEAD.replace(b"not signed", b"so it may change") + b"\r\na\r\n")[0] == OK
