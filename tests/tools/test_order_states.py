"""The page of order states is the table of the code."""

from __future__ import annotations

from tools.order_states import PAGE, page


def test_the_page_is_made_of_the_table() -> None:
    """`tools/order_states.py` writes it again."""
    text = PAGE.read_text(encoding="utf-8")
    assert page(text) == text
