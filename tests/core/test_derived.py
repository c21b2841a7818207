"""Facts worked out of other columns: changes, activity, providers, steps, and what scanners do."""

from __future__ import annotations

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from blaster.core import Rows
from blaster.core.apply import apply_operation
from blaster.core.plan import Readers
from blaster.core.providers import PROVIDERS, provider_codes
from blaster.core.state import Change
from blaster.model import records
from blaster.model.fields import Field, Kind
from blaster.model.outcomes import OutcomeCode
from blaster.rules import Dictionary, Fact, to_list
from tests.core.world import (
    FIELDS,
    HOUR,
    START,
    Play,
    add,
    branch,
    journey,
    mail,
    numbers,
    on_event,
    on_rule,
    put,
    send,
    until,
    wait,
    workspace,
)

M = ("message", "email", "m")


def of(play: Play, kind: Kind, *key: str, contacts: tuple[int, ...] | None = None) -> list:
    """A fact of these contacts (default: all), gathered and as a whole batch."""
    fact = Fact("contact", kind, key)
    everybody = tuple(range(play.state.contacts.rows))
    gathered = to_list(Rows(play.state, numbers(*(contacts or everybody))).vectors((fact,))[0])
    if contacts is None:
        assert to_list(Rows.of_batch(play.state, 0).vectors((fact,))[0]) == gathered
    return gathered


def in_runs(play: Play, kind: Kind, *key: str) -> list:
    version = play.state.versions[-1]
    runs = np.arange(version.table.rows, dtype=np.int64)
    rows = Rows.of_runs(play.state, version, runs)
    return to_list(rows.vectors((Fact("run", kind, key),))[0])


# --- changed --------------------------------------------------------------------------------------


def test_a_change_is_another_value_whichever_way_it_is_written() -> None:
    """The first value counts, the same again does not; to become empty is a change."""
    steps = (put("set", "more", city="Lod"), add("more", points="1"))
    play = Play(workspace(journey("j", on_event("go"), *steps)))
    play.create(3, city=["Haifa", None, "Lod"], points=[1, 1, None])
    city, points = ("field", "city", "changed"), ("field", "points", "changed")
    assert of(play, Kind.TIME, *city) == [START, None, START]
    play.after(HOUR).set(0, city="Haifa")
    assert of(play, Kind.TIME, *city) == [START, None, START]
    play.after(HOUR).set(1, city="Haifa")
    assert of(play, Kind.TIME, *city) == [START, START + 2 * HOUR, START]
    play.after(HOUR).event("go", 0, 1, 2)
    assert of(play, Kind.TIME, *city) == [START + 3 * HOUR, START + 3 * HOUR, START]
    assert of(play, Kind.TIME, *points) == [START + 3 * HOUR] * 3
    play.after(HOUR).set(0, city=None)
    assert of(play, Kind.TIME, *city)[0] == START + 4 * HOUR
    columns = play.columns({"city": ["Lod", None]})
    play.after(HOUR).do(records.Upserted(numbers(0, 1), np.zeros(2, bool), columns, "import"))
    assert of(play, Kind.TIME, *city) == [START + 5 * HOUR, START + 3 * HOUR, START]
    assert of(play, Kind.TIME, "field", "nothing", "changed") == [None] * 3
    assert play.recovered().state.digest() == play.state.digest()


def test_a_default_is_as_old_as_the_contact_or_the_field() -> None:
    play = Play(workspace(messages=[mail("m")]))
    play.create(1)
    stage = Field("stage", default="new")
    play.after(HOUR).publish(workspace(messages=[mail("m")], fields=(*FIELDS, stage)))
    play.after(HOUR).create(1)
    assert of(play, Kind.TIME, "field", "stage", "changed") == [START + HOUR, START + 2 * HOUR]
    assert of(play, Kind.TIME, "field", "visits", "changed")[0] == START


def test_in_a_run_a_field_changes_since_the_entry() -> None:
    """What it was when the run was entered is no change, also within that second."""
    plan = workspace(journey("j", on_event("go"), until("w", {'city == "Lod"': "end"})))
    play = Play(plan)
    version = play.state.versions[0]
    version._add_fact(("field", "city", "changed"), Kind.TIME)
    play.create(2, city="Haifa")
    play.set(0, city="Eilat")
    play.event("go", 0, 1)
    assert in_runs(play, Kind.TIME, "field", "city", "changed") == [None, None]
    play.set(1, city="Acre")
    assert in_runs(play, Kind.TIME, "field", "city", "changed") == [None, START]


# --- scanners and automatic answers ---------------------------------------------------------------


def machine(fact: str, *contacts: int, order: int = 0, by: str = "scanner") -> records.Noted:
    count = len(contacts)
    orders = np.full(count, order, np.uint64)
    return records.Noted("email", "m", fact, numbers(*contacts), orders, (), (by,) * count)


