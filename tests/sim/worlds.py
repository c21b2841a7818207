"""Random workspaces and histories, the same for the engine and for the plain model.

Instants lie on a coarse grid, and spans are multiples of it, so that events, deadlines and dates
fall on the same seconds all the time. The days go over the night in which the clocks change.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from blaster.model import definitions as model
from blaster.model import records
from blaster.model.outcomes import OutcomeCode
from tests.core.world import (
    DAY,
    HOUR,
    Play,
    add,
    branch,
    happened,
    instant,
    journey,
    leave_when,
    mail,
    noted,
    numbers,
    on_date,
    on_event,
    on_list,
    on_rule,
    positions,
    put,
    send,
    until,
    wait,
    workspace,
)
from tests.oracle.journey_facts import Meaning
from tests.oracle.journey_times import instant_of
from tests.oracle.journeys import Model

START = instant("2026-03-22 00:00")
END = START + 14 * DAY
GRID = 6 * HOUR
EVENTS = ("x", "y")
LISTS = ("a", "b", "c")
CITIES = ("Haifa", "Eilat", None)
MESSAGES = ("m0", "m1", "m2", "m3")
SHOWN = ("city", "visits", "points", "due", "email")
LIMITS = (1, 2, 7, 1 << 40)
STEP_KINDS = (
    "send", "send", "wait", "wait", "until", "until", "branch", "set", "add", "reset", "member",
    "series",
)  # fmt: skip


# --- what rules mean ------------------------------------------------------------------------------


def first_since(name: str) -> Any:
    return lambda person, run, now: run.events.get(("event", name), (None, None))[0]


def _contact_rules() -> dict[str, Meaning]:
    """Rules that may stand anywhere."""
    book = {
        "visits >= 2": Meaning(lambda p, r, now: p.fields.get("visits", 0) >= 2),
        'city == "Haifa"': Meaning(lambda p, r, now: p.fields.get("city") == "Haifa"),
        'not city == "Haifa"': Meaning(
            lambda p, r, now: p.fields.get("city") not in (None, "Haifa")
        ),
        "city is not set": Meaning(lambda p, r, now: p.fields.get("city") is None),
        "points > 3 or visits > 3": Meaning(
            lambda p, r, now: p.fields.get("points", 0) > 3 or p.fields.get("visits", 0) > 3
        ),
    }
    for name in LISTS:
        book[f'list("{name}")'] = Meaning(lambda p, r, now, name=name: name in p.members)
        book[f'not list("{name}")'] = Meaning(lambda p, r, now, name=name: name not in p.members)
        book[f'list("{name}").joined older than 36h'] = Meaning(
            lambda p, r, now, name=name: name in p.joined and now - p.joined[name] >= 36 * HOUR,
            lambda p, r, now, name=name: _ahead(p.joined.get(name), 36 * HOUR, now),
        )
    for name in EVENTS:
        book[f'event("{name}").count >= 2'] = Meaning(
            lambda p, r, now, name=name: len(p.events.get(("event", name), ())) >= 2
        )
    return book


def _ahead(start: int | None, span: int, now: int) -> int | None:
    return start + span if start is not None and start + span > now else None


def _run_rules() -> dict[str, Meaning]:
    """Rules of steps and exits: since the run's entry."""
    book = {}
    for name in EVENTS:
        book |= _event_rules(name)
    book['not event("x") so far and visits < 9'] = Meaning(
        lambda p, r, now: first_since("x")(p, r, now) is None and p.fields.get("visits", 0) < 9
    )
    return book


def _event_rules(name: str) -> dict[str, Meaning]:
    since = first_since(name)

    def within(r: Any, span: int) -> bool:
        first = since(None, r, 0)
        return first is not None and first < r.entered + span

    return {
        f'event("{name}")': Meaning(lambda p, r, now: since(p, r, now) is not None),
        f'event("{name}") within 1d': Meaning(lambda p, r, now: within(r, DAY)),
        f'not event("{name}") within 36h': Meaning(
            lambda p, r, now: now >= r.entered + 36 * HOUR and not within(r, 36 * HOUR),
            lambda p, r, now: _ahead(r.entered, 36 * HOUR, now),
        ),
    }


