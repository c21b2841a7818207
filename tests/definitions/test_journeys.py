"""journeys/NAME.yaml: what is read, and what is refused where."""

from __future__ import annotations

import pytest

from blaster.model.definitions import (
    Add,
    Branch,
    Call,
    Case,
    End,
    Entrance,
    Exit,
    Membership,
    OnApi,
    OnCreated,
    OnDate,
    OnEvent,
    OnForm,
    OnList,
    OnRule,
    Reset,
    RuleText,
    Send,
    Series,
    SeriesItem,
    Set,
    SetTo,
    Wait,
    WaitUntil,
)

from .workspaces import found, journey

HEAD = "journey: j\nenter: {on: contact created}\nsteps:\n"


def rule(text, line, column):
    """A rule of the journey's file."""
    return RuleText(text, "journeys/j.yaml", line, column)


def steps(folder, text):
    """The steps of a journey."""
    return journey(folder, HEAD + text).steps


@pytest.mark.parametrize(
    ("enter", "trigger"),
    [
        ('on: list "לקוחות חדשים"', OnList("לקוחות חדשים")),
        ("on: list 'vip'", OnList("vip")),
        ('on: leaving list "vip"', OnList("vip", leaving=True)),
        ("on: contact created", OnCreated()),
        ('on: source "site"', OnCreated("site")),
        ('on: form "f"', OnForm("f")),
        ('on: event "buy"\n  again: never', OnEvent("buy")),
        ("on: date born", OnDate("born")),
        ("on: date contact.born", OnDate("born")),
        ('on: date field("born")', OnDate("born")),
        (
            'on: date seen\n  offset: -2w\n  at: "08:30"\n  yearly: true\n  late: run',
            OnDate("seen", -14, 30_600, yearly=True, late_run=True),
        ),
        ("on: date seen\n  late: skip", OnDate("seen", late_within_s=0)),
        ("on: date seen\n  late: within 6h", OnDate("seen", late_run=True, late_within_s=21_600)),
        ("on: date contact.created\n  offset: 3d", OnDate("contact.created", 3)),
        ('on: date list("club").joined', OnDate("list:club")),
        ("on: api", OnApi()),
        ("when: visits > 3", OnRule(rule("visits > 3", 3, 9))),
    ],
)
def test_triggers(tmp_path, enter, trigger):
    """Every supported way in."""
    made = journey(tmp_path, f"journey: j\nenter:\n  {enter}\nsteps:\n  - end: true\n")
    assert made.entries[0].on == trigger


def test_a_whole_head(tmp_path):
    """Title, entries with conditions, exits."""
    made = journey(
        tmp_path,
        'journey: גבייה\ntitle: T\nenter:\n  - on: event "buy"\n    key: order\n'
        '    if: event.total == "3"\n    again: each time\n    priority: 5\n'
        "  - {when: visits > 3, again: each time, priority: 5}\n"
        "exit:\n  - {when: visits > 5}\n  - {when: visits > 7, then: bye}\n"
        "steps:\n  - id: bye\n    end: true\n",
    )
    assert (made.name, made.title, made.again, made.priority) == ("גבייה", "T", "each time", 5)
    assert made.entries == (
        Entrance(OnEvent("buy"), rule('event.total == "3"', 6, 9), "order"),
        Entrance(OnRule(rule("visits > 3", 9, 12))),
    )
    assert made.exits == (
        Exit(rule("visits > 5", 11, 12)),
        Exit(rule("visits > 7", 12, 12), "bye"),
    )
    assert made.steps == (End("bye"),)


