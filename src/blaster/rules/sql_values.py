"""Values of a rule as DuckDB expressions.

Owns what each value node is in SQL; a missing value is NULL. Laws

1. Whole numbers, scaled or not, are counted in HUGEINT, and what does not fit 64 bits is NULL.
2. A date is a DATE. An instant is a BIGINT, its seconds since 1970 UTC: no setting of the session
   changes what it means.
3. What reads no column is computed here, by the rule's own functions, and written as a literal.
4. Each part stands once in what is written, so that length grows as the rule does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Any

import pyarrow as pa

from blaster.errors import NoSql
from blaster.model.fields import NEVER, Kind
from blaster.rules import tree
from blaster.rules.arrow import INSTANT_MARK
from blaster.rules.facts import Fact
from blaster.rules.sql_text import folded, named, quoted
from blaster.rules.values import BUCKET_MULTIPLIERS, INSTANTS, TEXTS, Evaluation
from blaster.rules.zones import DAY_S, Zones, zone_table

POWER_MAX = 19
"""A 64-bit number times so many powers of ten fits the 128 bits of a HUGEINT."""
INT64_MIN = -(2**63)
FLOOR_SHIFT_S = 10**13
"""Seconds that make every timestamp positive, so that a division rounds down."""

_EPOCH = date(1970, 1, 1)
_TYPES: dict[Kind, str] = {
    Kind.BOOL: "BOOLEAN", Kind.INT: "BIGINT", Kind.NUMBER: "DOUBLE", Kind.DATE: "DATE",
    Kind.INSTANT: "BIGINT", Kind.TEXT: "VARCHAR", Kind.CODE: "VARCHAR", Kind.LIST: "VARCHAR[]",
    Kind.TIME: "BIGINT", Kind.ID: "UBIGINT",
}  # fmt: skip


class Values:
    """Value nodes to expressions, for one rule, its columns, an instant and a default zone."""

    def __init__(
        self,
        text: str,
        columns: Mapping[Fact, pa.Field | None],
        now: int,
        zones: Zones,
        condition: Callable[[tree.Node], str],
    ) -> None:
        """`condition` says a condition that stands in a value."""
        self.text = text
        self.columns = columns
        self.now = now
        self.zones = zones
        self.condition = condition
        self.zone_column = columns.get(tree.ZONE_FACT)

    def no(self, why: str, node: tree.Node | tree.Value) -> NoSql:
        """The error for a part that SQL cannot say."""
        part = self.text[node.start : node.end] or self.text
        return NoSql(f"SQL cannot say {part!r}: {why}", part, node.start, node.end)

    def alike(self, node: tree.Node | tree.Value) -> bool:
        """Whether a node is the same for every row."""
        return not any(
            isinstance(item, tree.FactRef)
            or (self.zone_column is not None and tree.needs_zone(item))
            for item in tree.walk(node)
        )

    def evaluation(self) -> Evaluation:
        """One row of no columns, for what is the same for every row."""
        return Evaluation({}, [], 1, self.now, self.zones)

    # ------------------------------------------------------------------------------- literals

    def literal(self, kind: Kind, value: Any, valid: bool = True) -> str:
        """A value as the columns hold it."""
        if not valid:
            return f"CAST(NULL AS {_TYPES[kind]})"
        if kind in TEXTS:
            return quoted(str(value))
        if kind == Kind.BOOL:
            return "TRUE" if value else "FALSE"
        if kind == Kind.NUMBER:
            return real(float(value))
        if kind == Kind.DATE:
            return self.day(int(value))
        return str(int(value))

    def day(self, days: int) -> str:
        """A date literal."""
        try:
            return f"DATE '{_EPOCH + timedelta(days=days)}'"
        except OverflowError:
            return f"(DATE '1970-01-01' + {days})"

    def fixed(self, value: tree.Value) -> str:
        """What is the same for every row, computed now."""
        column = self.evaluation().column(value)
        return self.literal(tree.kind_of(value), column.values[0], bool(column.valid[0]))

    # --------------------------------------------------------------------------------- values

    def value(self, value: tree.Value) -> str:
        """Any value: INT in units of its scale, instants as seconds."""
        if isinstance(value, tree.FactRef):
            return self.column(value)
        if self.alike(value):
            return self.fixed(value)
        match value:
            case tree.Arithmetic():
                return self._arithmetic(value)
            case tree.Shift():
                return self.shifted(value, value.value, value.duration, value.sign)
            case tree.DateOf(value=inner):
                return self.days(inner)
            case tree.AtClock(value=inner, second_of_day=second):
                offset = self._even_offset(value)
                day = f"({self.days(inner)} - DATE '1970-01-01')"
                return f"({day} * {DAY_S} + {second - offset})"
            case tree.Least(values=values):
                return self._extreme(value, values, "ASC")
            case tree.Greatest(values=values):
                return self._extreme(value, values, "DESC")
            case tree.Today():
                return f"CAST({self.clock(str(self.now))} AS DATE)"
            case tree.Part():
                return self._part(value)
            case tree.Length(value=inner):
                return self._length(value, inner)
            case tree.Bucket():
                return self._bucket(value)
            case tree.Lookup():
                return self._lookup(value)
            case tree.Answer(condition=condition):
                return self.condition(condition)
            case tree.When(value=inner, condition=condition):
                return f"(CASE WHEN {self.condition(condition)} THEN {self.value(inner)} END)"
            case tree.Known(values=values):
                return f"coalesce({', '.join(self.value(item) for item in values)})"
            case _:
                raise self.no("there is no such value in SQL", value)

    def column(self, ref: tree.FactRef) -> str:
        """A fact's column."""
        kind = Kind(ref.fact.kind)
        column = self.columns.get(ref.fact)
        if column is None or pa.types.is_null(column.type):
            return self.literal(kind, None, valid=False)
        name = named(column.name)
        if column.metadata and INSTANT_MARK.items() <= column.metadata.items():
            return f"CAST(nullif({name}, {NEVER}) AS BIGINT)"
        if kind == Kind.ID:
            return f"CAST(nullif({name}, 0) AS UBIGINT)"
        if kind in INSTANTS:
            if column.type.tz is not None:  # of any unit it came in
                return _seconds(f"CAST({name} AS TIMESTAMPTZ)", "us")
            return _seconds(name, column.type.unit)
        if kind == Kind.NUMBER:
            return f"nullif({name}, 'NaN')"
        if kind == Kind.INT and pa.types.is_decimal(column.type) and column.type.scale:
            wide = f"CAST({name} AS DECIMAL(38, {column.type.scale}))"
            return f"CAST({wide} * {10**column.type.scale} AS BIGINT)"
        if pa.types.is_dictionary(column.type):
            return f"CAST({name} AS VARCHAR)"
        return name

    def _lookup(self, value: tree.Lookup) -> str:
        keys, texts = (
            f"[{', '.join(map(quoted, words))}]" for words in (value.table.keys, value.table.values)
        )
        if not value.table.keys:
            return self.literal(Kind.TEXT, None, valid=False)
        key = folded(self.value(unlowered(value.key)), value.table.keys)
        return f"map({keys}, {texts})[{key}]"

    def real(self, value: tree.Value) -> str:
        """A number as a DOUBLE, scaled ones as the nearest."""
        found = self.value(value)
        if tree.kind_of(value) == Kind.NUMBER:
            return found
        scale = tree.scale_of(value)
        if not scale:
            return f"CAST({found} AS DOUBLE)"
        # Read from text, because that rounds once.
        return f"CAST(CAST({found} AS VARCHAR) || 'e-{scale}' AS DOUBLE)"

    def whole(self, value: tree.Value, scale: int) -> str:
        """A whole number in units of a finer scale: HUGEINT."""
        power = scale - tree.scale_of(value)
        if power > POWER_MAX:
            raise self.no(f"{power} more decimal places overflow", value)
        found = f"CAST({self.value(value)} AS HUGEINT)"
        return f"({found} * {10**power})" if power else found

    # --------------------------------------------------------------------------------- instants

    def clock(self, seconds: str) -> str:
        """The local TIMESTAMP at an instant."""
        table = zone_table(self.zones.default)
        assert table is not None
        if self.zone_column is None and not len(table.starts):
            offset = int(table.offsets[0])
            moved = f"({seconds} + {offset})" if offset else seconds
            return f"make_timestamp(CAST({moved} AS BIGINT) * 1000000)"
        return f"timezone({self._zone()}, make_timestamptz(CAST({seconds} AS BIGINT) * 1000000))"

    def _zone(self) -> str:
        default = quoted(self.zones.default)
        if self.zone_column is None or pa.types.is_null(self.zone_column.type):
            return default
        own = f"CAST({named(self.zone_column.name)} AS VARCHAR)"
        known = "SELECT name FROM pg_timezone_names()"
        return f"CASE WHEN {own} IN ({known}) THEN {own} ELSE {default} END"

    def days(self, value: tree.Value) -> str:
        """A DATE as it is, an instant by its date in the row's zone."""
        found = self.value(value)
        if tree.kind_of(value) == Kind.DATE:
            return found
        return f"CAST({self.clock(found)} AS DATE)"

    def _even_offset(self, node: tree.Value | tree.Node) -> int:
        """Seconds east of UTC, when clocks are never changed there."""
        table = zone_table(self.zones.default)
        assert table is not None
        if self.zone_column is not None or len(table.starts):
            raise self.no(
                "DuckDB takes clock times that are skipped, or come twice, in another way", node
            )
        return int(table.offsets[0])

    def shifted(
        self, node: tree.Node | tree.Value, value: tree.Value, by: tree.Duration, sign: int
    ) -> str:
        """A date or instant moved by a duration."""
        if self.alike(value) and not (self.zone_column is not None and by.months):
            return self.fixed(tree.Shift(value, by, sign))
        found = self.value(value)
        if tree.kind_of(value) == Kind.DATE:
            return moved_date(found, by, sign)
        if by.months:
            offset = self._even_offset(node)
            later = f"{self.clock(found)} + to_months({sign * by.months})"
            found = f"(epoch_us({later}) // 1000000 - {offset})"
        seconds = sign * (by.seconds + DAY_S * by.days)
        return f"({found} + {seconds})" if seconds else found

    # -------------------------------------------------------------------------------- numbers

    def _arithmetic(self, value: tree.Arithmetic) -> str:
        left, right, op = value.left, value.right, value.op
        if tree.kind_of(value) == Kind.NUMBER:
            return finite(f"({self.real(left)} {op} {self.real(right)})")
        if tree.kind_of(left) == Kind.DATE:
            return f"({self.value(left)} - {self.value(right)})"
        if op == "*":
            first, second = self.whole(left, 0), self.whole(right, 0)
            if tree.scale_of(left) or tree.scale_of(right):
                first = self.whole(left, tree.scale_of(left))
                second = self.whole(right, tree.scale_of(right))
            return in_64_bits(f"({first} * {second})")
        scale = max(tree.scale_of(left), tree.scale_of(right))
        return in_64_bits(f"({self.whole(left, scale)} {op} {self.whole(right, scale)})")

    def _extreme(self, value: tree.Value, values: tuple[tree.Value, ...], order: str) -> str:
        """NULL when one is, unlike least() and greatest()."""
        kind, scale = tree.kind_of(value), tree.scale_of(value)
        if kind == Kind.DATE:
            parts = [self.days(item) for item in values]
        elif kind == Kind.NUMBER:
            parts = [self.real(item) for item in values]
        elif kind == Kind.INT:
            parts = [in_64_bits(self.whole(item, scale)) for item in values]
        else:
            parts = [self.value(item) for item in values]
        return f"list_sort([{', '.join(parts)}], '{order}', 'NULLS FIRST')[1]"

    def _part(self, value: tree.Part) -> str:
        if value.part == "hour":
            return f"hour({self.clock(self.value(value.value))})"
        name = "isodow" if value.part == "weekday" else value.part
        return f"{name}({self.days(value.value)})"

    def _length(self, node: tree.Value, inner: tree.Value) -> str:
        if tree.kind_of(inner) == Kind.LIST:
            return f"len(list_filter({self.value(inner)}, lambda x: x IS NOT NULL))"
        if isinstance(inner, tree.Lower):
            raise self.no("another length in lower case", node)
        return f"length({self.value(inner)})"

    def _bucket(self, value: tree.Bucket) -> str:
        mixed = self.column(value.contact)
        for shift, factor in zip((30, 27), BUCKET_MULTIPLIERS, strict=True):
            mixed = (
                f"CAST(CAST(xor({mixed}, {mixed} >> {shift}) AS UHUGEINT) * {factor}::UHUGEINT"
                f" % {2**64}::UHUGEINT AS UBIGINT)"
            )
        return f"CAST(xor({mixed}, {mixed} >> 31) % {value.n} AS BIGINT)"


