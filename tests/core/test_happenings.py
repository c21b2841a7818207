"""Happenings: what is kept of them, how they are read, and since when they count in a run."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest

from blaster.core import Rows
from blaster.core.attributes import WORDS_MAX
from blaster.core.chains import find_linked, walk
from blaster.core.column import Column
from blaster.core.happenings import Happenings, kept_lists
from blaster.limits import EVENT_ATTRIBUTES_MAX, EVENT_TEXT_BYTES_MAX
from blaster.model import definitions as model
from blaster.model import records
from blaster.model.fields import NEVER, Field, Kind
from blaster.rules import Fact, Item, to_list
from tests.core.world import (
    START,
    Play,
    journey,
    mail,
    numbers,
    on_event,
    send,
    wait,
    workspace,
)

TEXT = Item("product", Kind.TEXT)


def each(*items: Item, source: tuple[str, ...] = ("event", "buy"), run: bool = False) -> Fact:
    return Fact("run" if run else "contact", Kind.EVENTS, (*source, "each"), items)


def lists(rows: Rows, fact: Fact) -> list[list[tuple]]:
    """Per row: (instant, items) of each happening."""
    found = rows.vectors((fact,))[0]
    columns = [to_list(found.at), *(to_list(item) for item in found.items)]
    told = list(zip(*columns, strict=True))
    ends = found.offsets.tolist()
    return [told[a:b] for a, b in pairwise(ends)]


def events(*attributes: Field) -> dict[str, tuple[model.EventType, ...]]:
    return {"events": (model.EventType("buy", attributes),)}


def test_happenings_come_in_order_contact_by_contact() -> None:
    """For any contacts, in any order, asked twice if need be; and after a replay the same."""
    play = Play(workspace(messages=[mail("m")]))
    play.create(3)
    play.event("buy", 0, 2, product="a")
    play.after(60).event("buy", 2, product="b")
    play.event("buy", 2, 0)
    fact = each(TEXT)
    rows = Rows(play.state, numbers(2, 1, 0, 2))
    two = [(START, "a"), (START + 60, "b"), (START + 60, None)]
    assert lists(rows, fact) == [two, [], [(START, "a"), (START + 60, None)], two]
    assert play.recovered().state.digest() == play.state.digest()
    again = Rows(play.recovered().state, numbers(2))
    assert lists(again, fact) == [two]


def test_a_key_that_came_before_is_no_happening() -> None:
    """One that is seen again counts no more."""
    play = Play(workspace(messages=[mail("m")]))
    play.create(1)
    one = records.Happened(
        "event", "buy", numbers(0), pa.RecordBatch.from_pydict({"product": ["a"]}), ("k",)
    )
    play.do(one)
    play.do(one)
    assert lists(Rows(play.state, numbers(0)), each(TEXT)) == [[(START, "a")]]


def test_nothing_that_ever_happened_is_empty_lists() -> None:
    """And what an event never had is missing."""
    play = Play(workspace(messages=[mail("m")]))
    play.create(2)
    rows = Rows(play.state, numbers(0, 1))
    assert lists(rows, each(TEXT)) == [[], []]
    play.event("buy", 0)
    fact = each(Item("never", Kind.NUMBER), Item("seen", Kind.CODE))
    assert lists(Rows(play.state, numbers(0, 1)), fact) == [[(START, None, None)], []]


@pytest.mark.parametrize("space", ["form", "page", "file"])
def test_forms_pages_and_files_are_happenings_too(space: str) -> None:
    play = Play(workspace(messages=[mail("m")]))
    play.create(1)
    play.event("f", 0, space=space, size="XL")
    fact = each(Item("size", Kind.CODE), source=(space, "f"))
    assert lists(Rows(play.state, numbers(0)), fact) == [[(START, "XL")]]


def test_declared_attributes_are_kept_in_their_kind_and_what_does_not_fit_is_missing() -> None:
    declared = (
        Field("total", "number", scale=2),
        Field("count", "integer"),
        Field("day", "date"),
        Field("paid", "boolean"),
        Field("size", "enum", values=("Small", "Large")),
    )
    play = Play(workspace(messages=[mail("m")], **events(*declared)))
    play.create(1)
    play.event("buy", 0, total="130.25", count="7", day="2026-03-01", paid="yes", size="small")
    play.event("buy", 0, total="1.005", count="x", day="1 March", paid="perhaps", size="Huge")
    fact = each(
        Item("total", Kind.INT, 2),
        Item("count", Kind.INT),
        Item("day", Kind.DATE),
        Item("paid", Kind.BOOL),
        Item("size", Kind.CODE),
        Item("total", Kind.NUMBER),
        Item("total", Kind.TEXT),
    )
    day = 20_513
    assert lists(Rows(play.state, numbers(0)), fact) == [
        [(START, 13_025, 7, day, True, "Small", 130.25, "130.25"), (START, *[None] * 7)]
    ]
    table = play.state.happenings["event", "buy"].table
    kinds = {name[1]: table.column(name).kind for name in table.names if isinstance(name, tuple)}
    assert kinds["total"] is Kind.INT
    assert kinds["size"] is Kind.CODE


def given(values: list[pa.Array], item: Item) -> tuple[Kind, list]:
    """The column's kind after these batches of an undeclared attribute, and what an item reads."""
    found, newest = Happenings(), Column(Kind.TIME)
    newest.grow(1000)
    for batch in values:
        columns = pa.RecordBatch.from_arrays([batch], names=["x"])
        found.append(newest, np.arange(len(batch), dtype=np.int64), 7, columns, {})
    rows = np.arange(found.rows, dtype=np.int64)
    kind = found.table.column(("attribute", "x")).kind
    return kind, to_list(found.attributes.take(rows, item))