def _message_rules(name: str) -> dict[str, Meaning]:
    """Rules about this run's own newest sending of a message."""
    channel = channel_of(name)

    def part(what: str) -> Any:
        def find(p: Any, r: Any, now: int) -> int | None:
            sending = r.sending(channel, name)
            if sending is None:
                return None
            own: dict[str, int | None] = {"sent": sending.accepted, "not_sent": sending.not_sent}
            found: int | None = own[what] if what in own else sending.noted.get(what)
            return found

        return find

    sent, refused = part("sent"), part("not_sent")
    fact = "replied" if channel == "sms" else "opened"
    seen = part(fact)
    ref = f'{channel}("{name}")'
    return {
        f"{ref}.sent": Meaning(lambda p, r, now: sent(p, r, now) is not None),
        f"{ref}.not_sent": Meaning(lambda p, r, now: refused(p, r, now) is not None),
        f"{ref}.{fact}": Meaning(lambda p, r, now: seen(p, r, now) is not None),
        f"{ref}.{fact} within 1d": Meaning(
            lambda p, r, now: (
                seen(p, r, now) is not None and seen(p, r, now) < sent(p, r, now) + DAY
            )
        ),
        f"not {ref}.{fact} within 1d": Meaning(
            lambda p, r, now: (
                refused(p, r, now) is not None
                or (
                    sent(p, r, now) is not None
                    and now >= sent(p, r, now) + DAY
                    and (seen(p, r, now) or 1 << 60) >= sent(p, r, now) + DAY
                )
            ),
            lambda p, r, now: _ahead(sent(p, r, now), DAY, now),
        ),
    }


def channel_of(name: str) -> str:
    return "sms" if name == "m3" else "email"


def _day(p: Any) -> date | None:
    days = p.fields.get("due")
    return None if days is None else date(1970, 1, 1) + timedelta(days=days)


def _expressions() -> dict[str, Meaning]:
    def at(p: Any, shift: int, seconds: int) -> int | None:
        day = _day(p)
        return None if day is None else instant_of(day + timedelta(days=shift), seconds)

    return {
        "due": Meaning(lambda p, r, now: at(p, 0, 0)),
        "due - 1d at 10:00": Meaning(lambda p, r, now: at(p, -1, 10 * HOUR)),
        "due at 02:30": Meaning(lambda p, r, now: at(p, 0, 2 * HOUR + 1800)),
        "visits + 1": Meaning(lambda p, r, now: p.fields.get("visits", 0) + 1),
        "points * 2": Meaning(
            lambda p, r, now: None if p.fields.get("points") is None else p.fields["points"] * 2
        ),
    }


CONTACT_RULES = _contact_rules()
RUN_RULES = CONTACT_RULES | _run_rules()
EVENT_RULE = 'event.kind == "big"'
EXPRESSIONS = _expressions()
BOOK = (
    RUN_RULES | EXPRESSIONS | {EVENT_RULE: Meaning(lambda p, r, now: p.data.get("kind") == "big")}
)
for _name in MESSAGES:
    BOOK |= _message_rules(_name)


# --- random workspaces ----------------------------------------------------------------------------


