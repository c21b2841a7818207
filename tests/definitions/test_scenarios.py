"""scenarios/NAME.yaml."""

from __future__ import annotations

import pytest

from blaster import definitions
from blaster.model.definitions import RuleText
from blaster.model.scenarios import (
    Behaviour,
    Do,
    Expectation,
    Population,
    Scenario,
    ScenarioEvent,
)

from .workspaces import MAIL, found, short, write

HEAD = "scenario: s\nstart: 2026-03-01 00:00\ndays: 10\ncontacts: {count: 10}\n"
FILES = {
    "messages/bill.email.html": MAIL.replace("subject", 'links: {pay: "https://x.il"}\nsubject'),
    "forms/f.yaml": "form: the form\nlist: vip\n",
    "journeys/j.yaml": (
        'journey: j\nenter: {on: list "vip"}\nsteps:\n  - {id: a, send: email bill}\n'
    ),
}


def loaded(folder, text):
    """A scenario against the small workspace."""
    write(folder, {**FILES, "scenarios/s.yaml": text})
    workspace = definitions.load(folder).workspace
    assert workspace is not None
    return definitions.load_scenario(folder / "scenarios" / "s.yaml", workspace)


def rule(text, line, column):
    """A rule of the scenario's file."""
    return RuleText(text, "scenarios/s.yaml", line, column)


WHOLE = (
    "scenario: s\nstart: 2026-03-01\ndays: 10\n"
    "contacts: {file: people.csv, set: {city: 'x{{ n }}', id: 'k{{ n }}'}, lists: [vip, א ב], "
    "consent: all}\n"
    "events:\n"
    "  - {at: 2026-03-02 12:00, where: n >= 90, event: buy, data: {a: 1}, set: {visits: 3}}\n"
    "  - {from: 2026-03-02 9:00:30, every: 1w, times: 3, join: vip}\n"
    "  - {from: 2026-03-02, every: 2h, times: 3, leave: vip, do: visit prices}\n"
    "behaviour:\n"
    '  - {when: email("bill").sent, where: n < 3, after: 1d, once: true, do: open email bill}\n'
    '  - {when: email("bill").clicked("pay"), share: 30%, do: download guide}\n'
    "expect:\n"
    '  email bill: {sent: 3, at: ["2026-03-02 09:00", 2026-03-03]}\n'
    "  sms pay link: {sent: 0}\n  crm upsert: {sent: 1}\n  webhook w: {failed: 1}\n"
    "  journey j: {entered: 1}\n  step j/a: {entered: 1}\n  list vip: {members: 1}\n"
    "  field visits: {sum: 2.5}\n"
)


def test_a_whole_scenario(tmp_path):
    """Every part to its struct."""
    result = loaded(tmp_path, WHOLE)
    assert result.findings == ()
    visit, download = Do("visit", "prices"), Do("download", "guide")
    scenario = result.scenario
    expected = Scenario(
        "s",
        "2026-03-01 00:00:00",
        10,
        Population(
            None, "people.csv", {"city": "x{{ n }}", "id": "k{{ n }}"}, ("vip", "א ב"), True
        ),
        (
            ScenarioEvent(
                "2026-03-02 12:00:00",
                (Do("event", "buy", data={"a": "1"}), Do("set", "visits", text="3")),
                rule("n >= 90", 6, 35),
            ),
            ScenarioEvent("2026-03-02 09:00:30", (Do("join", "vip"),), None, (0, 7, 0), 3),
            ScenarioEvent(
                "2026-03-02 00:00:00", (Do("leave", "vip"), visit), None, (7200, 0, 0), 3
            ),
        ),
        (
            Behaviour(
                rule('email("bill").sent', 10, 12),
                "email",
                "bill",
                "sent",
                Do("open", "bill", "email"),
                where=rule("n < 3", 10, 39),
                after=(86_400, 0, 0),
                once=True,
            ),
            Behaviour(
                rule('email("bill").clicked("pay")', 11, 12),
                "email",
                "bill",
                "clicked",
                download,
                link="pay",
                share=0.3,
            ),
        ),
        (
            Expectation(
                "email",
                "bill",
                {"sent": 3.0},
                ("2026-03-02 09:00:00", "2026-03-03 00:00:00"),
                13,
            ),
            Expectation("sms", "pay link", {"sent": 0.0}, (), 14),
            Expectation("crm", "upsert", {"sent": 1.0}, (), 15),
            Expectation("webhook", "w", {"failed": 1.0}, (), 16),
            Expectation("journey", "j", {"entered": 1.0}, (), 17),
            Expectation("step", "j/a", {"entered": 1.0}, (), 18),
            Expectation("list", "vip", {"members": 1.0}, (), 19),
            Expectation("field", "visits", {"sum": 2.5}, (), 20),
        ),
    )
    for name in expected.__struct_fields__:
        assert getattr(scenario, name) == getattr(expected, name)


