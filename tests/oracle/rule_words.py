"""How values are written in a rule: names, literals, spans, and expressions of every kind.

A `Writer` writes text for one case and notes each operator with the kind of value it was given.
"""

from __future__ import annotations

import re
from collections import Counter
from decimal import Decimal
from typing import Any

from blaster.rules import syntax
from tests.oracle import rule_happenings as made
from tests.oracle.dice import Dice, choice, one_in
from tests.oracle.local_time import zone_of
from tests.oracle.rule_open import OPEN
from tests.oracle.rule_rows import REAL, ZONES, Case, day, moment, raw, real, scaled, text, whole

DAY_SPANS = ("1d", "2d", "3d", "1w", "2w", "30d", "60d", "1 month", "2 months", "1 year")
CLOCK_SPANS = ("1s", "30s", "15m", "2h", "48h")
CLOCKS = ("00:00", "00:30", "02:30", "10:00", "23:59", "09:00:30")
NUMBERS = ("int", "scaled", "number")
TIMES = ("date", "instant", "time")
HAPPENINGS = {
    "email": ("sent", "not_sent", "failed", "opened", "clicked", 'clicked("pay")', "bounced",
              'bounced("hard")', "replied", "complained", 'opened("any")', 'clicked("any")',
              'replied("any")', 'bounced("soft")'),
    "sms": ("sent", "not_sent", "failed", "delivered", "replied", "clicked", "complained",
            'replied("any")'),
}  # fmt: skip
PARTS = (
    *((part, kind) for part in ("year", "month", "day") for kind in TIMES),
    ("hour", "instant"), ("hour", "time"),
)  # fmt: skip
SIGNS = {"int": ("+", "-", "*"), "scaled": ("+", "-", "*"), "number": ("+", "-", "*", "/")}
MESSAGE_NAMES = {"email": "bill", "sms": "coupon"}
ASSETS = {
    "event": ('event("visit")', ""),
    "form": ('form("register")', ".filled"),
    "page": ('page("prices")', ".visited"),
    "file": ('file("guide")', ".downloaded"),
}
_PLAIN = re.compile(r"[A-Za-z_\u05d0-\u05ea][\w\u05d0-\u05ea]*")


