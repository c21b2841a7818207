"""Counting and selecting by a rule: over several batches, with the columns asked for."""

from __future__ import annotations

from decimal import Decimal

import pyarrow as pa
import pytest

import blaster
from blaster.errors import DefinitionError, InputError
from blaster.model.fields import BATCH_ROWS
from blaster.testing import FakeClock, ScriptedTransport, workspace
from tests.volume import TRACED

FIELDS = "city: {type: text, repeats: true}\nprice: {type: number, scale: 2}\nborn: date\n"


async def opened(folder, rows: int) -> blaster.Engine:
    workspace(folder, {"fields.yaml": FIELDS})
    clock = FakeClock("2026-03-01 10:00")
    engine = blaster.open(folder, clock=clock, transport=ScriptedTransport(clock))
    await engine.start()
    await engine.publish()
    table = pa.table(
        {
            "id": [f"p{n}" for n in range(rows)],
            "city": ["Lod" if n % 3 == 0 else None for n in range(rows)],
            "price": pa.array([Decimal(n) / 100 for n in range(rows)], pa.decimal128(12, 2)),
        }
    )
    await engine.contacts.upsert(table)
    return engine


async def batches(engine, rule: str, columns=None) -> list[pa.RecordBatch]:
    return [batch async for batch in engine.contacts.select(rule, columns)]


async def test_a_rule_is_looked_at_batch_by_batch(tmp_path) -> None:
    """What counts is what is selected, in the contacts' order, in bounded batches."""
    rows = 11_000 if TRACED else BATCH_ROWS + 1000
    batches_of = -(-rows // BATCH_ROWS)
    engine = await opened(tmp_path, rows)
    try:
        rule = 'city == "Lod" and price >= 100'
        found = await batches(engine, rule, ["id", "price"])
        assert [batch.num_rows <= BATCH_ROWS for batch in found] == [True] * batches_of
        ids = [text for batch in found for text in batch.column("id").to_pylist()]
        expected = [n for n in range(rows) if n % 3 == 0 and n >= 10_000]
        assert ids == [f"p{n}" for n in expected]
        assert await engine.contacts.count(rule) == len(expected)
        prices = [value for batch in found for value in batch.column("price").to_pylist()]
        assert prices[:2] == [Decimal("100.02"), Decimal("100.05")]
        late = await batches(engine, f'id == "p{rows - 1}"', ["id"])
        assert [batch.num_rows for batch in late] == [0] * (batches_of - 1) + [1]
    finally:
        await engine.close()


async def test_what_is_selected_stays_as_it_was(tmp_path) -> None:
    """A batch is of one instant; and nothing is pinned for long."""
    engine = await opened(tmp_path, 10)
    try:
        (before,) = await batches(engine, 'city == "Lod"', ["city"])
        await engine.contacts.set("p0", {"city": "Haifa"})
        assert before.column("city").to_pylist() == ["Lod"] * 4
        (after,) = await batches(engine, 'city == "Haifa"')
        assert after.schema.names == ["id", "email", "phone", "city", "price", "born"]
        assert after.to_pylist()[0]["id"] == "p0"
    finally:
        await engine.close()


async def test_what_cannot_be_selected_is_said(tmp_path) -> None:
    """A bad rule, a column that there is not; nobody at all still has columns."""
    engine = await opened(tmp_path, 0)
    try:
        (nothing,) = await batches(engine, 'city == "Lod"')
        assert (nothing.num_rows, nothing.schema.names[-1]) == (0, "born")
        with pytest.raises(DefinitionError, match="colour"):
            await batches(engine, 'colour == "red"')
        with pytest.raises(InputError, match="no field 'colour'"):
            await batches(engine, 'city == "Lod"', ["colour"])
        with pytest.raises(InputError, match="twice"):
            await batches(engine, 'city == "Lod"', ["city", "city"])
    finally:
        await engine.close()
