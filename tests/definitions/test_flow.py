"""The ways between steps."""

from __future__ import annotations

import pytest

from .workspaces import found

HEAD = "journey: j\nenter: {on: contact created}\nsteps:\n"


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        # circles
        ("  - {id: a, send: email bill}\n  - goto: a\n", ["B032 4:10"]),
        ("  - {id: a, goto: a}\n", ["B032 4:10"]),
        ("  - {id: a, wait: 1d}\n  - goto: a\n", []),
        ("  - {id: a, wait until: visits > 3, for: 1d}\n  - goto: a\n", []),
        ("  - {id: a, series: [{day: 1, send: email bill}]}\n  - goto: a\n", []),
        (
            (
                "  - {id: a, branch: [{when: visits > 3, then: b}, {else: c}]}\n"
                "  - {id: b, send: email bill, then: a}\n"
                "  - {id: c, wait: 1d, then: a}\n"
            ),
            ["B032 4:10"],
        ),
        # steps nobody reaches
        ("  - end: true\n  - {id: a, send: email bill}\n", ["B031 5:10"]),
        ("  - {id: a, wait: 1d, then: end}\n  - {id: b, wait: 1d, then: b}\n", ["B031 5:10"]),
        # falling from one branch into another
        (
            (
                "  - {id: a, branch: [{when: visits > 3, then: b}, {else: c}]}\n"
                "  - {id: b, send: email bill}\n  - {id: c, end: true}\n"
            ),
            ["B034 5:10"],
        ),
        (
            (
                "  - {id: a, branch: [{when: visits > 3, then: b}, {else: c}]}\n"
                "  - {id: b, send: email bill, then: c}\n  - {id: c, end: true}\n"
            ),
            [],
        ),
        (
            (
                "  - id: a\n    branch:\n      - when: visits > 3\n        then:\n"
                "          - {id: b, send: email bill}\n      - {else: c}\n"
                "  - {id: c, end: true}\n"
            ),
            [],
        ),
        (
            (
                "  - {id: a, wait until: visits > 3, for: 1d, else: c}\n"
                "  - {id: b, send: email bill, else: end}\n  - {id: c, end: true}\n"
            ),
            ["B034 5:10"],
        ),
        (
            (
                "  - {id: a, wait: 1d}\n"
                "  - {id: b, branch: [{when: visits > 3, then: end}, {else: a}]}\n"
            ),
            [],
        ),
        # ids and targets
        ("  - {id: a, wait: 1d}\n  - {id: a, wait: 1d}\n", ["B030 5:10"]),
        ("  - {id: a, wait: 1d, then: [x]}\n", ["B008 4:30"]),
        ("  - {id: a, wait: 1d, then: {}}\n", ["B008 4:29"]),
        ("  - {id: a, wait: 1d, then: []}\n  - end: true\n", []),
    ],
)
def test_ways(tmp_path, steps, expected):
    """What each journey is told."""
    assert found(tmp_path, {"journeys/j.yaml": HEAD + steps}) == expected


def test_falling_into_a_step_that_an_exit_names(tmp_path):
    """Only a warning: it may be meant."""
    text = (
        "journey: j\nenter: {on: contact created}\nexit: {when: visits > 3, then: b}\n"
        "steps:\n  - {id: a, wait: 1d}\n  - {id: b, end: true}\n"
    )
    assert found(tmp_path, {"journeys/j.yaml": text}) == ["B036 5:10"]
