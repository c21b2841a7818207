"""Writing fields: what is a change, who looks again, and what hangs on an address."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from blaster.core.fields import differs, snapshot, write_fields
from blaster.model import records
from tests.core.world import Play, journey, numbers, on_event, on_rule, send, workspace


def test_only_what_differs_is_a_change() -> None:
    """Numbers, texts, lists; missing equals missing; a field nobody reads is no change."""
    rules = ["points == 1", 'note == "a"', 'tags any of ["x"]']
    space = workspace(*(journey(f"j{n}", on_rule(r), send("m")) for n, r in enumerate(rules)))
    play = Play(space)
    play.create(3)
    columns = play.columns(
        {
            "points": [1, None, 2],
            "note": ["a", None, "b"],
            "tags": ["x", None, "y"],
            "rate": [1, 2, 3],
        }
    )
    found = write_fields(play.state, play.now, numbers(0, 1, 2), columns, keep_null=False)
    assert {change.key[1]: change.contacts.tolist() for change in found} == {
        "points": [0, 2], "note": [0, 2], "tags": [0, 2]
    }  # fmt: skip
    assert write_fields(play.state, play.now, numbers(0, 1, 2), columns, keep_null=False) == []


def test_a_value_may_equal_the_zero_that_stands_for_missing() -> None:
    """Becoming 0 is a change, and so is no longer being it."""
    play = Play(workspace())
    play.create(2)
    column, rows = play.state.column(("field", "points")), numbers(0, 1)
    before = snapshot(column, rows)
    play.set(0, points=0)
    assert differs(column, rows, before).tolist() == [True, False]
    before = snapshot(column, rows)
    play.set(0, points=None)
    assert differs(column, rows, before).tolist() == [True, False]


def test_an_address_moves_in_the_directory() -> None:
    """Ids, e-mails and phones; a cleared one names nobody."""
    play = Play(workspace())
    play.create(2)
    play.set(0, id="A1", email="x@example.com", phone="+972544123456")
    find = play.state.directory.resolve
    for keys in (
        (["A1"], None, None),
        (None, ["X@example.com"], None),
        (None, None, ["+972544123456"]),
    ):
        assert find(*keys)[0].tolist() == [0]
    play.set(0, email=None)
    assert find(None, ["x@example.com"], None)[1].tolist() == [True]
    play.set(1, email="x@example.com")
    assert find(None, ["x@example.com"], None)[0].tolist() == [1]


def test_an_address_that_came_back_is_written_to_again() -> None:
    """Marked impossible, then repaired by a step or from outside."""
    play = Play(workspace(journey("j", on_event("go"), send("m"))))
    play.create()
    flags = pa.RecordBatch.from_arrays([pa.array([True])], names=["invalid:email"])
    play.do(records.FieldsSet(numbers(0), flags))
    play.event("go", 0)
    assert play.messages() == []
    flags = pa.RecordBatch.from_arrays([pa.array(np.zeros(1, bool))], names=["invalid:email"])
    play.do(records.FieldsSet(numbers(0), flags))
    play.event("go", 0)
    assert play.messages() == ["m"]


def test_a_new_contact_may_come_with_an_impossible_address() -> None:
    """The flag is written with the contact."""
    play = Play(workspace(journey("j", on_event("go"), send("m"))))
    columns = pa.RecordBatch.from_arrays(
        [pa.array(["nonsense"]), pa.array([True])], names=["email", "invalid:email"]
    )
    play.do(records.Upserted(numbers(0), np.ones(1, bool), columns, "import"))
    play.event("go", 0)
    assert play.fact(0, "message", "email", "m", "reason") == "invalid_address"


def test_a_first_address_ends_no_bounce() -> None:
    """Only an address that was there can have bounced."""
    play = Play(workspace())
    play.create(email=[None])
    play.set(0, email="a@example.com")
    assert play.fact(0, "suppressed", "email") in (None, False)
