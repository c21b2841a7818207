"""Addresses on the wire."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from blaster.transport.envelope import wire_address


def test_an_address_is_written_as_it_is():
    assert wire_address("dana+x@example.org") == b"dana+x@example.org"
    assert wire_address("דנה@example.org") == "דנה@example.org".encode()


def test_a_domain_in_another_script_becomes_its_a_label():
    assert wire_address("dana@דוגמה.example") == b"dana@" + "דוגמה.example".encode("idna")
    assert wire_address("dana@\u2260..x") is None


@given(st.text(st.sampled_from('ab@.\r\n\0 <>"\ud800\u2028é\xa0'), max_size=12))
def test_nothing_that_ends_a_command_is_an_address(text):
    wire = wire_address(text)
    if wire is not None:
        assert not set(wire) & set(b"\r\n\0 <>")
        assert wire.count(b"@") >= 1
        wire.decode()