@pytest.mark.parametrize(
    ("text", "do"),
    [
        ("click email bill pay", Do("click", "bill", "email", "pay")),
        ("reply sms pay link yes please", Do("reply", "pay link", "sms", "yes please")),
        ("reply sms pay link", Do("reply", "pay link", "sms")),
        ('bounce email "bill"', Do("bounce", "bill", "email")),
        ("unsubscribe email bill", Do("unsubscribe", "bill", "email")),
        ("fill the form", Do("fill", "the form")),
        (
            "'fill the form {size: L, a: \"b, c\"}'",
            Do("fill", "the form", data={"size": "L", "a": "b, c"}),
        ),
        ("event buy", Do("event", "buy")),
        ('event "buy now"', Do("event", "buy now")),
        ("set city Tel Aviv {{ n }}", Do("set", "city", text="Tel Aviv {{ n }}")),
        ("join א ב", Do("join", "א ב")),
        ("sms stop {{ city }}", Do("sms", text="stop {{ city }}")),
    ],
)
def test_do(tmp_path, text, do):
    """The verbs and what they take."""
    result = loaded(tmp_path, HEAD + f"events:\n  - at: 2026-03-02\n    do: {text}\n")
    assert result.findings == ()
    assert result.scenario.events[0].actions == (do,)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("- x\n", ["B008 1:1"]),
        ("x: y\n", ["B006 1:1", *["B007 1:1"] * 4]),
        (HEAD.replace("10\n", "0\n"), ["B009 3:7"]),
        (HEAD.replace("00:00", "24:00"), ["B009 2:8"]),
        (HEAD.replace("{count: 10}", "{}"), ["B007 4:11"]),
        (HEAD.replace("count: 10", "count: 99999999"), ["B009 4:19"]),
        (HEAD.replace("count: 10", "count: 1, consent: some"), ["B009 4:31"]),
        (
            HEAD.replace("count: 10", "count: 1, set: {visits: x, vists: '{{ m }}'}"),
            ["B029 4:36", "B021 4:39", "B052 4:50"],
        ),
        (HEAD.replace("count: 10", "count: 1, set: {visits: [x]}"), ["B008 4:36"]),
        (HEAD + "events:\n  - {}\n", []),
        (HEAD + "events:\n  - {event: x}\n", ["B007 6:5"]),
        (HEAD + "events:\n  - {at: soon, event: x}\n", ["B009 6:10"]),
        (HEAD + "events:\n  - {at: 2026-03-02}\n", ["B007 6:5"]),
        (HEAD + "events:\n  - {from: 2026-03-02, event: x}\n", ["B007 6:5"]),
        (HEAD + "events:\n  - {from: 2026-03-02, every: x, times: 2, event: x}\n", ["B009 6:31"]),
        (
            HEAD + "events:\n  - {at: 2026-03-02, event: [x], join: [y], do: [z]}\n",
            ["B008 6:29", "B008 6:40", "B005 6:49"],
        ),
        (HEAD + "events:\n  - {at: 2026-03-02, join: vip, data: {a: 1}}\n", ["B008 6:33"]),
        (HEAD + "events:\n  - {at: 2026-03-02, event: e, data: x}\n", ["B008 6:38"]),
        (HEAD + "events:\n  - {at: 2026-03-02, event: e, where: m > 3}\n", ["B020 6:39"]),
        (HEAD + "behaviour:\n  - {when: visits > 3, do: visit x}\n", ["B010 6:12"]),
        (HEAD + "behaviour:\n  - {where: n > 3}\n", ["B007 6:5", "B007 6:5"]),
        (HEAD + 'behaviour:\n  - {when: email("bill").snet, do: visit x}\n', ["B020"]),
        (
            HEAD + 'behaviour:\n  - {when: email("bill").sent, do: visit x, share: 130%}\n',
            ["B009 6:52"],
        ),
        (HEAD + 'behaviour:\n  - {when: email("bil").sent, do: visit x}\n', ["B020"]),
        (HEAD + "expect:\n  letter x: {sent: 3}\n  email: {sent: 3}\n", ["B006 6:3", "B006 7:3"]),
        (HEAD + "expect:\n  email bil: {sent: 3}\n", ["B022 6:9"]),
        (HEAD + "expect:\n  email bill: {sent: x, at: soon}\n", ["B009 6:22", "B009 6:29"]),
        (HEAD + "expect:\n  crm insert: {sent: 3}\n", ["B009 6:3"]),
        (
            HEAD
            + "expect:\n  step a: {entered: 3}\n  step j/b: {entered: 3}\n"
            + "  step k/b: {entered: 3}\n",
            ["B009 6:3", "B023 7:10", "B028 8:8"],
        ),
        (HEAD + "expect:\n  field vists: {sum: 3}\n", ["B021 6:9"]),
    ],
)
def test_what_is_wrong(tmp_path, text, expected):
    """Each at its place."""
    result = loaded(tmp_path, text)
    got = [short(finding) for finding in result.findings]
    assert [g[: len(e)] for g, e in zip(got, expected, strict=False)] == expected
    assert len(got) == len(expected)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("opne email bill", "B009"),
        ("open letter bill", "B009"),
        ("open email bil", "B022"),
        ("open email bill twice", "B009"),
        ("click email bill", "B009"),
        ("click email bill pya", "B054"),
        ("fill", "B009"),
        ("fill nothing", "B025"),
        ("set city", "B009"),
        ("set cty", "B009"),
        ("set cty x", "B021"),
        ("sms", "B009"),
        ("sms {{ m }}", "B052"),
        ("'fill the form {a: [b]}'", "B008"),
        ("'fill the form {a'", "B005"),
    ],
)
def test_a_broken_do(tmp_path, text, code):
    """One finding each."""
    result = loaded(tmp_path, HEAD + f"events:\n  - at: 2026-03-02\n    do: {text}\n")
    assert [finding.code for finding in result.findings] == [code]
    assert result.scenario is None


def test_a_scenario_that_cannot_be_read(tmp_path):
    """Missing, or no YAML."""
    write(tmp_path, {"scenarios/s.yaml": "[\n"})
    workspace = definitions.load(tmp_path).workspace
    for name in ("s.yaml", "gone.yaml"):
        result = definitions.load_scenario(tmp_path / "scenarios" / name, workspace)
        assert result.scenario is None
        assert len(result.findings) == 1


def test_check_looks_at_scenarios_too(tmp_path):
    """A list that a scenario joins is joined; names one letter apart are seen across files."""
    text = (
        HEAD + "events:\n  - {at: 2026-03-02, join: friends}\n  - {at: 2026-03-02, join: freinds}\n"
    )
    files = {
        "journeys/j.yaml": 'journey: j\nenter: {on: list "friends"}\nsteps: [{end: true}]\n',
        "scenarios/s.yaml": text,
    }
    assert found(tmp_path, files) == ["B070 7:28"]
