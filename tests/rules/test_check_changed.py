"""`changed` and `held for`: what they read, when they are known, and when to look again."""

from __future__ import annotations

import pytest

from blaster.model.fields import NEVER, Kind
from blaster.rules import Zones, compile_rule, to_bools, tree, vector_of
from blaster.rules.scope import Place
from tests.rules.scopes import scope
from tests.rules.test_check import refused, rule

DAY = 86_400
NOW = 1_780_000_000
ZONES = Zones("UTC")


def truths(text, *, place: Place = "steps", now=NOW, **values):
    """The three-valued answers of three rows, and when to look again."""
    found = compile_rule(text, scope(place))
    vectors = []
    for fact in found.facts:
        name = "changed" if fact.key[-1] == "changed" else fact.key[-1]
        vectors.append(vector_of(fact.kind, values.get(name, [None] * 3)))
    true = to_bools(found.evaluate(vectors, 3, now, ZONES), 3)
    false = to_bools(found.negated().evaluate(vectors, 3, now, ZONES), 3)
    looks = found.next_change(vectors, 3, now, ZONES)
    return [True if t else False if f else None for t, f in zip(true, false, strict=True)], looks


@pytest.mark.parametrize(
    ("text", "place", "space"),
    [
        ("family changed", "steps", "run"),
        ("family changed", "enter", "contact"),
        ('family changed to "single"', "steps", "run"),
        ("family changed in last 3d", "steps", "contact"),
        ("family held for 3d", "steps", "contact"),
        ("contact.family changed", "audience", "contact"),
    ],
)
def test_the_column(text: str, place: Place, space: str) -> None:
    facts = {fact.key: fact for fact in tree.facts_of(rule(text, scope(place)))}
    found = facts["field", "family", "changed"]
    assert (found.space, found.kind) == (space, Kind.TIME)


def test_changed_is_true_or_may_yet_be() -> None:
    found, looks = truths("family changed", changed=[NOW, None, 5])
    assert found == [True, None, True]
    assert looks.tolist() == [NEVER] * 3
    assert truths("not family changed so far", changed=[NOW, None, 5])[0] == [False, True, False]


def test_changed_to_asks_for_the_value_now() -> None:
    values = {"changed": [NOW, NOW, None], "family": ["Single", "parent", "single"]}
    assert truths('family changed to "single"', **values)[0] == [True, None, None]
    assert truths('family changed to "single" so far', **values)[0] == [True, False, False]
    assert truths('family changed to "single" in last 1d', **values)[0] == [True, False, False]


def test_changed_in_last_leaves_its_window() -> None:
    when = [NOW - DAY + 1, NOW - DAY, None]
    found, looks = truths("family changed in last 1d", changed=when)
    assert found == [True, False, False]
    assert looks.tolist() == [NOW + 1, NEVER, NEVER]


def test_held_since_the_change_or_the_creation() -> None:
    values = {
        "family": ["single", "single", None],
        "changed": [NOW - 3 * DAY + 1, None, NOW - 9 * DAY],
        "created": [NOW - 90 * DAY] * 3,
    }
    found, looks = truths("family held for 3d", **values)
    assert found == [False, True, None]
    assert looks[0] == NOW + 1
    assert truths("family held for 3d", now=NOW + 1, **values)[0] == [True, True, None]


def test_explained_with_the_value_and_since_when() -> None:
    found = compile_rule("family held for 3d", scope())
    given = [vector_of(Kind.TIME, [None]), vector_of(Kind.TIME, [NOW]),
             vector_of(Kind.CODE, ["single"])]  # fmt: skip
    (since,) = found.explain(given, 0, NOW, ZONES).children
    assert [(one.text, one.value) for one in (since, *since.children)] == [
        ("since", "2026-05-28 20:26:40"), ("family", "single"),
        ("field family changed", "missing"), ("created", "2026-05-28 20:26:40"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("not family changed", "its not is never certain"),
        ('not (active and family changed to "single")', "its not is never certain"),
        ('family changed to "singel"', "did you mean single?"),
        ("family changed to 3", "a text and a number cannot be compared"),
        ("interests changed to 'a'", "a list is not compared with one value"),
        ("visits + 1 changed", "changed is for contact fields"),
        ('list("a") changed', "changed is for contact fields"),
        ("contact.created changed", "this never changes"),
        ("event.x held for 3d", "held for is for contact fields"),
        ("now held for 3d", "held for is for contact fields"),
        ("vsits changed", "did you mean visits?"),
        ("family held for 0d", "a window of no length"),
        ("family changed in last 3d so far", "so far stands behind a fact"),
    ],
)
def test_refused(text: str, message: str) -> None:
    found = refused(text)
    assert len(found) == 1, found
    assert message in found[0]