class Maker:
    """One seeded workspace."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.owned = owned(seed)

    def workspace(self, caps: tuple[model.Cap, ...] = ()) -> model.Workspace:
        count = self.draw.choice([1, 1, 2, 3])
        return workspace(
            *(self.journey(f"j{n}") for n in range(count)),
            messages=[mail(m, channel=channel_of(m)) for m in MESSAGES],
            caps=caps,
        )

    def journey(self, name: str) -> model.Journey:
        draw = self.draw
        size = draw.randint(2, 7)
        self.rules = list(RUN_RULES)
        self.ids = [f"s{n}" for n in range(size)]
        kinds = [draw.choice(STEP_KINDS) for _ in range(size)]
        messages = draw.sample(MESSAGES, 4)
        self.sends = {n: messages.pop() for n, k in enumerate(kinds) if k == "send" and messages}
        for message in self.sends.values():
            self.rules += _message_rules(message)
        self.spare = messages
        steps = [self.step(n, kind) for n, kind in enumerate(kinds)]
        exits = tuple(
            leave_when(draw.choice(self.rules), draw.choice(["end", "end", self.ids[-1]]))
            for _ in range(draw.choice([0, 0, 1, 2]))
        )
        entries = tuple(self.entry() for _ in range(draw.choice([1, 1, 1, 2])))
        again = draw.choice(["never", "after finishing", "after finishing", "each time"])
        return journey(name, entries, *steps, exits=exits, again=again, priority=draw.randint(0, 2))

    def entry(self) -> model.Entrance:
        draw = self.draw
        match draw.randint(0, 7):
            case 0:
                return on_list(draw.choice(LISTS), leaving=draw.random() < 0.3)
            case 1:
                return model.Entrance(model.OnCreated())
            case 2:
                return on_rule(draw.choice(list(CONTACT_RULES)))
            case 3:
                yearly = draw.random() < 0.3
                offset = draw.choice([-1, 0, 2])
                return on_date("due", offset_days=offset, yearly=yearly, at_seconds=self.clock())
            case 4:
                return model.Entrance(model.OnForm("f"))
            case 5:
                return on_event(draw.choice(EVENTS), key="order")
            case 6:
                return on_event(draw.choice(EVENTS), only_if=model.RuleText(EVENT_RULE))
        return on_event(draw.choice(EVENTS))

    def clock(self) -> int:
        return self.draw.choice([0, 2 * HOUR + 1800, 6 * HOUR, 9 * HOUR, 12 * HOUR])

    def target(self, n: int) -> str:
        """A later step, or the end; a loop needs a wait and is made only by waits."""
        return self.draw.choice([*self.ids[n + 1 :], "end"]) if self.draw.random() < 0.5 else (
            self.ids[n + 1] if n + 1 < len(self.ids) else "end"
        )  # fmt: skip

    def span(self) -> tuple[int, int, int]:
        return self.draw.choice([(GRID, 0, 0), (2 * GRID, 0, 0), (0, 1, 0), (0, 2, 0), (0, 0, 1)])

    def cases(self, n: int) -> dict[str, str]:
        return {
            rule: self.target(n) for rule in self.draw.sample(self.rules, self.draw.randint(1, 2))
        }

    def step(self, n: int, kind: str) -> model.Step:
        draw, name = self.draw, self.ids[n]
        then, otherwise = self.target(n), self.target(n)
        match kind:
            case "send" if n in self.sends:
                message = self.sends[n]
                return send(message, then, otherwise, id=name, channel=channel_of(message))
            case "wait" | "send":
                return self.wait_step(name, then, draw.choice([None, otherwise]))
            case "until":
                return until(name, self.cases(n), otherwise, draw.choice([None, self.span()]))
            case "branch":
                return branch(name, self.cases(n), otherwise)
            case "set":
                values = draw.choice([
                    {"city": "Eilat"}, {"points": "=visits + 1"}, {"points": "=points * 2"},
                    {"points": "7", "city": "Haifa"}, {"points": "seven"}, {"due": "2026-03-29"},
                    {"city": "Haifa", "email": (self.owned or "no address").capitalize()},
                ])  # fmt: skip
                return put(name, then, otherwise, **values)
            case "add":
                return add(name, then, otherwise, visits=draw.choice(["1", "2", "-1"]))
            case "reset":
                return model.Reset(name, ("visits",), then)
            case "member":
                join, leave = draw.choice(
                    [("a", None), (None, "a"), ("b", "a"), ("a", "b"), ("c", "b"), ("c", None)]
                )
                return model.Membership(name, then, join, leave)
        return self.series(name, then)

    def wait_step(self, name: str, then: str, otherwise: str | None) -> model.Wait:
        match self.draw.randint(0, 4):
            case 0:
                return wait(name, then, at_seconds=self.clock())
            case 1:
                return wait(name, then, at_seconds=self.clock(), weekday=self.draw.randint(0, 6))
            case 2:
                text = self.draw.choice(["due", "due - 1d at 10:00", "due at 02:30"])
                return wait(name, then, until=model.RuleText(text), otherwise=otherwise)
            case 3:
                span = (0, self.draw.randint(0, 2), 0)
                return wait(name, then, span=span, at_seconds=self.clock(), otherwise=otherwise)
        return wait(name, then, span=self.span())

    def series(self, name: str, then: str) -> model.Step:
        draw = self.draw
        if not self.spare:
            return model.End(name)
        messages, self.spare = self.spare[:2], self.spare[2:]
        items = tuple(
            model.SeriesItem(
                day,
                channel_of(message),  # type: ignore[arg-type]
                message,
                draw.choice([None, self.clock()]),
                draw.choice([None, model.RuleText(draw.choice(list(RUN_RULES)))]),
            )
            for day, message in enumerate(messages, draw.randint(0, 1))
        )
        return model.Series(name, items, then, late_skip=draw.random() < 0.5)


# --- random histories -----------------------------------------------------------------------------


@dataclass
class Deed:
    """Something that happens to some contacts; `words` say what."""

    at: int
    contacts: list[int]
    words: tuple[Any, ...]
    data: dict[str, Any] = field(default_factory=dict)


def make_history(seed: int, contacts: int) -> list[Deed]:
    draw = random.Random(seed * 7919 + 1)
    deeds = []
    for _ in range(draw.randint(5, 45)):
        at = START + draw.randrange(0, END - START, GRID)
        if draw.random() < 0.2:
            at += draw.choice([1, HOUR, 3 * HOUR, -1])
        who = sorted(draw.sample(range(contacts), draw.randint(1, min(contacts, 6))))
        deeds.append(Deed(max(at, START), who, *_words(draw)))
    return sorted(deeds, key=lambda deed: deed.at)


def _words(draw: random.Random) -> tuple[tuple[Any, ...], dict[str, Any]]:
    match draw.randint(0, 9):
        case 0 | 1 | 2:
            data = {"order": draw.choice("123"), "kind": draw.choice(["big", "small"])}
            return ("event", draw.choice(EVENTS)), data
        case 3 | 4:
            return (draw.choice(["join", "join", "leave"]), draw.choice(LISTS)), {}
        case 5:
            return ("set", "city", draw.choice(CITIES)), {}
        case 6:
            day = date(2026, 3, 20) + timedelta(days=draw.randint(0, 14))
            return ("set", "due", draw.choice([None, day.isoformat(), day.isoformat()])), {}
        case 7:
            return ("set", "visits", draw.randint(0, 4)), {}
        case 8:
            return ("form", "f"), {"pet": "dog"}
    name = draw.choice(MESSAGES)
    return ("note", "replied" if name == "m3" else draw.choice(["opened", "clicked"]), name), {}


def first_fields(seed: int, contact: int) -> dict[str, Any]:
    """What a contact is created with; every fifth has no e-mail address."""
    draw = random.Random(seed * 104_729 + contact)
    day = date(2026, 3, 20) + timedelta(days=draw.randint(0, 14))
    return {
        "email": None if draw.random() < 0.2 else f"c{contact}@example.com",
        "phone": f"+9725000{contact:05d}",
        "city": draw.choice(CITIES),
        "visits": draw.choice([None, 1, 3]),
        "due": draw.choice([None, day.isoformat()]),
    }


def owned(seed: int) -> str | None:
    """The first contact's e-mail address; nobody ever gets another one."""
    address: str | None = first_fields(seed, 0)["email"]
    return address


