"""Facts bound to columns: what is absent, what is typed anew, what is gathered once."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from blaster.core import Column, Rows
from blaster.core.binding import absent
from blaster.model.fields import Field, Kind
from blaster.rules import Fact, Scope, compile_rule, compile_value, to_list
from tests.core.world import FIELDS, Play, mail, numbers, workspace

SCOPE = Scope(
    fields={field.name: field for field in FIELDS},
    place="enter",
    extras={"n": Field("n", "integer")},
)


def rows(columns: pa.RecordBatch | None = None) -> Rows:
    play = Play(workspace(messages=[mail("m")]))
    play.create(3, city=["Haifa", None, "Lod"], visits=[1, None, 5])
    batch = {} if columns is None else {"columns": columns}
    extras = {"n": Column(Kind.INT)}
    extras["n"].grow(3)
    extras["n"].put(numbers(0, 1, 2), np.array([7, 8, 9]))
    return Rows(play.state, numbers(0, 1, 2), extras=extras, **batch)


def true(text: str, given: Rows | None = None) -> list[bool]:
    found = rows() if given is None else given
    return found.true(compile_rule(text, SCOPE), found.state.now).tolist()


def test_a_state_never_written_is_false_and_a_count_is_0() -> None:
    """Anything else that nobody wrote is missing."""
    assert true('list("x")') == true('event("e")') == [False] * 3
    assert true('not list("x")') == true('event("e").count == 0') == [True] * 3
    assert true('consent("email")') == true('consent("email", "tips")') == [False] * 3
    fact = Fact("contact", Kind.BOOL, ("field", "vip"))
    assert to_list(absent(fact, 2)) == [None, None]


def test_names_a_caller_adds_and_numbers_of_contacts() -> None:
    """`n` of scenarios; a contact's own number is one more than its row."""
    assert true("n >= 8") == [False, True, True]
    found = rows().vectors((Fact("contact", Kind.ID, ("number",)),))
    assert to_list(found[0]) == [1, 2, 3]


def test_attributes_before_there_is_a_run() -> None:
    """Row by row; what is not there, or does not fit, is missing."""
    batch = pa.RecordBatch.from_arrays([pa.array(["5", "x", None])], names=["total"])
    assert true("event.total >= 5", rows(batch)) == [True, False, False]
    assert true('event.other == "a"', rows(batch)) == [False] * 3


def test_a_fact_is_gathered_once() -> None:
    """Two rules that read it share the vector."""
    found = rows()
    fact = Fact("contact", Kind.CODE, ("field", "city"))
    assert found.vectors((fact,))[0] is found.vectors((fact,))[0]


def test_expressions_give_numbers_or_texts() -> None:
    """With what is missing told apart."""
    found, now = rows(), 0
    values, valid = found.numbers(compile_value("visits + 1", SCOPE), now)
    assert (values[valid].tolist(), valid.tolist()) == ([2, 1, 6], [True] * 3)
    assert found.texts(compile_value("lower(city)", SCOPE), now) == ("haifa", None, "lod")
