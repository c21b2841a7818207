"""blaster as one more peer: a real mask through its public face, from rule text.

On the engine's own layout the batches are what its columns are: uint32 instants, a bitmap of
validity where the format has one, numbers as they came. Beside it the same rules over plain Arrow.
"""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

import numpy as np
import pyarrow as pa

from bench.compare.rules.measure import checksum
from bench.compare.rules.texts import column_facts, engine_facts, texts
from bench.compare.rules.tick import World, decisions
from bench.compare.rules.workload import BATCH, NOW, RULE_COLS, RULES
from blaster.rules import compile as compile_rule

NEVER = 0xFFFFFFFF
WHEN = datetime.fromtimestamp(NOW, UTC)


def engine_layout(cols: dict[str, pa.Array]) -> pa.Table:
    """Instants as TIME: uint32, with the validity that Arrow keeps."""
    arrays, fields = [], []
    for name, values in cols.items():
        if pa.types.is_timestamp(values.type):
            mask = values.is_null().to_numpy(zero_copy_only=False)
            seconds = values.view(pa.int64()).fill_null(0).to_numpy().astype(np.uint32)
            seconds[mask] = NEVER
            values = pa.array(seconds, mask=mask)
            fields.append(pa.field(name, pa.uint32(), metadata={"blaster": "instant"}))
        else:
            fields.append(pa.field(name, values.type))
        arrays.append(values)
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields))


def used(rule: str) -> list[str]:
    return [name for name in RULE_COLS[rule] if name != "v"]


class Blaster:
    """A table in batches of 65,536 rows of the engine's own layout; threads split the batches."""

    whole_rules = RULES
    facts = staticmethod(column_facts)

    def __init__(self, cols, threads):
        self.cities = cols["city"].dictionary.to_pylist()
        self.cols, self.threads = cols, threads
        self.rules, self.tables = {}, {}
        table = self.table(cols)
        written = texts(self.cities, self.facts())
        for name in RULES:
            mine = table.select(used(name))
            self.rules[name] = compile_rule(written[name], mine.schema)
            self.tables[name] = pa.Table.from_batches(self.cut(mine))
        self.world = None

    def table(self, cols):
        return engine_layout(cols)

    def cut(self, table):
        return table.to_batches(max_chunksize=BATCH)

    def rule(self, name):
        found = self.rules[name].mask(self.tables[name], now=WHEN, threads=self.threads)
        return found.chunks

    # --- J1: the core's own tick --------------------------------------------------------------

    def before_tick(self, limit):
        """The state as it was before a tick (not measured)."""
        if self.world is None:
            self.world = World(self.cols, texts(self.cities, engine_facts()))
        self.world.restore(limit)

    def tick(self, limit):
        self.entry = self.world.tick(self.threads)

    def check(self):
        return checksum(decisions(self.world, self.entry))


class BlasterArrow(Blaster):
    """Plain Arrow batches: 64-bit instants."""

    tick = None

    def table(self, cols):
        return pa.table(cols)


class BlasterSliced(BlasterArrow):
    """Batches that begin within a byte of their bitmaps, in chunks of other sizes."""

    def cut(self, table):
        marks = [0, 3, *range(3 + BATCH - 5, table.num_rows, BATCH - 5), table.num_rows]
        return [
            table.slice(low, high - low).to_batches()[0]
            for low, high in pairwise(marks)
            if high > low
        ]


class BlasterLarge(BlasterArrow):
    """R12 over large_string."""

    whole_rules = ("R12",)

    def table(self, cols):
        return pa.table({**cols, "email": cols["email"].cast(pa.large_string())})


class BlasterDomain(Blaster):
    """R12 with the domain as a dictionary column of its own."""

    whole_rules = ("R12",)
    tick = None

    def table(self, cols):
        import pyarrow.compute as pc

        domains = pc.list_element(pc.split_pattern(cols["email"], "@", max_splits=1), 1)
        table = super().table(cols)
        place = table.schema.get_field_index("email")
        ends = pc.binary_join_element_wise("", domains, "@").dictionary_encode()
        return table.set_column(place, "email", ends)