def fails(seed: int, contact: int, name: str) -> bool:
    return random.Random(f"{seed} {contact} {name}").random() < 0.15


# --- the engine -----------------------------------------------------------------------------------


def operation(play: Play, deed: Deed) -> records.Operation:
    who = numbers(*deed.contacts)
    match deed.words:
        case ("event" | "form" as space, name):
            return happened(name, *deed.contacts, space=space, **deed.data)
        case ("join" | "leave" as verb, name):
            return records.Joined(name, who, verb == "leave", "sim")
        case ("set", name, value):
            return play.op_set(deed.contacts, **{name: value})
        case ("note", fact, name):
            return noted(fact, name, *deed.contacts, channel=channel_of(name))
    raise AssertionError


def start_engine(
    seed: int, contacts: int, caps: tuple[model.Cap, ...] = (), **options: Any
) -> Play:
    play = Play(Maker(seed).workspace(caps), now=START, **options)
    play.answer = lambda contact, name: (
        (OutcomeCode.FAILED, "failed") if fails(seed, contact, name) else (OutcomeCode.ACCEPTED, "")
    )
    rows = [first_fields(seed, contact) for contact in range(contacts)]
    play.create(contacts, **{name: [row[name] for row in rows] for name in rows[0]})
    return play


def by_instant(history: list[Deed]) -> list[tuple[int, list[Deed]]]:
    groups: dict[int, list[Deed]] = {}
    for deed in history:
        groups.setdefault(deed.at, []).append(deed)
    return sorted(groups.items())


