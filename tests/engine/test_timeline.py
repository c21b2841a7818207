"""A contact's past: every kind of record is told, with the facts as they were."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from blaster.engine import Machine
from blaster.engine.past import numbered
from blaster.engine.timeline import timeline
from blaster.log import MemoryLog
from blaster.model.outcomes import OutcomeCode
from blaster.model.records import (
    Consented,
    FieldsSet,
    Happened,
    Joined,
    Noted,
    Outcomes,
    Postponed,
    Received,
    Suppressed,
    Upserted,
)
from tests.engine.support import START, TOML, drain, people, published, workspace

HOUR, DAY = 3600, 86_400
ME, ALL = np.array([1], np.int64), np.arange(3, dtype=np.int64)
PROMO = "---\ncategory: marketing\nfrom: club\nsubject: Hello\n---\n<p>Hello</p>\n"
FILES = {
    "blaster.toml": TOML + '\n[policy]\ncaps = [{ category = "marketing", max = 1, per = "3d" }]\n',
    "messages/promo.email.html": PROMO,
    "journeys/buy.yaml": (
        'journey: buy\nenter:\n  on: event "buy"\n  key: order\n  if: event.product == "lenses"\n'
        'exit:\n  - when: event("cancel")\nsteps:\n  - id: bill\n    send: email bill\n'
        '  - id: opened\n    wait until: email("bill").opened\n    for: 2d\n    then: mark\n'
        "    else: text\n  - id: mark\n    set: {city: Haifa}\n    then: group\n    else: end\n"
        "  - id: group\n    move: {from: guests, to: club}\n    then: end\n"
        "  - id: text\n    send: sms pay\n"
    ),
    "journeys/promo.yaml": (
        "journey: promo\nenter:\n  when: visits >= 3\n  again: each time\nsteps:\n"
        "  - id: promo\n    send: email promo\n"
    ),
    "journeys/welcome.yaml": (
        'journey: welcome\nenter:\n  on: list "club"\nsteps:\n  - id: pause\n    wait: 1d\n'
        '  - id: leave\n    leave list: club\n  - id: join\n    join list: alumni\n'
    ),
}  # fmt: skip


class Past:
    """A machine with three contacts; contact 1 is the one who is explained."""

    def __init__(self, folder, files=FILES) -> None:
        self.machine = Machine(MemoryLog())
        self.now = START
        self.take(published(workspace(folder, files)), people(0, 3))

    def take(self, *operations) -> None:
        self.machine.accept(self.now, operations)
        self.settle()

    def settle(self, code: int = OutcomeCode.ACCEPTED, reason: str = "") -> None:
        while orders := drain(self.machine, self.now):
            for batch in orders:
                count = len(batch.numbers)
                codes = np.full(count, code, np.uint8)
                reasons = (reason,) * count if reason else ()
                self.machine.accept(self.now, (Outcomes(batch.numbers, codes, reasons),))

    def later(self, seconds: int) -> None:
        self.now += seconds
        self.settle()

    def items(self):
        return timeline(numbered(self.machine.log.read()), 1)

    def texts(self) -> list[str]:
        return [item.text for item in self.items()]

    def details(self, text: str) -> tuple[str, ...]:
        found = [item.details for item in self.items() if item.text == text]
        assert found, (text, self.texts())
        return found[0]

    def event(self, name: str, contacts=ALL, **data: str) -> None:
        arrays = [pa.array([value] * len(contacts), pa.string()) for value in data.values()]
        columns = pa.RecordBatch.from_arrays(arrays, names=list(data))
        self.take(Happened("event", name, contacts, columns))

    def set(self, contacts=ME, **values) -> None:
        columns = pa.record_batch({n: pa.array([v] * len(contacts)) for n, v in values.items()})
        self.take(FieldsSet(contacts, columns))


@pytest.fixture
def past(tmp_path):
    return Past(tmp_path)


def test_what_happens_to_a_contact(past):
    past.take(
        Consented(ALL, "email", ("tips",), True, {"ip": "192.0.2.1"}),
        Consented(ALL, "sms", (), False, {}),
        Suppressed(ME, "sms", "all", "asked"),
        Joined("guests", ALL, False, "import"),
        Received(ME, ("hello",)),
        Happened("page", "prices", np.array([1, 1], np.int64), pa.RecordBatch.from_arrays([], [])),
    )
    past.set(city="Eilat", born=pa.scalar(20_000, pa.date32()).as_py(), price=1050,
             seen=pa.scalar(START, pa.timestamp("s")).as_py())  # fmt: skip
    past.set(city=None)
    assert past.texts() == [
        "contact created", "consent to email for tips given", "consent to sms withdrawn",
        "no more all on sms", "joined list guests", "inbound text: hello", "page prices",
        "page prices", "fields changed", "fields changed",
    ]  # fmt: skip
    assert past.details("contact created") == (
        "by test", "email = contact1@example.com", "phone = +972500000001",
    )  # fmt: skip
    assert past.details("no more all on sms") == ("by asked",)
    items = past.items()
    assert items[-2].details == (
        "city = Eilat", "born = 2024-10-04", "price = 10.50", "seen = 2027-01-15 10:00:00",
    )  # fmt: skip
    assert items[-1].details == ("city = (cleared)",)
    assert items[0].local == "2027-01-15 10:00:00"
    assert [item.sequence for item in items] == sorted(item.sequence for item in items)


def test_a_run_to_its_end(past):
    past.take(Joined("guests", ALL, False, "import"))
    past.event("buy", product="lenses", order="o1")
    past.later(HOUR)
    past.take(Noted("email", "bill", "opened", ALL, np.zeros(3, np.uint64), ()))
    texts = past.texts()
    assert texts[2:] == [
        "event buy", "entered journey buy@1", "buy@1: to step bill (send)",
        "email bill handed over", "email bill sent", "buy@1: to step opened (wait until)",
        "email bill opened", "buy@1: to step mark (set)", "fields changed",
        "buy@1: to step group (lists)", "left list guests, joined list club",
        "finished journey buy@1", "entered journey welcome@1", "welcome@1: to step pause (wait)",
    ]  # fmt: skip
    entered = past.details("entered journey buy@1")
    assert "key o1" in entered
    assert any(line.startswith("true: event.product ==") for line in entered), entered
    why = past.details("buy@1: to step mark (set)")
    assert any("true" in line and "opened" in line for line in why)
    assert past.details("fields changed") == ("city = Haifa",)


def test_time_that_runs_out(past):
    past.event("buy", product="lenses", order="o1")
    past.later(2 * DAY)
    details = past.details("buy@1: to step text (send)")
    assert details[-1] == "the time of the wait is over"
    assert any("opened" in line for line in details)


def test_an_exit_names_its_rule(past):
    past.event("buy", product="lenses", order="o1")
    past.event("cancel")
    assert past.details("exited journey buy@1")[0].startswith('true: event("cancel")')


def test_who_is_not_let_in_and_what_does_not_match(past):
    past.event("buy", product="glasses", order="o1")
    past.event("buy", product="lenses", order="o1")
    past.event("buy", product="lenses", order="o1")
    texts = past.texts()
    assert texts.count("entered journey buy@1") == 1
    assert texts.count("event buy") == 3
    assert texts.count("not let into journey buy again") <= 1


def test_policy_is_told(past):
    past.set(visits=3)
    assert past.details("rule of promo@1 became true")[0].startswith("true: visits >= 3")
    assert past.details("email promo not sent: no_consent") == ("in promo@1",)
    past.take(Consented(ALL, "email", (), True, {}))
    for visits in (0, 3, 0, 3):
        past.set(visits=visits)
    texts = past.texts()
    assert texts.count("email promo sent") == 1
    held = [text for text in texts if "held back by policy until" in text]
    assert held == ["email promo held back by policy until 2027-01-18 10:00:00"]
    past.later(3 * DAY)
    assert past.texts().count("email promo sent") == 2


def test_failed_sends(past):
    past.settle()
    columns = pa.RecordBatch.from_arrays(
        [pa.array(["lenses"]), pa.array(["o1"])], names=["product", "order"]
    )
    past.machine.accept(past.now, (Happened("event", "buy", ME, columns),))
    past.settle(OutcomeCode.FAILED, "554 refused")
    assert past.details("email bill not sent: 554 refused") == ("order 1",)
    past.later(2 * DAY)
    past.machine.accept(past.now, (Happened("event", "buy", ALL, pa.record_batch(
        {"product": ["lenses"] * 3, "order": ["o2"] * 3})),))  # fmt: skip
    past.settle(OutcomeCode.EXPIRED)
    assert "email bill not sent: expired" in past.texts()


def test_steps_on_lists(past):
    past.take(Joined("club", ALL, False, "api"))
    past.later(DAY)
    assert past.texts()[-5:] == [
        "welcome@1: to step leave (lists)", "left list club",
        "welcome@1: to step join (lists)", "joined list alumni", "finished journey welcome@1",
    ]  # fmt: skip


def test_two_runs_in_one_record_are_both_told(past):
    """The contact is in the journey twice; both come due at one instant."""
    past.event("buy", product="lenses", order="o1")
    past.event("buy", product="lenses", order="o2")
    past.later(2 * DAY)
    texts = past.texts()
    assert texts.count("buy@1: to step text (send)") == 2
    assert texts.count("finished journey buy@1") == 2
    assert texts.count("sms pay sent") == 2


def test_lists_in_a_rule_say_since_when(tmp_path):
    files = {
        "journeys/welcome.yaml": (
            'journey: welcome\nenter:\n  on: event "look"\n  again: each time\nsteps:\n'
            "  - id: where\n    branch:\n"
            '      - {when: \'list("club") or list("old")\', then: note}\n      - else: end\n'
            "  - id: note\n    send: email bill\n"
        )
    }
    past = Past(tmp_path, files)
    past.event("look")
    assert "club: never joined" in past.details("finished journey welcome@1")
    past.take(Joined("club", ALL, False, "api"))
    past.later(HOUR)
    past.take(Joined("club", ALL, True, "api"))
    past.take(Joined("club", ALL, False, "api"))
    past.event("look")
    details = past.details("welcome@1: to step note (send)")
    assert "club: joined 2027-01-15 11:00:00" in details
    assert "club: left 2027-01-15 11:00:00" in details
    assert "old: never joined" in details


def test_a_zone_of_his_own(past):
    past.set(zone="America/New_York")
    past.take(Joined("guests", ALL, False, "api"))
    assert past.items()[-1].local == "2027-01-15 03:00:00"


def test_an_update_keeps_what_it_does_not_say(past):
    columns = pa.record_batch({"email": ["new@example.com"], "city": pa.nulls(1, pa.string())})
    past.take(Upserted(ME, np.zeros(1, bool), columns, "crm"))
    assert past.items()[-1].details == ("email = new@example.com",)
    columns = pa.record_batch({"email": ["broken"], "invalid:email": [True]})
    past.take(FieldsSet(ME, columns))
    assert past.items()[-1].details == ("email = broken",)


def test_nobody_elses_past(past):
    past.take(Joined("guests", np.array([0, 2], np.int64), False, "api"))
    past.event("buy", np.array([0, 2], np.int64), product="lenses", order="o1")
    assert past.texts() == ["contact created"]
    assert timeline(numbered(past.machine.log.read()), 7) == []


def test_the_value_of_then(past):
    """A field that changes after the decision does not change what was decided on."""
    past.set(visits=3)
    past.set(visits=100)
    assert "  visits = 3" in past.details("rule of promo@1 became true")
    assert "100" not in " ".join(past.details("rule of promo@1 became true"))


def test_tries_of_an_order(past):
    """What was not taken, when it is tried again, and that it no longer is."""
    past.machine.accept(past.now, (Happened("event", "buy", ALL, pa.record_batch(
        {"product": ["lenses"] * 3, "order": ["o1"] * 3})),))  # fmt: skip
    drain(past.machine, past.now)
    orders = past.machine.state.orders.with_transport()
    due = np.full(len(orders), past.now + 900, np.uint32)
    past.machine.accept(past.now, (Postponed(orders, due, ("451 busy",) * len(orders)),))
    past.later(1)
    told = [
        text for text in past.texts() if text.startswith("email bill not taken; tried again at")
    ]
    assert len(told) == 1
    details = past.details(told[0])
    assert (details[0], details[2]) == ("451 busy", "try 1")
    past.now += 900
    drain(past.machine, past.now)
    assert past.details("email bill handed over again")[1] == "try 2"
    past.machine.accept(past.now, (Postponed(orders, due + 900, ()),))
    stop = Suppressed(ME, "email", "all", "law")
    past.machine.accept(past.now, (stop,))
    past.later(2000)
    assert "email bill not sent: suppressed_opt_out" in past.texts()
