"""What is kept of a reason."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from blaster.limits import REASON_BYTES_MAX
from blaster.model.outcomes import cut_reason

CHARACTERS = st.one_of(
    st.characters(codec="ascii"), st.characters(), st.characters(categories=["Cs"])
)


@given(st.text(CHARACTERS, max_size=2 * REASON_BYTES_MAX))
def test_reasons_are_cut_between_characters(reason: str) -> None:
    kept = cut_reason(reason).encode()
    assert len(kept) <= REASON_BYTES_MAX
    whole = reason.encode("utf-8", "replace")
    assert whole.startswith(kept)
    assert len(whole) <= REASON_BYTES_MAX or len(kept) > REASON_BYTES_MAX - 4


def test_what_is_no_text_is_a_question_mark() -> None:
    """Bytes of another encoding, as `surrogateescape` reads them."""
    assert cut_reason("250 \udcff ok") == "250 ? ok"