def test_scanners_and_automatic_answers_count_only_for_any() -> None:
    """In contacts and in runs; what people do counts for both."""
    play = Play(workspace(journey("j", on_event("go"), send("m", "w"), wait("w", span=(0, 9, 0)))))
    version = play.state.versions[0]
    for what in ("opened", "opened:any", "clicked:any"):
        version._add_fact((*M, what), Kind.TIME)
    version.plan.readers.setdefault(M, Readers())
    play.state.index_readers()
    play.create(3)
    play.event("go", 0, 1, 2)
    play.after(60).do(machine("opened", 0))
    play.do(machine("clicked", 1))
    play.after(60).note("opened", "m", 0, 2)
    later = START + 120
    assert of(play, Kind.TIME, *M, "opened") == [later, None, later]
    assert of(play, Kind.TIME, *M, "opened:any") == [START + 60, START + 60, later]
    assert of(play, Kind.TIME, *M, "clicked") == [None] * 3
    assert of(play, Kind.TIME, *M, "clicked:any") == [None, START + 60, None]
    assert in_runs(play, Kind.TIME, *M, "opened") == [later, None, later]
    assert in_runs(play, Kind.TIME, *M, "opened:any") == [START + 60, START + 60, later]
    assert in_runs(play, Kind.TIME, *M, "clicked:any") == [None, START + 60, None]
    play.do(machine("replied", 2, by="automatic"))
    assert of(play, Kind.TIME, *M, "replied:any") == [None, None, later]
    assert of(play, Kind.TIME, *M, "replied") == [None] * 3
    assert (play.count(*M, "opened"), play.count(*M, "clicked")) == (2, 0)
    play.event("go", 0)
    assert of(play, Kind.TIME, *M, "opened:any")[0] is None
    assert of(play, Kind.TIME, *M, "opened:any:ever")[0] == START + 60


def test_a_batch_of_opens_may_be_of_people_and_of_scanners() -> None:
    message = mail("m", links=dict.fromkeys("abc", ""))
    play = Play(workspace(journey("j", on_event("go"), send("m")), messages=[message]))
    play.create(3)
    play.event("go", 0, 1, 2)
    mixed = msgspec.structs.replace(
        machine("clicked", 0, 1, 2), texts=("a", "b", "c"), classes=("", "scanner", "")
    )
    play.do(mixed)
    assert of(play, Kind.TIME, *M, "clicked") == [START, None, START]
    assert of(play, Kind.TIME, *M, "clicked", "c") == [None, None, START]
    assert play.recovered().state.digest() == play.state.digest()


@pytest.mark.parametrize("by_note", [True, False])
def test_soft_bounces_are_told_from_hard_ones(by_note: bool) -> None:
    play = Play(workspace(journey("j", on_event("go"), send("m"))))
    play.create(2)
    if not by_note:
        reasons = ["452 4.2.2 full", "550 5.1.1 nobody"]
        reasons[0] = "552 5.2.2 full"
        play.answer = lambda contact, name: (OutcomeCode.FAILED, reasons[contact])
    play.event("go", 0, 1)
    if by_note:
        play.note("bounced", "m", 0, text="soft")
        play.note("bounced", "m", 1, text="hard")
    assert of(play, Kind.TIME, *M, "bounced:soft") == [START, None]
    assert of(play, Kind.TIME, *M, "bounced:hard") == [None, START]


# --- last activity, provider, steps, benefits -----------------------------------------------------


def test_activity_is_the_newest_of_the_declared_kinds_or_the_making() -> None:
    plan = workspace(journey("j", on_event("go"), send("m")))
    play = Play(plan)
    play.create(6)
    play.after(HOUR).event("go", *range(6))
    play.event("purchase", 0)
    play.event("prices", 1, space="page")
    play.note("clicked", "m", 2)
    play.note("opened", "m", 3)
    play.note("replied", "m", 4)
    play.do(machine("clicked", 5))
    now, made = START + HOUR, START
    assert of(play, Kind.TIME, "last_activity") == [now, now, now, made, now, made]
    account = {"activity": ("open", "go")}
    play.publish(workspace(*plan.journeys, account=account))
    assert of(play, Kind.TIME, "last_activity") == [now] * 6
    play.publish(workspace(*plan.journeys, account={"activity": ("open",)}))
    assert of(play, Kind.TIME, "last_activity") == [made, made, now, now, now, made]
    play.after(HOUR).do(records.Received(numbers(0), ("yes",)))
    play.publish(workspace(*plan.journeys))
    assert of(play, Kind.TIME, "last_activity")[0] == START + 2 * HOUR


