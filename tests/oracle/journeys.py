"""Journeys as LANGUAGE describes them, in plain Python: one contact, one fact, one run at a time.

Slow on purpose. It reads the same definitions as the core, but rules come from a book that says for
each text what it means: `truth(contact, run, now)` and `change(contact, run, now)`, the instant at
which time alone may change it (None: it cannot). Order within an instant: facts one after another,
each with all its consequences (exits, waits, entries); then what is due; then sends.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

from blaster.model import definitions as model
from blaster.model.fields import BUILT_IN_FIELDS
from tests.oracle.journey_facts import Meaning, Person, Run, Sending
from tests.oracle.journey_times import add_months, after, instant_of, local

ENTRIES_PER_INSTANT = 100
INT64 = 2**63


class Model:
    """One contact in a workspace; `log` is what was sent or withheld: (instant, what, why).

    `taken` says of a field and its value whether somebody else has it, whom this model cannot see.
    """

    def __init__(
        self,
        workspace: model.Workspace,
        meanings: dict[str, Meaning],
        fails: Callable[[str], bool] = lambda name: False,
        taken: Callable[[str, Any], bool] = lambda name, value: False,
    ) -> None:
        self.space = workspace
        self.meanings = meanings
        self.fails = fails
        self.taken = taken
        self.types = {f.name: f for f in (*BUILT_IN_FIELDS, *workspace.fields)}
        self.messages = {(m.channel, m.name): m for m in workspace.messages}
        self.person = Person()
        self.now = 0
        self.arrivals: list[tuple[Run, str | None, int]] = []
        self.effects: list[tuple[str, ...]] = []
        self.log: list[tuple[int, str, str]] = []
        self.runs_made = 0
        self.dropped = 0
        self.inbox: list[Callable[[], None]] = []

    # --- what the outside does --------------------------------------------------------------------

    def accept(self, *facts: Callable[[], None]) -> None:
        self.inbox.extend(facts)

    def create(self, fields: dict[str, Any]) -> None:
        self.person.created = self.now
        for name, value in fields.items():
            if value is not None:
                self.person.fields[name] = value
                self.effects.append(("field", name))
        self.effects.append(("created",))

    def set_fields(self, values: dict[str, Any]) -> None:
        for name, value in values.items():
            if self.read(name) != value:
                self.effects.append(("field", name))
            if value is None:
                self.person.fields.pop(name, None)
            else:
                self.person.fields[name] = value

    def read(self, name: str) -> Any:
        declared = self.types.get(name)
        default = 0 if declared is not None and declared.type == "counter" else None
        return self.person.fields.get(name, default)

    def change_lists(self, join: str, leave: str) -> None:
        if leave in self.person.members:
            self.person.members.discard(leave)
            self.effects += [("left", leave), ("list", leave)]
        if join and join not in self.person.members:
            self.person.members.add(join)
            self.person.joined[join] = self.now
            self.effects += [("joined", join), ("list", join)]

    def happen(self, space: str, name: str, data: dict[str, Any]) -> None:
        self.person.events.setdefault((space, name), []).append(self.now)
        for run in self.person.runs:
            if run.key is not None:
                attributes = {e.key for e in run.journey.entries if e.key is not None}
                if any(data.get(a) is not None and str(data[a]) != run.key for a in attributes):
                    continue
            first, _ = run.events.get((space, name), (self.now, self.now))
            run.events[space, name] = (first, self.now)
        self.effects.append((space, name, *(f"{k}={v}" for k, v in sorted(data.items()))))
        self.data = data

    def note(self, fact: str, channel: str, name: str) -> None:
        """Of the newest sending; a click or a reply implies an open."""
        newest = self.person.newest.get((channel, name))
        if newest is None:
            return
        for each in (fact, "opened") if fact in ("clicked", "replied") else (fact,):
            newest.noted.setdefault(each, self.now)
        self.effects.append(("message", channel, name))

    # --- one instant ------------------------------------------------------------------------------

    def settle(self, now: int) -> None:
        """Everything that happens at this instant."""
        self.now = now
        for _ in range(10_000):
            busy = bool(self.inbox)
            while self.inbox:
                self.inbox.pop(0)()
                self.follow()
            busy |= self.due()
            self.follow()
            busy |= self.send()
            self.follow()
            if not busy and not self.inbox:
                return
        raise AssertionError("the model never rests")

    def next_due(self) -> int | None:
        times = [t for run in self.person.runs for t in self.looks(run) if t is not None]
        times += [t for t in self.armed().values() if t is not None]
        return min(times, default=None)

    def looks(self, run: Run) -> list[int | None]:
        """When this run changes or may change by time alone."""
        found: list[int | None] = [run.target] if not run.queued else []
        rules = [leave.when for leave in run.journey.exits]
        step = self.step_of(run)
        if isinstance(step, model.WaitUntil):
            rules += [case.when for case in step.cases]
        found += [self.meanings[r.text].change(self.person, run, self.now) for r in rules]
        return [t for t in found if t is not None]

    def due(self) -> bool:
        """Triggers of time first, then runs."""
        moved = False
        for (name, index), when in sorted(self.armed().items(), key=self._order):
            journey = self.journey(name)
            entry = journey.entries[index]
            if isinstance(entry.on, model.OnRule):
                self.cross(journey, index)
            elif when is not None and when <= self.now:
                moved = True
                self.use(journey, index)
                self.enter(journey, entry, {})
            self.follow()
        for journey in self.space.journeys:
            mine = [run for run in self.person.runs if run.journey is journey]
            for run in mine:
                self.exits(run)
            for run in mine:
                if run.step is None or self.on_the_way(run) or run.queued:
                    continue
                step = self.step_of(run)
                if run.target is not None and run.target <= self.now:
                    moved = True
                    if isinstance(step, model.WaitUntil):
                        self.look(run)
                    else:
                        self.over(run)
                elif isinstance(step, model.WaitUntil):
                    moved |= self.look(run)
        return moved or bool(self.arrivals) or bool(self.effects)

    def _order(self, item: Any) -> tuple[int, int]:
        return ([j.name for j in self.space.journeys].index(item[0][0]), item[0][1])

    def follow(self) -> None:
        """Rounds: every change to its readers, then every run to where it stays."""
        for _ in range(10_000):
            while self.effects:
                effects, self.effects = self.effects, []
                self.wake(effects)
            if not self.arrivals:
                return
            arrivals, self.arrivals = self.arrivals, []
            for run, target, item in arrivals:
                if run.step is not None:
                    self.arrive(run, target, item)
        raise AssertionError("the model never settles")

    def wake(self, effects: list[tuple[str, ...]]) -> None:
        """Exits, then waits and finished sends, then entries."""
        for run in list(self.person.runs):
            self.exits(run)
        for run in list(self.person.runs):
            if self.on_the_way(run):
                continue
            step = self.step_of(run)
            if isinstance(step, model.WaitUntil):
                self.look(run, woken=True)
            elif isinstance(step, model.Wait) and step.until is not None:
                self.aim(run, step)
        for effect in effects:
            if effect[0] == "settled":
                sending = next(s for s in self.pending if str(id(s)) == effect[1])
                run = sending.run
                if run.step is not None and not self.on_the_way(run):
                    self.after_send(run, sent=sending.accepted is not None)
        for effect in effects:
            for journey in self.space.journeys:
                for index, entry in enumerate(journey.entries):
                    self.trigger(journey, index, entry, effect)

    # --- entering ---------------------------------------------------------------------------------

    def journey(self, name: str) -> model.Journey:
        return next(j for j in self.space.journeys if j.name == name)

    def trigger(
        self, journey: model.Journey, index: int, entry: model.Entrance, effect: tuple[str, ...]
    ) -> None:
        match entry.on:
            case model.OnRule():
                if effect[0] != "settled":
                    self.cross(journey, index)
            case model.OnList():
                if effect[:2] == ("left" if entry.on.leaving else "joined", entry.on.list):
                    self.enter(journey, entry, {})
            case model.OnCreated():
                if effect == ("created",):
                    self.enter(journey, entry, {})
            case model.OnEvent():
                if effect[:2] == ("event", entry.on.event):
                    self.enter(journey, entry, self.data)
            case model.OnForm():
                if effect[:2] == ("form", entry.on.form):
                    self.enter(journey, entry, self.data)

    def cross(self, journey: model.Journey, index: int) -> None:
        entry = journey.entries[index]
        truth = bool(self.meanings[entry.on.when.text].truth(self.person, None, self.now))
        before = self.person.crossed.get((journey.name, index), False)
        self.person.crossed[journey.name, index] = truth
        if truth and not before:
            self.enter(journey, entry, {})

    def armed(self) -> dict[tuple[str, int], int | None]:
        """When date triggers fire and rules of time look again."""
        found: dict[tuple[str, int], int | None] = {}
        for journey in self.space.journeys:
            for index, entry in enumerate(journey.entries):
                if isinstance(entry.on, model.OnDate):
                    found[journey.name, index] = self.occurrence(journey, index, entry.on)
                elif isinstance(entry.on, model.OnRule):
                    meaning = self.meanings[entry.on.when.text]
                    found[journey.name, index] = meaning.change(self.person, None, self.now)
        return found

    def occurrence(self, journey: model.Journey, index: int, on: model.OnDate) -> int | None:
        """The instant of the date, unless it is past or was used."""
        day = self.read(on.field)
        if day is None:
            return None
        base = date(1970, 1, 1) + timedelta(days=day)
        used = self.person.used.get((journey.name, index), -1)
        years = range(local(self.now).year - base.year - 1, local(self.now).year - base.year + 3)
        for turn in [y for y in years if y >= 0] if on.yearly else [0]:
            moved = add_months(base, 12 * turn) + timedelta(days=on.offset_days)
            when = instant_of(moved, on.at_seconds)
            if when >= self.now and when != used:
                return when
        return None

    def use(self, journey: model.Journey, index: int) -> None:
        self.person.used[journey.name, index] = self.now

    def enter(self, journey: model.Journey, entry: model.Entrance, data: dict[str, Any]) -> None:
        person = self.person
        if entry.only_if is not None:
            person.data = data  # type: ignore[attr-defined]
            if not self.meanings[entry.only_if.text].truth(person, None, self.now):
                return
        key = None if entry.key is None else str(data.get(entry.key) or "")
        running = any(run.journey is journey for run in person.runs)
        yearly = isinstance(entry.on, model.OnDate) and entry.on.yearly
        at, count = person.entries_at
        count = count if at == self.now else 0
        refused = count >= ENTRIES_PER_INSTANT
        if key is not None:
            refused |= key in person.keys.get(journey.name, set())
        elif journey.again == "never" and not yearly:
            refused |= journey.name in person.entered
        if journey.again == "after finishing" and not yearly:
            refused |= running
        if refused:
            self.dropped += 1
            return
        person.entries_at = (self.now, count + 1)
        person.entered[journey.name] = self.now
        if key is not None:
            person.keys.setdefault(journey.name, set()).add(key)
        self.runs_made += 1
        run = Run(journey, self.now, self.runs_made, key, dict(data), step="")
        for step in journey.steps:
            if isinstance(step, model.Reset):
                run.baseline |= {name: self.read(name) or 0 for name in step.fields}
        person.runs.append(run)
        self.effects.append(("journey", journey.name))
        self.exits(run)
        if run.step is not None and not self.on_the_way(run):
            self.go(run, journey.steps[0].id if journey.steps else model.END)

    # --- leaving ----------------------------------------------------------------------------------

    def exits(self, run: Run) -> None:
        for index, leave in enumerate(run.journey.exits):
            if run.step is None:
                return
            truth = bool(self.meanings[leave.when.text].truth(self.person, run, self.now))
            if leave.then == model.END:
                if truth:
                    self.end(run)
                continue
            before = run.was.get(index, False)
            run.was[index] = truth
            if truth and not before:
                self.arrivals = [each for each in self.arrivals if each[0] is not run]
                self.go(run, leave.then)

    def end(self, run: Run) -> None:
        run.step = None
        self.person.runs.remove(run)
        self.effects.append(("journey", run.journey.name))

    # --- from step to step ------------------------------------------------------------------------

    def step_of(self, run: Run) -> model.Step | None:
        return next((s for s in run.journey.steps if s.id == run.step), None)

    def on_the_way(self, run: Run) -> bool:
        return any(each[0] is run for each in self.arrivals)

    def go(self, run: Run, target: str, item: int = 0) -> None:
        if run.step is None or self.on_the_way(run):
            return
        if target == model.END:
            self.end(run)
        else:
            self.arrivals.append((run, target, item))

    def arrive(self, run: Run, target: str | None, item: int) -> None:
        run.step, run.item, run.sub = target, item, ""
        run.arrived, run.target, run.queued = self.now, None, False
        step = self.step_of(run)
        match step:
            case model.Send():
                run.queued = True
            case model.Wait():
                self.aim(run, step)
            case model.WaitUntil():
                if step.span is not None:
                    run.target = after(self.now, step.span)
                self.look(run)
            case model.Branch():
                self.go(run, self.first_true(run, step.cases) or step.otherwise)
            case model.Set():
                self.set(run, step)
            case model.Add():
                self.add(run, step)
            case model.Reset():
                for name in step.fields:
                    self.set_fields({name: (self.read(name) or 0) - run.baseline[name]})
                    run.baseline[name] = 0
                self.go(run, step.then)
            case model.Membership():
                self.change_lists(step.join or "", step.leave or "")
                self.go(run, step.then)
            case model.Series():
                self.series(run, step)
            case model.End():
                self.end(run)

    def first_true(self, run: Run, cases: tuple[model.Case, ...]) -> str | None:
        for case in cases:
            if self.meanings[case.when.text].truth(self.person, run, self.now):
                return case.then
        return None

    def look(self, run: Run, *, woken: bool = False) -> bool:
        """A wait until: a case that is true, else the deadline, once all facts are in."""
        step = self.step_of(run)
        assert isinstance(step, model.WaitUntil)
        target = self.first_true(run, step.cases)
        reached = run.target is not None and run.target <= self.now
        if target is None and reached and not woken:
            target = step.otherwise
        if target is not None:
            self.go(run, target)
        return target is not None

    def aim(self, run: Run, step: model.Wait) -> None:
        """Works out when a wait is over; past or missing takes `otherwise` where that is given."""
        when = self.aim_at(run, step)
        run.target = when
        if step.otherwise is not None and (when is None or when < self.now):
            self.go(run, step.otherwise)
        elif when is not None and when <= self.now:
            self.go(run, step.then)

    def aim_at(self, run: Run, step: model.Wait) -> int | None:
        if step.until is not None:
            value: int | None = self.meanings[step.until.text].truth(self.person, run, self.now)
            return value
        if step.at_seconds is None:
            assert step.span is not None
            return after(run.arrived, step.span)
        today = local(self.now).date()
        if step.span is not None:
            day = add_months(today + timedelta(days=step.span[1]), step.span[2])
            return instant_of(day, step.at_seconds)
        for days in range(15):
            day = today + timedelta(days=days)
            if step.weekday is not None and day.isoweekday() % 7 != step.weekday:
                continue
            when = instant_of(day, step.at_seconds)
            if when >= self.now:
                return when
        raise AssertionError

    def over(self, run: Run) -> None:
        step = self.step_of(run)
        if isinstance(step, model.Wait):
            self.go(run, step.then)
        elif isinstance(step, model.Series):
            self.item_due(run, step)

    # --- series -----------------------------------------------------------------------------------

    def series(self, run: Run, step: model.Series) -> None:
        """The day of the item that is next."""
        item = step.items[run.item]
        wall = local(run.entered)
        clock = wall.hour * 3600 + wall.minute * 60 + wall.second
        seconds = clock if item.at_seconds is None else item.at_seconds
        when = instant_of(wall.date() + timedelta(days=item.day), seconds)
        if item.day == 0 and item.at_seconds is None:
            when = run.entered
        run.target = when
        if when < self.now and step.late_skip:
            self.next_item(run, step)
        elif when <= self.now:
            self.item_due(run, step)

    def item_due(self, run: Run, step: model.Series) -> None:
        item = step.items[run.item]
        run.target = None
        if item.unless is not None and self.meanings[item.unless.text].truth(
            self.person, run, self.now
        ):
            self.next_item(run, step)
        else:
            run.queued = True

    def next_item(self, run: Run, step: model.Series) -> None:
        run.queued = False
        if run.item + 1 < len(step.items):
            self.go(run, step.id, run.item + 1)
        else:
            self.go(run, step.then)

    # --- changing ---------------------------------------------------------------------------------

    def set(self, run: Run, step: model.Set) -> None:
        values: dict[str, Any] = {}
        for write in step.values:
            if write.expression is not None:
                text = write.expression.text
                values[write.field] = self.meanings[text].truth(self.person, run, self.now)
            else:
                values[write.field] = fitted(self.types[write.field].type, write.value or "")
        if any(value is None or self.taken(name, value) for name, value in values.items()):
            self.go(run, step.otherwise)
            return
        self.set_fields(values)
        self.go(run, step.then)

    def add(self, run: Run, step: model.Add) -> None:
        sums = {name: (self.read(name) or 0) + int(amount) for name, amount in step.amounts}
        if any(not -INT64 <= total < INT64 for total in sums.values()):
            self.go(run, step.otherwise)
            return
        self.set_fields(sums)
        self.go(run, step.then)

    # --- sending ----------------------------------------------------------------------------------

    pending: list[Sending] = []

    def send(self) -> bool:
        """Sends by class, then priority, then how long they wait."""
        waiting = [run for run in self.person.runs if run.queued]
        if not waiting:
            return False
        order = {j.name: n for n, j in enumerate(self.space.journeys)}
        ranks = {"operational": 0, "sales": 1, "marketing": 2}
        waiting.sort(
            key=lambda run: (
                ranks[self.messages[self.message_of(run)].category],
                -run.journey.priority,
                run.arrived,
                order[run.journey.name],
                [s.id for s in run.journey.steps].index(run.step or ""),
                run.item,
            )
        )
        sent = False
        for run in waiting:
            sent |= self.send_one(run)
        return sent

    def message_of(self, run: Run) -> tuple[str, str]:
        step = self.step_of(run)
        if isinstance(step, model.Series):
            return step.items[run.item].channel, step.items[run.item].message
        assert isinstance(step, model.Send)
        return step.channel, step.message

    def send_one(self, run: Run) -> bool:
        key = self.message_of(run)
        run.queued = False
        sending = Sending(self.now, run, run.step or "")
        self.pending = [*self.pending, sending]
        reason = self.why_not(key)
        if reason:
            self.log.append((self.now, key[1], reason))
            sending.not_sent, sending.reason = self.now, reason
            run.sendings[key] = sending
            self.effects.append(("message", *key))
            self.after_send(run, sent=False)
            return True
        self.log.append((self.now, key[1], "sent"))
        self.inbox.append(lambda: self.outcome(key, sending))
        return True

    def why_not(self, key: tuple[str, str]) -> str:
        field_name = {"email": "email", "sms": "phone"}[key[0]]
        return "" if self.read(field_name) is not None else "no_address"

    def outcome(self, key: tuple[str, str], sending: Sending) -> None:
        if self.fails(key[1]):
            sending.not_sent, sending.reason = self.now, "failed"
        else:
            sending.accepted = self.now
            self.person.newest[key] = sending
        sending.run.sendings[key] = sending
        self.effects += [("message", *key), ("settled", str(id(sending)))]

    def after_send(self, run: Run, *, sent: bool) -> None:
        step = self.step_of(run)
        if isinstance(step, model.Series):
            self.next_item(run, step)
        elif isinstance(step, model.Send):
            self.go(run, step.then if sent else step.otherwise)


def fitted(kind: str, text: str) -> Any:
    """The literal of a set step."""
    if kind in ("integer", "counter"):
        try:
            return int(text)
        except ValueError:
            return None
    if kind == "date":
        try:
            return (date.fromisoformat(text) - date(1970, 1, 1)).days
        except ValueError:
            return None
    return text
