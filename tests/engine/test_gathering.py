"""Single inputs that are gathered: the same as one by one, in order, each with its own answer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import blaster
from blaster.core import State, apply_entry
from blaster.engine import finding, gathering
from blaster.engine.gathering import Happening, Noting, Refusing, operations_of
from blaster.engine.machine import Machine
from blaster.errors import Busy, InputError
from blaster.limits import COMMANDS_MAX, GATHERED_MAX
from blaster.log import MemoryLog
from blaster.model import records
from tests.engine.support import START, people, write


def machine(count: int = 5) -> Machine:
    found = Machine(MemoryLog())
    found.accept(START, (people(0, count),))
    found.tick(START, {}, 1 << 30)
    return found


def happened(name: str, contact: str | int, key: str = "", **data: object) -> Happening:
    return Happening("event", name, contact, data, key)


def rows_of(operation: records.Operation) -> list[int]:
    contacts: list[int] = operation.contacts.tolist()  # type: ignore[attr-defined]
    return contacts


def test_alike_inputs_are_one_operation() -> None:
    state = machine().state
    operations, refused = operations_of(
        state, [happened("seen", 0, a=1), happened("seen", 3, a=2), happened("seen", 0, "k", a=3)]
    )
    assert not refused
    (one,) = operations
    assert isinstance(one, records.Happened)
    assert rows_of(one) == [0, 3, 0]
    assert one.columns.to_pydict() == {"a": [1, 2, 3]}
    assert one.keys == ("", "", "k")


def test_a_contacts_inputs_keep_their_order() -> None:
    """An event may join an earlier operation only if its contact is in no later one."""
    state = machine().state
    arrivals = [
        happened("a", 0), happened("b", 0), happened("a", 1), happened("a", 0), happened("b", 1),
        Noting("email", "m", "opened", 1), happened("b", 2),
    ]  # fmt: skip
    operations, _ = operations_of(state, list(arrivals))
    found = [(getattr(op, "name", "opened"), rows_of(op)) for op in operations]
    assert found == [("a", [0, 1]), ("b", [0, 1, 2]), ("a", [0]), ("opened", [1])]
    for contact in range(3):
        mine = [name for name, rows in found for row in rows if row == contact]
        given = [getattr(each, "name", "opened") for each in arrivals if each.contact == contact]
        assert mine == given


@pytest.mark.parametrize(
    "values", [(1, 2.5), (1, None), (True, 1), ("a", 1), (1, 2**70), ([1], "x"), (None, "x")]
)
def test_a_row_says_what_it_would_have_said_alone(values: tuple[object, object]) -> None:
    state = machine().state
    arrivals = [happened("seen", n, a=value) for n, value in enumerate(values)]
    together, refused = operations_of(state, list(arrivals))
    assert not refused
    alone = [operations_of(state, [each])[0][0] for each in arrivals]
    found = {}
    for operation in together:
        assert isinstance(operation, records.Happened)
        for row, contact in enumerate(rows_of(operation)):
            found[contact] = operation.columns.slice(row, 1)
    for operation in alone:
        assert isinstance(operation, records.Happened)
        assert found[rows_of(operation)[0]].equals(operation.columns)


def test_a_refused_one_spoils_no_other() -> None:
    state = machine().state
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    operations, refused = operations_of(
        state,
        [
            happened("seen", 0, a="fine"),
            happened("seen", 1, a="\ud800"),
            happened("seen", 99, a="nobody"),
            happened("seen", "nobody@example.com", a="nobody"),
            happened("seen", 2, a="fine"),
            happened("seen", 3, a=deep),
        ],
    )
    assert sorted(refused) == [1, 2, 3, 5]
    assert all(isinstance(error, InputError) for error in refused.values())
    assert [row for operation in operations for row in rows_of(operation)] == [0, 2]


class Broken:
    """Says nothing, and compares with nothing; neither do others of its kind."""

    class Kind(type):
        __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        raise StopIteration

    @staticmethod
    def made() -> object:
        """One whose kind cannot even be looked up."""
        return Broken.Kind("Odd", (Broken,), {})()


ODD_CONTACTS: list[Any] = [
        "#" + "9" * 5000, "#" + "9" * 19, 10**5000, -(10**5000), 1 << 63, -1, True, 2.5, None,
        b"#1", [10**5000], "", "#", "#٣", "\0", "a\ud800b", "@", "+" + "9" * 5000, "9" * 5000,
        "x@" + "ü" * 400, "x@" + "a." * 5000, "a" * 100_000, Broken(), Broken.made(),
]  # fmt: skip


def test_no_odd_contact_spoils_another() -> None:
    for contact in ODD_CONTACTS:
        given = [
            happened("seen", 0),
            happened("seen", contact),
            Refusing(2, "email", "all", "asked"),
        ]
        operations, refused = operations_of(machine().state, list(given))
        assert list(refused) == [1]
        assert isinstance(refused[1], InputError)
        assert [rows_of(operation) for operation in operations] == [[0], [2]]


def test_no_odd_value_spoils_another() -> None:
    for value in (Broken(), Broken.made(), 10**5000, {"a": Broken()}):
        given = [happened("seen", n, a=value if n == 1 else n) for n in range(3)]
        operations, refused = operations_of(machine().state, list(given))
        assert list(refused) == [1]
        assert isinstance(refused[1], InputError)
        assert sorted(row for operation in operations for row in rows_of(operation)) == [0, 2]


def test_what_is_raised_for_one_is_the_answer_of_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it is: to look for a contact, or to make an operation, fails for one caller."""
    state, find, make = machine().state, finding.find_contact, gathering.named_columns

    def spoilt_find(state: State, who: str | int) -> int:
        if who == "odd":
            raise StopIteration("odd")
        return find(state, who)

    def spoilt_make(names: tuple[str, ...], columns: Iterable[Sequence[object]]) -> Any:
        values = list(columns)
        if any("odd" in column for column in values):
            raise KeyError("odd")
        return make(names, values)

    monkeypatch.setattr(finding, "find_contact", spoilt_find)
    monkeypatch.setattr(gathering, "named_columns", spoilt_make)
    given = [happened("seen", "odd", a=""), happened("seen", 0, a="odd"), happened("seen", 1, a="")]
    operations, refused = operations_of(state, list(given))
    assert [type(refused[place]) for place in (0, 1)] == [InputError, InputError]
    assert [rows_of(operation) for operation in operations] == [[1]]


