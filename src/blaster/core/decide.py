"""One tick in the making: the decisions so far, and what still has to be looked at because of them.

Every decision is applied the moment it is taken, by the same `apply` that replays the log, so that
the next look sees it. `arrivals` are runs on their way into a step; `effects` are facts that
changed and whose readers have not looked yet; `parked` runs stand in an immediate step behind
another run of their contact.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from blaster.core.apply import apply_operation
from blaster.core.binding import Rows
from blaster.core.lives import POLICY_WAIT_S
from blaster.core.moving import Level, Stay, Way, move_on
from blaster.core.onward import Wave
from blaster.core.parts import Parts
from blaster.core.plan import GONE, LookStep, PlanStep, SendStep, WaitStep
from blaster.core.runs import JourneyState
from blaster.core.state import Effect, State
from blaster.core.timing import after_span, as_times, wait_target
from blaster.model import records
from blaster.model.fields import NEVER

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Travellers:
    """Runs on their way; `ended` is how many times runs had ended in this tick when they set off.

    A row whose run ended since then may be another run's by the time it is looked at again. `way`
    is what is known of all of them, where they were found together.
    """

    journey: JourneyState
    runs: Array
    targets: Array
    ended: int
    way: Way | None = None

    def without(self, journey: JourneyState, runs: Array) -> Travellers:
        """All but these runs of that journey."""
        if journey is not self.journey:
            return self
        keep = ~np.isin(self.runs, runs)
        return Travellers(self.journey, self.runs[keep], self.targets[keep], self.ended)

    def left(self, ended: list[tuple[JourneyState, Array]]) -> Travellers:
        """Those that have not ended meanwhile; `ended` is the tick's."""
        gone = [runs for journey, runs in ended[self.ended :] if journey is self.journey]
        return self.without(self.journey, np.concatenate(gone)) if gone else self