def real(value: float) -> str:
    """A DOUBLE literal."""
    if math.isinf(value):
        return f"CAST('{value}' AS DOUBLE)"
    text = repr(value)
    return text if "e" in text else f"{text}e0"


def finite(expression: str) -> str:
    """NULL in place of what is no number, or infinite."""
    for outside in ("NaN", "Infinity", "-Infinity"):
        expression = f"nullif({expression}, CAST('{outside}' AS DOUBLE))"
    return expression


def in_64_bits(expression: str) -> str:
    """A HUGEINT as BIGINT, NULL where it does not fit (the least of all does not either)."""
    return f"nullif(TRY_CAST({expression} AS BIGINT), {INT64_MIN})"


def unlowered(value: tree.Value) -> tree.Value:
    """The text itself: in lower case it folds to the same."""
    while isinstance(value, tree.Lower):
        value = value.value
    return value


def moved_date(expression: str, by: tree.Duration, sign: int) -> str:
    """A DATE moved by days, then by months cut to the month's end."""
    if by.days:
        expression = f"({expression} {'-' if sign < 0 else '+'} {by.days})"
    if by.months:
        expression = f"CAST({expression} + to_months({sign * by.months}) AS DATE)"
    return expression


def _seconds(name: str, unit: str) -> str:
    """The whole seconds of a timestamp, rounded down."""
    if unit == "s":
        return f"(epoch_us({name}) // 1000000)"
    per_second = {"ms": 1000, "us": 10**6, "ns": 10**9}[unit]
    return (
        f"CAST((epoch_{unit}({name}) + {FLOOR_SHIFT_S * per_second}::HUGEINT) // {per_second}"
        f" - {FLOOR_SHIFT_S} AS BIGINT)"
    )