def test_every_kind_of_step(tmp_path):
    """Ids, targets, and what each says."""
    made = steps(
        tmp_path,
        "  - send: email bill\n"
        "  - {id: b, send: sms pay link, then: d, else: end}\n"
        "  - {id: d, set: {city: Haifa, visits: = visits + 1}, else: f}\n"
        "  - {id: e, add: {visits: 1, price: -2.5}, then: h}\n"
        "  - {id: f, reset: [visits, city]}\n"
        "  - {id: g, reset: visits}\n"
        "  - {id: h, join list: א ב}\n"
        "  - {id: i, leave list: א ב}\n"
        "  - {id: k, move: {from: א ב, to: c}}\n"
        "  - {id: l, webhook: w}\n"
        "  - {id: m, webhook: [v, w], else: end}\n"
        "  - {id: n, crm: upsert}\n"
        "  - {id: o, goto: q}\n"
        "  - {id: q, end: true}\n",
    )
    expression = rule("visits + 1", 6, 42)
    assert made == (
        Send("step-1", "email", "bill", "b", "b"),
        Send("b", "sms", "pay link", "d", "end"),
        Set("d", (SetTo("city", "Haifa"), SetTo("visits", expression=expression)), "e", "f"),
        Add("e", (("visits", "1"), ("price", "-2.5")), "h", "h"),
        Reset("f", ("visits", "city"), "g"),
        Reset("g", ("visits",), "h"),
        Membership("h", "i", join="א ב"),
        Membership("i", "k", leave="א ב"),
        Membership("k", "l", join="c", leave="א ב"),
        Call("l", "webhook", ("w",), "m", "m"),
        Call("m", "webhook", ("v", "w"), "n", "end"),
        Call("n", "crm", ("upsert",), "o", "o"),
        Branch("o", (), "q"),
        End("q"),
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3d", Wait("w", "end", span=(259_200, 0, 0))),
        ("30s", Wait("w", "end", span=(30, 0, 0))),
        ("1 month", Wait("w", "end", span=(0, 0, 1))),
        ("2 years", Wait("w", "end", span=(0, 0, 24))),
        ("7d at 10:00", Wait("w", "end", span=(0, 7, 0), at_seconds=36_000)),
        ("1 month at 9:30", Wait("w", "end", span=(0, 0, 1), at_seconds=34_200)),
        ("until 10:00", Wait("w", "end", at_seconds=36_000)),
        ("until Sunday 09:00", Wait("w", "end", at_seconds=32_400, weekday=0)),
        ("until saturday 09:00", Wait("w", "end", at_seconds=32_400, weekday=6)),
        (
            "until born - 2d at 10:00",
            Wait("w", "end", until=rule("born - 2d at 10:00", 5, 17)),
        ),
    ],
)
def test_waits(tmp_path, text, expected):
    """Every form of `wait`."""
    assert steps(tmp_path, f"  - id: w\n    wait: {text}\n") == (expected,)


def test_wait_until_and_else(tmp_path):
    """One rule, several, with and without an end."""
    made = steps(
        tmp_path,
        "  - {id: a, wait: until seen, else: end}\n"
        "  - {id: b, wait until: visits > 3, for: 2d, then: d, else: c}\n"
        "  - {id: c, wait until: visits > 4, then: d}\n"
        "  - id: d\n    wait until:\n      - {when: visits > 5, then: end}\n"
        "      - {when: visits > 6}\n    for: 1w\n"
        "  - {id: e, end: true}\n",
    )
    assert made == (
        Wait("a", "b", until=rule("seen", 4, 25), otherwise="end"),
        WaitUntil("b", (Case(rule("visits > 3", 5, 25), "d"),), "c", (172_800, 0, 0)),
        WaitUntil("c", (Case(rule("visits > 4", 6, 25), "d"),), "d"),
        WaitUntil(
            "d",
            (Case(rule("visits > 5", 9, 16), "end"), Case(rule("visits > 6", 10, 16), "e")),
            "e",
            (604_800, 0, 0),
        ),
        End("e"),
    )


def test_steps_in_place_are_flattened(tmp_path):
    """They stand behind their branch and go on behind it."""
    made = steps(
        tmp_path,
        "  - id: b\n    branch:\n"
        "      - when: visits > 3\n        then:\n"
        "          - send: email bill\n          - {id: x, wait: 1d}\n"
        "      - {when: visits > 2, then: end}\n"
        "      - else:\n          - {id: y, reset: visits}\n"
        "  - id: z\n    send: email bill\n    else:\n      - reset: city\n"
        "  - {id: last, end: true}\n",
    )
    assert made == (
        Branch(
            "b",
            (Case(rule("visits > 3", 6, 15), "b-1-1"), Case(rule("visits > 2", 10, 16), "end")),
            "y",
        ),
        Send("b-1-1", "email", "bill", "x", "x"),
        Wait("x", "z", span=(86_400, 0, 0)),
        Reset("y", ("visits",), "z"),
        Send("z", "email", "bill", "last", "z-else-1"),
        Reset("z-else-1", ("city",), "last"),
        End("last"),
    )


