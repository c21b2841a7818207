"""One trial: a drawn case through the compiled rules and through the oracle, row by row.

A disagreement raises `Disagreement`, which names the rule, the row's facts, now and the zone.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from blaster.errors import DefinitionError
from blaster.model.fields import NEVER, Field, Kind
from blaster.rules import Rule, Scope, Zones, compile_rule, compile_value, parse, syntax
from tests.oracle.dice import Dice, choice, one_in
from tests.oracle.rule_columns import answers, stored, vectors_of
from tests.oracle.rule_facts import Path, World, world_of
from tests.oracle.rule_open import OPEN
from tests.oracle.rule_rows import BATCHES, TABLES, Case, Row, drawn_case
from tests.oracle.rule_texts import Author, Leaf
from tests.oracle.rule_values import scale_of, value
from tests.oracle.rules import Truth, truth

JOURNEY = "welcome"
EXTRAS = {"n": Field("n", "integer")}
HORIZON_S = 3 * 366 * 86_400
LOOKS_MAX = 10
VALUE_KINDS = (
    "whole", "whole", "int", "scaled", "number", "date", "instant", "time", "text", "code", "bool",
    "list",
)  # fmt: skip


class Disagreement(AssertionError):
    """The compiled rule and the oracle differ."""


class Tally:
    """What was compared, counted in rows: answers of leaves, values, parts of expressions."""

    def __init__(self) -> None:
        self.answers: defaultdict[tuple[str, str], Counter[Truth]] = defaultdict(Counter)
        self.parts: Counter[tuple[str, str]] = Counter()

    def add_parts(self, used: Counter[tuple[str, str]], rows: int) -> None:
        for part, times in used.items():
            self.parts[part] += times * rows

    def hits(self) -> dict[tuple[str, str], int]:
        """Rows compared per operator and kind of value."""
        return {key: found.total() for key, found in self.answers.items()} | dict(self.parts)

    def table(self) -> str:
        """One line per operator: its kinds with their hits (of leaves: true/false/unknown)."""
        lines: defaultdict[str, list[str]] = defaultdict(list)
        for (operator, kind), hits in sorted(self.hits().items()):
            found = self.answers.get((operator, kind))
            shown = str(hits)
            if found is not None:
                shown = "/".join(str(found[truth]) for truth in (True, False, None))
            lines[operator].append(f"{kind} {shown}")
        return "\n".join(f"{operator:20} {', '.join(kinds)}" for operator, kinds in lines.items())


class Batch(NamedTuple):
    """Distinct rows, and which of them stands at each place of the batch."""

    rows: Sequence[Row]
    order: Sequence[int]


def scope_of(case: Case) -> Scope:
    place: Any = case.place
    return Scope(
        fields=case.fields, place=place, journey=JOURNEY, attributes=case.attributes,
        extras=EXTRAS, tables=TABLES, event_attributes=case.events,
    )  # fmt: skip


def drawn_batch(dice: Dice, case: Case, distinct: int, length: int | None = None) -> Batch:
    rows = [Row(dice, case) for _ in range(1 + dice.below(distinct))]
    size = choice(dice, BATCHES) if length is None else length
    step, start = 1 + dice.below(7), dice.below(len(rows))
    return Batch(rows, [(start + step * place + place // 13) % len(rows) for place in range(size)])


class Trial:
    """The comparisons of one case."""

    def __init__(self, dice: Dice, tally: Tally | None = None, *, distinct: int = 8) -> None:
        self.dice = dice
        self.distinct = distinct
        self.case = drawn_case(dice)
        self.scope = scope_of(self.case)
        self.zones = Zones(self.case.zone)
        self.valued = False
        self.tally = Tally() if tally is None else tally

    def rules(self, budget: int, *, length: int | None = None) -> None:
        """Each leaf of a tree of about `budget` leaves alone, then the tree."""
        batch = drawn_batch(self.dice, self.case, self.distinct, length)
        author = Author(self.dice, self.case, budget)
        written = author.rule()
        for leaf, text in written.leaves:
            truths = self.rule(text, batch, negatable=leaf.negatable)
            self.count(leaf, truths)
        self.rule(written.text, batch, negatable=written.negatable)
        self.tally.add_parts(author.writer.used, len(batch.rows))

    def count(self, leaf: Leaf, truths: list[Truth]) -> None:
        for found in truths:
            self.tally.answers[leaf.operator, leaf.kind][found] += 1

    def rule(self, text: str, batch: Batch, *, negatable: bool) -> list[Truth]:
        """The answers of the oracle per distinct row, after the compiled rule agreed."""
        try:
            rule = compile_rule(text, self.scope)
        except DefinitionError as error:
            raise Disagreement(f"does not compile: {text}\n{error}") from error
        node, case = parse(text), self.case
        truths = [self.truth(node, row, case.now) for row in batch.rows]
        length = len(batch.order)
        vectors = vectors_of(rule.facts, batch.rows, batch.order)
        for asked, wanted in ((rule, True), (rule.negated(), False)):
            given = vectors
            if asked.facts != rule.facts:
                given = vectors_of(asked.facts, batch.rows, batch.order)
            found = answers(asked.evaluate(given, length, case.now, self.zones), length)
            for place, row in enumerate(batch.order):
                if found[place] != (truths[row] is wanted):
                    kind = "rule" if wanted else "negation"
                    raise self.disagreement(
                        text, batch.rows[row],
                        f"the {kind} says {found[place]} at row {place} of {length}, "
                        f"the oracle says {truths[row]}",
                    )  # fmt: skip
        if length:
            self.explained(rule, vectors, text, batch, truths)
            self.next_change(rule, vectors, node, batch, truths)
        if not negatable or one_in(self.dice, 4):
            self.negation(text, negatable=negatable)
        return truths

    def truth(self, node: syntax.Node, row: Row, now: int) -> Truth:
        return truth(node, self.world(row, now))

    def world(self, row: Mapping[Path, Any], now: int) -> World:
        case = self.case
        return world_of(row, now, case.zone, case.place, JOURNEY, TABLES, case.events)

    def negation(self, text: str, *, negatable: bool) -> None:
        """`not` compiles where it should, and only there."""
        try:
            compile_rule(f"not ({text})", self.scope)
        except DefinitionError as error:
            if negatable:
                raise Disagreement(f"its not does not compile: {text}\n{error}") from error
        else:
            if not negatable:
                raise Disagreement(f"its not compiles: {text}")

    def explained(
        self, rule: Rule, vectors: list[Any], text: str, batch: Batch, truths: list[Truth]
    ) -> None:
        place = self.dice.below(len(batch.order))
        row = batch.order[place]
        wanted = {True: "true", False: "false", None: "unknown"}[truths[row]]
        found = rule.explain(vectors, place, self.case.now, self.zones).truth
        if found != wanted:
            message = f"explain says {found}, the oracle {wanted}"
            raise self.disagreement(text, batch.rows[row], message)

    # --------------------------------------------------------------------------- next look

    def next_change(
        self, rule: Rule, vectors: list[Any], node: syntax.Node, batch: Batch, truths: list[Truth]
    ) -> None:
        """Until the instant it names, the answer stays."""
        case = self.case
        if "in next months" in OPEN and _any(node, _looks_months_ahead):
            return
        if "moved now" in OPEN and _any(node, _moves_now):
            return
        changes = rule.next_change(vectors, len(batch.order), case.now, self.zones)
        spans = _spans_of(node)
        for row in {batch.order[self.dice.below(len(batch.order))] for _ in range(2)}:
            due = int(changes[batch.order.index(row)])
            if due <= case.now:
                message = f"next_change {due} is not after now"
                raise self.disagreement(rule.text, batch.rows[row], message)
            for look in self.looks(batch.rows[row], due, spans):
                found = self.truth(node, batch.rows[row], look)
                if found != truths[row]:
                    message = (
                        f"next_change says {_shown(due)}, but at {_shown(look)} the answer is "
                        f"{found}, which was {truths[row]}"
                    )
                    raise self.disagreement(rule.text, batch.rows[row], message)

    def looks(self, row: Row, due: int, spans: set[int]) -> list[int]:
        """Instants before `due` at which the oracle is most likely to change its mind."""
        now = self.case.now
        end = min(due, now + HORIZON_S)
        marks = {now + 1, due - 1, now + self.dice.below(86_400), now + self.dice.below(HORIZON_S)}
        zone = world_of(row, now, self.case.zone, "", "").zone
        for found in _flat(row):
            if isinstance(found, dt.datetime):
                base = int(found.timestamp())
            elif isinstance(found, dt.date):
                noon = dt.datetime.combine(found, dt.time(), zone)
                base = int(noon.timestamp())
            else:
                continue
            marks.update(base + span + near for span in spans for near in (0, -1))
            marks.update(base - span + near for span in spans for near in (0, 1))
        day = dt.datetime.fromtimestamp(now, zone).date()
        for ahead in (1, 2, 3, 7, 30, 31, 365):
            midnight = dt.datetime.combine(day + dt.timedelta(days=ahead), dt.time(), zone)
            marks.add(int(midnight.timestamp()))
        marks.update(now - now % 3600 + 3600 * hours for hours in (1, 2, 3))
        ahead_of_now = sorted(mark for mark in marks if now < mark < end)
        near_ones = ahead_of_now[: LOOKS_MAX // 2]
        rest = ahead_of_now[LOOKS_MAX // 2 :]
        start = self.dice.below(len(rest)) if rest else 0
        return near_ones + rest[start :: max(1, len(rest) // (LOOKS_MAX // 2))]

    # ------------------------------------------------------------------------- expressions

    def values(self, kind: str) -> None:
        """One expression of a kind over a batch."""
        self.valued = True
        batch = drawn_batch(self.dice, self.case, self.distinct)
        writer = Author(self.dice, self.case, 1).writer
        text = writer.whole(2) if kind == "whole" else writer.value(kind, 3, plain=False)
        try:
            found = compile_value(text, self.scope)
        except DefinitionError as error:
            raise Disagreement(f"does not compile: {text}\n{error}") from error
        case, length, node = self.case, len(batch.order), parse(text)
        vectors = vectors_of(found.facts, batch.rows, batch.order)
        result = found.evaluate(vectors, length, case.now, self.zones)
        for place, row in enumerate(batch.order):
            world = self.world(batch.rows[row], case.now)
            wanted = _stored_value(value(node, world), found.kind, found.scale)
            got = _item(result, place)
            if got != wanted:
                message = f"the expression gives {got!r} at {place}, the oracle {wanted!r}"
                raise self.disagreement(text, batch.rows[row], message)
        self.tally.parts["value", kind] += len(batch.rows)
        self.tally.add_parts(writer.used, len(batch.rows))

    def disagreement(self, text: str, row: Row, message: str) -> Disagreement:
        case, seen = self.case, _Seen(row)
        world = self.world(seen, case.now)
        (value if self.valued else truth)(parse(text), world)
        facts = "".join(f"\n    {path}: {seen[path]!r}" for path in sorted(seen.paths))
        return Disagreement(
            f"{message}\n  rule: {text}\n  now: {case.now} = {_shown(case.now)}\n"
            f"  zone: {case.zone}\n  place: {case.place}\n  row:{facts}"
        )


def _flat(row: Row) -> Iterator[Any]:
    """The values of a row, those of its happenings too."""
    for found in list(row.values()):
        if isinstance(found, tuple) and found and isinstance(found[0], dict):
            for happening in found:
                yield from happening.values()
        else:
            yield found


class _Seen(Mapping[Path, Any]):
    """A row that remembers what was read."""

    def __init__(self, row: Row) -> None:
        self.row = row
        self.paths: set[Path] = set()

    def __getitem__(self, path: Path) -> Any:
        self.paths.add(path)
        return self.row[path]

    def __iter__(self) -> Iterator[Path]:
        return iter(self.row)

    def __len__(self) -> int:
        return len(self.row)


def _shown(instant: int) -> str:
    return "never" if instant == NEVER else dt.datetime.fromtimestamp(instant, dt.UTC).isoformat()


def _any(node: syntax.Node, wanted: Callable[[syntax.Node], bool]) -> bool:
    return wanted(node) or any(_any(child, wanted) for child in syntax.children_of(node))


def _looks_months_ahead(node: syntax.Node) -> bool:
    if isinstance(node, syntax.Relative) and node.operator == "in next":
        return node.span.unit in ("month", "year") and not node.anniversary
    return False


def _moves_now(node: syntax.Node) -> bool:
    """Whether a span moves something that holds `now`."""
    if not isinstance(node, syntax.Arithmetic):
        return False
    spans = (isinstance(node.left, syntax.Duration), isinstance(node.right, syntax.Duration))
    return any(spans) and _any(node, lambda part: isinstance(part, syntax.Now))


def _spans_of(node: syntax.Node) -> set[int]:
    """The lengths of the spans in a rule, in seconds; months roughly."""
    sizes = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
    found = {0, 86_400}
    rest = [node]
    while rest:
        one = rest.pop()
        if isinstance(one, syntax.Fact):
            windows = [member.window for member in one.members if member.window is not None]
            rest.extend(window.span for window in windows if window.span is not None)
        if isinstance(one, syntax.Duration):
            if one.unit in sizes:
                found.add(one.count * sizes[one.unit])
            else:
                months = one.count * (12 if one.unit == "year" else 1)
                years = months // 12 * 31_536_000
                found.update(years + months % 12 * 86_400 * days for days in (28, 30, 31))
        rest.extend(syntax.children_of(one))
    return found


def _item(result: Any, place: int) -> Any:
    if not hasattr(result, "valid"):
        return result[place]
    return result.values[place].item() if result.valid[place] else None


def _stored_value(found: Any, kind: Kind, scale: int) -> Any:
    if found is None:
        return None
    if kind == Kind.NUMBER:
        return float(found)
    if kind == Kind.INT and isinstance(found, (int, Decimal)):
        return int(Decimal(found).scaleb(scale)) if scale_of(found) <= scale else found
    return stored(found, kind)
