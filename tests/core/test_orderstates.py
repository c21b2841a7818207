"""The table of order states: whole, and the only one that says."""

from __future__ import annotations

import numpy as np
import pytest

from blaster.core import TRANSITIONS, SendState
from blaster.core.orders import ORDER
from blaster.core.orderstates import BY_CODE, OPEN, applies, states_of
from blaster.model.fields import NEVER
from blaster.model.outcomes import OutcomeCode


def test_every_outcome_and_every_state_has_its_way() -> None:
    """Each final code is one row; each state can be reached; only a retry leaves a final one."""
    assert set(BY_CODE) == set(OutcomeCode) - {OutcomeCode.DEFERRED}
    assert {way.target for way in TRANSITIONS} == set(SendState)
    assert len({way.name for way in TRANSITIONS}) == len(TRANSITIONS)
    left = {source for way in TRANSITIONS for source in way.sources}
    assert left == {*OPEN, SendState.FAILED}
    for way in TRANSITIONS:
        assert way.is_final == (way.target not in OPEN)


def test_reservations_are_made_once_and_end_with_the_send() -> None:
    """What may have been sent keeps its place, what surely was not gives it back."""
    for way in TRANSITIONS:
        if way.target is SendState.IN_FLIGHT:
            assert way.reservation in ("made", "kept")
        if way in BY_CODE.values():
            kept = way.target in (SendState.ACCEPTED, SendState.UNKNOWN)
            assert (way.reservation in ("settled", "kept")) == kept


@pytest.mark.parametrize("way", TRANSITIONS, ids=lambda way: way.name)
def test_a_way_applies_to_the_orders_in_its_source_states(way) -> None:
    """In flight, waiting for a next try, and settled."""
    found = np.zeros(3, ORDER)
    found["open"] = [True, True, False]
    found["due"] = [NEVER, 77, NEVER]
    assert states_of(found).tolist() == ["in flight", "waiting", ""]
    assert applies(way, found).tolist() == [
        SendState.IN_FLIGHT in way.sources, SendState.WAITING in way.sources, False
    ]  # fmt: skip
