"""One trial over Arrow: a drawn rule and rows, as a table in drawn layouts, against the oracle.

The mask must be what the oracle says is true, and DuckDB must say true, false and NULL where the
oracle says true, false and unknown.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import duckdb
import pyarrow as pa

from blaster.errors import NoSql
from blaster.model.fields import Kind
from blaster.rules import ArrowRule, Fact, Scope, compile_rule, parse
from blaster.rules import compile as compile_arrow
from blaster.rules.face import column_name
from tests.oracle.dice import Dice, choice, one_in
from tests.oracle.rule_columns import stored
from tests.oracle.rule_facts import world_of
from tests.oracle.rule_rows import TABLES, Case, Row, drawn_case
from tests.oracle.rule_texts import Author
from tests.oracle.rule_trial import EXTRAS, JOURNEY, Disagreement
from tests.oracle.rules import truth

ROWS = (0, 1, 2, 7, 63, 64, 65, 130)
MARK = {"blaster": "instant"}
STRINGS = (pa.string(), pa.large_string(), pa.string_view())
INTS = (pa.int8(), pa.int16(), pa.int32(), pa.uint8(), pa.uint16(), pa.uint32())
INDICES = (pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8())


def layouts(kind: Kind, scale: int, values: list[Any]) -> list[pa.DataType]:
    """The Arrow types in which a column of these values may come."""
    there = [value for value in values if value is not None]
    if kind == Kind.INT and scale:
        fits = all(abs(value) < 10**18 for value in there)
        return [pa.decimal128(18, scale), pa.decimal64(18, scale)] if fits else []
    if kind == Kind.INT:
        return [pa.int64(), *(kind for kind in INTS if _fits(kind, there))]
    if kind == Kind.CODE:
        return [pa.dictionary(index, word) for index in INDICES for word in STRINGS[:2]]
    words = (*STRINGS, pa.dictionary(pa.int32(), pa.string()))
    return {
        Kind.BOOL: [pa.bool_()],
        Kind.NUMBER: [pa.float64()],
        Kind.DATE: [pa.date32()],
        Kind.INSTANT: [pa.timestamp(unit, zone) for unit in ("s", "ms", "us", "ns")
                       for zone in (None, "Asia/Jerusalem")],
        Kind.TEXT: list(STRINGS),
        Kind.LIST: [kind(word) for kind in (pa.list_, pa.large_list) for word in words],
        Kind.TIME: [pa.uint32()],
        Kind.ID: [pa.uint64()],
    }[kind]  # fmt: skip


def _fits(kind: pa.DataType, values: list[int]) -> bool:
    try:
        pa.array(values, kind)
    except (OverflowError, pa.ArrowInvalid):
        return False
    return True


def column(kind: Kind, as_type: pa.DataType, values: list[Any]) -> pa.Array:
    """Stored values as an array of a type."""
    if pa.types.is_timestamp(as_type):
        return pa.array(values, pa.timestamp("s")).cast(as_type)
    if pa.types.is_decimal(as_type):
        shifted = [None if v is None else _decimal(v, as_type.scale) for v in values]
        return pa.array(shifted, as_type)
    if kind == Kind.LIST and pa.types.is_dictionary(as_type.value_type):
        plain = pa.array(values, pa.list_(pa.string()))
        large = pa.types.is_large_list(as_type)
        made = pa.LargeListArray if large else pa.ListArray
        offsets = plain.offsets.cast(pa.int64() if large else pa.int32())
        words = plain.values.dictionary_encode().cast(as_type.value_type)
        missing = pa.array([value is None for value in values], pa.bool_())
        return made.from_arrays(offsets, words, mask=missing) if values else pa.array([], as_type)
    return pa.array(values, as_type)


def plain_lists(table: pa.Table) -> pa.Table:
    """Without lists of dictionary words, of which DuckDB cannot read all chunks."""
    for place, field in enumerate(table.schema):
        words = field.type.value_type if pa.types.is_list(field.type) else None
        words = field.type.value_type if pa.types.is_large_list(field.type) else words
        if words is not None and pa.types.is_dictionary(words):
            values = pa.array(table.column(place).to_pylist(), pa.list_(pa.string()))
            table = table.set_column(place, field.name, values)
    return table


def _decimal(units: int, scale: int) -> Any:
    from decimal import Decimal

    return Decimal(units).scaleb(-scale)


def chunked(dice: Dice, table: pa.Table) -> pa.Table:
    """The same rows in chunks that begin anywhere in their buffers."""
    pieces: list[pa.Table] = []
    start = 0
    while start < len(table):
        size = 1 + dice.below(len(table) - start)
        before, behind = dice.below(9), dice.below(3)
        padding = [table.slice(0, 1)] * before
        whole = pa.concat_tables(
            [*padding, table.slice(start, size), *[table.slice(0, 1)] * behind]
        )
        pieces.append(whole.combine_chunks().slice(before, size))
        start += size
    return pa.concat_tables(pieces) if pieces else table


class ArrowTrial:
    """A case with one rule, compiled for a table that is drawn for it."""

    def __init__(self, dice: Dice, budget: int = 4) -> None:
        self.dice = dice
        self.case: Case = drawn_case(dice)._replace(place="audience", attributes={})
        if one_in(dice, 3):
            self.case = self.case._replace(zone="UTC")
        self.scope = Scope(
            fields=self.case.fields, place="audience", journey=JOURNEY, extras=EXTRAS,
            tables=TABLES, event_attributes=self.case.events,
        )  # fmt: skip
        self.text = Author(dice, self.case, budget, self.has_columns).rule().text
        distinct = [Row(dice, self.case) for _ in range(1 + dice.below(8))]
        self.zoned = "zone" in self.text or one_in(dice, 3)
        if not self.zoned:
            for row in distinct:
                row["contact", "field", "zone"] = None
        order = [dice.below(len(distinct)) for _ in range(choice(dice, ROWS))]
        self.rule, self.table = self.compiled(distinct, order)
        world = [world_of(row, self.case.now, self.case.zone, "audience", JOURNEY, TABLES)
                 for row in distinct]  # fmt: skip
        truths = [truth(parse(self.text), one) for one in world]
        self.wanted = [truths[place] for place in order]

    def has_columns(self, text: str) -> bool:
        """Whether it reads no happenings: no column holds them."""
        return all(fact.kind != Kind.EVENTS for fact in compile_rule(text, self.scope).facts)

    def compiled(self, rows: list[Row], order: list[int]) -> tuple[ArrowRule, pa.Table]:
        """The rule for a drawn schema; for a scope where decimals are too short."""
        wide = compile_arrow(self.text, self.scope, zone=self.case.zone)
        scales = {slot.fact: slot.scale for slot in wide._slots}
        facts = dict.fromkeys(wide.facts)
        for name in [fact.key[1] for fact in wide.facts if fact.key[2:] == ("changed",)]:
            field = self.scope.field(name)  # it has to be there, although only its changes are read
            assert field is not None
            facts[fact := Fact("contact", field.kind, ("field", name))] = None
            scales.setdefault(fact, field.scale or 0)
        values = {}
        for fact in facts:
            distinct = [stored(row[fact.space, *fact.key], fact.kind) for row in rows]
            values[fact] = [distinct[place] for place in order]
        types = {fact: layouts(fact.kind, scales[fact], values[fact]) for fact in facts}
        schemed = all(types.values())
        arrays: dict[str, pa.Array] = {}
        fields: list[pa.Field] = []
        for fact in facts:
            name = column_name(fact)
            if name == "zone" and schemed and not self.zoned:
                continue
            chosen = choice(self.dice, types[fact]) if types[fact] else pa.int64()
            if not schemed:  # as SQL has to take it that knows no schema
                if fact.kind == Kind.INSTANT:
                    chosen = pa.timestamp("s")
                elif pa.types.is_decimal(chosen):
                    chosen = pa.int64()
            arrays[name] = column(fact.kind, chosen, values[fact])
            mark = MARK if fact.kind == Kind.TIME else None
            fields.append(pa.field(name, arrays[name].type, metadata=mark))
        arrays["row"] = pa.array(range(len(order)), pa.int64())
        table = pa.table(arrays, schema=pa.schema([*fields, pa.field("row", pa.int64())]))
        if not schemed:
            return wide, chunked(self.dice, table)
        made = compile_arrow(self.text, table.schema, zone=self.case.zone, tables=TABLES)
        return made, chunked(self.dice, table)

    def mask(self) -> None:
        """The mask is the oracle's."""
        found = self.rule.mask(self.table, now=self.case.now).to_pylist()
        wanted = [answer is True for answer in self.wanted]
        if found != wanted:
            raise self.disagreement("the mask", found)

    def sql(self, connection: duckdb.DuckDBPyConnection, tally: Counter[str]) -> None:
        """DuckDB's answers are the oracle's; what SQL cannot say is counted."""
        try:
            expression = self.rule.sql(now=self.case.now)
        except NoSql as error:
            tally[str(error).rpartition(": ")[2]] += 1
            return
        tally["said"] += 1
        connection.register("contacts", plain_lists(self.table))
        query = f"SELECT {expression} FROM contacts ORDER BY row"
        try:
            found = [answer for (answer,) in connection.execute(query).fetchall()]
        except duckdb.Error as error:
            raise Disagreement(f"DuckDB refuses {self.text}\n{expression}\n{error}") from error
        if found != self.wanted:
            raise self.disagreement(f"DuckDB's {expression}", found)

    def disagreement(self, what: str, found: list[Any]) -> Disagreement:
        place = next((at for at, (a, b) in enumerate(zip(found, self.wanted, strict=False))
                      if a != b and (what != "the mask" or a != (b is True))), 0)  # fmt: skip
        row = self.table.slice(place, 1).to_pylist() if len(self.table) else []
        return Disagreement(
            f"{what} says {found[place] if found else found}, the oracle {self.wanted[place]}, "
            f"at row {place} of {self.text}\nnow {self.case.now}, {self.case.zone}\n{row}"
        )
