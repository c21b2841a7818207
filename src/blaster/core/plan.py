"""Journeys as the tick runs them: rules compiled, steps numbered, readers of each fact listed.

A plan is made from one checked workspace and never changes; what runs in it lives in `state`.
Steps become few primitive kinds: a series is lowered to waits, looks and sends.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal

from blaster.model import definitions as model
from blaster.model.fields import BUILT_IN_FIELDS, Field
from blaster.rules import Fact, Rule, Scope, Value, Zones, compile_rule, compile_value

Place = Literal["enter", "steps", "audience", "scenario"]

GONE = -1
"""The target that ends a run."""
CAMPAIGN_STEP = "send"
"""What the one step of a campaign is called."""
UNSET = -2
"""A target that was not given."""

Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What a send or call step puts out. `caps` are indices into the plan's caps."""

    channel: str
    name: str
    category: str
    topic: str | None
    caps: tuple[int, ...]

    @property
    def key(self) -> Key:
        return ("message", self.channel, self.name)


@dataclass(frozen=True, slots=True)
class PlanStep:
    """`source` is the id of the step as written; several primitive steps may share one."""

    index: int
    source: str
    then: int
    otherwise: int


@dataclass(frozen=True, slots=True)
class SendStep(PlanStep):
    outgoing: Outgoing


@dataclass(frozen=True, slots=True)
class WaitStep(PlanStep):
    """See `model.definitions.Wait`; `day` counts calendar days from the run's entry or `value`.

    `late_s`: a run that is later than that, when it arrives or when it is let go, goes `otherwise`.
    """

    span: tuple[int, int, int] | None = None
    at_seconds: int | None = None
    weekday: int | None = None
    day: int | None = None
    value: Value | None = None
    late_s: int | None = None


@dataclass(frozen=True, slots=True)
class LookStep(PlanStep):
    """A branch, or with `waits` a wait until one of the rules is true (for `span` at most)."""

    rules: tuple[Rule, ...]
    targets: tuple[int, ...]
    waits: bool = False
    span: tuple[int, int, int] | None = None


@dataclass(frozen=True, slots=True)
class SetStep(PlanStep):
    """Fields with their literal text or their compiled expression."""

    writes: tuple[tuple[Field, str | None, Value | None], ...]


@dataclass(frozen=True, slots=True)
class AddStep(PlanStep):
    amounts: tuple[tuple[Field, str], ...]


@dataclass(frozen=True, slots=True)
class ResetStep(PlanStep):
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class MemberStep(PlanStep):
    join: str
    leave: str


@dataclass(frozen=True, slots=True)
class EndStep(PlanStep):
    pass


@dataclass(frozen=True, slots=True)
class PlanEntry:
    index: int
    on: model.Trigger
    key: str | None
    only_if: Rule | None
    when: Rule | None


@dataclass(frozen=True, slots=True)
class Readers:
    """Who looks again when a fact changed: indices of exits, waiting steps and entries."""

    exits: list[int] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)
    entries: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class JourneyPlan:
    name: str
    definition: model.Journey
    entries: tuple[PlanEntry, ...]
    exits: tuple[tuple[Rule, int], ...]
    steps: tuple[PlanStep, ...]
    readers: dict[Key, Readers]
    attributes: frozenset[str]
    resets: tuple[Field, ...]
    own: frozenset[tuple[str, str]]
    steps_read: frozenset[str] = frozenset()
    """Journeys at whose steps its rules look."""
    links: frozenset[Key] = frozenset()
    """(channel, message, link): the links that its rules ask for by name."""

    def looks_up(self) -> bool:
        """Whether a rule or expression may read a look-up table."""
        entries = [r for e in self.entries for r in (e.when, e.only_if) if r is not None]
        texts = [rule.text for rule in (*entries, *self.rules())]
        return any("lookup" in text for text in texts + [value.text for value in self.values()])

    def rules(self) -> list[Rule]:
        """Every rule that runs of this journey are looked at with."""
        steps = [rule for step in self.steps if isinstance(step, LookStep) for rule in step.rules]
        return [rule for rule, _ in self.exits] + steps

    def facts(self) -> list[tuple[Fact, ...]]:
        """What every rule and expression reads."""
        return [rule.facts for rule in self.rules()] + [value.facts for value in self.values()]

    def everything_read(self) -> list[tuple[Fact, ...]]:
        """`facts`, and what its entries read."""
        rules = [r for e in self.entries for r in (e.when, e.only_if) if r is not None]
        return self.facts() + [rule.facts for rule in rules]

    def values(self) -> list[Value]:
        """Every expression that runs of this journey are looked at with."""
        waits = [s.value for s in self.steps if isinstance(s, WaitStep) and s.value is not None]
        sets = [v for s in self.steps if isinstance(s, SetStep) for _, _, v in s.writes]
        return waits + [value for value in sets if value is not None]


