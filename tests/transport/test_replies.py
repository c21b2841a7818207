"""What replies mean, and how they are kept."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blaster.limits import REASON_BYTES_MAX
from blaster.transport.replies import NoReply, Reply, judge, one_line


@given(st.text(st.characters(), max_size=1000))
def test_any_text_becomes_one_short_printable_line(text):
    line = one_line(text)
    assert line.isprintable()
    assert len(line.encode()) <= REASON_BYTES_MAX
    assert one_line(line) == line


def test_a_reply_is_kept_with_its_code():
    assert Reply(550, "5.1.1 no\nsuch user").text == "550 5.1.1 no such user"
    assert Reply(-1, "well").text == "well"
    assert one_line("\ud800x") == "?x"
    assert one_line("ש" * 200) == "ש" * 80


@pytest.mark.parametrize("stage", ["MAIL", "RCPT", "DATA", "dot"])
@given(code=st.integers(-1000, 1000))
def test_every_code_means_something_or_is_no_reply(stage, code):
    try:
        verdict = judge(stage, Reply(code, "text"))
    except NoReply:
        assert code not in range(400, 600)
    else:
        assert (verdict is None) == (code == 354 if stage == "DATA" else code in range(200, 300))
