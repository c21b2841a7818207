"""Rules over Arrow data: every layout, every source, and what is said of data that does not fit."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from blaster.errors import DefinitionError, InputError
from blaster.model.fields import NEVER, Field, Kind
from blaster.rules import ArrowRule, Problem, Scope
from blaster.rules import compile as compile_arrow
from blaster.rules.arrow import DICTIONARIES_KEPT_MAX, Words

NOW = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)
INSTANT = {"blaster": "instant"}


def batch(**columns):
    return pa.RecordBatch.from_pydict(columns)


def mask(rule, data, **more):
    compiled = compile_arrow(rule, data.schema, **more)
    return compiled.mask(data, now=NOW).to_pylist()


def problems(rule, schema):
    with pytest.raises(DefinitionError) as raised:
        compile_arrow(rule, schema)
    assert all(isinstance(one, Problem) for one in raised.value.problems)
    return [str(one) for one in raised.value.problems]


# ------------------------------------------------------------------------------------ layouts

VALUES = {
    "x >= 2": ([1, 2, None, 3], [pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(),
                                 pa.uint16(), pa.uint32(), pa.float32(), pa.float64()]),
    'x == "B"': (["a", "b", None, "B"], [pa.string(), pa.large_string(), pa.string_view(),
                                         pa.dictionary(pa.int8(), pa.string()),
                                         pa.dictionary(pa.uint32(), pa.large_string())]),
    'x contains "twelve"': (["short", "more than TWELVE bytes", None, "also twelve and more"],
                            [pa.string(), pa.large_string(), pa.string_view(),
                             pa.dictionary(pa.int32(), pa.string())]),
    "x >= 2026-01-01": ([dt.date(2025, 12, 31), dt.date(2026, 1, 1), None, dt.date(2027, 1, 1)],
                        [pa.date32(), *(pa.timestamp(unit) for unit in ("s", "ms", "us", "ns"))]),
    "x >= 1.25": ([Decimal("1.24"), Decimal("1.25"), None, Decimal("9.99")],
                  [pa.decimal128(18, 2), pa.decimal64(9, 2), pa.decimal32(5, 2)]),
    'x any of ["b"]': ([["a"], ["c", "B"], None, [None, "b"]],
                       [pa.list_(pa.string()), pa.large_list(pa.string()),
                        pa.list_(pa.string_view())]),
    "x == true": ([False, True, None, True], [pa.bool_()]),
}  # fmt: skip
LAYOUTS = [(rule, kind) for rule, (_, kinds) in VALUES.items() for kind in kinds]


@pytest.mark.parametrize(("rule", "kind"), LAYOUTS, ids=str)
def test_slices_of_every_layout(rule, kind):
    values = VALUES[rule][0]
    column = pa.array(values).cast(kind) if pa.types.is_timestamp(kind) else pa.array(values, kind)
    wanted = [False, True, False, True]
    assert mask(rule, pa.table({"x": column})) == wanted
    long = pa.concat_arrays([column] * 40)
    whole = pa.record_batch([long], names=["x"])
    compiled = compile_arrow(rule, whole.schema)
    for start, size in ((0, 160), (1, 130), (3, 64), (8, 65), (64, 64), (67, 0), (159, 1)):
        found = compiled.mask(whole.slice(start, size))
        assert found.to_pylist() == (wanted * 40)[start : start + size]
        assert found.null_count == 0
    table = pa.table({"x": pa.chunked_array([column, column[1:], column[:0], column[2:3]])})
    assert compiled.mask(table).to_pylist() == [*wanted, *wanted[1:], wanted[2]]
    assert compiled.count(table) == 4


def test_a_mask_is_the_bitmap_itself():
    data = batch(x=list(range(100)))
    found = compile_arrow("x < 50", data.schema).mask(data)
    assert found.type == pa.bool_()
    assert found.buffers()[0] is None
    assert found.true_count == 50


def test_a_mask_of_a_table_is_in_as_few_pieces_as_its_bits_allow():
    column = pa.array(range(300))
    rule = compile_arrow("x < 200", pa.schema([("x", pa.int64())]))
    for cuts, pieces in (((0, 128, 192, 300), 1), ((0, 128, 191, 300), 3), ((0,), 0)):
        parts = [column[low:high] for low, high in pairwise(cuts)]
        table = pa.table({"x": pa.chunked_array(parts, pa.int64())})
        found = rule.mask(table)
        assert found.num_chunks == pieces
        assert found.to_pylist() == [x < 200 for x in range(cuts[-1])]
        assert table.filter(found).num_rows == min(200, cuts[-1])


@pytest.mark.parametrize("day", [dt.date(2026, 2, 28), dt.date(2028, 2, 28), dt.date(2027, 12, 30)])
def test_anniversaries_of_days_far_from_ours(day):
    """Centuries ago and ahead they stand in no table: alone in their word, and among near ones."""
    near = [dt.date(1984, month, 1 + 9 * number) for month in range(1, 13) for number in range(3)]
    far = [each.replace(year=year) for each in near for year in (1604, 1868, 2172, 2400)]
    days = [*near, *near, *far, *near, far[6], *near, *near, far[9], None, *far]
    now = dt.datetime.combine(day, dt.time(12), dt.UTC)
    table = pa.table({"born": pa.array(days, pa.date32())})
    for window in (3, 40):
        rule = compile_arrow(f"born anniversary in next {window}d", table.schema, now=now)
        # none of these is 29 February, and what is asked reaches over at most one year's end
        wanted = [
            each is not None
            and any(
                0 <= (each.replace(year=y) - day).days <= window for y in (day.year, day.year + 1)
            )
            for each in days
        ]
        assert rule.mask(table).to_pylist() == wanted
        assert 0 < sum(wanted) < len(wanted)


def test_columns_that_nobody_asks_for_are_left_alone():
    """They may be cut elsewhere, be of any type, and even share a name."""
    asked = pa.chunked_array([pa.array(range(200))])
    other = pa.chunked_array([pa.nulls(20)] * 10)
    for names in (["x", "y", "z"], ["x", "y", "y"]):
        table = pa.Table.from_arrays([asked, other, other], names=names)
        rule = compile_arrow("x < 100", pa.schema([("x", pa.int64())]))
        found = rule.mask(table)
        assert found.to_pylist() == [x < 100 for x in range(200)]
        assert found.num_chunks == (1 if len(set(names)) == 3 else 10)
        assert rule.count(table) == 100
        assert rule.select(table).read_all().num_columns == 3
    always = compile_arrow("1 == 1", pa.schema([("x", pa.int64())]))
    assert always.mask(table).to_pylist() == [True] * 200


def test_dates_over_batches_whose_zones_differ():
    """What holds for all rows of one batch is not believed of the next."""
    now = dt.datetime(2026, 3, 1, 23, 0, tzinfo=dt.UTC)  # the second of March in Asia only
    day = pa.array([dt.date(2026, 3, 1), dt.date(2026, 3, 2)])
    zones = [["UTC", "UTC"], ["Asia/Tokyo", None], ["Asia/Tokyo", "Asia/Tokyo"]]
    for encode in (False, True):
        arrays = [pa.array(names).dictionary_encode() if encode else pa.array(names)
                  for names in zones]  # fmt: skip
        table = pa.table({"day": pa.chunked_array([day] * 3), "zone": pa.chunked_array(arrays)})
        rule = compile_arrow("day is today", table.schema, now=now)
        assert rule.mask(table).to_pylist() == [True, False, False, False, False, True]
    alone = compile_arrow("day is today", pa.schema([("day", pa.date32())]), now=now)
    assert alone.mask(table.select(["day"])).to_pylist() == [True, False] * 3


def test_dictionaries_that_differ():
    first = pa.array(["a", "b"]).dictionary_encode()
    second = pa.array(["b", None, "c", "a"]).dictionary_encode()
    doubled = pa.DictionaryArray.from_arrays(pa.array([0, 1, 2]), pa.array(["b", None, "b"]))
    compiled = compile_arrow('x in ["A", "C"]', pa.schema([("x", first.type)]))
    for array, wanted in ((first, [True, False]), (second, [False, False, True, True]),
                          (doubled, [False, False, False])):  # fmt: skip
        assert compiled.mask(pa.record_batch([array], names=["x"])).to_pylist() == wanted
    negated = compile_arrow('x != "a"', pa.schema([("x", first.type)]))
    found = negated.mask(pa.record_batch([doubled.cast(first.type)], names=["x"]))
    assert found.to_pylist() == [True, False, True]


def test_dictionaries_are_kept_and_let_go():
    words = Words()
    for number in range(3 * DICTIONARIES_KEPT_MAX):
        words.translation(pa.array([f"w{number}"]))
    assert len(words._met) <= DICTIONARIES_KEPT_MAX
    assert len(words.dictionary) == 3 * DICTIONARIES_KEPT_MAX


def test_a_column_of_nothing_takes_the_type_it_meets():
    data = pa.table({"x": pa.nulls(3)})
    for rule in ("x > 3", 'x == "a"', "x is today", "x < 2026-01-01", "x == true"):
        assert mask(rule, data) == [False] * 3
    assert mask("x is not set", data) == [True] * 3


def test_a_column_that_comes_as_nothing():
    compiled = compile_arrow("x > 3 or x is blank", pa.schema([("x", pa.int64())]))
    assert compiled.mask(pa.table({"x": pa.nulls(2)})).to_pylist() == [True, True]


def test_the_engines_own_instants():
    second = int(NOW.timestamp())
    data = pa.array([second - 60, NEVER, None, second - 90_000], pa.uint32())
    schema = pa.schema([pa.field("list.vip.joined", pa.uint32(), metadata=INSTANT)])
    compiled = compile_arrow('list("vip").joined in last 1d', schema)
    found = compiled.mask(pa.record_batch([data], schema=schema), now=NOW)
    assert found.to_pylist() == [True, False, False, False]
    stamps = pa.table({"list.vip.joined": data[:1].cast(pa.int64()).cast(pa.timestamp("s"))})
    assert compiled.mask(stamps, now=NOW).to_pylist() == [True]
    old = pa.table({"list.vip.joined": pa.array([-1], pa.timestamp("s"))})
    with pytest.raises(InputError, match=r"1969-12-31.* outside"):
        compiled.mask(old, now=NOW)


def test_a_finer_instant_counts_by_its_second():
    early = dt.datetime(1969, 12, 31, 23, 59, 59, 500_000)
    data = pa.table({"t": pa.array([early], pa.timestamp("us"))})
    assert mask("t < 1970-01-01 00:00", data) == [True]
    assert mask("t >= 1969-12-31 23:59", data) == [True]


def test_zones_of_rows_and_of_the_rule():
    late = dt.datetime(2026, 11, 22, 22, 30)
    data = pa.table({"t": [late] * 3, "zone": ["Asia/Jerusalem", None, "Mars/Olympus"]})
    assert mask("t is today", data, zone="UTC") == [False, True, True]
    alone = data.drop_columns("zone")
    assert mask("t is today", alone, zone="Asia/Jerusalem") == [False] * 3
    with pytest.raises(InputError, match="Mars"):
        compile_arrow("t is today", alone.schema, zone="Mars/Olympus")


def test_threads_change_nothing():
    data = batch(x=pa.array(range(1_000_003)))
    compiled = compile_arrow("x in [1, 500000, 1000002] or x < 3", data.schema)
    one, many = compiled.mask(data, threads=1), compiled.mask(data, threads=3)
    assert one.equals(many)
    assert compiled.count(data, threads=2) == 5
    with pytest.raises(InputError, match="threads=0"):
        compiled.mask(data, threads=0)


# ------------------------------------------------------------------------------------ sources


def test_every_source_of_batches(tmp_path):
    table = pa.table({"x": list(range(10)), "word": pa.array(["w"] * 10, pa.string_view())})
    compiled = compile_arrow("x >= 7", table.schema)
    pq.write_table(table, tmp_path / "t.parquet")
    sources = {
        "batch": lambda: table.combine_chunks().to_batches()[0],
        "table": lambda: table,
        "reader": lambda: table.to_reader(max_chunksize=3),
        "dataset": lambda: ds.dataset(tmp_path / "t.parquet"),
        "scanner": lambda: ds.dataset(tmp_path / "t.parquet").scanner(),
        "file": lambda: pq.ParquetFile(tmp_path / "t.parquet"),
        "list": lambda: table.to_batches(max_chunksize=4),
        "tables": lambda: iter([table.slice(0, 5), table.slice(5)]),
    }
    for name, source in sources.items():
        assert compiled.count(source()) == 3, name
        found = compiled.select(source()).read_all()
        assert found.column("x").to_pylist() == [7, 8, 9], name
        assert found.column_names == ["x", "word"], name
    assert compiled.select([]).read_all().num_rows == 0
    for wrong in (7, "text", {"x": [1]}, [7]):
        with pytest.raises(InputError):
            compiled.count(wrong)
    with pytest.raises(InputError, match="not of a list"):
        compiled.mask([])


def test_a_stream_is_read_as_it_is_asked_for():
    asked = []

    def endless():
        while True:
            asked.append(1)
            yield batch(x=[1, 2])

    compiled = compile_arrow("x == 2", pa.schema([("x", pa.int64())]))
    reader = compiled.select(endless())
    assert reader.read_next_batch().to_pydict() == {"x": [2]}
    assert len(asked) <= 2


def test_the_example(tmp_path):
    script = Path(__file__).parents[2] / "examples" / "filter_parquet.py"
    assert len(script.read_text().partition('"""\n\n')[2].split("import sys")[1].splitlines()) <= 12
    table = pa.table({"city": ["חיפה", "אילת", None], "born": [dt.date(2000, 1, 1)] * 3})
    pq.write_table(table, tmp_path / "people.parquet")
    done = subprocess.run(
        [sys.executable, script, tmp_path / "people.parquet", 'city == "חיפה" and born < today'],
        check=True, capture_output=True, text=True, encoding="utf-8",
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert done.stdout == "{'city': 'חיפה', 'born': datetime.date(2000, 1, 1)}\n"


# ------------------------------------------------------------------------- when, why, what


def test_now_is_asked_for():
    data = pa.table({"d": [dt.date(2026, 11, 22)]})
    compiled = compile_arrow("d is today", data.schema)
    assert compiled.time_dependent
    with pytest.raises(InputError, match="give now="):
        compiled.mask(data)
    assert compiled.mask(data, now=NOW).to_pylist() == [True]
    assert compiled.mask(data, now=NOW.timestamp()).to_pylist() == [True]
    assert compile_arrow("d is today", data.schema, now=NOW).mask(data).to_pylist() == [True]
    for wrong in (NOW.replace(tzinfo=None), -1, True, NEVER):
        with pytest.raises(InputError):
            compiled.mask(data, now=wrong)


def test_the_next_change():
    data = pa.table({"d": [dt.date(2026, 11, 23), None, dt.date(2026, 11, 1)]})
    compiled = compile_arrow("d is today", data.schema)
    found = compiled.next_change(data, now=NOW).to_pylist()
    assert found == [dt.datetime(2026, 11, 23, tzinfo=dt.UTC), None, None]
    single = compiled.next_change(data.to_batches()[0], now=NOW)
    assert single.type == pa.timestamp("s", "UTC")


def test_why():
    schema = pa.schema([("x", pa.int32()), ("city", pa.string())])
    compiled = compile_arrow('x > 3 and city == "Haifa"', schema)
    found = compiled.explain({"x": 5, "city": None})
    assert (found.truth, [part.truth for part in found.children]) == (
        "unknown",
        ["true", "unknown"],
    )
    assert found.children[0].children[0].value == "5"
    assert compiled.explain(pa.table({"x": [1], "city": ["haifa"]})).truth == "false"
    assert compiled.explain({"x": 5, "city": "HAIFA", "else": 1}).truth == "true"
    for wrong in (pa.table({"x": [1, 2], "city": ["a", "b"]}), 7, {"x": "five"}):
        with pytest.raises(InputError):
            compiled.explain(wrong)


def test_what_it_reads():
    schema = pa.schema([("x", pa.int32()), ("y", pa.string()), ("zone", pa.string())])
    compiled = compile_arrow("x > 3 and now > 2026-01-01 10:00", schema)
    assert isinstance(compiled, ArrowRule)
    assert compiled.columns == ("x", "zone")
    assert [fact.key for fact in compiled.facts] == [("field", "x"), ("field", "zone")]


def test_a_scope_in_place_of_a_schema():
    scope = Scope(fields={"price": Field("price", "number", scale=2)})
    compiled = compile_arrow('price >= 1.50 and list("vip")', scope)
    units = pa.table({"price": [149, 150], "list.vip.member": [True, True]})
    assert compiled.mask(units).to_pylist() == [False, True]
    exact = units.set_column(0, "price", pa.array([Decimal("1.49"), Decimal("1.50")]).cast(
        pa.decimal128(18, 2)))  # fmt: skip
    assert compiled.mask(exact).to_pylist() == [False, True]


# ---------------------------------------------------------------------------------- bad input

SCHEMA = pa.schema(
    [("visits", pa.int64()), ("city", pa.string()), ("blob", pa.binary()), ("twice", pa.int8()),
     ("twice", pa.int8()), ("wide", pa.decimal128(30, 2))]
)  # fmt: skip


def test_unknown_names_and_types():
    assert problems("visit > 3", SCHEMA) == ["there is no field visit; did you mean visits?"]
    (found,) = problems('visits == "three"', SCHEMA)
    assert "cannot be compared" in found
    assert problems("blob is set and visits > 1", SCHEMA) == [
        "column blob is binary; rules do not read it"
    ]
    assert "decimal128(30, 2)" in problems("wide > 3", SCHEMA)[0]
    assert "two columns are called twice" in problems("twice == 1", SCHEMA)[0]
    assert problems('list("vip")', SCHEMA) == ["there is no column list.vip.member"]
    assert problems("email is set", SCHEMA) == ["there is no column email"]
    compile_arrow("visits > 1", SCHEMA)
    with pytest.raises(InputError):
        compile_arrow("visits > 1", {"visits": "int64"})


def test_a_fact_of_another_type():
    schema = pa.schema([("list.vip.member", pa.int8())])
    assert problems('list("vip")', schema) == [
        "column list.vip.member is int8; here bool is needed"
    ]


def test_a_batch_of_another_schema():
    compiled = compile_arrow("visits > 3", SCHEMA)
    with pytest.raises(InputError, match=r"column visits is string; .* compiled for int64"):
        compiled.mask(pa.table({"visits": ["3"]}))
    with pytest.raises(InputError, match=r"no column visits.*int64; did you mean visit"):
        compiled.mask(pa.table({"visit": [3]}))
    with pytest.raises(InputError, match="2 columns are called visits"):
        compiled.mask(pa.table([[1], [2]], names=["visits", "visits"]))
    marked = pa.schema([pa.field("visits", pa.uint32(), metadata=INSTANT)])
    with pytest.raises(InputError, match=r"uint32 \(instants\)"):
        compiled.mask(pa.table([pa.array([1], pa.uint32())], schema=marked))
    assert compiled.mask(pa.table({"visits": pa.array([4], pa.int16())})).to_pylist() == [True]


@pytest.mark.parametrize("kind", ["text", "code"])
def test_a_set_as_large_as_a_rule_can_be(kind):
    words = ", ".join(f'"{number:x}"' for number in range(9_000))
    column = pa.array(["2327", "2328", None])
    table = pa.table({"w": column.dictionary_encode() if kind == "code" else column})
    compiled = compile_arrow(f"w in [{words}]", table.schema)
    assert compiled.mask(table).to_pylist() == [True, False, False]


def test_a_larger_set_says_the_limit():
    large = ", ".join(map(str, range(20_000)))
    data = batch(visits=[-1, 0, 19_999, 20_000, None])
    found = compile_arrow(f"visits in [{large}]", data.schema).mask(data)
    assert found.to_pylist() == [False, True, True, False, False]
    assert "10000 parts" in problems(f"visits in [visits, {large}]", SCHEMA)[0]
    assert "10000 parts" in problems(" or ".join(["visits == 1"] * 10_000), SCHEMA)[0]


def test_kinds_of_facts_are_all_known():
    from blaster.rules.face import _ARROW

    assert set(_ARROW) == set(Kind) - {Kind.EVENTS}


@pytest.mark.parametrize("kind", [pa.float32(), pa.float64()])
def test_what_is_no_number_is_missing_however_it_is_asked(kind):
    nan = float("nan")
    data = pa.table({"x": pa.array([nan, 1.0, None, 3.0, float("inf")], kind)})
    for rule, hits in {
        "x > 1": [0, 0, 0, 1, 1], "not (x > 1)": [0, 1, 0, 0, 0], "not (x >= 3)": [0, 1, 0, 0, 0],
        "not (x < 3)": [0, 0, 0, 1, 1], "not (x <= 1)": [0, 0, 0, 1, 1], "x == 1": [0, 1, 0, 0, 0],
        "x != 1": [0, 0, 0, 1, 1], "x is set": [0, 1, 0, 1, 1], "x is not set": [1, 0, 1, 0, 0],
        "not (x between 1 and 3)": [0, 0, 0, 0, 1], "x > 1 or x is not set": [1, 0, 1, 1, 1],
        "not (x == x)": [0, 0, 0, 0, 0],
    }.items():  # fmt: skip
        assert mask(rule, data) == [hit == 1 for hit in hits], rule


@pytest.mark.parametrize("missing", [None, NEVER])
def test_an_engines_instant_may_be_null_or_never(missing):
    """Whether a rule asks for a range, for all of time, or for whether there is one."""
    second = int(NOW.timestamp())
    schema = pa.schema([pa.field("t", pa.uint32(), metadata=INSTANT)])
    column = pa.array([second, missing, missing, 0, NEVER - 1], pa.uint32())
    data = pa.record_batch([column], schema)
    for rule, hits in {
        "t in last 1d": [1, 0, 0, 0, 0], "not (t in last 1d)": [0, 0, 0, 1, 1],
        "t >= 1970-01-01 00:00": [1, 0, 0, 1, 1], "t < 2200-01-01 00:00": [1, 0, 0, 1, 1],
        "not (t < 1970-01-01 00:00)": [1, 0, 0, 1, 1], "t is set": [1, 0, 0, 1, 1],
        "t is not set": [0, 1, 1, 0, 0], "t in last 1d or t is not set": [1, 1, 1, 0, 0],
    }.items():  # fmt: skip
        found = compile_arrow(rule, schema).mask(data, now=NOW).to_pylist()
        assert found == [hit == 1 for hit in hits], rule


def test_batches_of_other_schemas_one_after_another():
    """Columns in another order, of another width, and one that does not fit."""
    compiled = compile_arrow("x > 1 and y == 2", pa.schema([("x", pa.int64()), ("y", pa.int64())]))
    one = pa.table({"x": [1, 2], "y": [2, 2]}).to_batches()[0]
    other = pa.table({"y": pa.array([2, 2], pa.int8()), "z": [0, 0], "x": [2, 1]}).to_batches()[0]
    for _ in range(2):
        assert compiled.mask(one).to_pylist() == [False, True]
        assert compiled.mask(other).to_pylist() == [True, False]
        with pytest.raises(InputError, match="no column y"):
            compiled.mask(one.drop_columns("y"))


def test_a_boolean_is_compared_without_numpy():
    data = pa.table({"v": [True, False, None]})
    for rule, hits in {
        "v == true": [1, 0, 0],
        "v == false": [0, 1, 0],
        "v != true": [0, 1, 0],
        "v != false": [1, 0, 0],
        "not (v == true)": [0, 1, 0],
        "not (v != true)": [1, 0, 0],
    }.items():
        assert mask(rule, data) == [hit == 1 for hit in hits], rule
        assert not compile_arrow(rule, data.schema).rule.plan.derived
