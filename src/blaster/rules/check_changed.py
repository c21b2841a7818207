"""`changed` and `held for`: what the newest change of a field says.

Laws
1. Only the newest change is known. `changed to V` asks whether it happened and the field is V now.
2. `changed` and `changed to V` may yet come: true or unknown, never false. With `in last` they are
   true or false.
3. A value that was never changed (a default) is held since the contact was created. `held for` of a
   missing field is unknown.
"""

from __future__ import annotations

from collections.abc import Callable

from blaster.rules import check_facts, syntax, tree
from blaster.rules.typed import Context


def changed(
    context: Context,
    node: syntax.Changed,
    compare: Callable[[Context, syntax.Compare], tree.Node],
) -> tree.Node:
    """The tree of `F changed`; `compare` checks F against V."""
    field = _field(context, node.value, "changed")
    place = {"start": node.start, "end": node.end}
    since: tree.Value = check_facts.changed(
        node, field.fact.key[1], run=context.scope.place == "steps" and node.span is None
    )
    if node.to is not None:
        equal = syntax.Compare("==", node.value, node.to, start=node.start, end=node.end)
        since = tree.When(since, compare(context, equal), **place)
    if node.span is None:
        return tree.Happened(since, **place)
    window = check_facts.span(node.span)
    return tree.DateTest(
        "in_last", since, window, missing_false=True, start=node.start, end=node.end
    )


def held(context: Context, node: syntax.Held) -> tree.Node:
    """The tree of `F held for 3d`."""
    field = _field(context, node.value, "held for")
    since = tree.Known(
        (check_facts.changed(node, field.fact.key[1], run=False), check_facts.created(node)),
        start=field.start, end=field.end,
    )  # fmt: skip
    kept = tree.When(since, tree.IsSet(field), start=field.start, end=field.end)
    window = check_facts.span(node.span)
    return tree.DateTest("older_than", kept, window, start=node.start, end=node.end)


def _field(context: Context, node: syntax.Node, what: str) -> tree.FactRef:
    found = check_facts.field(context, node) if isinstance(node, syntax.Field) else None
    if found is None or not isinstance(found.value, tree.FactRef):
        raise context.wrong(f"{what} is for contact fields", node, "write FIELD " + what)
    if found.value.fact.key[0] != "field":
        raise context.wrong(f"{what} is for contact fields; this never changes", node)
    return found.value
