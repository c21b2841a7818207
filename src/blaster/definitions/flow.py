"""The journey compiler's look at the ways between steps.

Finds: targets that do not exist, ids given twice, steps nobody reaches, circles without a wait,
and a step of one branch that runs on into a step which another branch names.

What counts as a wait: `wait`, `wait until` and `series`. Sending does not: a circle of sends would
go round as fast as the far side accepts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from blaster.definitions import codes
from blaster.definitions.drafts import Draft
from blaster.definitions.findings import Report
from blaster.definitions.names import did_you_mean, show
from blaster.definitions.nodes import Scalar
from blaster.model.definitions import END

Graph = Mapping[str, Sequence[str]]


def check_flow(report: Report, flat: list[Draft], exits: Sequence[Scalar]) -> None:
    """Every check of the ways of one journey. `exits` are the steps that exits name."""
    steps = _by_id(report, flat)
    whole = _check_targets(report, flat, exits, steps)
    graph: dict[str, list[str]] = {}
    for draft in flat:
        targets = (draft.target(way) for way in draft.ways())
        graph.setdefault(draft.id, [target for target in targets if target in steps])
    named = [exit_.text for exit_ in exits if exit_.text in steps]
    if whole and flat:
        _check_reached(report, steps, _reachable(graph, [flat[0].id, *named]))
    _check_loops(report, steps, graph)
    _check_falls(report, flat, steps, graph, set(named))


def _by_id(report: Report, flat: list[Draft]) -> dict[str, Draft]:
    steps: dict[str, Draft] = {}
    for draft in flat:
        first = steps.setdefault(draft.id, draft)
        if first is not draft:
            line = first.place.source.position(first.place.start)[0]
            message = f"the id {show(draft.id)} stands here twice (first in line {line})"
            report.add(codes.DUPLICATE_STEP, draft.place, message, "give this step another id")
    return steps


def _check_targets(
    report: Report, flat: list[Draft], exits: Sequence[Scalar], steps: Mapping[str, Draft]
) -> bool:
    names = [way.name for draft in flat for way in draft.ways() if way.name is not None]
    whole = True
    for name in [*names, *exits]:
        if name.text != END and name.text not in steps and not name.cut:
            advice = did_you_mean(name.text, [*steps, END], "'end' ends the run")
            message = f"there is no step {show(name.text)}"
            report.add(codes.UNKNOWN_STEP, name.place, message, advice)
            whole = False
    return whole


def _reachable(graph: Graph, starts: Iterable[str], avoiding: str | None = None) -> set[str]:
    seen: set[str] = set()
    todo = [start for start in starts if start != avoiding]
    while todo:
        at = todo.pop()
        if at not in seen:
            seen.add(at)
            todo.extend(target for target in graph.get(at, ()) if target != avoiding)
    return seen


def _check_reached(report: Report, steps: Mapping[str, Draft], seen: set[str]) -> None:
    for id_, draft in steps.items():
        if id_ not in seen:
            message = f"no way leads to the step {show(id_)}"
            report.add(
                codes.UNREACHABLE_STEP, draft.place, message, "name it in a way, or remove it"
            )


def _check_loops(report: Report, steps: Mapping[str, Draft], graph: Graph) -> None:
    """Report each circle of steps none of which waits, once."""
    at_once = {
        id_: [target for target in graph[id_] if not steps[target].waits]
        for id_, draft in steps.items()
        if not draft.waits
    }
    reported: set[str] = set()
    for id_ in at_once:
        if id_ in reported:
            continue
        circle = _circle(at_once, id_)
        if circle and not reported.intersection(circle):
            reported.update(circle)
            way = " -> ".join(show(step) for step in [*circle, id_])
            message = f"the steps {way} form a circle without a wait"
            advice = "put a wait, wait until or series into it"
            report.add(codes.ENDLESS_LOOP, steps[id_].place, message, advice)


def _circle(graph: Graph, start: str) -> list[str]:
    """The shortest way from a step back to itself, as the steps on it; empty when there is none."""
    came_from: dict[str, str] = {}
    todo = [start]
    for at in todo:
        for target in graph.get(at, ()):
            if target == start:
                circle = [at]
                while circle[-1] != start:
                    circle.append(came_from[circle[-1]])
                return circle[::-1]
            if target not in came_from:
                came_from[target] = at
                todo.append(target)
    return []


def _check_falls(
    report: Report,
    flat: list[Draft],
    steps: Mapping[str, Draft],
    graph: Graph,
    exits: set[str],
) -> None:
    """A step without a written `then` before a step that a branch names by another arm."""
    namers = _namers(flat)
    inside = {id(held) for draft in flat for way in draft.ways() for held in way.inside or ()}
    for draft in flat:
        onto = draft.next
        falls = any(way.falls for way in draft.ways())
        if not falls or onto not in steps or id(draft) in inside:
            continue
        namer = _other_branch(draft, onto, namers, graph)
        if namer is not None:
            message = (
                f"the step {show(draft.id)} runs on into {show(onto)}, which another branch of"
                f" {show(namer.id)} names"
            )
            advice = f"write its then: 'then: end', or 'then: {onto}' if that is meant"
            report.add(codes.FALLS_INTO_BRANCH, draft.place, message, advice)
        elif onto in exits:
            message = f"the step {show(draft.id)} runs on into {show(onto)}, which an exit names"
            report.add(codes.FALLS_INTO_EXIT, draft.place, message, "write its then")


def _namers(flat: list[Draft]) -> dict[str, list[Draft]]:
    """By the step they name: the steps with several ways, one of which was written to it."""
    namers: dict[str, list[Draft]] = {}
    for draft in flat:
        ways = draft.ways()
        if len(ways) > 1:
            for name in {way.name.text for way in ways if way.name is not None}:
                namers.setdefault(name, []).append(draft)
    return namers


def _other_branch(
    draft: Draft, onto: str, namers: Mapping[str, list[Draft]], graph: Graph
) -> Draft | None:
    """The step that names `onto` by one way and leads to `draft` by another."""
    for namer in namers.get(onto, ()):
        if namer is draft:
            continue
        others = [namer.target(way) for way in namer.ways() if namer.target(way) != onto]
        if draft.id in _reachable(graph, others, avoiding=onto):
            return namer
    return None