class Decisions:
    """The operations of one tick at `now`, in order, and the runs that it ended.

    `watch` is told of sends that are finally not made, each before it applies.
    """

    def __init__(
        self,
        state: State,
        now: int,
        watch: Callable[[records.Withheld | records.Revoked], None] | None = None,
        threads: int = 1,
    ) -> None:
        self.state = state
        self.now = now
        self.watch = watch
        self.threads = threads
        self.operations: list[records.Operation] = []
        self.effects: list[Effect] = []
        self.arrivals: list[Travellers] = []
        self.ended: list[tuple[JourneyState, Array]] = []
        self.waves: list[Wave] = []
        self.parked: list[tuple[PlanStep, Travellers]] = []
        self.rows = 0

    def emit(self, operation: records.Operation) -> None:
        """Takes a decision: applies it, keeps it, and notes what changed."""
        if isinstance(operation, records.Withheld | records.Revoked):
            if self.watch is not None:
                self.watch(operation)
        elif isinstance(operation, records.Ended):
            self.ended.append((self.state.by_version[operation.journey], operation.runs))
        self.effects.extend(apply_operation(self.state, self.now, operation))
        self.operations.append(operation)

    def emit_moves(
        self,
        journey: JourneyState,
        moves: list[records.Operation],
        parts: Parts,
        levels: list[Level],
        stay: Stay,
    ) -> bool:
        """Takes moves that follow each other (see `onward.advance`); applies them as one if it can.

        Who leaves a reset is counted anew move by move, and who looks at the steps of this journey
        is told of each. Whether they were applied at once: then no queue knows of them yet.
        """
        if journey.plan.name in self.state.steps_read or journey.plan.resets:
            for move in moves:
                self.emit(move)
            return False
        move_on(self.state, journey, parts, levels, stay, self.threads)
        self.operations.extend(moves)
        return True

    # --- runs between steps ---------------------------------------------------------------------

    def go(self, journey: JourneyState, target: int, runs: Array, how: str = "finished") -> None:
        """Sends runs on to a step, or out of the journey; who is on the way already goes on.

        `how` they leave it, if they do: "failed" when a send that was not made ends the run.
        """
        runs = self.staying(journey, runs)
        if not len(runs):
            return
        self.rows += len(runs)
        if target == GONE:
            self.emit(records.Ended(journey.version, runs, how, -1))
        else:
            self.arrivals.append(self.travellers(journey, runs, target))

    def set_off(self, journey: JourneyState, targets: Array, way: Way) -> None:
        """As `go`, of runs that are not on their way and do not leave."""
        runs = way.parts.rows
        self.rows += len(runs)
        self.arrivals.append(Travellers(journey, runs, targets, len(self.ended), way))

    def go_on(self, journey: JourneyState, runs: Array, targets: Array) -> None:
        """As `go`, each run to a step of its own."""
        if self.arrivals:
            keep = np.isin(runs, self.staying(journey, runs))
            runs, targets = runs[keep], targets[keep]
        self.rows += len(runs)
        gone = targets == GONE
        if gone.any():
            self.emit(records.Ended(journey.version, runs[gone], "finished", -1))
            runs, targets = runs[~gone], targets[~gone]
        if len(runs):
            self.arrivals.append(self.travellers(journey, runs, targets))

    def travellers(self, journey: JourneyState, runs: Array, targets: Array | int) -> Travellers:
        """Runs that set off now; `targets` are the steps they go to, one each or one for all."""
        if isinstance(targets, int):
            targets = np.full(len(runs), targets, np.int32)
        return Travellers(journey, runs, targets, len(self.ended))

    def staying(self, journey: JourneyState, runs: Array) -> Array:
        """Those of the runs that are not on their way into another step."""
        for travellers in self.arrivals:
            if travellers.journey is journey and len(runs):
                runs = runs[~np.isin(runs, travellers.runs)]
        return runs

    def move(
        self, journey: JourneyState, step: int, runs: Array, due: Array | int, until: Array | int
    ) -> None:
        """Records where runs are now, and when they are looked at again."""
        if len(runs):
            times = (
                np.full(1, when, np.uint32) if isinstance(when, int) else when
                for when in (due, until)
            )
            self.emit(records.Moved(journey.version, step, runs, *times))

    # --- arriving -------------------------------------------------------------------------------

    def arrive_send(self, journey: JourneyState, step: SendStep, runs: Array) -> None:
        """Queues runs for room."""
        self.move(journey, step.index, runs, NEVER, self.now + POLICY_WAIT_S)

    def arrive_wait(self, journey: JourneyState, step: WaitStep, runs: Array) -> None:
        """Waits until the step's instant; past or missing goes `otherwise` where that is given."""
        target = wait_target(step, Rows.of_runs(self.state, journey, runs), self.now)
        self.place_wait(journey, step, runs, target)

    def place_wait(self, journey: JourneyState, step: WaitStep, runs: Array, target: Array) -> None:
        """Puts runs into a wait whose instants are known (NEVER: the date is missing)."""
        times = as_times(target)
        missing = target == NEVER
        past = ~missing & (target < self.now - (step.late_s or 0))
        reached = ~missing & ~past & (target <= self.now)
        if step.otherwise >= GONE:
            aside = past | missing
            reached_or_past = reached
        else:
            aside = np.zeros(len(runs), bool)
            reached_or_past = reached | past
        waits = ~aside & ~reached_or_past
        due = self._with_exits(journey, runs, times)
        self.move(journey, step.index, runs[waits], due[waits], times[waits])
        self.move(journey, step.index, runs[~waits], self.now, self.now)
        self.go(journey, step.then, runs[reached_or_past])
        self.go(journey, step.otherwise, runs[aside])

    def arrive_look(self, journey: JourneyState, step: LookStep, runs: Array) -> None:
        """Looks at once; a wait stays until a rule is true or its span is over."""
        if not step.waits:
            self.move(journey, step.index, runs, self.now, self.now)
            self.look(journey, step, runs)
            return
        until = np.full(len(runs), NEVER, np.uint32)
        if step.span is not None:
            rows = Rows.of_runs(self.state, journey, runs)
            here = np.full(len(runs), self.now, np.int64)
            until = as_times(after_span(self.state.zones, rows.zones(), here, step.span))
        # The deadline has to stand in the run before the rules are looked at for the first time.
        self.move(journey, step.index, runs, until, until)
        self.look(journey, step, runs)

    def look(
        self, journey: JourneyState, step: LookStep, runs: Array, *, woken: bool = False
    ) -> None:
        """Takes the first rule that is surely true; the rest waits, or goes `otherwise`.

        `woken` by a fact: a deadline of this instant is not over yet, for further facts may come.
        """
        runs = self.staying(journey, runs)
        if not len(runs):
            return
        rows = Rows.of_runs(self.state, journey, runs)
        left = np.ones(len(runs), bool)
        for rule, target in zip(step.rules, step.targets, strict=True):
            taken = left & rows.true(rule, self.now)
            left &= ~taken
            self.go(journey, target, runs[taken])
        if not step.waits:
            self.go(journey, step.otherwise, runs[left])
            return
        until = journey.column("until").take(runs)
        over = left & (until <= self.now)
        if not woken:
            self.go(journey, step.otherwise, runs[over])
        stays = left & ~over
        if not stays.any():
            return
        due = until.copy()
        for rule in step.rules:
            if rule.time_dependent:
                due = np.minimum(due, rows.next_change(rule, self.now))
        due = self._with_exits(journey, runs, due)
        stays &= journey.column("due").take(runs) != due
        self.move(journey, step.index, runs[stays], due[stays], until[stays])

    def _with_exits(self, journey: JourneyState, runs: Array, due: Array) -> Array:
        """The earlier of `due` and the next instant at which an exit may change by itself."""
        for rule, _ in journey.plan.exits:
            if rule.time_dependent:
                rows = Rows.of_runs(self.state, journey, runs)
                due = np.minimum(due, rows.next_change(rule, self.now))
        return due

    # --- leaving --------------------------------------------------------------------------------

    def exit(self, journey: JourneyState, index: int, runs: Array) -> None:
        """Lets those runs leave for which exit `index` is true, or goes where it became true."""
        if not len(runs):
            return
        rule, target = journey.plan.exits[index]
        rows = Rows.of_runs(self.state, journey, runs)
        truth = rows.true(rule, self.now)
        leaving = truth if target == GONE else self._diverted(journey, index, runs, truth)
        self.rows += int(leaving.sum())
        if rule.time_dependent:
            self._look_earlier(journey, runs[~leaving], rows.next_change(rule, self.now)[~leaving])
        if not leaving.any():
            return
        if target == GONE:
            self.emit(records.Ended(journey.version, runs[leaving], "exited", index))
            return
        self.arrivals = [travellers.without(journey, runs[leaving]) for travellers in self.arrivals]
        self.go(journey, target, runs[leaving])

    def exits_of_time(self, journey: JourneyState, runs: Array) -> Array:
        """Exits that may have become true by time alone; answers with the runs that stay."""
        if not journey.routes.timed:
            return self.staying(journey, runs)
        for index, (rule, _) in enumerate(journey.plan.exits):
            if rule.time_dependent:
                self.exit(journey, index, runs[journey.column("step").take(runs) >= 0])
        return self.staying(journey, runs[journey.column("step").take(runs) >= 0])

    def _diverted(self, journey: JourneyState, index: int, runs: Array, truth: Array) -> Array:
        """Notes what an exit that leads to a step is now; those for which it became true."""
        before = journey.table.column(("exit", str(index))).take(runs)
        changed = truth != before
        if changed.any():
            self.emit(records.Diverted(journey.version, index, runs[changed], truth[changed]))
        became: Array = changed & truth
        return became

    def _look_earlier(self, journey: JourneyState, runs: Array, when: Array) -> None:
        """Brings the next look of waiting runs forward to where an exit may change by itself."""
        steps, due = journey.column("step").take(runs), journey.column("due").take(runs)
        for step in journey.plan.steps:
            waits = isinstance(step, WaitStep) or (isinstance(step, LookStep) and step.waits)
            sooner = (steps == step.index) & (when < due)
            if waits and sooner.any():
                until = journey.column("until").take(runs[sooner])
                self.move(journey, step.index, runs[sooner], when[sooner], until)
