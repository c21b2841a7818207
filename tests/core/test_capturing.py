"""Captures: complete, unchanging, and no more than what changed since the one before."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import blaster.core
from blaster.core import Column, NumberSet, State, Table, ledger_of
from blaster.core.capturing import CACHED, CAPTURED
from blaster.core.holding import WORDS_PAGE, WordsShelf, decode_words, encode_words
from blaster.core.orders import Orders
from blaster.core.picture import PICTURE_FORMAT, format_of
from blaster.core.shelves import PAGE_BYTES, PLACE, ColumnShelf, end_epoch
from blaster.core.state import Queued
from blaster.model import definitions as model
from blaster.model import records
from blaster.model.fields import BATCH_ROWS, Kind
from blaster.model.outcomes import OutcomeCode
from blaster.rules import Dictionary
from tests.core.box import Box, catalogue
from tests.core.world import Play, journey, mail, numbers, on_event, rule, send, wait, workspace

NOTE = "a longer note than fits inline"
SPRING = model.Campaign("spring", rule("visits >= 0"), "email", "ad", rate=model.Rate(1, 60))
ROOM = Path(blaster.core.__file__).parent


def lived() -> Play:
    """A play in which everything that a state can hold is held."""
    play = Play(
        workspace(
            journey(
                "first",
                on_event("x", key="order"),
                send("bill", "rest"),
                wait("rest", span=(60, 0, 0)),
            ),
            journey("second", on_event("y"), wait("w", "news", span=(0, 1, 0)), send("news")),
            messages=[mail("ad")],
            campaigns=(SPRING,),
        )
    )
    play.create(40, city=["Haifa", "Eilat"] * 20, note=[NOTE] * 40, tags=["a,b"] * 40)
    play.event("x", *range(20), order="7", size=3)
    play.event("y", *range(5, 30), colour="red")
    play.join("club", 1, 2, 3)
    play.note("opened", "bill", 1, 2)
    play.do(records.Steered("spring", "start", ""))
    play.after(120)
    play.hold = True
    play.after(90)
    play.outcome(play.state.orders.with_transport()[-1:], OutcomeCode.FAILED, "550 no")
    play.do(records.Steered("spring", "retry", "again"))
    play.event("x", 30, 31, order="8")
    return play


# --- what is state --------------------------------------------------------------------------------


def attributes(thing: Any) -> set[str]:
    names = set(vars(thing)) if hasattr(thing, "__dict__") else set()
    for kind in type(thing).__mro__:
        names |= set(getattr(kind, "__slots__", ()))
    return names - {"__dict__", "__weakref__"}


def test_every_attribute_is_captured_or_declared_a_cache():
    """Whoever adds one to a class of the state says here how it comes back."""
    play = lived()
    state = play.state
    found = [
        state, state.versions[0], state.orders, next(iter(state.happenings.values())),
        next(iter(state.happenings.values())).attributes, state.sendings, NumberSet(), Table(),
        Dictionary(), state.directory, state.campaigns["spring"], state.forgotten,
    ]  # fmt: skip
    assert {type(each) for each in found} | {Queued} == set(CAPTURED) == set(CACHED)
    for each in found:
        kind = type(each)
        assert not CAPTURED[kind] & CACHED[kind]
        assert attributes(each) == CAPTURED[kind] | CACHED[kind], kind
    assert set(Queued.__slots__) == CAPTURED[Queued] | CACHED[Queued]


def test_every_attribute_of_a_compiled_column_is_known():
    """As above: what a store keeps is captured by `shelves`, or made again there."""
    known = {
        "store": "kind dictionary rows batches row_bits has_valid fill chunks blank places touched",
        "arena": "arena_chunks arenas",
        "fixed": "dtype words minima loose",
        "text": "", "lists": "", "bits": "",
        "column": "store default never_missing",
        "chunk": "block data nbytes pins stamp",
    }  # fmt: skip
    for module, names in known.items():
        text = (ROOM / f"{module}.pxd").read_text()
        body = "".join(re.findall(r"^cdef class .*?(?=^\S|\Z)", text, re.MULTILINE | re.DOTALL))
        fields = re.findall(r"^    cdef (?:readonly )?[\w*]+ (\w+)(?: +#.*)?$", body, re.MULTILINE)
        assert sorted(fields) == sorted(names.split()), module


# --- coming back ----------------------------------------------------------------------------------


def test_a_restored_state_is_the_same():
    play = lived()
    box = Box()
    campaign = play.state.campaigns["spring"]
    assert len(campaign.retried) == 1
    assert campaign.waiting > 30
    state, _ = box.restored(*box.commit(catalogue().capture(play.state)))
    assert state.digest() == play.state.digest()
    assert ledger_of(state, "spring") == ledger_of(play.state, "spring")
    before, after = play.state.orders, state.orders
    assert (after.in_flight, after.waiting) == (before.in_flight, before.waiting)
    assert before.kinds() == after.kinds() != []
    assert [after.counts_of(*kind) for kind in after.kinds()] == [
        before.counts_of(*kind) for kind in before.kinds()
    ]
    undecided = [each.undecided for each in play.state.versions]
    assert [each.undecided for each in state.versions] == undecided
    assert state.campaigns["spring"].plan.definition == campaign.plan.definition
    assert state.next_due() == play.state.next_due()
    assert set(state.readers) == set(play.state.readers)
    assert state.steps_read == play.state.steps_read
    assert list(state.message_keys.items()) == list(play.state.message_keys.items())
    assert list(state.current) == list(play.state.current)
    emails = state.directory.indexes[1].find([f"C{n}@example.com" for n in range(40)])
    assert emails.tolist() == list(range(40))
    assert state.directory.next == play.state.directory.next == 40


def test_a_state_without_anything():
    box = Box()
    state, _ = box.restored(*box.commit(catalogue().capture(State())))
    assert state.digest() == State().digest()


def test_what_is_captured_does_not_change():
    play = lived()
    before = play.state.digest()
    box = Box()
    capture = catalogue().capture(play.state)
    play.hold = False
    for numbers_ in play.batches[-1:]:
        play.outcome(numbers_.numbers, OutcomeCode.ACCEPTED)
    play.create(100, note=["quite another note, and a longer one"] * 100)
    play.set(list(range(30)), note="something else altogether", city="Tel Aviv", tags="c,d")
    play.event("y", *range(40))
    play.after(100_000)
    assert play.state.digest() != before
    assert capture.held() > 0
    state, _ = box.restored(*box.commit(capture))
    assert state.digest() == before
    assert capture.held() == 0


def test_only_what_changed_is_written_again():
    play = lived()
    box, shelves = Box(), catalogue()
    box.commit(shelves.capture(play.state))
    whole = box.pieces
    box.commit(shelves.capture(play.state))
    assert box.pieces == 0
    play.join("club", 7)
    root, table = box.commit(shelves.capture(play.state))
    assert 0 < box.pieces < 6 < whole
    state, _ = box.restored(root, table)
    assert state.digest() == play.state.digest()


def test_a_forgotten_capture_is_made_up_for():
    play = lived()
    box, shelves = Box(), catalogue()
    box.commit(shelves.capture(play.state))
    play.join("club", 7)
    lost = shelves.capture(play.state)
    next(lost.pieces())
    lost.forget()
    assert lost.held() == lost.left == 0
    play.join("club", 8)
    state, _ = box.restored(*box.commit(shelves.capture(play.state)))
    assert state.digest() == play.state.digest()


def test_a_restored_state_is_captured_by_what_came_after():
    play = lived()
    box = Box()
    state, shelves = box.restored(*box.commit(catalogue().capture(play.state)))
    again = shelves.capture(state)
    assert again.left == 0
    again.forget()
    play.machine.state = state
    play.create(1, note=["a note that needs the arena's room"])
    root, table = box.commit(shelves.capture(state))
    assert box.pieces > 0
    assert box.restored(root, table)[0].digest() == state.digest()


def test_a_picture_names_its_format():
    play = lived()
    root, table = Box().commit(catalogue().capture(play.state))
    assert format_of(root) == PICTURE_FORMAT
    with pytest.raises(ValueError, match="places for shelves"):
        Box().restored(root, table[:-1])


# --- columns --------------------------------------------------------------------------------------


def pieces(shelf: ColumnShelf) -> list[bytes]:
    """What is left, written nowhere."""
    found = []
    while shelf.left:
        view = shelf.lend()
        found.append(bytes(view))
        view.release()
        shelf.settle((1, 0, len(found), len(found[-1])))
    return found


def rows_of(count: int, first: int = 0) -> Any:
    return np.arange(first, first + count, dtype=np.int64)


def test_chunks_that_changed():
    column = Column(Kind.INT)
    column.grow(3 * BATCH_ROWS)
    column.put(rows_of(10), 1)
    column.put(rows_of(10, 2 * BATCH_ROWS), 2)
    shelf = ColumnShelf(column)
    shelf.capture(-1)
    assert shelf.left == 2
    held = column.chunk(0)
    assert held.pins == 1
    column.put(rows_of(1), 7)
    assert column.chunk(0) is not held
    assert shelf.held() == held.nbytes
    first, _ = pieces(shelf)
    assert np.frombuffer(first, np.int64, 10).tolist() == [1] * 10
    assert held.pins == column.chunk(2).pins == 0
    table = shelf.table()
    assert table["segment"].tolist() == [1, 0, 1]
    shelf.commit(table)
    since = end_epoch()
    column.put(rows_of(1, BATCH_ROWS), 3)
    shelf.capture(since)
    assert shelf.left == 1
    shelf.forget()
    assert column.chunk(1).pins == 0


def test_pages_of_an_arena_that_was_appended_to():
    column = Column(Kind.TEXT)
    column.grow(BATCH_ROWS)
    long = "x" * 1000
    column.put(rows_of(700), pa.array([long] * 700))
    shelf = ColumnShelf(column)
    shelf.capture(-1)
    assert len(pieces(shelf)) == 1 + 3
    shelf.commit(shelf.table())
    since = end_epoch()
    column.put(rows_of(1, 700), [long])
    shelf.capture(since)
    assert [len(piece) for piece in pieces(shelf)][1:] == [701_000 - 2 * PAGE_BYTES]
    assert shelf.table()["offset"].tolist()[1:3] == [2, 3]
    shelf.commit(shelf.table())
    since = end_epoch()
    column.put(rows_of(400), None)  # more than a third is garbage: compacted, and written whole
    shelf.capture(since)
    assert len(pieces(shelf)) == 1 + 2
    assert shelf.garbage.tolist() == [0]


def test_a_shelf_refuses_what_is_not_of_its_column():
    column = Column(Kind.INT)
    column.grow(10)
    nothing = np.zeros(0, np.int64)
    with pytest.raises(ValueError, match="places for a column"):
        ColumnShelf(column).restore(np.zeros(2, PLACE), nothing, nothing, None)


def test_words_are_written_from_the_last_page_on():
    words = Dictionary(map(str, range(WORDS_PAGE + 5)))
    shelf = WordsShelf(words)
    shelf.capture(-1)
    assert shelf.left == 2
    assert decode_words(shelf.lend()) == words.values[:WORDS_PAGE]
    shelf.settle((1, 0, 0, 1))
    words.add("one more")
    assert decode_words(shelf.lend()) == words.values[WORDS_PAGE : WORDS_PAGE + 5]
    shelf.settle((1, 0, 0, 2))
    shelf.commit(shelf.table())
    shelf.capture(0)
    assert shelf.left == 1
    shelf.forget()
    assert decode_words(encode_words([])) == []
    assert decode_words(encode_words(["", "שלום"])) == ["", "שלום"]
    with pytest.raises(ValueError, match="words in"):
        decode_words(encode_words(["abc"])[:-1])


def test_orders_are_copied_while_they_are_held():
    orders = Orders()
    orders.add(numbers(1, 2).astype(np.uint64), numbers(0, 1), numbers(5, 6), 0, 0, 100)
    blocks, held = orders.hold(-1)
    assert blocks == list(held) == [0]
    orders.settle(np.array([1], np.uint64))
    assert not orders.holds(0)
    assert held[0]["open"][:2].tolist() == [True, True]
    assert orders.numbers().tolist() == [2]