@dataclass(frozen=True, slots=True)
class CampaignPlan:
    """A campaign has one step, that sends. `starts` is None for one that begins by command."""

    name: str
    definition: model.Campaign
    audience: Rule
    starts: int | None
    rate: model.Rate | None
    steps: tuple[SendStep, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """`attributes` are, by message, those of what started a run that its text reads.

    `links` are those (channel, message, link) that messages have or a campaign's rule asks for.
    """

    workspace: model.Workspace
    fields: dict[str, Field]
    journeys: dict[str, JourneyPlan]
    outgoing: dict[tuple[str, str], Outgoing]
    caps: tuple[model.Cap, ...]
    attributes: dict[tuple[str, str], frozenset[str]]
    campaigns: dict[str, CampaignPlan]
    links: frozenset[Key]

    def as_published(self, outgoing: Outgoing) -> Outgoing:
        """The message as it is here: class and caps. One that is not here any more, which a version
        or campaign of an earlier publication still sends, has its class and the caps of now.
        """
        found = self.outgoing.get((outgoing.channel, outgoing.name))
        return found or replace(outgoing, caps=_covering(self.caps, outgoing))

    def keeps(self, before: Plan | None, name: str) -> bool:
        """Whether a journey is as it was: its definition, and the tables that its rules read."""
        known = None if before is None else before.journeys.get(name)
        journey = self.journeys[name]
        if before is None or known is None or known.definition != journey.definition:
            return False
        return before.workspace.tables == self.workspace.tables or not journey.looks_up()

    def attributes_of(self, event: str) -> dict[str, Field]:
        """The declared attributes of an event."""
        for declared in self.workspace.events:
            if declared.name == event:
                return {attribute.name: attribute for attribute in declared.attributes}
        return {}


def base_key(key: Key) -> Key:
    """The fact whose change concerns this column: every column of a message is one fact."""
    if key[0] == "message":
        return key[:3]
    if key[0] in ("created", "entered"):
        return key[:1]
    if key[0] == "provider":
        return ("field", "email")
    return key[:2]


def fields_of(workspace: model.Workspace) -> dict[str, Field]:
    """Declared and built-in fields by name."""
    return {field.name: field for field in (*BUILT_IN_FIELDS, *workspace.fields)}


def scope_of(workspace: model.Workspace, place: Place = "audience", **more: Any) -> Scope:
    """Where a rule of this workspace stands: its fields, tables and declared attributes."""
    return Scope(
        fields=fields_of(workspace),
        tables=workspace.tables,
        event_attributes={
            event.name: {each.name: each for each in event.attributes} for event in workspace.events
        },
        place=place,
        **more,
    )


def make_plan(workspace: model.Workspace) -> Plan:
    """Compiles a checked workspace. Raises DefinitionError if a rule does not compile."""
    plan = bare_plan(workspace)
    for journey in workspace.journeys:
        plan.journeys[journey.name] = compile_journey(plan, journey)
    for campaign in workspace.campaigns:
        plan.campaigns[campaign.name] = compile_campaign(plan, campaign)
    asked = _links_of(campaign.audience.facts for campaign in plan.campaigns.values())
    return replace(plan, links=plan.links | asked)


def bare_plan(workspace: model.Workspace) -> Plan:
    """What the journeys and campaigns of a workspace are compiled over; none of them."""
    fields = fields_of(workspace)
    caps = workspace.account.caps
    outgoing: dict[tuple[str, str], Outgoing] = {
        (message.channel, message.name): Outgoing(
            message.channel,
            message.name,
            message.category,
            message.topic,
            _covering(caps, message),
        )
        for message in workspace.messages
    }
    attributes: dict[tuple[str, str], frozenset[str]] = {
        (message.channel, message.name): frozenset(message.attributes)
        for message in workspace.messages
    }
    links = frozenset((m.channel, m.name, link) for m in workspace.messages for link in m.links)
    return Plan(workspace, fields, {}, outgoing, caps, attributes, {}, links)


def compile_campaign(plan: Plan, campaign: model.Campaign) -> CampaignPlan:
    """A campaign over the fields and messages of a plan. Raises DefinitionError."""
    rule = compile_rule(campaign.audience.text, scope_of(plan.workspace, "audience"))
    outgoing = plan.outgoing[campaign.channel, campaign.message]
    step = SendStep(0, CAMPAIGN_STEP, GONE, GONE, outgoing)
    starts = _instant_of(campaign.start, plan.workspace.account.zone) if campaign.start else None
    return CampaignPlan(campaign.name, campaign, rule, starts, campaign.rate, (step,))


def _instant_of(local: str, zone: str) -> int:
    """The instant of a local time, `YYYY-MM-DD HH:MM:SS`."""
    shown = int(datetime.fromisoformat(local).replace(tzinfo=UTC).timestamp())
    return int(Zones(zone).instant([shown // 86_400], [shown % 86_400])[0])


def compile_journey(plan: Plan, journey: model.Journey) -> JourneyPlan:
    """A journey over the fields and messages of a plan. Raises DefinitionError."""
    return _Compiler(plan, journey).compile()


def _covering(caps: tuple[model.Cap, ...], sent: model.Message | Outgoing) -> tuple[int, ...]:
    """Which of these caps count a message."""
    return tuple(
        index
        for index, cap in enumerate(caps)
        if cap.category in (None, sent.category)
        and cap.topic in (None, sent.topic)
        and cap.channel in (None, sent.channel)
    )


class _Compiler:
    """Lowers one journey. Targets are resolved once every step has its number."""

    def __init__(self, plan: Plan, journey: model.Journey) -> None:
        self.journey = journey
        self.workspace = plan.workspace
        self.fields = plan.fields
        self.outgoing = plan.outgoing
        self.messages = plan.attributes
        self.own = frozenset(_messages_sent(journey))
        self.first: dict[str, int] = {}
        number = 0
        for step in journey.steps:
            self.first[step.id] = number
            number += _width(step)
        self.steps: list[PlanStep] = []

    def compile(self) -> JourneyPlan:
        entries = [self._entry(index, e) for index, e in enumerate(self.journey.entries)]
        if not any(isinstance(entry.on, model.OnApi) for entry in entries):
            entries.append(_by_request(entries))
        scope = self._scope("steps")
        exits = tuple(
            (compile_rule(leave.when.text, scope), self._target(leave.then))
            for leave in self.journey.exits
        )
        for step in self.journey.steps:
            self._lower(step, scope)
        plan = JourneyPlan(
            self.journey.name,
            self.journey,
            tuple(entries),
            exits,
            tuple(self.steps),
            {},
            frozenset().union(*(self.messages.get(key, ()) for key in self.own)),
            tuple(
                {
                    f.name: f for s in self.steps if isinstance(s, ResetStep) for f in s.fields
                }.values()
            ),
            self.own,
        )
        return _with_readers(plan)

    def _scope(self, place: Place) -> Scope:
        return scope_of(self.workspace, place, journey=self.journey.name, own_messages=self.own)

    def _target(self, name: str | None) -> int:
        if name is None:
            return UNSET
        return GONE if name == model.END else self.first[name]

    def _entry(self, index: int, entry: model.Entrance) -> PlanEntry:
        scope = self._scope("enter")
        when = None
        if isinstance(entry.on, model.OnRule):
            when = compile_rule(entry.on.when.text, self._scope("audience"))
        only_if = compile_rule(entry.only_if.text, scope) if entry.only_if else None
        return PlanEntry(index, entry.on, entry.key, only_if, when)

    def _lower(self, step: model.Step, scope: Scope) -> None:
        number = len(self.steps)
        then = self._target(getattr(step, "then", model.END))
        otherwise = self._target(getattr(step, "otherwise", None))
        base = (number, step.id, then, otherwise)
        match step:
            case model.Send():
                self.steps.append(SendStep(*base, self.outgoing[step.channel, step.message]))
            case model.Call():
                self._lower_call(step, then, otherwise)
            case model.Wait():
                value = compile_value(step.until.text, scope) if step.until else None
                self.steps.append(
                    WaitStep(*base, step.span, step.at_seconds, step.weekday, None, value)
                )
            case model.WaitUntil() | model.Branch():
                self._lower_look(step, base, scope)
            case model.Set():
                self.steps.append(
                    SetStep(*base, tuple(self._write(to, scope) for to in step.values))
                )
            case model.Add():
                self.steps.append(
                    AddStep(*base, tuple((self.fields[name], by) for name, by in step.amounts))
                )
            case model.Reset():
                self.steps.append(ResetStep(*base, tuple(self.fields[n] for n in step.fields)))
            case model.Membership():
                self.steps.append(MemberStep(*base, step.join or "", step.leave or ""))
            case model.Series():
                self._lower_series(step, then, scope)
            case model.End():
                self.steps.append(EndStep(*base))

    def _lower_look(
        self, step: model.WaitUntil | model.Branch, base: tuple[int, str, int, int], scope: Scope
    ) -> None:
        waits = isinstance(step, model.WaitUntil)
        rules = tuple(compile_rule(case.when.text, scope) for case in step.cases)
        targets = tuple(self._target(case.then) for case in step.cases)
        span = step.span if isinstance(step, model.WaitUntil) else None
        self.steps.append(LookStep(*base, rules, targets, waits, span))

    def _lower_call(self, call: model.Call, then: int, otherwise: int) -> None:
        """All targets are called, whatever becomes of the others; a failure counts at the end.

        Behind the first target stand two chains: of runs that failed nowhere, and of the rest.
        """
        if otherwise == UNSET:
            otherwise = then
        count = len(call.names)
        first = len(self.steps)

        def place(position: int, failed: int) -> int:
            last = otherwise if failed else then
            return last if position == count else first + 2 * position - 1 + failed

        for position, name in enumerate(call.names):
            outgoing = Outgoing(call.target, name, "call", None, ())
            for failed in (0, 1) if position else (0,):
                good, bad = place(position + 1, failed), place(position + 1, 1)
                self.steps.append(SendStep(len(self.steps), call.id, good, bad, outgoing))

    def _write(self, to: model.SetTo, scope: Scope) -> tuple[Field, str | None, Value | None]:
        field = self.fields[to.field]
        if to.expression is None:
            return field, to.value, None
        return field, None, compile_value(to.expression.text, scope, field.kind)

    def _lower_series(self, series: model.Series, then: int, scope: Scope) -> None:
        """Each item: wait for its day, look at `unless`, send; then the next in any case."""
        start = compile_value(series.start.text, scope) if series.start else None
        for position, item in enumerate(series.items):
            number = len(self.steps)
            width = _item_width(item)
            after = number + width if position + 1 < len(series.items) else then
            late = after if series.late_skip else UNSET
            self.steps.append(
                WaitStep(
                    number,
                    series.id,
                    number + 1,
                    late,
                    None,
                    item.at_seconds,
                    None,
                    item.day,
                    start,
                    series.late_within_s if series.late_skip else None,
                )
            )
            if item.unless is not None:
                rule = compile_rule(item.unless.text, scope)
                self.steps.append(
                    LookStep(number + 1, series.id, after, number + 2, (rule,), (after,))
                )
            self.steps.append(
                SendStep(
                    number + width - 1,
                    series.id,
                    after,
                    after,
                    self.outgoing[item.channel, item.message],
                )
            )


def _by_request(entries: list[PlanEntry]) -> PlanEntry:
    """Every journey can be started by request; by its key, when all its entries have the same."""
    keys = {entry.key for entry in entries}
    key = keys.pop() if len(keys) == 1 else None
    return PlanEntry(len(entries), model.OnApi(), key, None, None)


def _item_width(item: model.SeriesItem) -> int:
    return 2 if item.unless is None else 3


def _width(step: model.Step) -> int:
    """How many primitive steps a step becomes."""
    if isinstance(step, model.Call):
        return 2 * len(step.names) - 1
    return sum(map(_item_width, step.items)) if isinstance(step, model.Series) else 1


def _messages_sent(journey: model.Journey) -> list[tuple[str, str]]:
    sent: list[tuple[str, str]] = []
    for step in journey.steps:
        if isinstance(step, model.Send):
            sent.append((step.channel, step.message))
        elif isinstance(step, model.Series):
            sent.extend((item.channel, item.message) for item in step.items)
    return sent


def _with_readers(plan: JourneyPlan) -> JourneyPlan:
    """Lists who reads which fact, and which attributes of what started them runs must keep."""

    def reads(facts: tuple[Fact, ...], kind: str, index: int) -> None:
        for fact in facts:
            readers = plan.readers.setdefault(base_key(fact.key), Readers())
            indices: list[int] = getattr(readers, kind)
            if index not in indices:
                indices.append(index)

    attributes = set(plan.attributes)
    steps_read: set[str] = set()
    for index, (rule, _) in enumerate(plan.exits):
        reads(rule.facts, "exits", index)
    for step in plan.steps:
        if isinstance(step, LookStep) and step.waits:
            for rule in step.rules:
                reads(rule.facts, "steps", step.index)
        elif isinstance(step, WaitStep) and step.value is not None:
            reads(step.value.facts, "steps", step.index)
    for facts in plan.facts():
        for fact in facts:
            # Looked at later, by a branch: its columns are kept all the same.
            plan.readers.setdefault(base_key(fact.key), Readers())
            if fact.key[0] == "attribute":
                attributes.add(fact.key[1])
    for entry in plan.entries:
        if entry.key is not None:
            attributes.add(entry.key)
            if isinstance(entry.on, model.OnEvent):
                plan.readers.setdefault(("event", entry.on.event), Readers())
            elif isinstance(entry.on, model.OnApi):
                plan.readers.setdefault(("started", plan.name), Readers())
        if entry.when is not None:
            reads(entry.when.facts, "entries", entry.index)
        elif isinstance(entry.on, model.OnDate):
            for key in date_keys(entry.on):
                plan.readers.setdefault(key, Readers()).entries.append(entry.index)
    for key in {fact.key for facts in plan.everything_read() for fact in facts}:
        if key[0] == "journey" and key[2] == "step":
            steps_read.add(key[1])
    return replace(
        plan,
        attributes=frozenset(attributes),
        steps_read=frozenset(steps_read),
        links=_links_of(plan.everything_read()),
    )


def _links_of(read: Iterable[tuple[Fact, ...]]) -> frozenset[Key]:
    """(channel, message, link) of the links among these facts."""
    keys = [fact.key for facts in read for fact in facts if len(fact.key) == 5]
    return frozenset((*key[1:3], key[4]) for key in keys if key[0] == "message")


def date_keys(trigger: model.OnDate) -> tuple[Key, ...]:
    """The facts that move a date trigger: its date, and the contact's zone."""
    if trigger.field == "contact.created":
        return (("created",), ("field", "zone"))
    if trigger.field.startswith("list:"):
        return (("list", trigger.field.removeprefix("list:")), ("field", "zone"))
    return (("field", trigger.field), ("field", "zone"))
