"""Parsing message templates."""

from __future__ import annotations

import pytest

from blaster.content import parse_template
from blaster.content.nodes import (
    Filter,
    For,
    FunctionCall,
    Include,
    Output,
    Text,
    Variable,
    When,
    WhenCase,
)


def nodes(text):
    """The nodes of a template without problems."""
    template, problems = parse_template(text)
    assert problems == ()
    return template.nodes


def output(text):
    """The one output of a text."""
    (node,) = nodes(text)
    return node


def test_text_alone():
    """Nothing is a mark but {{ and {%."""
    assert nodes("") == ()
    assert nodes("a } { % }}") == (Text(0, 10, "a } { % }}"),)


@pytest.mark.parametrize(
    ("text", "root", "path"),
    [
        ("{{ city }}", "name", ("city",)),
        ("{{city}}", "name", ("city",)),
        ("{{ עיר }}", "name", ("עיר",)),
        ('{{ צה"ל }}', "name", ('צה"ל',)),
        ("{{ שָׁלוֹם }}", "name", ("שָׁלוֹם",)),
        ('{{ field("כמות ביקורים") }}', "field", ("כמות ביקורים",)),
        ("{{ `a b` }}", "field", ("a b",)),
        ("{{ links.pay }}", "links", ("pay",)),
        ("{{ event.total }}", "event", ("total",)),
        ("{{ contact.created }}", "contact", ("created",)),
        ("{{ event }}", "name", ("event",)),
        ("{{ item.a.b }}", "name", ("item", "a", "b")),
    ],
)
def test_variables(text, root, path):
    """Names in any script, and where they lead."""
    node = output(text)
    assert isinstance(node.value, Variable)
    assert (node.value.root, node.value.path) == (root, path)
    assert text[node.value.start : node.value.end] == text.strip("{} ")


def test_filters_and_calls():
    """Values are texts in either quotes, or numbers."""
    text = "{{ a | default('it''s | }}') | date(\"d\") | upper }}"
    node = output(text)
    assert node == Output(
        0,
        len(text),
        Variable(3, 4, "name", ("a",)),
        (
            Filter(7, 28, "default", ("it's | }}",)),
            Filter(31, 40, "date", ("d",)),
            Filter(43, 49, "upper", ()),
        ),
    )
    assert output("{{ map(1.5, -2) }}").value == FunctionCall(3, 15, "map", (1.5, -2.0))
    assert output("{{ f() }}").value == FunctionCall(3, 6, "f", ())


def test_when():
    """Cases with the places of their rules, and what stands between."""
    text = 'a{% when x == "%}" %}b{% else when y %}c{% else %}d{% end %}e'
    first, when, last = nodes(text)
    assert (first.text, last.text) == ("a", "e")
    assert isinstance(when, When)
    rules = [text[case.start : case.end] for case in when.cases]
    assert rules == [case.rule for case in when.cases] == ['x == "%}"', "y"]
    assert [case.body[0].text for case in when.cases] == ["b", "c"]
    assert when.otherwise[0].text == "d"


def test_nested_blocks():
    """Loops, conditions and blocks in one another."""
    (loop,) = nodes('{% for i in event.items %}{% when x %}{% include "h" %}{% end %}{% end %}')
    assert isinstance(loop, For)
    assert (loop.variable, loop.items.path) == ("i", ("items",))
    (when,) = loop.body
    assert isinstance(when.cases[0], WhenCase)
    assert isinstance(when.cases[0].body[0], Include)
    assert when.otherwise == ()


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("a {{ b", 2),
        ("a {% when b", 2),
        ("{{ a {{ b }}", 0),
        ("{{ }}", 3),
        ("{{ a b }}", 5),
        ("{{ a | }}", 7),
        ("{{ a | f(x) }}", 9),
        ("{{ a | f('x' 'y') }}", 13),
        ("{{ a | f('x' }}", 13),
        ("{{ a. }}", 5),
        ("{{ field(3) }}", 3),
        ("{{ `a }}", 3),
        ("{% when %}a{% end %}", 0),
        ("{% when a %}b", 0),
        ("{% for x in y %}b", 0),
        ("{% else %}", 0),
        ("{% when a %}{% else %}{% else %}{% end %}", 22),
        ("{% when a %}{% else x %}{% end %}", 20),
        ("{% end %}", 0),
        ("{% when a %}{% end x %}{% end %}", 19),
        ("{% if a %}", 0),
        ("{% include x %}", 11),
        ("{% include 'x' y %}", 15),
        ("{% for %}{% end %}", 7),
        ("{% for x of y %}{% end %}", 0),
        ("{% for x in f() %}{% end %}", None),
    ],
)
def test_problems(text, start):
    """Each is found at its place, and parsing goes on."""
    _, problems = parse_template(text)
    if start is None:
        assert problems == ()
        return
    assert problems[0].start == start
    assert problems[0].end > start


def test_all_problems_come_at_once():
    """One bad mark hides no other."""
    _, problems = parse_template("{{ a b }} {{ }} {% x %} {{ c | }}")
    assert len(problems) == 4


def test_bounds(monkeypatch):
    """Depth and marks."""
    _, problems = parse_template("{% when a %}" * 40 + "{% end %}" * 40)
    assert "deeper" in problems[0].message
    monkeypatch.setattr("blaster.content.template.TEMPLATE_MARKS_MAX", 3)
    _, problems = parse_template("{{ a }}" * 5)
    assert "too many" in problems[0].message


@pytest.mark.parametrize("cut", range(1, 60))
def test_a_template_cut_anywhere_never_raises(cut):
    """Whatever is left of it."""
    text = "a{% when x == 'y' %}{{ b | default('c') }}{% else %}{% for i in j %}"
    parse_template(text[:cut])
    parse_template(text[cut:])