def test_series(tmp_path):
    """Both forms, and a promise that is kept."""
    made = steps(
        tmp_path,
        "  - id: a\n    promise: {every: 1w, count: 2}\n    series:\n"
        "      - {day: 0, send: email bill}\n"
        '      - {day: 7, at: "10:00", send: sms pay link, unless: visits > 3}\n'
        "  - id: b\n    series: {from: born, items: [{day: -3, send: email bill}]}\n"
        "  - id: c\n    series: {from: born, late: run, items: [{day: 1, send: email bill}]}\n"
        "  - id: d\n    series: {late: skip, items: [{day: 1, send: email bill}]}\n"
        "  - id: e\n    series: {late: within 2d, items: [{day: 1, send: email bill}]}\n",
    )
    item = SeriesItem(7, "sms", "pay link", 36_000, rule("visits > 3", 8, 59))
    assert made == (
        Series("a", (SeriesItem(0, "email", "bill"), item), "b"),
        Series("b", (SeriesItem(-3, "email", "bill"),), "c", rule("born", 10, 20), late_skip=True),
        Series("c", (SeriesItem(1, "email", "bill"),), "d", rule("born", 12, 20)),
        Series("d", (SeriesItem(1, "email", "bill"),), "e", late_skip=True, late_within_s=0),
        Series(
            "e", (SeriesItem(1, "email", "bill"),), "end", late_skip=True, late_within_s=172_800
        ),
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("enter: {on: contact created}\n", ["B007 1:1", "B007 1:1"]),
        ("- journey\n", ["B008 1:1"]),
        ("journey: j\nenter: {on: contact created}\nsteps: []\n", ["B008 3:8"]),
        ("journey: j\nenter: {on: contact created}\nsteps: x\n", ["B008 3:8"]),
        ("journey: j\nenter: x\nsteps: [{end: true}]\n", ["B008 2:8"]),
        (
            "journey: j\nedit: pin\nenter: {on: contact created}\nsteps: [{end: true}]\n",
            ["B010 2:1"],
        ),
    ],
)
def test_a_broken_head(tmp_path, text, expected):
    """Missing keys are shown at the file's beginning."""
    assert found(tmp_path, {"journeys/j.yaml": text}) == expected