def test_an_undeclared_attribute_grows_wider_and_loses_nothing() -> None:
    """Whole numbers, then numbers, then texts; each reading is that of the text that came."""
    whole, broken = pa.array([1, None, -3]), pa.array([2.5, 4.0, None])
    words = pa.array(["x", "5", None])
    read = Item("x", Kind.NUMBER)
    assert given([whole], read) == (Kind.INT, [1.0, None, -3.0])
    assert given([whole, broken], read)[0] is Kind.NUMBER
    assert given([broken, whole], read)[1] == [2.5, 4.0, None, 1.0, None, -3.0]
    kind, values = given([whole, broken, words], read)
    assert (kind, values) == (Kind.CODE, [1.0, None, -3.0, 2.5, 4.0, None, None, 5.0, None])
    texts = given([whole, broken, words], Item("x", Kind.TEXT))[1]
    assert texts == ["1", None, "-3", "2.5", "4", None, "x", "5", None]
    assert given([whole, broken], Item("x", Kind.INT))[1] == [1, None, -3, None, 4, None]
    assert given([broken], Item("x", Kind.INT, 1))[1] == [25, 40, None]
    large = pa.array([2**53 + 1])
    assert given([large], Item("x", Kind.TEXT)) == (Kind.CODE, [str(2**53 + 1)])
    assert given([whole, large], Item("x", Kind.INT))[1] == [1, None, -3, 2**53 + 1]
    assert given([pa.array([True, None])], Item("x", Kind.BOOL))[1] == [True, None]
    dates = given([pa.array(["2026-03-01", "2026-02-30"])], Item("x", Kind.DATE))
    assert dates[1] == [20_513, None]


