"""Reading YAML: what is text, what is refused, and where a rule was cut."""

from __future__ import annotations

import pytest

from blaster.definitions.findings import Report
from blaster.definitions.nodes import Mapping, Scalar, Sequence
from blaster.definitions.sources import Source
from blaster.definitions.yamlreader import YAML_DEPTH_MAX, read_yaml

from .workspaces import found, short


def read(text):
    """The root and the findings in short."""
    report = Report()
    return read_yaml(Source("f.yaml", text), report), [short(f) for f in report.findings()]


def plain(node):
    """Nodes as plain values."""
    if isinstance(node, Scalar):
        return node.text
    if isinstance(node, Sequence):
        return [plain(item) for item in node.items]
    return {key.text: plain(value) for key, value in node.pairs}


def test_every_value_is_the_text_that_was_typed():
    """YAML's own types never show."""
    text = "a: no\non: yes\nc: 007\nd: 0501234567\ne: 2026-03-01\nf: 1:30\ng: ~\nh:\ni: 0x1f\n"
    root, findings = read("\ufeff" + text)
    values = {"a": "no", "on": "yes", "c": "007", "d": "0501234567", "e": "2026-03-01"}
    assert plain(root) == {**values, "f": "1:30", "g": "~", "h": "", "i": "0x1f"}
    assert findings == []


def test_an_empty_file_is_an_empty_mapping():
    """So are comments alone."""
    assert plain(read("")[0]) == {}
    assert plain(read("# nothing\n")[0]) == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb: 2\na: 3\n", ["B002 3:1"]),
        ("a: &x 1\n", ["B003 1:4"]),
        ("a: *x\n", ["B003 1:4"]),
        ("a: !!str 5\n", ["B003 1:4"]),
        ("a: !t [1]\n", ["B003 1:4"]),
        ("<<: *x\n", ["B003 1:5"]),
        ("--- \na: 1\n---\nb: 2\n", ["B003 3:1"]),
        ("a: x\x01y\n", ["B004 1:5"]),
        ("a: " + "[" * (YAML_DEPTH_MAX + 1), ["B004 1:43"]),
        ("? {a: b}\n: c\n", ["B008 1:3"]),
        ("a: [1, 2\nb: 3\n", ["B001 1:4"]),
        ("a: 'x\n", ["B001 1:4"]),
        ('a: "x\n', ["B001 1:4"]),
        ("a: b: c\n", ["B001 1:5"]),
        ("a:\n\t- x\n", ["B001 2:1"]),
        ("a: ]\n", ["B001 1:4"]),
        ("a: @x\n", ["B001 1:4"]),
        ("a: \ufffe\n", ["B001 1:1"]),
        ("{a}\n", ["B005 1:2"]),
        ("{a: [b], c}\n", ["B005 1:10"]),
    ],
)
def test_what_is_refused(text, expected):
    """One finding, where it is."""
    assert read(text)[1] == expected


def test_keys_in_any_script_and_line_ends():
    """Positions count characters, whatever ends a line."""
    root, _ = read("עיר: {א: ב}\r\nc: >-\r\n  x\r\n  y\r\n")
    assert plain(root) == {"עיר": {"א": "ב"}, "c": "x y"}
    assert isinstance(root, Mapping)
    key = root.pairs[1][0]
    assert key.source.position(key.start) == (2, 1)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("when: at least 2 of (city is set, visits > 3)", []),
        ('when: city == "a #4"', ["B005 3:20"]),
        ('when: city == "a: b"', ["B005 3:19"]),
        ('when: "a" == city', ["B005 3:13"]),
        ("when: [city] == 3", ["B005 3:16"]),
        ("when: [city, visits]", ["B005 3:9"]),
        ("when: {a: b}", ["B005 3:9"]),
        ("when:\n    a: b", ["B008 4:5"]),
        ("when: !visits > 3", ["B005 3:19"]),
        ("when: &visits > 3", ["B005 3:19"]),
        ("when: *visits", ["B005 3:9"]),
        ("when: @visits > 3", ["B005 3:9"]),
        ("when: %visits > 3", ["B005 3:9"]),
        ("when: `visits` > 3", ["B005 3:9"]),
        ("when: > 3", ["B005 3:11"]),
        ("when: | 3", ["B005 3:11"]),
        ("when:", ["B005 3:3"]),
        ("when: # visits", ["B005 3:3"]),
        ("when: 'visits > 3'", []),
        ("when: >-\n    visits > 3\n    and city is set", []),
        ("when: (visits > 3", ["B020 3:18"]),
    ],
)
def test_a_rule_that_yaml_cuts_on_a_line_of_its_own(tmp_path, rule, expected):
    """The remains are recognised, and nothing else is said about them."""
    text = f"journey: j\nenter:\n  {rule}\nsteps:\n  - send: email bill\n"
    assert [each[:4] for each in found(tmp_path, {"journeys/j.yaml": text})] == [
        each[:4] for each in expected
    ]
    if expected and expected[0].startswith("B005"):
        assert found(tmp_path, {"journeys/j.yaml": text}) == expected


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("at least 2 of (city is set, visits > 3)", ["B005 4:45"]),
        ("city in [a]", ["B005 4:25"]),
        ('city == "a # b"', ["B005"]),
        ("'at least 2 of (city is set, visits > 3)'", []),
        ("min(visits, 3) > 2, x", ["B005"]),
    ],
)
def test_a_rule_that_yaml_cuts_in_a_one_line_form(tmp_path, rule, expected):
    """Commas, brackets and braces end a bare value there."""
    text = (
        "journey: j\nenter: {on: contact created}\nsteps:\n"
        f"  - branch: [{{when: {rule}, then: end}}, {{else: end}}]\n"
    )
    findings = found(tmp_path, {"journeys/j.yaml": text})
    assert [each[:4] for each in findings] == [each[:4] for each in expected]


def test_the_advice_holds_the_whole_rule(tmp_path):
    """What to write stands there, ready to copy, unless it is long."""
    from .workspaces import check

    text = 'journey: j\nenter:\n  when: city == "it\'s #4"\nsteps:\n  - send: email bill\n'
    finding = check(tmp_path, {"journeys/j.yaml": text}).findings[0]
    assert finding.suggestion.endswith("""when: 'city == "it''s #4"'""")
    long = text.replace("it's", "x" * 80)
    finding = check(tmp_path, {"journeys/j.yaml": long}).findings[0]
    assert finding.suggestion == "put single quotes around the whole rule of 'when'"


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("a: x  > 3\n", (1, 7)),
        ("a: 'x''s > 3'\n", (1, 10)),
        ('a: "x\\"s > 3"\n', (1, 10)),
        ("a: >-\n  x\n  > 3\n", (3, 3)),
        ("a: |\n  x > 3\n", (2, 5)),
        ("a: x\n  > 3\n", (2, 3)),
        ('a: "\\u003e"\n', (1, 4)),
    ],
)
def test_offsets_in_a_text_lead_to_the_file(text, position):
    """In every style of scalar."""
    root, _ = read(text)
    scalar = root.pairs[0][1]
    assert scalar.source.position(scalar.offset(scalar.text.index(">"))) == position


def test_the_end_of_a_text():
    """An offset behind the last letter is the end of the scalar."""
    scalar = read("a: 'xy'\n")[0].pairs[0][1]
    assert scalar.offset(2) == 6
    empty = read("a: ''\n")[0].pairs[0][1]
    assert empty.offset(0) == 4
