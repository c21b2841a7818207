"""Column names to fields."""

from __future__ import annotations

import pytest

from blaster.engine.headers import OTHER_NAMES, match_headers
from blaster.errors import InputError
from blaster.model.fields import BUILT_IN_FIELDS, Field

FIELDS = {
    field.name: field
    for field in (Field("first_name"), Field("עיר", repeats=True), Field("sum", computed="1 + 1"))
}


def names(*headers: str) -> list[str]:
    return [field.name for field in match_headers(headers, FIELDS)]


def test_names_and_other_names() -> None:
    """Exact names, other case, Hebrew with gershayim of both kinds, marks and blanks around."""
    assert names("\ufeffid", " First_Name", "\u200fעיר") == ["id", "first_name", "עיר"]
    assert names('דוא"ל', "Mobile Phone") == ["email", "phone"]
    assert names("דוא״ל", "טלפון_נייד") == ["email", "phone"]
    assert names("E-Mail", "TEL", "Time-Zone", "שפה", "מקור", "מזהה") == [
        "email", "phone", "zone", "language", "source", "id",
    ]  # fmt: skip


def test_every_other_name_belongs_to_a_built_in_field() -> None:
    """And no two fields share one."""
    built_in = {field.name for field in BUILT_IN_FIELDS}
    assert set(OTHER_NAMES) <= built_in
    for field, others in OTHER_NAMES.items():
        assert [names(other) for other in others] == [[field]] * len(others)


def test_a_declared_field_beats_an_other_name() -> None:
    """Who declares `mail` means his own field."""
    matched = match_headers(("mail", "email"), {"mail": Field("mail")})
    assert [field.name for field in matched] == ["mail", "email"]


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        (("email", "frist_name"), ['"frist_name" is not a field', 'mean "first_name"']),
        (("emial",), ['"emial"', '"email"']),
        (("zzzzzz",), ['column "zzzzzz" is not a field']),
        (("email", "  "), ["column 2 has no name"]),
        (("טלפון", "נייד"), ["טלפון", "נייד", '"phone"', "keep one"]),
        (("sum",), ['"sum" is computed']),
        (("qq1", "qq2"), ["qq1", "qq2"]),
    ],
)
def test_what_is_no_field_is_named(headers: tuple[str, ...], words: list[str]) -> None:
    """One error with every column that cannot be taken."""
    with pytest.raises(InputError) as caught:
        match_headers(headers, FIELDS)
    for word in words:
        assert word in str(caught.value)