def test_texts_that_do_not_repeat_are_no_words() -> None:
    """More than WORDS_MAX of them would cost more as codes; what is read stays."""
    many = [f"order {n}" for n in range(WORDS_MAX + 1)]
    batches = [pa.array(many[n : n + 1000]) for n in range(0, len(many), 1000)]
    assert given(batches, Item("x", Kind.TEXT)) == (Kind.TEXT, many)
    assert given(batches, Item("x", Kind.CODE))[1] == many
    mixed = [
        pa.array([str(n) for n in range(first, first + 1000)]) for first in range(0, 5000, 1000)
    ]
    kind, values = given([*mixed, pa.array(["x", "+7.5", "1e400", " 8 "])], Item("x", Kind.NUMBER))
    assert kind is Kind.TEXT
    assert values == [*map(float, range(5000)), None, 7.5, None, 8.0]


def test_a_declaration_that_changes_keeps_what_is_there() -> None:
    """Values stay readable in any kind; what comes later goes beside them."""
    play = Play(workspace(messages=[mail("m")], **events(Field("x", "number", scale=2))))
    play.create(1)
    play.event("buy", 0, x="1.25")
    play.publish(workspace(messages=[mail("m")], **events(Field("x", "number", scale=3))))
    play.event("buy", 0, x="1.125")
    play.publish(workspace(messages=[mail("m")]))
    play.event("buy", 0, x="2")
    fact = each(Item("x", Kind.INT, 3), Item("x", Kind.TEXT))
    told = [(START, 1250, "1.25"), (START, 1125, "1.125"), (START, 2000, "2")]
    assert lists(Rows(play.state, numbers(0)), fact) == [told]
    assert play.recovered().state.digest() == play.state.digest()


def test_what_is_unbounded_is_bounded() -> None:
    """Names and texts: of what is too much there is no value."""
    play = Play(workspace(messages=[mail("m")]))
    play.create(1)
    for start in range(0, EVENT_ATTRIBUTES_MAX + 50, 50):
        play.event("buy", 0, **{f"n{start + n}": "v" for n in range(50)})
    table = play.state.happenings["event", "buy"].table
    assert sum(isinstance(name, tuple) for name in table.names) == EVENT_ATTRIBUTES_MAX
    play.event("long", 0, t="x" * EVENT_TEXT_BYTES_MAX)
    play.event("long", 0, t="x" * (EVENT_TEXT_BYTES_MAX + 1))
    fact = each(Item("t", Kind.TEXT), source=("event", "long"))
    found = lists(Rows(play.state, numbers(0)), fact)[0]
    assert [text is None for _, text in found] == [False, True]


@pytest.mark.parametrize("space", ["event", "form"])
def test_the_last_name_is_the_one_that_came_first_however_it_is_replayed(space: str) -> None:
    """Replay takes records of one schema together: there it is the first row with a value."""
    play = Play(workspace(messages=[mail("m")]))
    play.create(1)
    for start, stop in ((0, 64), (64, EVENT_ATTRIBUTES_MAX - 1)):
        play.event("f", 0, space=space, **{f"n{n}": "v" for n in range(start, stop)})
    play.event("f", 0, space=space, a=None, b="first")
    play.event("f", 0, space=space, a="second", b=None)
    known = play.state.happenings[space, "f"].attributes.fields
    assert ("a" in known, "b" in known) == (False, True)
    assert play.recovered().state.digest() == play.state.digest()


def test_a_form_has_so_many_answers() -> None:
    """The first names to come have columns of contacts; of further ones there is no answer."""
    play = Play(workspace(messages=[mail("m")]))
    play.create(2)
    for start in range(0, EVENT_ATTRIBUTES_MAX + 50, 50):
        play.event("f", 0, space="form", **{f"n{start + n}": "v" for n in range(50)})
    answers = [key[3] for key in play.state.fact_keys() if key[:3] == ("form", "f", "answer")]
    assert sorted(answers) == sorted(f"n{n}" for n in range(EVENT_ATTRIBUTES_MAX))
    last = EVENT_ATTRIBUTES_MAX - 1
    play.event("f", 0, 1, space="form", **{f"n{last}": 7, f"n{last + 1}": "x", "other": "y"})
    assert [play.fact(n, "form", "f", "answer", f"n{last}") for n in range(2)] == ["7", "7"]
    assert play.count("form", "f", "count") == 6
    assert play.recovered().state.digest() == play.state.digest()