def play_instant(play: Play, at: int, deeds: list[Deed]) -> None:
    """Lets time run up to `at`, and takes everything of that instant before it is looked at."""
    while (due := play.state.next_due()) < at:
        play.now = max(due, play.now)
        play.settle()
    play.now = max(at, play.now)
    for deed in deeds:
        play.accept(operation(play, deed))
    play.settle()


def run_engine(seed: int, contacts: int, history: list[Deed], **options: Any) -> Play:
    play = start_engine(seed, contacts, **options)
    for at, deeds in by_instant(history):
        play_instant(play, at, deeds)
    play.at(END)
    return play


def engine_summary(play: Play, contact: int) -> dict[str, Any]:
    return {
        "sent": sorted((at, name) for at, who, name in play.sent if who == contact),
        "fields": {name: play.value(contact, name) for name in SHOWN},
        "lists": [n for n in LISTS if play.fact(contact, "list", n, "member")],
        "where": [where[1:] for where in positions(play.state) if where[0] == contact],
    }


# --- the model ------------------------------------------------------------------------------------


def run_model(seed: int, contact: int, history: list[Deed]) -> Model:
    own = owned(seed) if contact == 0 else None
    plain = Model(
        Maker(seed).workspace(), BOOK, lambda name: fails(seed, contact, name),
        lambda name, value: name == "email" and value.lower() != own,
    )  # fmt: skip
    fields = first_fields(seed, contact)
    if fields["due"] is not None:
        fields["due"] = (date.fromisoformat(fields["due"]) - date(1970, 1, 1)).days
    plain.accept(lambda: plain.create(fields))
    plain.settle(START)
    for at, deeds in by_instant(history):
        mine = [deed for deed in deeds if contact in deed.contacts]
        if mine:
            _run_to(plain, at)
            plain.accept(*(_fact(plain, deed) for deed in mine))
            plain.settle(at)
    _run_to(plain, END)
    plain.settle(END)
    return plain


def _run_to(plain: Model, at: int) -> None:
    while (due := plain.next_due()) is not None and due < at:
        plain.settle(max(due, plain.now))


def _fact(plain: Model, deed: Deed) -> Any:
    match deed.words:
        case ("event" | "form" as space, name):
            return lambda: plain.happen(space, name, deed.data)
        case ("join", name):
            return lambda: plain.change_lists(name, "")
        case ("leave", name):
            return lambda: plain.change_lists("", name)
        case ("set", name, value):
            if name == "due" and value is not None:
                value = (date.fromisoformat(value) - date(1970, 1, 1)).days
            return lambda: plain.set_fields({name: value})
        case ("note", fact, name):
            return lambda: plain.note(fact, channel_of(name), name)
    raise AssertionError


def model_summary(plain: Model) -> dict[str, Any]:
    return {
        "sent": sorted((at, name) for at, name, why in plain.log if why == "sent"),
        "fields": {name: plain.read(name) for name in SHOWN},
        "lists": [n for n in LISTS if n in plain.person.members],
        "where": sorted((r.journey.name, r.step, r.entered) for r in plain.person.runs),
    }