def test_the_provider_is_of_the_mailbox() -> None:
    """Well-known domains by their provider's name, any other by itself."""
    play = Play(workspace(messages=[mail("m")]))
    emails = ["a@gmail.com", "b@GoogleMail.com", "c@shop.co.il", None, "d@hotmail.com"]
    play.create(5, email=emails)
    expected = ["gmail", "gmail", "shop.co.il", None, "outlook"]
    assert of(play, Kind.CODE, "provider") == expected
    assert of(play, Kind.CODE, "provider", contacts=(4, 3)) == ["outlook", None]
    words = Dictionary()
    assert provider_codes(pa.nulls(2, pa.string()), words).tolist() == [-1, -1]
    assert all(domain == domain.lower() for domain in PROVIDERS)


def test_the_step_is_that_of_the_newest_run_that_is_not_over() -> None:
    steps = (wait("a", "b", span=(HOUR, 0, 0)), wait("b", span=(HOUR, 0, 0)))
    play = Play(workspace(journey("j", on_event("go"), *steps)))
    play.create(2)
    fact = ("journey", "j", "step")
    assert of(play, Kind.CODE, *fact) == [None, None]
    play.event("go", 0)
    assert of(play, Kind.CODE, *fact) == ["a", None]
    play.after(HOUR).event("go", 1)
    assert of(play, Kind.CODE, *fact) == ["b", "a"]
    play.event("go", 0)
    assert of(play, Kind.CODE, *fact) == ["a", "a"]
    assert in_runs(play, Kind.CODE, *fact) == ["b", "a", "a"]
    again = (wait("c", "b", span=(HOUR, 0, 0)), steps[1])
    play.publish(workspace(journey("j", on_event("go"), *again)))
    play.event("go", 1)
    assert of(play, Kind.CODE, *fact) == ["a", "c"]
    play.after(3 * HOUR)
    assert of(play, Kind.CODE, *fact) == [None, None]


def test_a_benefit_nobody_was_given_is_false() -> None:
    play = Play(workspace(messages=[mail("m")]))
    play.create(2)
    assert of(play, Kind.BOOL, "benefit", "coffee") == [False, False]
    play.state.column(("benefit", "coffee")).put(numbers(1), True)
    assert of(play, Kind.BOOL, "benefit", "coffee") == [False, True]


# --- who is woken ---------------------------------------------------------------------------------


def test_readers_of_facts_made_of_others_are_told() -> None:
    """Of all messages, of activity, of another journey's steps."""
    rules = ['email("m").opened', 'page("p").visited']
    play = Play(workspace(*(journey(f"j{n}", on_rule(r), send("m")) for n, r in enumerate(rules))))
    play.create(1)
    state = play.state
    for key in (("messages", "each"), ("last_activity",), ("journey", "j1")):
        state.readers[key] = []
    state.steps_read.add("j1")

    def keys_of(operation: records.Operation) -> set:
        apply_operation(state, play.now, operation)
        found = apply_operation(state, play.now, records.Took(state.inputs, 0))
        return {effect.key for effect in found if isinstance(effect, Change)}

    visited = records.Happened("page", "p", numbers(0), pa.RecordBatch.from_pydict({}), ())
    assert ("last_activity",) in keys_of(visited)
    state.column((*M, "order")).put(numbers(0), np.ones(1, np.uint64))
    assert {("messages", "each"), ("last_activity",)} <= keys_of(machine("opened", 0))
    assert ("last_activity",) in keys_of(records.Received(numbers(0), ("hi",)))


def test_a_move_tells_who_reads_the_step() -> None:
    """A journey that looks where another stands goes on when that goes on."""
    play = Play(
        workspace(
            journey(
                "j", on_event("go"), wait("a", "b", span=(HOUR, 0, 0)), wait("b", span=(0, 9, 0))
            ),
            journey("k", on_event("go"), branch("x", {"true": "end"})),
        )
    )
    play.state.steps_read.add("j")
    play.create(1)
    told: list = []
    play.state.readers[("journey", "j")] = []
    original = play.state.readers.get

    class Spy(dict):
        def get(self, key, default=None):
            told.append(key)
            return original(key, default)

    play.state.readers = Spy(play.state.readers)
    play.event("go", 0)
    told.clear()
    play.after(HOUR)
    assert ("journey", "j") in told


def test_ever_sent_outlives_a_sending_that_was_not_made() -> None:
    """The newest sending there was, though the newest try was none."""
    play = Play(workspace(journey("j", on_event("go"), send("m"))))
    play.create(2)
    play.event("go", 0)
    assert of(play, Kind.TIME, *M, "sent:ever") == [START, None]
    play.after(HOUR).event("go", 0)
    again = START + HOUR
    assert of(play, Kind.TIME, *M, "sent:ever") == [again, None]
    play.do(records.Suppressed(numbers(0), "email", "all", "asked"))
    play.after(HOUR).event("go", 0, 1)
    assert of(play, Kind.TIME, *M, "sent") == [None, play.now]
    assert of(play, Kind.TIME, *M, "sent:ever") == [again, play.now]