# --- in a run -------------------------------------------------------------------------------------


def runs_of(play: Play) -> Rows:
    version = play.state.versions[-1]
    alive = np.flatnonzero(version.column("number").take(np.arange(version.table.rows)) != 0)
    return Rows.of_runs(play.state, version, alive.astype(np.int64))


def with_floor(play: Play, *sources: tuple[str, ...]) -> None:
    """As if a rule of the newest version read happenings since the entry."""
    for source in sources:
        play.state.versions[-1]._add_floor(source)


def test_in_a_run_happenings_count_since_the_entry_within_one_second() -> None:
    """What started the run is not among them; one before it and one after it are told apart."""
    play = Play(workspace(journey("j", on_event("buy"), wait("w", span=(0, 5, 0)), again="never")))
    with_floor(play, ("event", "buy"), ("event", "other"))
    play.create(2)
    play.event("other", 0, product="before")
    play.event("buy", 0, product="start")
    play.event("other", 0, product="after")
    play.event("buy", 0, product="again")
    play.event("buy", 1, product="start too")
    assert lists(runs_of(play), each(TEXT, run=True)) == [[(START, "again")], []]
    other = each(TEXT, source=("event", "other"), run=True)
    assert lists(runs_of(play), other) == [[(START, "after")], []]
    everything = lists(runs_of(play), each(TEXT))
    assert [len(found) for found in everything] == [2, 1]


def test_in_a_keyed_run_only_happenings_of_its_key_count() -> None:
    """One without the attribute counts for every run."""
    entry = on_event("buy", key="order")
    play = Play(workspace(journey("j", entry, wait("w", span=(0, 5, 0)))))
    with_floor(play, ("event", "buy"), ("event", "pay"))
    play.create(1)
    play.event("buy", 0, order="a")
    play.event("buy", 0, order="b")
    play.event("pay", 0, order="b", product="of b")
    play.event("pay", 0, order="c", product="of c")
    play.event("pay", 0, product="of any")
    fact = each(TEXT, source=("event", "pay"), run=True)
    a, b = lists(runs_of(play), fact)
    assert [what for _, what in a] == ["of any"]
    assert [what for _, what in b] == ["of b", "of any"]


def test_a_run_without_a_floor_goes_by_the_second_of_its_entry() -> None:
    """So do rules in messages, of which the journey knows nothing."""
    play = Play(workspace(journey("j", on_event("go"), wait("w", span=(0, 5, 0)))))
    play.create(1)
    play.event("buy", 0, product="before")
    play.event("go", 0)
    play.after(1).event("buy", 0, product="after")
    assert lists(runs_of(play), each(TEXT, run=True)) == [[(START + 1, "after")]]


# --- sendings -------------------------------------------------------------------------------------

SENT = Fact(
    "contact",
    Kind.EVENTS,
    ("messages", "each"),
    tuple(
        Item(name, Kind.CODE if name in ("channel", "name", "category", "topic") else Kind.TIME)
        for name in ("channel", "name", "category", "topic", "opened", "clicked", "replied")
    ),
)


def sends() -> Play:
    messages = [mail("m", category="operational"), mail("n", topic="tips")]
    play = Play(
        workspace(
            journey("j", on_event("go"), send("m", "n"), send("n", "w"), wait("w", span=(0, 9, 0))),
            messages=messages,
        )
    )
    play.create(2)
    return play


