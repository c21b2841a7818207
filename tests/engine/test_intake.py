"""From what people hand in to columns, and back."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from blaster.core import State
from blaster.engine import intake
from blaster.engine.conversion import Place
from blaster.errors import InputError
from blaster.limits import TEXT_BYTES_MAX
from blaster.model import definitions as model
from blaster.model.fields import BUILT_IN_FIELDS, Field
from blaster.model.records import Consented, Happened, Joined, Upserted

PLACE = Place("IL", "Asia/Jerusalem")
FIELDS = {f.name: f for f in (*BUILT_IN_FIELDS, Field("seen", "instant"), Field("n", "integer"))}


def test_rows_of_different_keys_become_columns():
    rows = [{"email": "a@Example.com"}, {"n": "5"}, {"n": 6, "E-Mail": None}]
    with pytest.raises(InputError, match="are both the field"):
        intake.typed_rows(FIELDS, rows, PLACE)
    columns = intake.typed_rows(FIELDS, rows[:2], PLACE)
    assert columns.to_pylist() == [
        {"email": "a@example.com", "n": None}, {"email": None, "n": 5},
    ]  # fmt: skip
    assert intake.typed_rows(FIELDS, [], PLACE).num_rows == 0


def test_values_of_several_kinds_are_text():
    columns = intake.typed_rows(FIELDS, [{"n": 5}, {"n": "7"}, {"n": None}], PLACE)
    assert columns.column("n").to_pylist() == [5, 7, None]
    with pytest.raises(InputError, match=f"row 10, n: .*{2**70}"):
        intake.typed_rows(FIELDS, [{"n": 2**70}], PLACE, 10)


def test_attributes_keep_their_kind():
    rows = [
        {"i": 1, "f": 1.5, "b": True, "t": "x", "j": {"a": [1]}, "big": 2**64, "mixed": 1,
         "no": None},
        {"i": None, "mixed": "one"},
    ]  # fmt: skip
    columns = intake.attributes(rows)
    assert [str(field.type) for field in columns.schema] == [
        "int64", "double", "bool", "string", "string", "string", "string", "string",
    ]  # fmt: skip
    assert columns.to_pylist()[0] == {
        "i": 1, "f": 1.5, "b": True, "t": "x", "j": '{"a":[1]}', "big": str(2**64),
        "mixed": "1", "no": None,
    }  # fmt: skip
    assert intake.attributes([{}]).num_columns == 0


def test_a_text_that_no_column_takes_is_refused_by_name():
    """Whatever brings it: the columns of a batch keep the texts of 65,536 in less than 2 GiB."""
    longest = "x" * TEXT_BYTES_MAX
    told = f"has {TEXT_BYTES_MAX + 1} bytes; {TEXT_BYTES_MAX} may be"
    assert intake.attributes([{"a": longest, "n": 1}]).num_columns == 2
    with pytest.raises(InputError, match=f"the attribute 'b' {told}"):
        intake.attributes([{"a": longest, "b": "x"}, {"a": None, "b": longest + "x"}])
    with pytest.raises(InputError, match="the attribute 'j' has"):
        intake.attributes([{"j": ["x" * (TEXT_BYTES_MAX // 2)] * 2}])
    with pytest.raises(InputError, match="name of an attribute"):
        intake.attributes([{"n" * (intake.NAME_BYTES_MAX + 1): 1}])
    assert len(intake.received(np.array([0]), [longest])) == 1
    with pytest.raises(InputError, match=f"a text {told}"):
        intake.received(np.array([0]), [longest + "x"])
    fields = {"id": Field("id"), "note": Field("note")}
    with pytest.raises(InputError, match=r"row 11, note: 'x+: 32001 bytes; 32000 may be") as error:
        intake.typed_rows(fields, [{"note": "a"}, {"note": longest + "x"}], PLACE, 10)
    assert len(str(error.value)) < 200


def test_plain_values():
    assert intake.plain(Field("p", "number", scale=2), 1050) == Decimal("10.50")
    assert intake.plain(Field("p", "number"), 1.5) == 1.5
    assert intake.plain(Field("d", "date"), 20_000) == date(2024, 10, 4)
    assert intake.plain(Field("d", "date"), date(2024, 10, 4)) == date(2024, 10, 4)
    assert intake.plain(Field("s", "instant"), -1) == datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)
    naive = datetime(2026, 1, 1, 8)
    assert intake.plain(Field("s", "instant"), naive) == naive.replace(tzinfo=UTC)
    assert intake.plain(Field("s", "instant"), None) is None
    assert intake.plain(Field("s"), "x") == "x"


def test_names():
    assert intake.one_name("מוזמנים לכנס", "list") == "מוזמנים לכנס"
    for name in ("", "\t", "a\x00", "א" * 129):
        with pytest.raises(InputError, match="is no name for a list"):
            intake.one_name(name, "list")
    with pytest.raises(InputError, match="is no text"):
        intake.one_name("\udfff", "list")


def test_what_a_form_means():
    """Fields, consent with the list's topics, the list, then the form itself."""
    form = model.Form("f", "club", ("city",), ("email", "sms"), ("tips",), "I agree", "2")
    answers = pa.record_batch({"city": ["x"], "size": ["L"]})
    contacts = np.array([0], np.int64)
    plain = intake.form_operations(State(), form, "f", contacts, answers, {"ip": "1"})
    assert [type(o) for o in plain] == [Consented, Consented, Joined, Happened]
    assert plain[0].evidence == {"ip": "1", "asset": "form f", "wording": "I agree", "version": "2"}
    assert (plain[0].topics, plain[1].channel) == (("tips",), "sms")
    state = State()
    lists = (model.ContactList("club", ("tips", "offers")),)
    from blaster.core import make_plan

    state.plan = make_plan(model.Workspace(fields=(Field("city"),), lists=lists))
    known = intake.form_operations(state, form, "f", contacts, answers, {})
    assert isinstance(known[0], Upserted)
    assert known[0].columns.schema.names == ["city"]
    assert known[1].topics == ("tips", "offers")
    done = intake.form_operations(state, form, "f", contacts, answers, {}, fields_done=True)
    assert not isinstance(done[0], Upserted)
    undeclared = intake.form_operations(state, None, "g", contacts, answers, {})
    assert [(o.space, o.name) for o in undeclared] == [("form", "g")]
