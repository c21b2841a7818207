"""J1 through the core's own tick: one state, one published journey, its decisions and orders.

Every contact has a run. It stands in a wait before the branch that is its step; when it is due the
branch takes the first rule that is true, sends if the outcome says so, and waits for the next
branch. `decisions` reads the records back into the columns the other peers answer with: the next
instant of a run with a send is what its wait will give it once the send is over.
"""

from __future__ import annotations

import msgspec
import numpy as np
import pyarrow as pa

from bench.compare.rules.workload import JOURNEY, N_STEP, NOW
from blaster.core.apply import apply_entry
from blaster.core.orders import Orders
from blaster.core.plan import SendStep, WaitStep
from blaster.core.state import State
from blaster.core.ticks import tick
from blaster.model import definitions as model
from blaster.model import records
from blaster.model.fields import BATCH_ROWS, NEVER, Field

LIMIT = 1 << 40
MESSAGES = ("m1", "m2", "m3")
LISTS = ("list_3", "list_7", "list_17")
FIELDS = (
    Field("visits", "integer"),
    Field("age", "integer"),
    Field("score", "number"),
    Field("city", repeats=True),
    Field("family_status", repeats=True),
    Field("birthday", "date"),
    Field("subscription_end", "date"),
    Field("last_purchase", "instant"),
    Field("total_spent", "number"),
    Field("consent", "boolean"),
)


def workspace(rules: dict[str, str]) -> model.Workspace:
    """The journey as JOURNEY says it."""
    steps: list[model.Step] = [model.Wait(f"start{s}", f"b{s}", (0, 1, 0)) for s in range(N_STEP)]
    for s, (numbers, outcomes) in enumerate(JOURNEY):
        names = [f"o{s}-{place}" for place in range(len(outcomes))]
        cases = [
            model.Case(model.RuleText(rules[f"R{number}"]), name)
            for number, name in zip(numbers, names[:-1], strict=True)
        ]
        steps.append(model.Branch(f"b{s}", tuple(cases), names[-1]))
        for name, (target, delay, send) in zip(names, outcomes, strict=True):
            wait = "w" + name if send else name
            if send:
                steps.append(model.Send(name, "email", "news", wait, wait))
            steps.append(model.Wait(wait, f"b{target}", (delay, 0, 0)))
    entrance = model.Entrance(model.OnEvent("never"))
    return model.Workspace(
        fields=FIELDS,
        messages=tuple(
            model.Message(name, "email", "operational", "-") for name in (*MESSAGES, "news")
        ),
        journeys=(model.Journey("j", (entrance,), tuple(steps), again="each time"),),
    )


class World:
    """The state, ready for a tick again and again."""

    def __init__(self, cols: dict[str, pa.Array], rules: dict[str, str]) -> None:
        self.rows = np.arange(len(cols["visits"]), dtype=np.int64)
        self.state = state = State()
        published = records.Published(msgspec.json.encode(workspace(rules)))
        apply_entry(state, records.Entry(NOW, (published,), {}, LIMIT))
        tick(state, NOW, {}, LIMIT)
        state.contacts.grow(len(self.rows))
        self.journey = state.current["j"]
        self.journey.table.grow(len(self.rows))
        self._fill_contacts(cols)
        self._fill_runs(cols)
        self.restore()

    def _put(self, column, values) -> None:
        for first in range(0, len(self.rows), BATCH_ROWS):
            rows = self.rows[first : first + BATCH_ROWS]
            if isinstance(values, pa.Array):
                column.put_arrow(rows, values.slice(first, len(rows)), keep_null=False)
            else:
                column.put(rows, values[first : first + len(rows)])

    def _fill_contacts(self, cols) -> None:
        for field in FIELDS:
            values = cols[field.name]
            if field.name == "score":
                # As the fit of the text "0.7" would have it: the nearest float64 of what was meant.
                exact = values.to_numpy(zero_copy_only=False).astype(np.float64)
                exact[exact == np.float32(0.7)] = 0.7
                values = pa.array(exact, mask=np.isnan(exact))
            self._put(self.state.column(("field", field.name)), values)
        emails = cols["email"].fill_null("somebody@example.org")
        self._put(self.state.column(("field", "email")), emails)
        for name in LISTS:
            self._put(self.state.column(("list", name, "member")), cols[name])

    def _fill_runs(self, cols) -> None:
        table = self.journey.table
        for name in MESSAGES:
            for what in ("sent", "opened", "clicked", "bounced"):
                key = ("message", "email", name, what)
                if table.has(key):
                    self._put(table.column(key), cols[f"{name}_{what}"])
        rows, count = self.rows, len(self.rows)
        self._put(table.column("number"), (rows + 1).astype(np.uint64))
        self._put(table.column("contact"), rows)
        self._put(table.column("entered"), np.full(count, NOW - 100 * 86_400, np.uint32))
        self._put(self.state.column(("runs", self.journey.version)), rows)
        self.journey.running = count
        self.state.next_run = count + 1
        index = {step.source: step.index for step in self.journey.plan.steps}
        starts = np.array([index[f"start{s}"] for s in range(N_STEP)], np.int64)
        self.steps = starts[cols["step"].to_numpy()]
        self.due = cols["due_at"].to_numpy().astype(np.uint32)

    def restore(self, limit: int = NOW) -> None:
        """As before the first tick; who is due at `limit` is due now, nobody else is."""
        due = np.where(self.due <= limit, np.minimum(self.due, NOW), np.maximum(self.due, NOW + 1))
        column = self.journey.column
        for name, values in (("step", self.steps), ("due", due), ("until", due)):
            self._put(column(name), values.astype(values.dtype if name == "step" else np.uint32))
        self._put(column("order"), np.zeros(len(self.rows), np.uint64))
        self.journey.queues.clear()
        self.journey.tries.clear()
        self.state.orders = Orders()
        self.state.counts.clear()

    def tick(self, threads: int = 1) -> records.Entry:
        return tick(self.state, NOW, {}, LIMIT, threads=threads)


def decisions(world: World, entry: records.Entry) -> list[np.ndarray]:
    """Row, next step, next instant, send: of every run that was due, in row order."""
    plan = world.journey.plan
    step = np.full(len(world.rows), -1, np.int64)
    due = np.zeros(len(world.rows), np.int64)
    send = np.zeros(len(world.rows), bool)
    ordered = np.zeros(len(world.rows), bool)
    for operation in entry.operations:
        if isinstance(operation, records.Ordered):
            ordered[operation.runs] = True
        if not isinstance(operation, records.Moved):
            continue
        into = plan.steps[operation.step]
        waits = plan.steps[into.then] if isinstance(into, SendStep) else into
        if not isinstance(waits, WaitStep):
            continue
        assert waits.span is not None
        runs = operation.runs
        step[runs] = int(plan.steps[waits.then].source[1:])
        send[runs] = isinstance(into, SendStep)
        due[runs] = NOW + waits.span[0] if isinstance(into, SendStep) else operation.due
        assert isinstance(into, SendStep) == bool((operation.due == NEVER).all())
    rows = np.flatnonzero(step >= 0)
    if not np.array_equal(ordered, send):
        raise AssertionError("an order for every send, and for nobody else")
    return [rows, step[rows], due[rows], send[rows]]