@pytest.mark.parametrize(
    ("enter", "expected"),
    [
        ("on: contact craeted", ["B009 3:7"]),
        ("on: inactivity 60d", ["B010 3:7"]),
        ("on: field F changed to V", ["B010 3:7"]),
        ('on: schedule "X"\n  audience: visits > 3', ["B010 3:7", "B010 4:3"]),
        ("if: visits > 3", ["B007 3:3"]),
        ("on: contact created\n  when: visits > 3", ["B008 4:3"]),
        ('on: contact created\n  at: "09:00"', ["B008 4:3"]),
        ("on: contact created\n  key: x", ["B029 4:3"]),
        ('on: event "x"', ["B037 3:7"]),
        ("on: date born\n  at: 25:00", ["B009 4:7"]),
        ("on: date born\n  offset: soon", ["B009 4:11"]),
        ("on: date born\n  offset: 2h", ["B010 4:11"]),
        ("on: date city", ["B029 3:12"]),
        ("on: date borm", ["B021 3:12"]),
        ("on: contact created\n  again: sometimes", ["B009 4:10"]),
        ("on: contact created\n  priority: x", ["B009 4:13"]),
        ("on: contact created\n  if: vists > 3", ["B020 4:7"]),
        ('when: event.product == "x"', ["B020 3:9"]),
        ("- on: contact created\n  - {on: contact created, again: each time}", ["B010 4:5"]),
    ],
)
def test_a_broken_entry(tmp_path, enter, expected):
    """Each at its place."""
    text = f"journey: j\nenter:\n  {enter}\nsteps:\n  - end: true\n"
    assert found(tmp_path, {"journeys/j.yaml": text}) == expected


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ("{}", ["B008 4:5"]),
        ("x", ["B008 4:5"]),
        ("id: x", ["B006 4:5"]),
        ("{id: x, sned: email bill}", ["B006 4:13"]),
        ("{send: email bill, wait: 3d}", ["B008 4:24"]),
        ("{id: end, send: email bill}", ["B009 4:10"]),
        ("send: fax bill", ["B009 4:11"]),
        ("send: next from tips", ["B010 4:11"]),
        ('{send: email bill, window: "09:00-20:00"}', ["B010 4:24"]),
        ("wait: 7h at 10:00", ["B009 4:11"]),
        ("wait: 7d at 25:00", ["B009 4:11"]),
        ("wait: until Someday 09:00", ["B009 4:11"]),
        ("wait: until 29:00", ["B009 4:11"]),
        ("wait: until city", ["B029 4:17"]),
        ("wait: until borm", ["B020 4:17"]),
        ("wait: [3d]", ["B005 4:11"]),
        ("{wait until: visits > 3, for: x}", ["B009 4:35"]),
        ("{wait until: visits > 3, else: end}", ["B007 4:30"]),
        ("{wait until: [{when: visits > 3}], then: end}", ["B008 4:40"]),
        ("wait until: [{when: visits > 3}, {else: end}]", ["B008 4:38"]),
        ("wait until: [{then: end}]", ["B007 4:18"]),
        ("branch: [{when: visits > 3, then: end}]", ["B033 4:5"]),
        ("branch: [{else: end}, {when: visits > 3, then: end}]", ["B008 4:27"]),
        ("branch: [{when: vists > 3, then: end}, {else: end}]", ["B020 4:21"]),
        ("branch: [{when: '', then: end}, {else: end}]", ["B005 4:15"]),
        ("branch: x", ["B008 4:13", "B033 4:5"]),
        ("set: {vists: 3}", ["B021 4:11"]),
        ("set: {visits: x}", ["B029 4:19"]),
        ("set: {visits: = vists}", ["B020 4:21"]),
        ("set: {visits: = born}", ["B029 4:21"]),
        ("set: {visits: [x]}", ["B008 4:19"]),
        ("set: {id: x}", ["B029 4:11"]),
        ("set: x", ["B008 4:10"]),
        ("add: {visits: x}", ["B009 4:19", "B029 4:19"]),
        ("add: {visits: 1.5}", ["B029 4:19"]),
        ("add: {city: 1}", ["B029 4:11"]),
        ("add: {visits: [1]}", ["B008 4:19"]),
        ("reset: [vists]", ["B021 4:13"]),
        ("move: {from: a}", ["B007 4:5", "B071 4:18"]),
        ("move: {from: a, to: a}", ["B008 4:11"]),
        ("crm: insert", ["B009 4:10"]),
        ("end: maybe", ["B009 4:10"]),
        ("{crm: upsert, save: {visits: response.id}}", ["B010 4:19"]),
        ("split: {a: 50%, b: 50%}", ["B010 4:5"]),
        ("{grant: x, code from: y, else: end, had: z}", ["B010 4:6"]),
        ("goto: nowhere", ["B023 4:11"]),
        ("series: {late: skip}", ["B007 4:5"]),
        ("series: {late: soon, items: [{day: 1, send: email bill}]}", ["B009 4:20"]),
        ("series: {late: within, items: [{day: 1, send: email bill}]}", ["B009 4:20"]),
        ("series: {late: within 1 month, items: [{day: 1, send: email bill}]}", ["B009 4:20"]),
        ("series: [{day: -1, send: email bill}]", ["B009 4:20"]),
        ("series: [{day: 99999, send: email bill}]", ["B009 4:20"]),
        ("series: [{day: x, send: email bil}]", ["B022 4:35", "B009 4:20"]),
        ("series: [{at: 9, day: 1, send: email bill}]", ["B009 4:19"]),
        ("series: [{day: 1}]", ["B007 4:14"]),
        ("series: [x]", ["B008 4:14"]),
        (
            "series: [{day: 2, send: email bill}, {day: 1, send: email bill}]",
            ["B038 4:42"],
        ),
        (
            "{series: [{day: 0, send: email bill}], promise: {every: 1w, count: 2}}",
            ["B035 4:72"],
        ),
        (
            (
                "series: {items: [{day: 0, send: email bill}, {day: 6, send: email bill}],"
                " promise: {every: 1w}}"
            ),
            ["B035 4:50"],
        ),
        (
            "{series: [{day: 0, send: email bill}], promise: {every: 1h}}",
            ["B009 4:61"],
        ),
        ("series: {from: city, items: [{day: 0, send: email bill}]}", ["B029 4:20"]),
        ("series: {from: '', items: [{day: 0, send: email bill}]}", ["B005 4:14"]),
    ],
)
def test_a_broken_step(tmp_path, step, expected):
    """Each at its place, and nothing besides."""
    assert sorted(found(tmp_path, {"journeys/j.yaml": f"{HEAD}  - {step}\n"})) == sorted(expected)