def test_every_sending_that_left_is_kept_with_what_became_of_it() -> None:
    """An open goes to its own order; a click and a reply imply it; scanners change nothing."""
    play = sends()
    play.event("go", 0)
    m = ("email", "m", "operational", None)
    n = ("email", "n", "operational", "tips")
    nothing = (None, None, None)
    told = lists(Rows(play.state, numbers(0, 1)), SENT)
    assert told == [[(START, *m, *nothing), (START, *n, *nothing)], []]
    play.after(60).note("opened", "m", 0)
    play.after(60).event("go", 0)
    play.note("clicked", "n", 0, orders=2, text="pay")
    machine = records.Noted(
        "email", "m", "opened", numbers(0), np.zeros(1, np.uint64), (), ("scanner",)
    )
    play.do(machine)
    told = lists(Rows(play.state, numbers(0)), SENT)[0]
    assert told == [
        (START, *m, START + 60, None, None),
        (START, *n, START + 120, START + 120, None),
        (START + 120, *m, *nothing),
        (START + 120, *n, *nothing),
    ]
    play.note("replied", "m", 0, text="yes")
    play.after(60).note("opened", "m", 0)
    told = lists(Rows(play.state, numbers(0)), SENT)[0]
    assert told[2][-3:] == (START + 120, None, START + 120)
    assert play.recovered().state.digest() == play.state.digest()


def test_sendings_keep_the_class_that_they_had() -> None:
    """A message that is published with another topic was not sent with it."""
    play = sends()
    play.event("go", 0)
    space = play.space
    changed = tuple(m if m.name == "m" else mail("n", topic="news") for m in space.messages)
    play.publish(workspace(*space.journeys, messages=changed))
    play.event("go", 0)
    told = lists(Rows(play.state, numbers(0)), SENT)[0]
    assert [each[4] for each in told if each[2] == "n"] == ["tips", "news"]


def test_in_a_run_sendings_count_since_the_entry() -> None:
    play = sends()
    with_floor(play, ("messages",))
    play.event("go", 0)
    play.event("go", 0)
    fact = Fact("run", Kind.EVENTS, ("messages", "each"))
    found = sorted(len(each) for each in lists(runs_of(play), fact))
    assert found == [2, 4]


def test_what_is_heard_before_the_outcome_is_one_sending() -> None:
    """The open shows that it left; its outcome says nothing new."""
    play = sends()
    play.hold = True
    play.event("go", 0)
    order = play.batches[0].numbers
    play.note("opened", "m", 0, orders=int(order[0]))
    play.told(order, [0], [""])
    play.settle()
    fact = Fact("contact", Kind.EVENTS, ("messages", "each"), (Item("opened", Kind.TIME),))
    assert lists(Rows(play.state, numbers(0)), fact) == [[(START, START)]]


# --- walks ----------------------------------------------------------------------------------------


def test_walks_end_where_they_are_told() -> None:
    links, orders = Column(Kind.TIME), Column(Kind.ID)
    for column in (links, orders):
        column.grow(4)
    links.put(numbers(2, 3), np.array([0, 2], np.uint32))
    orders.put(numbers(0, 1, 2, 3), np.array([9, 8, 9, 7], np.uint64))
    heads = np.array([3, NEVER, 1], np.uint32)
    offsets, rows = walk(links, heads)
    assert (offsets.tolist(), rows.tolist()) == ([0, 3, 3, 4], [0, 2, 3, 1])
    offsets, rows = walk(links, heads, np.array([2, 0, 2], np.uint32))
    assert (offsets.tolist(), rows.tolist()) == ([0, 2, 2, 2], [2, 3])
    wanted = np.array([9, 9, 9], np.uint64)
    assert find_linked(links, orders, heads, wanted).tolist() == [2, -1, -1]
    with pytest.raises(IndexError):
        walk(links, np.array([4], np.uint32))
    with pytest.raises(ValueError, match="floors"):
        walk(links, heads, np.zeros(1, np.uint32))
    with pytest.raises(TypeError):
        find_linked(links, links, heads, wanted)
    kept = kept_lists(np.array([0, 2, 3]), numbers(5, 6, 7), np.array([False, True, True]))
    assert [part.tolist() for part in kept] == [[0, 1, 2], [6, 7]]
