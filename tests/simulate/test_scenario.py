"""Scenarios: every verb, shares, choices, files, expectations; the same twice, and replayed."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from blaster.definitions import check, load_scenario
from blaster.engine import Machine
from blaster.errors import InputError
from blaster.log import MemoryLog
from blaster.model.records import Ordered
from blaster.model.scenarios import Expectation
from blaster.rules import Zones
from blaster.simulate import Result, World, run_scenario
from blaster.simulate import scenario as scenario_module
from blaster.simulate.behaviour import draw
from blaster.simulate.results import _metric
from blaster.simulate.world import instant_of, local_minute
from tests.engine.support import workspace
from tests.simulate.support import FOLLOWED, LINKED, SILENT, journey, made, run

CLUB = Path(__file__).resolve().parents[2] / "examples/club"


def balanced(result: Result) -> None:
    """Who entered is running, finished or exited, in every journey and every step."""
    for counts in result.journeys.values():
        for each in (counts, *counts["steps"].values()):
            assert each["entered"] == each["running"] + each["finished"] + each["exited"], counts


# --- the examples ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def club():
    checked = check(CLUB)
    assert checked.workspace is not None
    return checked.workspace


@pytest.mark.parametrize("path", sorted((CLUB / "scenarios").glob("*.yaml")), ids=lambda p: p.stem)
def test_the_examples_come_to_what_they_say(club, path):
    """Exactly as written; the same twice; and the log of the run is the run."""
    loaded = load_scenario(path, club)
    assert loaded.scenario is not None
    assert loaded.scenario.expect
    log = MemoryLog()
    result = run_scenario(club, loaded.scenario, log=log)
    assert result.mismatches == ()
    assert result.met
    balanced(result)
    assert run_scenario(club, loaded.scenario) == result
    machine = Machine.recover(log)
    entries = [entry for _, entry in log.read()]
    ordered = [o for e in entries for o in e.operations if isinstance(o, Ordered)]
    sent = sum(each["sent"] for each in result.messages.values())
    assert sum(len(o.numbers) for o in ordered) == sent
    assert machine.state.contacts.rows == result.contacts
    assert msgspec.json.decode(msgspec.json.encode(result), type=Result) == result


@pytest.mark.parametrize("path", sorted((CLUB / "scenarios").glob("*.yaml")), ids=lambda p: p.stem)
def test_a_replayed_run_is_the_same_state(club, path, monkeypatch):
    scenario = load_scenario(path, club).scenario
    worlds = []
    init = World.__init__

    def noted(self, *args, **options):
        init(self, *args, **options)
        worlds.append(self)

    monkeypatch.setattr(World, "__init__", noted)
    log = MemoryLog()
    run_scenario(club, scenario, log=log)
    assert len(worlds) == 1
    assert Machine.recover(log).state.digest() == worlds[0].state.digest()


# --- every verb -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("do", "rule", "count"),
    [
        ("open email bill", 'email("bill").opened', 4),
        ("click email bill pay", 'email("bill").clicked("pay")', 4),
        ("click email bill pay", 'email("bill").opened', 4),
        ("click email bill map", 'email("bill").clicked("pay")', 0),
        ("reply email bill yes please", 'email("bill").replied', 4),
        ("bounce email bill", 'email("bill").bounced("hard")', 4),
        ("complain email bill", 'email("bill").complained', 4),
        ("reply sms pay yes {{ n }}", 'sms("pay").reply == "yes 3"', 1),
        ("sms yes {{ n }}", 'sms("pay").reply == "yes 3"', 1),
        ("unsubscribe email bill", 'list("club") and not consent("email")', 4),
        ('fill survey {size: "{{ n }}"}', 'form("survey").answer("size") == "2"', 1),
        ("visit prices", 'page("prices").visited', 4),
        ("download guide", 'file("guide").downloaded', 4),
        ('event answered {size: "{{ n }}"}', 'event("answered")', 4),
        ("event answered", 'event("answered")', 4),
        ("set city C{{ n }}", 'city == "C1"', 1),
        ("set visits 7", "visits == 7", 4),
        ("join guests", 'list("guests")', 4),
        ("leave club", 'list("club").left is set', 4),
    ],
    ids=lambda value: str(value).replace("\n", " ")[:30],
)
def test_verbs(tmp_path, do, rule, count):
    files = {**FOLLOWED, "journeys/watch.yaml": (
        f"journey: watch\nenter:\n  when: >-\n    {rule}\nsteps:\n  - id: on\n    join list: vip\n"
    )}  # fmt: skip
    result = run(
        tmp_path,
        f"""\
        events:
          - {{at: 2026-03-01 10:00, join: club}}
          - at: 2026-03-02 10:00
            where: n < 4
            do: '{do}'
        expect:
          list vip: {{members: {count}}}
        """,
        files,
    )
    assert result.mismatches == ()
    balanced(result)


def test_what_was_done_with_a_message_is_counted(tmp_path):
    result = run(
        tmp_path,
        """\
        events:
          - {at: 2026-03-01 10:00, join: club}
        behaviour:
          - {when: email("bill").sent, where: n < 6, after: 1h, do: open email bill}
          - {when: email("bill").opened, where: n < 5, after: 1h, do: click email bill pay}
          - {when: 'email("bill").clicked("pay")', where: n < 4, after: 1h, do: reply email bill hi}
          - {when: 'email("bill").clicked("map")', after: 1h, do: event never}
          - {when: email("bill").clicked, where: n == 0, after: 1h, do: event paid}
          - {when: email("bill").replied, where: n < 3, after: 1h, do: complain email bill}
          - {when: email("bill").complained, where: n < 2, after: 1h, do: bounce email bill}
          - {when: email("bill").bounced, where: n < 1, after: 1h, do: join vip}
        expect:
          email bill: {sent: 10, opened: 6, clicked: 5, replied: 4, bounced: 2, not_sent: 0}
          list vip: {members: 1}
        """,
        FOLLOWED,
    )
    assert result.mismatches == ()
    assert result.messages["email bill"] == {
        "sent": 10, "failed": 0, "suppressed": {}, "opened": 6, "clicked": 5, "replied": 4,
        "bounced": 2, "complained": 3,
    }  # fmt: skip


def test_an_inbound_text_is_a_reply_that_others_follow(tmp_path):
    result = run(
        tmp_path,
        """\
        events:
          - {at: 2026-02-28 10:00, do: sms too early}
          - {at: 2026-03-01 10:00, join: club, where: n < 8}
        behaviour:
          - {when: sms("pay").sent, where: n < 4, after: 1h, do: sms yes}
          - {when: sms("pay").replied, where: n < 3, after: 1h, do: join vip}
        expect:
          sms pay: {sent: 8, replied: 4}
          list vip: {members: 3}
        """,
        FOLLOWED,
    )
    assert result.mismatches == ()


def test_fail_makes_later_sendings_fail(tmp_path):
    files = journey('  on: event "again"', steps="  - id: again\n    send: email bill\n")
    result = run(
        tmp_path,
        """\
        events:
          - {at: 2026-03-01 09:00, where: n < 2, do: fail email bill}
          - {at: 2026-03-01 09:30, where: n == 2, do: fail email bill}
          - {at: 2026-03-01 09:30, where: n > 99, do: fail email bill}
          - {at: 2026-03-01 09:30, where: n == 2, do: open email bill}
          - {at: 2026-03-01 10:00, join: club}
        behaviour:
          - {when: email("bill").failed, after: 1h, do: join vip}
          - {when: email("bill").not_sent, once: true, after: 2h, do: event again}
        expect:
          email bill: {sent: 7, not_sent: 6}
          list vip: {members: 3}
        """,
        files,
    )
    assert result.mismatches == ()
    assert result.messages["email bill"]["failed"] == 6


def test_a_mark_that_is_no_field(tmp_path):
    ready, scenario = made(tmp_path, "events:\n  - {at: 2026-03-02 10:00, do: set city x}\n", {})
    do = msgspec.structs.replace(scenario.events[0].actions[0], text="{{ citty }}")
    event = msgspec.structs.replace(scenario.events[0], actions=(do,))
    with pytest.raises(InputError, match=r"citty .* is neither `n` nor a contact field"):
        run_scenario(ready, msgspec.structs.replace(scenario, events=(event,)))
    do = msgspec.structs.replace(do, name="citty", text="x")
    event = msgspec.structs.replace(event, actions=(do,))
    with pytest.raises(InputError, match="there is no field 'citty'"):
        run_scenario(ready, msgspec.structs.replace(scenario, events=(event,)))


def test_fields_in_texts(tmp_path):
    result = run(
        tmp_path,
        """\
        contacts:
          count: 4
          set: {kind: a, visits: "{{ n }}", city: "C{{ visits }}", seen: "2026-05-01 10:00"}
        events:
          - at: 2026-03-02 10:00
            where: city == "C2" and n == 2
            do: "set city {{ city }}-{{ kind }}-{{ visits }}"
          - {at: 2026-03-02 10:00, where: city == "C2-a-2", join: vip}
          - {at: 2026-03-02 11:00, where: seen is set, set: {city: "{{ born }}."}}
          - {at: 2026-03-02 12:00, where: city == ".", join: guests}
        expect:
          list vip: {members: 1}
          list guests: {members: 4}
          field visits: {sum: 6, count: 4}
        """,
        FOLLOWED,
    )
    assert result.mismatches == ()


def test_a_value_that_does_not_fit(tmp_path):
    text = 'events:\n  - {at: 2026-03-02 10:00, do: "set visits {{ city }}"}\n'
    with pytest.raises(InputError, match=r"'' does not fit the field 'visits' \(integer\)"):
        run(tmp_path, text)


def test_a_clock_time_is_the_accounts(tmp_path):
    """As every time of a scenario; one with an offset says its own."""
    for given, expected in (("2026-05-01 10:00", 7), ("2026-05-01T10:00+00:00", 10)):
        files = {"journeys/welcome.yaml": (
            "journey: welcome\nenter:\n  on: date seen\nsteps:\n  - id: b\n    send: email bill\n"
        )}  # fmt: skip
        ready, scenario = made(
            tmp_path, f'days: 90\ncontacts: {{count: 1, set: {{seen: "{given}"}}}}\n', files
        )
        log = MemoryLog()
        run_scenario(ready, scenario, log=log)
        column = Machine.recover(log).state.column(("field", "seen"))
        seconds = int(column.take(np.zeros(1, np.int64))[0])
        assert seconds == 1_777_593_600 + expected * 3600


# --- who ------------------------------------------------------------------------------------------


def test_share_is_stable_and_near(tmp_path):
    text = """\
        contacts: {count: 4000}
        events:
          - {at: 2026-03-01 10:00, join: club}
        behaviour:
          - {when: email("bill").sent, share: 30%, after: 1h, do: open email bill}
          - {when: email("bill").sent, share: 100%, where: n < 7, after: 1h, do: event x}
        """
    results = [run(tmp_path, text, FOLLOWED) for _ in range(2)]
    assert results[0] == results[1]
    opened = results[0].messages["email bill"]["opened"]
    assert 1100 <= opened <= 1300
    everybody = np.arange(100_000, dtype=np.int64)
    assert abs((draw(everybody, 7) < 0.3).mean() - 0.3) < 0.01
    assert (draw(everybody, 7) != draw(everybody, 8)).all()
    assert ((draw(everybody, 7) >= 0) & (draw(everybody, 7) < 1)).all()


@pytest.mark.parametrize(("once", "opened"), [("true", 5), ("false", 15)])
def test_once_per_contact_or_per_sending(tmp_path, once, opened):
    files = journey('  on: event "again"', steps="  - id: again\n    send: email bill\n")
    result = run(
        tmp_path,
        f"""\
        events:
          - {{from: 2026-03-01 10:00, every: 1d, times: 3, event: again}}
        behaviour:
          - {{when: email("bill").sent, where: n < 5, once: {once}, after: 1h, do: open email bill}}
        expect:
          email bill: {{sent: 30, opened: {opened}}}
        """,
        files,
    )
    assert result.mismatches == ()


def test_people_from_a_file(tmp_path):
    (tmp_path / "people.csv").write_text(
        "email,city\na@example.com,Haifa\nb@example.com,Eilat\n", encoding="utf-8"
    )
    result = run(
        tmp_path,
        """\
        contacts: {file: people.csv, lists: [guests], consent: all}
        events:
          - {at: 2026-03-01 10:00, join: club, where: city == "Haifa" and n == 0}
        expect:
          email bill: {sent: 1}
          sms pay: {not_sent: 1}
          list guests: {members: 2}
        """,
        FOLLOWED,
    )
    assert (result.mismatches, result.contacts) == ((), 2)
    assert result.messages["sms pay"]["suppressed"] == {"no_address": 1}


@pytest.mark.parametrize(
    ("rows", "match"),
    [
        ("email\nbroken\n", r"people\.csv: row 2: email"),
        ("id,email,phone\n1,a@example.com,\n2,b@example.com,\n2,a@example.com,\n",
         r"people\.csv: row 4: id, e-mail and phone belong to different contacts"),
    ],
    ids=["reject", "conflict"],
)  # fmt: skip
def test_a_file_with_bad_rows_is_not_run(tmp_path, rows, match):
    (tmp_path / "people.csv").write_text(rows)
    with pytest.raises(InputError, match=match):
        run(tmp_path, "contacts: {file: people.csv}\n")


def test_a_file_that_is_not_there(tmp_path):
    ready, scenario = made(tmp_path, "contacts: {file: none.csv}\n", {})
    with pytest.raises(InputError, match=r"none\.csv"):
        run_scenario(ready, scenario)


def test_addresses_that_cannot_be_one_are_kept(tmp_path):
    files = {**FOLLOWED, "forms/survey.yaml": "form: survey\nfields: [email, city]\n",
             "forms/other.yaml": "form: other\n"}  # fmt: skip
    result = run(
        tmp_path,
        """\
        contacts: {count: 6}
        events:
          - {at: 2026-03-01 09:00, where: n == 0, do: set email broken}
          - {at: 2026-03-01 09:00, where: n == 1, set: {phone: "12"}}
          - at: 2026-03-01 09:00
            where: n == 2
            do: "fill survey {email: broken too, city: Haifa}"
          - {at: 2026-03-01 09:00, where: n == 3, do: "fill other {email: broken as well}"}
          - {at: 2026-03-01 10:00, join: club}
          - {at: 2026-03-01 11:00, where: 'email in ["broken", "broken too"] and n < 3', join: vip}
          - {at: 2026-03-01 12:00, where: 'city == "Haifa"', join: guests}
        expect:
          email bill: {sent: 3, not_sent: 3}
          sms pay: {sent: 5, not_sent: 1}
          list vip: {members: 2}
          list guests: {members: 1}
        """,
        files,
    )
    assert result.mismatches == ()
    assert result.messages["email bill"]["suppressed"] == {"invalid_address": 3}
    assert result.messages["sms pay"]["suppressed"] == {"invalid_address": 1}


def test_contacts_are_born_with_their_fields_and_consent(tmp_path):
    """What enters at creation sees them, and sends with consent."""
    promo = "---\ncategory: marketing\nfrom: club\nsubject: Hi\n---\n<p>Hi</p>\n"
    files = {
        "messages/bill.email.html": promo,
        "journeys/welcome.yaml": (
            "journey: welcome\nenter:\n  on: contact created\n  if: 'city == \"C1\"'\n"
            "steps:\n  - id: bill\n    send: email bill\n"
        ),
    }
    (tmp_path / "people.csv").write_text("email\na@example.com\nb@example.com\n")
    for who in ("count: 10", "file: people.csv"):
        result = run(
            tmp_path,
            f"""\
            contacts: {{{who}, consent: all, set: {{city: "C{{{{ n }}}}", phone: "1"}}}}
            expect:
              email bill: {{sent: 1, not_sent: 0, at: "2026-03-01 00:00"}}
            """,
            files,
        )
        assert result.mismatches == ()


def test_without_consent_and_after_unsubscribing(tmp_path):
    promo = "---\ncategory: marketing\nfrom: club\nsubject: Hi\n---\n<p>Hi</p>\n"
    files = {**FOLLOWED, "messages/bill.email.html": promo}
    text = """\
        contacts: {count: 10%s}
        events:
          - {at: 2026-03-01 09:00, where: n < 4, do: unsubscribe email bill}
          - {at: 2026-03-01 10:00, join: club}
        """
    with_consent = run(tmp_path, text % ", consent: all", files).messages["email bill"]
    assert (with_consent["sent"], with_consent["suppressed"]) == (6, {"suppressed_opt_out": 4})
    without = run(tmp_path, text % "", files).messages["email bill"]
    assert without["suppressed"] == {"no_consent": 6, "suppressed_opt_out": 4}


# --- when -----------------------------------------------------------------------------------------


def test_events_before_the_start_and_after_the_end(tmp_path):
    result = run(
        tmp_path,
        """\
        days: 2
        events:
          - {at: 2026-02-01 10:00, join: guests}
          - {at: 2026-03-02 23:59, join: vip}
          - {at: 2026-03-03 00:00, join: club}
        expect:
          list guests: {members: 10}
          list vip: {members: 10}
          list club: {members: 0}
        """,
        FOLLOWED,
    )
    assert result.mismatches == ()


def test_months_by_the_calendar(tmp_path):
    files = journey('  on: event "pay"', steps="  - id: bill\n    send: email bill\n")
    result = run(
        tmp_path,
        """\
        days: 120
        events:
          - {from: 2026-03-31 10:00, every: 1 month, times: 3, event: pay}
        expect:
          email bill: {sent: 30, at: ["2026-03-31 10:00", "2026-04-30 10:00", "2026-05-31 10:00"]}
        """,
        files,
    )
    assert result.mismatches == ()


def test_each_event_sees_what_the_one_before_it_brought(tmp_path):
    """Events of one instant, in the order of the file, each with its consequences."""
    result = run(
        tmp_path,
        """\
        events:
          - {at: 2026-03-02 10:00, where: n < 5, set: {city: Haifa}}
          - {at: 2026-03-02 10:00, where: city == "Haifa", join: guests}
          - at: 2026-03-02 10:00
            where: city == "Haifa" and n < 2
            set: {city: Eilat}
            leave: guests
        expect:
          list guests: {members: 3}
        """,
        FOLLOWED,
    )
    assert result.mismatches == ()


def test_progress(tmp_path):
    seen: list[float] = []
    run(tmp_path, "events:\n  - {from: 2026-03-01 10:00, every: 1d, times: 9, event: x}\n",
        progress=seen.append)  # fmt: skip
    assert len(seen) >= 9
    assert seen == sorted(seen)
    assert 0 <= seen[0] <= seen[-1] <= 1


def test_local_times():
    zones = Zones("Asia/Jerusalem")
    assert instant_of(zones, "2026-03-27 02:30") == instant_of(zones, "2026-03-27 03:00")
    summer = instant_of(zones, "2026-03-26 10:00:30", (5, 1, 0), 2)
    assert local_minute(zones, summer) == "2026-03-28 10:00"
    assert summer % 60 == 40


# --- expectations ---------------------------------------------------------------------------------


def test_what_was_not_met_is_said_with_its_line(tmp_path):
    result = run(
        tmp_path,
        """\
        events:
          - {at: 2026-03-01 10:00, join: club, set: {price: "10.50"}}
        expect:
          email bill: {sent: 9, not_sent: 0, at: "2026-03-01 10:01"}
          sms pay: {sent: 10, at: ["2026-03-01 10:00", "2026-03-02 10:00"]}
          journey welcome: {entered: 10, finished: 9}
          step welcome/bill: {entered: 8}
          list club: {members: 1}
          field price: {sum: 105.5, count: 10}
          email nothing: {sent: 0, at: "2026-03-01 10:00"}
        """,
        {**FOLLOWED, "messages/nothing.email.html": LINKED},
    )
    shown = [(m.what, m.expected, m.actual, m.line) for m in result.mismatches]
    assert shown == [
        ("email bill: sent", "9", "10", 8),
        ("email bill: at", "2026-03-01 10:01", "2026-03-01 10:00", 8),
        ("sms pay: at", "2026-03-01 10:00, 2026-03-02 10:00", "2026-03-01 10:00", 9),
        ("journey welcome: finished", "9", "10", 10),
        ("step welcome/bill: entered", "8", "10", 11),
        ("list club: members", "1", "10", 12),
        ("field price: sum", "105.5", "105", 13),
        ("email nothing: at", "2026-03-01 10:00", "never", 14),
    ]
    assert not result.met


@pytest.mark.parametrize(
    ("kind", "name", "metric"),
    [("journey", "none", "entered"), ("step", "welcome/none", "entered"), ("list", "club", "sum"),
     ("field", "none", "sum"), ("field", "visits", "members")],
)  # fmt: skip
def test_what_has_no_count(tmp_path, kind, name, metric):
    world = World(workspace(tmp_path), 0)
    assert _metric(world, Expectation(kind, name, {metric: 1}), metric) is None
    result = scenario_module.collect(
        world,
        msgspec.structs.replace(
            made(tmp_path, "", {})[1], expect=(Expectation(kind, name, {metric: 1}, (), 3),)
        ),
        {},
    )
    assert [(m.actual, m.line) for m in result.mismatches] == [("no such count", 3)]


def test_calls_are_counted_like_messages(tmp_path):
    files = journey('  on: list "club"', steps="  - id: crm\n    crm: upsert\n")
    result = run(
        tmp_path,
        """\
        events:
          - {at: 2026-03-01 10:00, join: club}
        expect:
          crm upsert: {sent: 10}
        """,
        files,
    )
    assert result.mismatches == ()
    balanced(result)


def test_steps_sum_up_while_runs_wait(tmp_path):
    files = {**SILENT, "journeys/wait.yaml": (
        'journey: wait\nenter:\n  on: list "club"\nexit:\n  - when: event("stop")\nsteps:\n'
        "  - id: pause\n    wait: 3d\n  - id: more\n    wait: 30d\n"
        "  - id: bill\n    send: email bill\n"
    )}  # fmt: skip
    result = run(
        tmp_path,
        """\
        days: 5
        events:
          - {at: 2026-03-01 10:00, join: club}
          - {at: 2026-03-02 10:00, where: n < 3, event: stop}
          - {at: 2026-03-05 10:00, where: n == 3, event: stop}
        expect:
          journey wait: {entered: 10, running: 6, exited: 4, finished: 0}
          step wait/pause: {entered: 10, running: 0, finished: 7, exited: 3}
          step wait/more: {entered: 7, running: 6, finished: 0, exited: 1}
        """,
        files,
    )
    assert result.mismatches == ()
    balanced(result)
    assert result.journeys["wait"]["dropped"] == 0