def test_events_that_are_declared(tmp_path):
    """Their attributes are known, others are not."""
    files = {
        "events.yaml": "buy: {order: text, total: integer}\nbare:\n",
        "journeys/j.yaml": (
            'journey: j\nenter: {on: event "buy", key: odrer, if: event.total > 3}\n'
            'exit: {when: event("bye")}\nsteps:\n  - set: {city: = event.color}\n'
        ),
        "journeys/k.yaml": 'journey: k\nenter: [{on: event "bux", key: a}]\nsteps: [{end: true}]\n',
        "journeys/l.yaml": (
            'journey: l\nenter: {on: event "bare", again: each time, if: event.x == ""}\n'
            "steps: [{end: true}]\n"
        ),
    }
    assert found(tmp_path, files) == [
        "B027 2:31",
        "B020 3:14",
        "B020 5:19",
        "B027 2:21",
        "B027 2:55",
    ]


def test_broken_exits(tmp_path):
    """A rule is needed; its step must exist."""
    text = (
        "journey: j\nenter: {on: contact created}\nexit: [{then: x}, {when: visits > 3, then: y}]\n"
        "steps:\n  - {id: x, end: true}\n"
    )
    assert found(tmp_path, {"journeys/j.yaml": text}) == ["B007 3:8", "B023 3:44"]


def test_two_journeys_of_one_name(tmp_path):
    """The second is the one too many; a third broken one is there by name."""
    text = "journey: j\nenter: {on: contact created}\nsteps: [{end: true}]\n"
    files = {"journeys/a.yaml": text, "journeys/b.yaml": text, "journeys/c.yaml": "[\n"}
    assert found(tmp_path, files) == ["B012 1:10", "B001 2:1"]


def test_too_many_steps(tmp_path, monkeypatch):
    """A bound on generated files."""
    monkeypatch.setattr("blaster.definitions.stepreader.STEPS_MAX", 3)
    text = HEAD + "  - wait: 1d\n" * 5
    assert found(tmp_path, {"journeys/j.yaml": text}) == ["B004 7:5"]


def test_a_message_of_the_other_channel_is_named(tmp_path):
    """The advice says so."""
    from .workspaces import check

    checked = check(tmp_path, {"journeys/j.yaml": HEAD + "  - send: sms bill\n"})
    assert checked.findings[0].suggestion == "there is an e-mail of this name: write email bill"


def test_a_request_may_have_a_key_and_a_condition(tmp_path):
    """Nothing declares what a request brings."""
    made = journey(
        tmp_path,
        "journey: j\nenter: {on: api, key: order, if: 'event.total > 3'}\nsteps:\n  - end: true\n",
        {"events.yaml": "buy: {total: integer}\n"},
    )
    assert made.entries == (Entrance(OnApi(), rule("event.total > 3", 2, 35), "order"),)


@pytest.mark.parametrize("name", ["send email bill", "send sms  x"])
def test_names_of_single_sends_are_taken(tmp_path, name):
    """A journey cannot be named like one."""
    text = f"journey: {name}\nenter: {{on: api}}\nsteps:\n  - end: true\n"
    assert found(tmp_path, {"journeys/j.yaml": text}) == ["B039 1:10"]