class Writer:
    """Writes rules for one case; `used` counts operators and kinds."""

    def __init__(self, dice: Dice, case: Case) -> None:
        self.dice = dice
        self.case = case
        self.used: Counter[tuple[str, str]] = Counter()

    def pick(self, *options: Any) -> Any:
        return choice(self.dice, options)

    # ------------------------------------------------------------------------------ literals

    def quoted(self, words: str) -> str:
        quote = "'" if '"' in words and "'" not in words else '"'
        return quote + words.replace(quote, quote * 2) + quote

    def literal(self, kind: str) -> str:
        """A value written out."""
        match kind:
            case "text" | "code":
                return self.quoted(text(self.dice, self.case))
            case "enum":
                word = choice(self.dice, ("single", "Parent", "teens", "משפחה"))
                return self.quoted(self.pick(word, word.upper()))
            case "raw":
                return self.quoted(raw(self.dice, self.case))
            case "int":
                return str(whole(self.dice, self.case))
            case "scaled":
                return f"{scaled(self.dice, self.pick(1, 2)):f}"
            case "number":
                return f"{Decimal(repr(self.real())):f}"
            case "date":
                return day(self.dice, self.case).isoformat()
            case "instant" | "time":
                return self.local_literal()
            case "bool":
                return str(self.pick("true", "false"))
            case "weekday":
                return choice(self.dice, syntax.WEEKDAYS)
        raise AssertionError(kind)

    def local_literal(self) -> str:
        zone = zone_of(self.pick(*(None,) * len(ZONES) * 3, *ZONES), self.case.zone)
        return f"{moment(self.dice, self.case).astimezone(zone):%Y-%m-%d %H:%M}"

    def real(self) -> float:
        """A float that can be written out."""
        found = real(self.dice, self.case)
        return found if abs(found) < 1e20 and found != REAL[-1] else 0.1

    def span(self, kind: str) -> str:
        """A duration that may meet a date, or (any other kind) an instant."""
        spans = DAY_SPANS if kind == "date" else (*DAY_SPANS, *CLOCK_SPANS)
        return choice(self.dice, spans)

    # --------------------------------------------------------------------------------- facts

    def named(self, name: str) -> str:
        """A field by one of its spellings."""
        bare = _PLAIN.fullmatch(name) is not None and name not in syntax.RESERVED
        if bare and not one_in(self.dice, 3):
            return name
        if bare or (_PLAIN.fullmatch(name) and one_in(self.dice, 2)):
            return f"contact.{name}"
        return f"field({self.quoted(name)})"

    def field(self, kind: str) -> str:
        return self.named(choice(self.dice, self.case.kinds[kind]))

    def happening(self, source: str, *, ever: bool = True) -> str:
        """A fact that asks whether something happened."""
        if source in ("filtered", "sendings"):
            return (made.source if source == "filtered" else made.sendings)(self, ever=ever)
        dot = ".ever" if ever and one_in(self.dice, 3) else ""
        if source in MESSAGE_NAMES:
            return f'{source}("{MESSAGE_NAMES[source]}"){dot}.{self.pick(*HAPPENINGS[source])}'
        head, tail = ASSETS[source]
        return head + dot + tail

    def amount(self, what: str) -> str:
        head, tail = ASSETS[self.pick(*ASSETS)]
        return f"{head}{tail}.{what}"

    def attribute(self, name: str, other: str) -> str:
        """An attribute of what started the run, where it is declared; else something else."""
        return f"event.{name}" if self.case.attributes else other

    def fact(self, kind: str) -> str:
        """A field or another fact of the kind."""
        plain = self.field({"time": "instant", "raw": "text"}.get(kind, kind))
        match kind:
            case "text":
                return str(self.pick(
                    plain, plain, "email", "phone", "contact.id", 'sms("coupon").reply',
                    made.amount(self, kind, plain), f'lookup("region", {plain})',
                    'form("register").answer("size")', self.attribute("order_id", plain),
                ))  # fmt: skip
            case "code":
                message = self.pick('email("bill")', 'sms("coupon")')
                return str(self.pick(
                    plain, plain, "language", "contact.source", "zone", message + ".reason",
                    "contact.provider", 'journey("other").step',
                    self.attribute("product", plain)))  # fmt: skip
            case "int":
                return str(self.pick(
                    plain, plain, self.field("counter"), self.amount("count"),
                    made.counted(self), made.amount(self, kind, plain),
                    self.attribute("items", plain)))  # fmt: skip
            case "scaled":
                return str(
                    self.pick(plain, self.attribute("total", plain), made.amount(self, kind, plain))
                )
            case "number":
                return str(
                    self.pick(plain, self.attribute("ratio", plain), made.amount(self, kind, plain))
                )
            case "date":
                return str(
                    self.pick(
                        plain,
                        plain,
                        "today",
                        self.attribute("day", plain),
                        made.amount(self, kind, plain),
                    )
                )
            case "instant":
                return str(
                    self.pick(
                        plain,
                        plain,
                        "now",
                        self.attribute("moment", plain),
                        made.amount(self, kind, plain),
                    )
                )
            case "bool":
                return str(self.pick(*self.truths(plain)))
            case "list":
                return str(
                    self.pick(plain, self.attribute("tags", plain), made.amount(self, kind, plain))
                )
            case "time":
                return str(self.pick(*self.times()))
            case "raw":
                return "event.thing"
        return plain

    def truths(self, plain: str) -> tuple[str, ...]:
        return (
            *(plain,) * 5, 'list("vip")', 'consent("email")', 'consent("sms", "tips")',
            'suppressed("email")', 'journey("other").running', self.attribute("gift", plain),
            'benefit("coffee")', made.amount(self, "bool", plain),
        )  # fmt: skip

    def times(self) -> tuple[str, ...]:
        """Instants that the engine keeps."""
        steps = self.case.place != "audience"
        return (
            self.happening(self.pick(*MESSAGE_NAMES)), self.happening(self.pick(*ASSETS)),
            self.amount("first"), self.amount("last"), 'list("vip").joined', 'list("vip").left',
            "contact.created", 'journey("other").entered', 'journey("welcome").entered',
            'journey("other").finished', "event.time" if steps else "contact.created",
            "last_activity", made.instant(self), self.happening("filtered"),
            self.happening("sendings"),
        )  # fmt: skip

    # --------------------------------------------------------------------------- expressions

    def note(self, operator: str, kind: str) -> None:
        self.used[operator, kind] += 1

    def value(self, kind: str, depth: int = 2, *, plain: bool = True) -> str:
        """An expression of the kind that reads at least one fact; `plain`: mostly just that."""
        if depth == 0 or (plain and not one_in(self.dice, 3)):
            return self.fact(kind)
        if kind in NUMBERS:
            return self._number(kind, depth - 1)
        if kind in ("date", "instant"):
            return self._when(kind, depth - 1)
        if kind == "text":
            self.note("lower", kind)
            return f"lower({self.value(self.pick('text', 'code', 'enum'), depth - 1)})"
        return self.fact(kind)

    def weekday(self) -> str:
        return self.part("weekday", self.pick(*TIMES))

    def part(self, part: str, kind: str) -> str:
        self.note(f".{part}", kind)
        inner = self.value(kind, 1)
        return f"({inner}).{part}" if " " in inner else f"{inner}.{part}"

    def _number(self, kind: str, depth: int) -> str:
        choices = self.dice.below(6 if kind == "int" else 3)
        if choices == 0:
            operator = self.dice.deal(SIGNS[kind])
            self.note(operator, kind)
            other = self.pick(self.value("int", depth), self.literal("int"), self.literal(kind))
            if operator == "/" and one_in(self.dice, 2):
                left = self.value(self.pick("int", "scaled", "number"), depth)
                return f"({left} / {other})"
            return f"({self.value(kind, depth)} {operator} {other})"
        if choices == 1:
            function = self.pick("min", "max")
            self.note(function, kind)
            items = (self.value(kind, depth), self.value("int", depth), self.literal(kind))
            return f"{function}({', '.join(items[: self.pick(2, 3)])})"
        if choices == 2:
            self.note("negative", kind)
            return f"-{self.value(kind, depth)}"
        return self.whole(depth)

    def whole(self, depth: int) -> str:
        """A whole number of something that is none."""
        match self.dice.below(5):
            case 0:
                kind = self.pick("text", "code", "list")
                self.note("length", kind)
                return f"length({self.value(kind, depth)})"
            case 1:
                self.note("bucket", "int")
                return f"bucket({self.pick(1, 2, 7, 100, 1_000_000)})"
            case 2:
                return self.difference(self.pick("date", "instant"))
        return self.part(*self.dice.deal(PARTS))

    def difference(self, kind: str) -> str:
        self.note("difference", kind)
        return f"({self.value(kind, 1)} - {self.fact(kind)})"

    def _when(self, kind: str, depth: int) -> str:
        match self.dice.below(4):
            case 0 if kind == "instant":
                self.note("at", "date")
                inner = self.value("date", depth)
                return f"({inner} at {choice(self.dice, CLOCKS)})"
            case 1 if kind == "instant":
                self.note("at", "instant")
                inner = self._moved("instant", depth)
                if "days before at" in OPEN:
                    inner = f"{self.fact('instant')} - {choice(self.dice, CLOCK_SPANS)}"
                return f"({inner} at {choice(self.dice, CLOCKS)})"
            case 2:
                function = self.pick("min", "max")
                self.note(function, kind)
                return f"{function}({self.value(kind, depth)}, {self.fact(kind)})"
        return f"({self._moved(kind, depth)})"

    def _moved(self, kind: str, depth: int) -> str:
        sign = self.pick("+", "-")
        self.note(f"{sign} duration", kind)
        inner = self.value(self.pick("instant", "time") if kind == "instant" else kind, depth)
        return f"{inner} {sign} {self.span(kind)}"
