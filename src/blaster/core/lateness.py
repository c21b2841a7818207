"""What should have been done already: steps and triggers whose instant is past."""

from __future__ import annotations

import msgspec

from blaster.core.state import State


class Late(msgspec.Struct, frozen=True):
    """A journey with `count` runs or entries that are late, the oldest by `seconds`."""

    journey: str
    count: int
    seconds: int


def lateness_of(state: State, now: int) -> list[Late]:
    """The late work of each journey, all its versions together; journeys without any are left out.

    A batch in which nothing is due costs one comparison.
    """
    found: dict[str, tuple[int, int]] = {}
    for version in state.versions:
        columns = []
        if version.running:
            columns.append(version.column("due"))
        if version.open:
            keys = [("armed", version.version, str(entry.index)) for entry in version.plan.entries]
            columns += [column for key in keys if (column := state.find(key)) is not None]
        for column in columns:
            oldest = column.minimum()
            if oldest < now:
                count, seconds = found.get(version.plan.name, (0, 0))
                count += len(column.due_before(now - 1))
                found[version.plan.name] = count, max(seconds, now - int(oldest))
    return [Late(name, count, seconds) for name, (count, seconds) in sorted(found.items())]
