"""The deciding part: columns, runs, policy, the pure tick and the fold that applies its records.

Sans-I/O: time and chance are arguments; nothing here opens, waits, logs or sends.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from blaster.core.apply import apply_entry as apply_entry
    from blaster.core.binding import Rows as Rows
    from blaster.core.column import Column as Column
    from blaster.core.fitting import fit as fit
    from blaster.core.handover import orders_in_flight as orders_in_flight
    from blaster.core.handover import orders_of as orders_of
    from blaster.core.normalise import normalise_emails as normalise_emails
    from blaster.core.normalise import normalise_phones as normalise_phones
    from blaster.core.plan import Plan as Plan
    from blaster.core.plan import make_plan as make_plan
    from blaster.core.state import State as State
    from blaster.core.ticks import has_work as has_work
    from blaster.core.ticks import tick as tick

_PUBLIC = {
    "Column": "column",
    "Plan": "plan",
    "Rows": "binding",
    "State": "state",
    "apply_entry": "apply",
    "fit": "fitting",
    "has_work": "ticks",
    "make_plan": "plan",
    "normalise_emails": "normalise",
    "normalise_phones": "normalise",
    "orders_in_flight": "handover",
    "orders_of": "handover",
    "tick": "ticks",
}
__all__ = sorted(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"blaster.core.{_PUBLIC[name]}"), name)