def test_a_contact_of_many_digits_is_its_callers_own_mistake(tmp_path: Path) -> None:
    """Those who are gathered with it, an opt-out among them, are taken."""

    async def main() -> None:
        async with blaster.open(write(tmp_path), deliver=False) as engine:
            await engine.publish()
            await engine.contacts.upsert([{"email": f"p{n}@example.com"} for n in range(3)])
            done = await asyncio.gather(
                engine.events.send("seen", 0),
                engine.contacts.suppress(1, "email", "asked"),
                engine.events.send("seen", "#" + "9" * 5000),
                engine.events.send("seen", "#" + "0" * 5000 + "2"),
                return_exceptions=True,
            )
            assert [type(each) for each in done] == [type(None)] * 2 + [InputError, type(None)]
            with pytest.raises(InputError, match="digits"):
                await engine.contacts.set(0, {"email": 10**5000})
            for data in ([1], "ab", {1: 2}, 3):
                with pytest.raises(InputError, match="data maps names to values"):
                    await engine.events.send("seen", 0, data)  # type: ignore[arg-type]

    asyncio.run(main())


def test_news_of_messages_are_gathered_too() -> None:
    state = machine().state
    operations, _ = operations_of(
        state,
        [
            Noting("email", "m", "clicked", 0, "https://a"),
            Noting("email", "m", "clicked", 1, "https://b"),
            Noting("email", "m", "clicked", 2, "https://b", "scanner"),
        ],
    )
    first, second = operations
    assert isinstance(first, records.Noted)
    assert isinstance(second, records.Noted)
    assert (first.texts, first.classes) == (("https://a", "https://b"), ())
    assert (second.texts, second.classes) == (("https://b",), ("scanner",))


async def test_many_at_once_are_few_entries(tmp_path: Path) -> None:
    """Each is answered by itself, and all are in the log when they are."""
    async with blaster.open(write(tmp_path), deliver=False) as engine:
        await engine.publish()
        await engine.contacts.upsert([{"id": f"c{n}"} for n in range(50)])
        given = [engine.events.send("seen", n % 60, {"a": n}) for n in range(600)]
        answers = await asyncio.gather(*given, return_exceptions=True)
        wrong = [n for n, answer in enumerate(answers) if answer is not None]
        assert wrong == [n for n in range(600) if n % 60 >= 50]
        assert all(isinstance(answers[n], InputError) for n in wrong)

        def counts(machine: Machine, now: int) -> tuple[list[int], int]:
            column = machine.state.column(("event", "seen", "count"))
            return column.take(np.arange(50)).tolist(), machine.log.last

        found, entries = await engine._run(counts)
    assert found == [10] * 50
    assert entries < 200


async def test_calls_are_done_in_the_order_they_were_made(tmp_path: Path) -> None:
    """What comes behind another command is not done before it, awaited or not."""
    async with blaster.open(write(tmp_path), deliver=False) as engine:
        await engine.publish()
        await engine.contacts.upsert([{"id": "old"}])
        first, _, second = await asyncio.gather(
            engine.events.send("seen", "old"),
            engine.contacts.upsert([{"id": "new"}]),
            engine.events.send("seen", "new"),
        )
        assert first is second is None


async def test_too_many_are_told_to_wait(tmp_path: Path) -> None:
    """The bound of commands is on the inputs, not on the batches of them."""
    async with blaster.open(write(tmp_path), deliver=False) as engine:
        await engine.publish()
        await engine.contacts.upsert([{"id": "c"}])
        given = [engine.events.send("seen", 0) for _ in range(COMMANDS_MAX + 2 * GATHERED_MAX)]
        answers = await asyncio.gather(*given, return_exceptions=True)
        kinds = {type(answer) for answer in answers}
        assert kinds <= {type(None), Busy}
        assert sum(answer is None for answer in answers) >= COMMANDS_MAX - GATHERED_MAX
        await engine.events.send("seen", 0)


def test_gathered_or_not_the_state_is_the_same() -> None:
    """Of different contacts in one batch nothing depends on the company."""
    dice = np.random.default_rng(7)
    arrivals = [
        happened(str(dice.choice(["a", "b"])), int(dice.integers(5)), a=int(dice.integers(9)))
        for _ in range(100)
    ]
    together, alone = machine(), machine()
    operations, _ = operations_of(together.state, list(arrivals))
    together.accept(START, operations)
    together.tick(START, {}, 1 << 30)
    for each in arrivals:
        alone.accept(START, operations_of(alone.state, [each])[0])
        alone.tick(START, {}, 1 << 30)
    assert facts(together.state) == facts(alone.state)
    replayed = State()
    for _, entry in together.log.read():
        apply_entry(replayed, entry)
    assert replayed.digest() == together.state.digest()


def facts(state: State) -> list[object]:
    everybody = np.arange(state.contacts.rows)
    keys = [key for key in state.fact_keys() if key[0] == "event"]
    return [(key, state.column(key).take(everybody).tolist()) for key in sorted(keys)]
